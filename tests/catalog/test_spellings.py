"""Names as people and papers write them: one way to find what is meant, for every command."""

import json

import pytest

from rainbench.catalog.registry import load_registry
from rainbench.commands.show import describe
from rainbench.core.errors import RainbenchError
from rainbench.metrics import get_protocol


@pytest.fixture(scope="module")
def registry():
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAINBENCH_PATH", raising=False)
        return load_registry()


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("rain100l", "rain100l"),
        ("Rain100L", "rain100l"),
        (" RAIN100L ", "rain100l"),
        ("Test100", "rain800"),
        ("test1200", "rain1200"),
        ("SPA-Data", "spa"),
        ("spa-data  test set", "spa"),
        ("Rain100H (old)", "rain100h"),
        ("Rain12600", "rain1400-train"),
        ("Test2800", "test2800"),
        ("LHP-RAIN", "lhp-rain"),
        ("MPID, raindrops", "mpid-drop"),
    ],
)
def test_a_data_set_by_the_names_of_papers(registry, word, name):
    assert registry.dataset(word).name == name
    assert [card.name for card in registry.datasets_of([word, name])] == [name]
    assert [member.name for member in registry.members([word])] == [name]
    assert describe(word, registry)["name"] == name


@pytest.mark.parametrize(
    ("word", "baseline"),
    [("PReNet", "prenet"), ("PRENET", "prenet"), ("Median filter", "median"), ("input", "identity"),
     ("DAM(odd)", "dam-odd"), ("spanet, no sam", "spanet_a")],
)  # fmt: skip
def test_a_baseline_by_its_title(registry, word, baseline):
    assert registry.baseline(word).name == baseline
    assert {entry.baseline.name for entry in registry.entries([word])} == {baseline}
    assert describe(word, registry)["name"] == baseline


@pytest.mark.parametrize("word", ["prenet.rain100l", "PReNet.Rain100L", "PRENET.RAIN100L"])
def test_an_entry_in_any_case(registry, word):
    assert [entry.name for entry in registry.entries([word])] == ["prenet.rain100l"]
    assert describe(word, registry)["entry"] == "prenet.rain100l"


def test_protocols_in_any_case(registry):
    assert describe("PReNet-Y", registry)["kind"] == "protocol"
    assert get_protocol("SIAN-y").name == "sian-y"


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("rain100*", ["rain100h", "rain100l"]),
        ("RAIN100?", ["rain100h", "rain100l"]),
        ("mini-[ds]*", ["mini-drops", "mini-spa", "mini-streaks"]),
        ("rain100*-train", ["rain100h-train", "rain100l-train"]),
    ],
)
def test_a_pattern_takes_test_sets_where_it_can(registry, pattern, names):
    assert [card.name for card in registry.datasets_of([pattern])] == names


def test_entries_by_patterns_in_any_case(registry):
    (one, *_), low = registry.entries(["PRN.*"]), registry.entries(["prn.*"])
    assert one.baseline.name == "prn" and registry.entries(["PRN.*"]) == low


@pytest.mark.parametrize(
    ("find", "word", "message"),
    [
        ("datasets_of", "rain9*", "no data set fits the pattern rain9\\*"),
        ("entries", "nix*", "no such baseline: nix\\*"),
        ("members", "nix*", "nothing fits the pattern nix\\*"),
        ("datasets_of", "prenet", "no such data set: prenet\n  prenet is a baseline"),
        ("datasets_of", "PReNet", "prenet is a baseline"),
        ("entries", "Test100", "rain800 is a data set, not a baseline"),
        ("members", "Tst100", 'nothing is called Tst100\n  Did you mean "rain800" \\(Test100\\)'),
        ("datasets_of", "Tst100", 'Did you mean "rain800" \\(Test100\\)'),
        ("entries", "Medain filtr", 'Did you mean "median"'),
        ("entries", "prenet.rain10l", 'Did you mean "prenet.rain100l"'),
    ],
)
def test_what_is_not_found_is_met_with_what_was_meant(registry, find, word, message):
    with pytest.raises(RainbenchError, match=message):
        getattr(registry, find)([word])


def test_a_name_of_several_things_shows_them(cards):
    text = (cards / "toy.toml").read_text()
    for name in ("one", "two"):
        own = text.replace('"toy"', f'"{name}"').replace("count", 'aliases = ["Shared"]\ncount')
        (cards / f"{name}.toml").write_text(own.replace('"Toy"', f'"Set {name}"'))
    registry = load_registry([cards])
    for find in (registry.dataset, registry.meaning):
        with pytest.raises(RainbenchError) as caught:
            find("SHARED")
        assert '"SHARED" has several meanings: one or two' in caught.value.message
        assert "one, Set one, Shared; two, Set two, Shared" in caught.value.hint
    with pytest.raises(RainbenchError, match="several meanings"):
        describe("shared", registry)
    assert registry.dataset("Set one").name == "one"


@pytest.mark.parametrize(
    ("word", "readings"),
    [("Rain14000", ["rain1400", "test2800"]), ("RealRain-1k", ["realrain-1k-h", "realrain-1k-l"])],
)
def test_a_name_that_papers_use_for_several_sets_is_no_choice(registry, word, readings):
    with pytest.raises(RainbenchError) as caught:
        registry.dataset(word)
    assert all(name in caught.value.message for name in readings)


def test_every_command_takes_the_papers_names(rainbench, tmp_path):
    """Case 13: `run -d Test100` knew the name, `check Test100` did not."""
    assert rainbench("check", "Test100", "RAIN100L").stdout.split()[0::1].count("absent") == 2
    assert json.loads(rainbench("show", "Test1200", "--json").stdout)["name"] == "rain1200"
    done = rainbench("run", "-b", "Input", "-d", "MINI-*", "--limit", "1", "--dry-run", "--json")
    cells = json.loads(done.stdout)["cells"]
    assert len(cells) == 5 and {cell["entry"] for cell in cells} == {"identity"}
    done = rainbench("fetch", "Test100")
    assert done.returncode == 2 and "rain800 is a data set" in done.stderr
    done = rainbench("check", "--leaks", "rain100l", "--data", tmp_path)
    assert done.returncode == 2 and "--leaks takes the names of two data sets" in done.stderr


def test_check_tells_of_all_cards_that_are_asked_for(rainbench, cards, toy):
    """Bad ones end nothing, and a folder of the same name around a good copy is none."""
    for name in ("bad1", "bad2"):
        (cards / f"{name}.toml").write_text("name = 3")
    (toy / "toy").rename(toy / "inner")
    (toy / "toy").mkdir()
    (toy / "inner").rename(toy / "toy" / "toy")
    done = rainbench("check", "bad1", "toy", "bad2", "--data", toy / "toy", "--json")
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert [(each["name"], each["state"]) for each in found] == [
        ("cards", "wrong"), ("cards", "wrong"), ("toy", "good"),
    ]  # fmt: skip
    assert "bad1.toml" in found[0]["about"] and "bad2.toml" in found[1]["about"]
    for name in ("bad1", "bad2"):
        (cards / f"{name}.toml").unlink()
    assert rainbench("check", "toy", "--data", toy / "toy").returncode == 0
