"""Claims: the arithmetic agrees with a person's reading and notices changes."""

import csv
import dataclasses
import inspect
import json
import re
from pathlib import Path

import pytest

from rainbench.catalog.published import COLUMNS, load_published
from rainbench.catalog.registry import load_registry
from rainbench.claims import by_training, on_tables, on_weights
from rainbench.claims.document import open_grid
from rainbench.claims.printed import Tables, best, spreads
from rainbench.claims.sentences import AGREED, Finding, judge_by_trainings, load_claims
from rainbench.core.errors import CardError
from rainbench.train.checkpoints import Progress

ROOT = Path(__file__).parents[2]
CLAIMS = {claim.id: claim for claim in load_claims()}
PUBLISHED = load_published()
REGISTRY = load_registry()


def found(name, published=PUBLISHED, claim=None):
    claim = claim or CLAIMS[name]
    return Finding(claim, tuple(claim.on_tables(Tables(published, REGISTRY, claim.paper))))


def scored(psnr, ssim):
    return Progress(best_psnr=psnr, best_ssim=ssim)


@pytest.mark.parametrize("name", [name for name, claim in CLAIMS.items() if claim.on_tables])
def test_the_arithmetic_agrees_with_the_reading(name):
    assert CLAIMS[name].own_table in ("", AGREED[found(name).verdict]), found(name).parts


def test_no_claim_of_the_reading_is_missing(shared):
    """Against the table of claims that a person wrote, with their kinds and verdicts."""
    text = (shared / "papers" / "claims.md").read_text()
    read = {}
    for line in text.splitlines():
        fields = re.split(r"\s*\|\s*", line.strip().strip("|").strip())
        if re.fullmatch(r"[A-EX]\d+", fields[0]):
            read[fields[0]] = fields
    assert set(read) == set(CLAIMS)
    for name, fields in read.items():
        if name.startswith("X"):
            continue
        kinds = set(re.findall(r"[TPSF]", re.sub(r"\(.*\)", "", fields[3])))
        assert kinds <= set(CLAIMS[name].kinds), name
        verdict = fields[4].replace("*", "")
        if CLAIMS[name].own_table == "yes":
            assert re.match("yes|PSNR yes", verdict), name
        elif CLAIMS[name].own_table == "no":
            assert "no" in verdict, name


def test_every_claim_is_checked_or_says_why_not():
    for claim in CLAIMS.values():
        assert bool(claim.on_tables) == ("T" in claim.kinds), claim.id
        assert bool(claim.tests) or "P" not in claim.kinds, claim.id
        assert claim.on_tables or claim.tests or "S" in claim.kinds or claim.notes


@pytest.mark.parametrize("module", [on_tables, on_weights, by_training])
def test_every_function_stands_for_a_sentence(module):
    own = {
        name
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and name[0] != "_"
    }
    assert own and own <= {name.lower() for name in CLAIMS}


def missing_tests(claim):
    """Those tests of a claim that do not exist."""
    parts = [(test, *test.split("::")) for test in claim.tests]
    return [
        test
        for test, file, name in parts
        if not (ROOT / file).is_file() or f"def {name}(" not in (ROOT / file).read_text()
    ]


def test_tests_that_show_a_property_exist():
    assert [test for claim in CLAIMS.values() for test in missing_tests(claim)] == []
    lost = dataclasses.replace(CLAIMS["A8"], tests=("tests/nowhere.py::test_it",))
    assert missing_tests(lost) == ["tests/nowhere.py::test_it"]


def altered(table, method, variant="", **changes):
    return [
        dataclasses.replace(cell, **changes)
        if (cell.paper, cell.table, cell.method, cell.variant) == ("DAiAM", table, method, variant)
        else cell
        for cell in PUBLISHED
    ]


def test_another_number_is_noticed():
    assert found("A1").verdict == "holds"
    one = found("A1", altered("T7", "DAM", "dual", psnr=23.41, psnr_text="23.41"))
    assert one.verdict == "part"
    assert one.parts[0].text == "PSNR on jrsrd: DAM dual 23.41 is not above DAM odd 23.41"
    both = found("A1", altered("T7", "DAM", "dual", psnr=20.0, ssim=0.1))
    assert both.verdict == "does not hold" and both.disagrees
    assert not found("A1").disagrees


def test_a_stated_difference_is_held_to_its_digits():
    parts = found("A3", altered("T7", "D-DAiAM", psnr=25.27)).parts
    assert [part.holds for part in parts] == [True, True, False, True]
    assert "0.60, stated: 0.59" in parts[2].text


def test_one_failing_part_refutes_a_sentence_about_all():
    assert found("E6").verdict == "does not hold"
    assert [part.text for part in found("E6").parts if not part.holds] == [
        "PSNR on mpid-drop: NASNet 30.75 < the second, Qian2018 31.57"
    ]
    loose = dataclasses.replace(CLAIMS["E6"], whole=False)
    assert found("E6", claim=loose).verdict == "part"


def test_a_tie_is_not_the_best():
    tie = [part for part in found("C4").parts if not part.holds]
    assert [part.text for part in tie] == [
        "SSIM on rain1400: SIAN 0.946 = the second, PReNet 0.946"
    ]


def test_a_cell_that_does_not_exist_is_named():
    column = Tables(PUBLISHED, REGISTRY, "DAiAM")("T7", "jrsrd")
    with pytest.raises(CardError, match=r"no published cell.*\n.*T7 \| jrsrd \| DAM \| dual"):
        column("DAM", "duel")


