"""Comparison: a published number gets a state, a gap needs a reason, golden numbers are held."""

import dataclasses
import math

import pytest

from rainbench.catalog.published import PublishedCell, Reason, load_published, preferred
from rainbench.catalog.registry import load_registry
from rainbench.core.escape import markdown
from rainbench.metrics import PROTOCOLS, Score
from rainbench.report import golden
from rainbench.report.compare import Comparison
from rainbench.report.golden import read_golden, write_golden
from rainbench.report.grid import number
from rainbench.report.rows import NO_REASON, Row, set_beside
from rainbench.report.tables import table_csv, table_markdown

CELL = PublishedCell(
    "PReNet", "T1", "rain100l", "PReNet", "", "prenet.rain100l", "prenet-y", "stated",
    37.48, 0.979, "",
)  # fmt: skip
ROW = Row(
    dataset="rain100l",
    variant="",
    entry="prenet.rain100l",
    protocol="prenet-y",
    is_default=True,
    trained_for=True,
    images=100,
    psnr=37.46,
    ssim=0.9792,
    published=None,
    state="measured",
    note="",
    parameters=1,
    seconds_per_image=0.5,
    comparable=True,
)
REASON = Reason(dataset="rain100l", entry="prenet.rain100l", reason="other weights")


@pytest.mark.parametrize(
    ("psnr", "ssim", "state"),
    [
        (37.48, 0.979, "match"),
        (37.529, 0.979, "match"),
        (37.531, 0.979, "gap"),
        (37.43, 0.981, "match"),
        (37.42, 0.979, "gap"),
        (37.48, 0.9815, "gap"),
        (math.inf, 1.0, "gap"),
    ],
)
def test_states_by_tolerance(psnr, ssim, state):
    assert set_beside(dataclasses.replace(ROW, psnr=psnr, ssim=ssim), CELL, []).state == state


def test_a_gap_needs_a_reason():
    off = dataclasses.replace(ROW, psnr=36.0)
    assert set_beside(off, CELL, []).note == NO_REASON
    explained = set_beside(off, CELL, [REASON])
    assert explained.note == "other weights"
    elsewhere = dataclasses.replace(REASON, paper="SIAN")
    assert set_beside(off, CELL, [elsewhere]).note == NO_REASON
    assert not Comparison((set_beside(off, CELL, []),), (), 0).passed
    assert Comparison((explained,), (), 0).passed


def test_altered_results_are_not_comparable():
    row = set_beside(dataclasses.replace(ROW, comparable=False, psnr=1.0), CELL, [])
    assert row.state == "not-comparable"
    assert Comparison((row,), (), 0).passed


@pytest.mark.parametrize("psnr", [37.48, 20.0])
def test_a_re_creation_neither_matches_nor_misses_a_published_number(psnr):
    row = set_beside(dataclasses.replace(ROW, recreated=True, psnr=psnr, note="note"), CELL, [])
    assert (row.state, row.note) == ("re-created", "note")
    assert Comparison((row,), (), 0).passed and Comparison((row,), (), 0).states["re-created"] == 1
    part = set_beside(dataclasses.replace(ROW, recreated=True, comparable=False), CELL, [])
    assert part.state == "not-comparable"


def test_own_paper_first():
    entry = next(e for e in load_registry().entries(["prenet.rain100l"]))
    cells = [dataclasses.replace(CELL, paper="NASNet"), CELL]
    assert preferred(cells, "rain100l", entry, "prenet-y") is CELL
    assert preferred(cells, "rain100l", entry, "rgb") is None


def scores(shift=0.0, name="prenet-y"):
    per_image = {protocol: Score(30.0, 0.9) for protocol in PROTOCOLS}
    per_image["rescan-rgb"] = Score(None, 0.9)
    moved = dict(per_image)
    moved[name] = Score(30.0 + shift, 0.9)
    return {"1": per_image, "2": moved}


def find_drift(file, dataset, entry, scores):
    return golden.find_drift(read_golden(file), dataset, entry, scores)[0]


def test_drift_names_the_cell_the_protocol_and_the_image(tmp_path):
    file = tmp_path / "x" / "net.csv"
    write_golden(file, scores())
    assert find_drift(file, "x", "net", scores()) == []
    assert find_drift(file, "x", "net", scores(0.004)) == []
    (drift,) = find_drift(file, "x", "net", scores(-0.01))
    assert str(drift).startswith("x / net / prenet-y: PSNR of image 2 was 30.0, is 29.99")
    assert find_drift(file, "x", "net", {"2": scores(1.0)["2"]})[0].protocol == "prenet-y"
    assert find_drift(file, "x", "net", {}) == []


def test_an_infinite_value_that_becomes_finite_drifts(tmp_path):
    file = tmp_path / "net.csv"
    write_golden(file, scores(math.inf))
    assert find_drift(file, "x", "net", scores(math.inf)) == []
    assert find_drift(file, "x", "net", scores())


def test_a_changed_protocol_version_drifts(tmp_path):
    file = tmp_path / "net.csv"
    write_golden(file, scores())
    text = file.read_text().replace("rgb-win7:1:", "rgb-win7:0:")
    file.write_text(text)
    (drift,) = find_drift(file, "x", "net", scores())
    assert drift.protocol == "rgb-win7" and "version 0" in drift.message


def test_tables_take_hostile_text():
    note = 'a | b <script>alert("x")</script>\nnew line, "quoted"'
    row = dataclasses.replace(ROW, note=note, state="failed")
    markdown = table_markdown([row], load_registry())
    assert "<script>" not in markdown and "a \\| b &lt;script&gt;" in markdown
    import csv
    import io

    (back,) = csv.DictReader(io.StringIO(table_csv([row])))
    assert back["note"] == note and back["psnr"] == "37.4600"


def test_text_of_numbers():
    assert number(float("nan"), 2) == "" and number(-0.5, 1, "+") == "-0.5"
    assert markdown("x|y") == "x\\|y"


def test_published_tables_read():
    cells = load_published()
    assert any(cell.where == "SIAN T3" and cell.psnr == 38.80 for cell in cells)
