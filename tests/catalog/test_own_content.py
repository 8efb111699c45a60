"""What users add in folders of their own: published tables, layouts, reasons, golden numbers."""

import json
import os

import pytest

from rainbench.catalog.folders import content_root
from rainbench.catalog.published import COLUMNS, load_published, load_reasons
from rainbench.catalog.registry import load_registry
from rainbench.core.errors import CardError, RainbenchError
from rainbench.report.golden import golden_file
from rainbench.report.papers.layouts import find_table

ROW = "Mine,T1,mini-streaks,Median,,median,prenet-y,stated,10.00,0.1,n/a,,\n"
REASON = '[[reasons]]\ndataset = "mini-streaks"\nentry = "median"\nreason = "made up"\n'
LAYOUT = '[[tables]]\npaper = "Mine"\ntable = "T1"\ntitle = "My table"\n'


def own(folder, *, below="", row=ROW):
    root = folder / below
    (root / "papers").mkdir(parents=True)
    (root / "papers" / "mine.csv").write_text(",".join(COLUMNS) + "\n" + row)
    (root / "reasons.toml").write_text(REASON)
    (root / "layouts.toml").write_text(LAYOUT)
    golden = root / "golden" / "mini-streaks" / "mine.csv"
    golden.parent.mkdir(parents=True)
    golden.write_text("image\n")
    return golden


@pytest.mark.parametrize("below", ["", "reports"])
def test_tables_reasons_and_golden_numbers_of_a_user_are_found(tmp_path, monkeypatch, below):
    golden = own(tmp_path, below=below)
    monkeypatch.setenv("RAINBENCH_PATH", os.pathsep.join([str(tmp_path), str(tmp_path)]))
    registry = load_registry([tmp_path])
    assert registry.problems == () and registry.folders == (tmp_path,)
    assert [cell.psnr for cell in load_published(registry.folders) if cell.paper == "Mine"] == [10]
    assert [reason.reason for reason in load_reasons(registry.folders)].count("made up") == 1
    assert find_table("mine", "1", registry.folders)[0].title == "My table"
    assert golden_file("mini-streaks", "mine", None, registry.folders) == golden
    assert not [cell for cell in load_published() if cell.paper == "Mine"]


def test_what_stands_in_two_places_is_an_error(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    own(one)
    own(two, row=ROW.replace("Mine", "MINE"))
    with pytest.raises(CardError, match=r"two/papers/mine\.csv: T1 of MINE stands in .*one/pap"):
        load_published([one, two])
    with pytest.raises(CardError, match=r"two/reasons\.toml: median on mini-streaks has a reason"):
        load_reasons([one, two])
    with pytest.raises(RainbenchError, match=r"two/golden.*: .*one/golden.* has golden numbers"):
        golden_file("mini-streaks", "mine", None, [one, two])
    with pytest.raises(RainbenchError, match=r"two/layouts\.toml: T1 of Mine stands in"):
        (two / "papers" / "mine.csv").unlink()
        find_table("mine", "1", [one, two])


def test_a_table_of_the_package_is_not_replaced(tmp_path):
    own(tmp_path, row=ROW.replace("Mine,T1", "sian,T3"))
    with pytest.raises(CardError, match=r"T3 of sian stands in .*sian\.csv already"):
        load_published([tmp_path])
    assert load_published([content_root()]) == load_published()


@pytest.mark.parametrize(
    ("text", "message"),
    [("reasons = 3", "holds no tables"), ("[[", "is not valid TOML"), ("", "no")],
)
def test_broken_reasons_are_named(tmp_path, text, message):
    (tmp_path / "reasons.toml").write_text(text)
    with pytest.raises(CardError, match=rf"reasons\.toml: .*{message}"):
        load_reasons([tmp_path])


def test_the_commands_use_them(rainbench, tmp_path, cards):
    own(cards)
    out = tmp_path / "out"
    done = rainbench("run", "-b", "median", "-d", "mini-streaks", "--out", out)
    assert done.returncode == 0, done.stderr
    (cards / "golden/mini-streaks/mine.csv").unlink()
    assert "10.00" in rainbench("report", "--paper", "mine", "--table", "1", out).stdout
    done = rainbench("compare", "--out", out, "--json")
    (row,) = [r for r in json.loads(done.stdout)["rows"] if "Mine" in str(r)]
    assert row["state"] == "gap" and "made up" in row["note"] and done.returncode == 0
