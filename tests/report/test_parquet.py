"""`rainbench run --parquet`: the numbers of the CSV files, and a refusal where pyarrow is not."""

import csv
import sys

import pytest
from click.testing import CliRunner

from rainbench.cli import cli


def run(out, *words):
    words = ["run", "-b", "identity", "-b", "median", "-d", "mini-streaks", "--limit", "2", *words]
    return CliRunner().invoke(cli, [*words, "--out", str(out)])


def test_without_pyarrow_it_is_refused_before_anything_runs(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    done = run(tmp_path / "o", "--parquet")
    assert "--parquet: needs pyarrow, which is not installed" in str(done.exception)
    assert 'pip install "rainbench[parquet]"' in str(done.exception)
    assert not (tmp_path / "o").exists()


def test_the_numbers_are_those_of_the_csv_files(tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    monkeypatch.setattr("rainbench.report.parquet._TOGETHER", 20)  # more than one cell has
    out = tmp_path / "o"
    done = run(out, "--parquet", "--metrics", "streaks-left")
    assert done.exit_code == 0, (done.output, done.exception)
    table = parquet.read_table(out / "table.parquet").to_pylist()
    rows = list(csv.DictReader((out / "table.csv").open()))
    assert [list(row) for row in table] == [list(row) for row in rows]
    for ours, row in zip(table, rows, strict=True):
        for name, value in ours.items():
            if isinstance(value, str) or value is None:
                assert (value or "") == row[name]
            else:
                assert value == pytest.approx(float(row[name]), abs=1e-6)
    images = parquet.read_table(out / "images.parquet").to_pylist()
    wanted = [
        (file.parent.parent.name, file.parent.name, *row.values())
        for file in sorted((out / "cells").glob("*/*/images.csv"))
        for row in csv.DictReader(file.open())
    ]
    found = [
        (
            row["dataset"], row["entry"], row["image"], row["protocol"],
            "" if row["psnr"] is None else f"{row['psnr']:.6f}",
            "" if row["ssim"] is None else f"{row['ssim']:.8f}",
        )
        for row in images
    ]  # fmt: skip
    assert found == wanted and len({row[1] for row in found}) == 2
    before = (out / "images.parquet").read_bytes(), (out / "table.parquet").read_bytes()
    assert run(out, "--parquet", "--metrics", "streaks-left").exit_code == 0
    assert before == ((out / "images.parquet").read_bytes(), (out / "table.parquet").read_bytes())
    assert not list(out.rglob(".*.part"))
