"""Folders of earlier versions stay readable. `tests/fixtures/run_0_1` is one of 0.1.0.

It holds all eight images of mini-streaks by `identity` and the first two by `median`. Fixtures are
never made anew: a new version of the format gets a new folder beside them.
"""

import csv
import json
import shutil
from pathlib import Path

import pytest

from rainbench.metrics import PROTOCOLS

FIXTURES = Path(__file__).parents[1] / "fixtures"
VALUES = sum(1 + protocol.has_psnr for protocol in PROTOCOLS.values())
"""Numbers of one image."""

COLUMNS = ("entry", "dataset", "protocol", "images", "psnr", "ssim", "psnr_low", "psnr_high")


@pytest.fixture(params=sorted(folder.name for folder in FIXTURES.glob("run_*")))
def old_run(request, tmp_path):
    """A copy of an old run folder, without its tables."""
    folder = tmp_path / request.param
    shutil.copytree(FIXTURES / request.param, folder)
    for table in folder.glob("table.*"):
        table.unlink()
    return folder


def numbers(run):
    with (run / "table.csv").open(newline="", encoding="utf-8") as file:
        return [{name: row[name] for name in COLUMNS} for row in csv.DictReader(file)]


def test_report_shows_the_numbers(rainbench, old_run):
    done = rainbench("report", old_run, "--pictures", 0)
    assert done.returncode == 0, done.stderr
    found, before = numbers(old_run), numbers(FIXTURES / old_run.name)
    for now, then in zip(found, before, strict=True):
        for end in ("psnr_low", "psnr_high"):  # ties of resamples were split by rounding noise
            low, known = (float(row.pop(end) or "nan") for row in (now, then))
            assert low == pytest.approx(known, abs=0.01, nan_ok=True)
    assert found == before
    assert {(row["entry"], row["images"]) for row in found} == {("identity", "8"), ("median", "2")}
    page = (old_run / "report.html").read_text(encoding="utf-8")
    assert "22.92" in page and "23.95" in page
    assert "| identity | 22.92 |" in (old_run / "table.md").read_text(encoding="utf-8")


def test_compare_knows_both_cells(rainbench, old_run):
    """Both are held against golden numbers; other code than today's is said, and no drift."""
    done = rainbench("compare", "--out", old_run, "--json")
    compared = json.loads(done.stdout)
    assert compared["drifts"] == [] and compared["guarded"] == 10 * VALUES
    assert done.returncode == (1 if compared["stale"] else 0), done.stderr


def test_run_continues_it(rainbench, old_run):
    """What is still true is kept, the rest is computed again: never an error."""
    done = rainbench(
        "run", "-b", "identity", "-b", "median", "-d", "mini-streaks", "--out", old_run
    )
    assert done.returncode == 0, done.stderr
    assert {row["images"] for row in numbers(old_run)} == {"8"}