def test_a_difference_is_the_best_of_no_column():
    column = Tables(PUBLISHED, REGISTRY, "DAiAM")("T7", "jrsrd")
    with pytest.raises(CardError, match="no column to be the best of"):
        list(best(column("D-DAiAM") - column("DAiAM")))


def test_spreads_are_those_of_a_plain_count():
    widest = {(spread.dataset, spread.method): spread for spread in spreads(PUBLISHED)}
    jorder = widest["rain100h", "JORDER"]
    assert (jorder.low, jorder.high[0]) == ((22.15, "NASNet T1"), 26.54)
    values = [
        cell.psnr
        for cell in PUBLISHED
        if (cell.dataset, cell.method, cell.variant) == ("rain100h", "DDN", "") and cell.psnr
    ]
    ddn = widest["rain100h", "DDN"]
    assert (ddn.low[0], ddn.high[0]) == (min(values), max(values))
    assert all(spread.high[0] - spread.low[0] > 0.5 for spread in widest.values())


def trial(*gains):
    """What A1 says where dual is so many dB above odd, seed by seed, and odd 5 dB above zero."""
    scores = {}
    for seed, gain in enumerate(gains):
        scores["joint", "dam-zero", seed] = scored(10.0 + seed, 0.5)
        scores["joint", "dam-odd", seed] = scored(15.0 + seed, 0.6)
        scores["joint", "dam", seed] = scored(15.0 + seed + gain, 0.6)
    return judge_by_trainings(CLAIMS["A1"], scores, 3)


@pytest.mark.parametrize(
    ("gains", "comparison", "verdict"),
    [
        ((0.4, 0.5, 0.6), "holds at this scale", "holds at this scale"),
        ((0.4, -0.5, 0.6), "not distinguishable", "holds in part at this scale"),
        ((0.1, 0.1, 3.0), "not distinguishable", "holds in part at this scale"),
        ((-0.4, -0.5, -0.6), "reversed", "part holds, part is reversed"),
    ],
)
def test_what_three_seeds_allow_to_say(gains, comparison, verdict):
    """Differences are taken seed by seed, so the rise from seed to seed does not count."""
    finding = trial(*gains)
    assert finding.parts[0].differences["psnr"] == pytest.approx(gains)
    assert finding.parts[0].verdict == comparison
    assert finding.parts[1].verdict == "holds at this scale"
    assert finding.verdict == verdict


def test_a_missing_seed_leaves_a_claim_open():
    finding = trial(0.4, 0.5)
    assert finding.verdict == "not tried" and finding.missing == ("dam", "dam-odd", "dam-zero")


def test_gains_are_compared_as_gains():
    values = {"daiam": 20.0, "daiam-daiam": 20.2, "d-daiam": 20.5}
    scores = {("joint", name, 0): scored(value, 0.5) for name, value in values.items()}
    first, second = judge_by_trainings(CLAIMS["A3"], scores, 1).parts
    assert first.differences["psnr"] == pytest.approx((0.3,))
    assert second.differences["psnr"] == pytest.approx((0.2,))


def test_cells_of_other_papers_are_found_and_shown_with_theirs():
    number = Tables(PUBLISHED, REGISTRY, "SIAN")("T1", "rain100h", "NASNet")("NASNet").at("psnr")
    assert number.value == 30.38 and str(number) == "NASNet (NASNet) 30.38"


def test_an_open_claim_names_the_option_that_decides_it():
    rows = {
        row[0].text: row[3].text for row in open_grid([CLAIMS[n] for n in ("D8", "A9", "B15")]).rows
    }
    assert rows["D8"].endswith("--shipped") and rows["A9"].endswith("--run")
    assert rows["B15"] == "small trainings"


def test_command(rainbench, tmp_path):
    done = rainbench("claims", "--json", "--out", tmp_path / "claims")
    assert done.returncode == 0, done.stderr
    verdicts = {row["claim"]: row["verdict"] for row in json.loads(done.stdout)["published"]}
    assert verdicts["A1"] == "holds" and verdicts["E2"] == "part"
    text = (tmp_path / "claims" / "claims.md").read_text()
    assert "tests/networks/test_daiam.py::test" in text and "Made by `rainbench claims" in text
    with (tmp_path / "claims" / "claims.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["claim"] == "E2"]
    assert [row["verdict"] for row in rows] == ["holds", "does not hold"]


def test_published_tables_of_a_user_are_read(rainbench, cards, tmp_path):
    """Another number of what has a name: X1 lists where one name stands for several."""
    (cards / "papers").mkdir()
    columns = ",".join(COLUMNS)
    rows = "Mine,T1,rain100h,DDN,,,unknown,unknown,99.50,0.9990,,,\n"
    (cards / "papers" / "mine.csv").write_text(f"{columns}\n{rows}")
    done = rainbench("claims", "--only", "X1", "--out", "claims")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "claims" / "claims.md").read_text()
    assert "| 99.50 | Mine T1 |" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "A99"], "no such claim: A99"),
        (["--run"], "--run needs --clean"),
        (["--run", "--only", "A8", "--clean", ".", "--out", "../out"], "none of these claims"),
    ],
)
def test_wrong_calls(rainbench, arguments, message):
    done = rainbench("claims", *arguments)
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr
