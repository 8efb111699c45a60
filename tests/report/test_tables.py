"""Tables: marks, error bars and groups, JSON, LaTeX that compiles, hostile names."""

import csv
import dataclasses
import io
import json
import math
import shutil
import subprocess
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_compare import ROW
from toynets import TOY_CARD

from rainbench.catalog.registry import load_registry
from rainbench.metrics import PROTOCOLS, Score
from rainbench.report.grid import Cell, Column, Grid, mark_best, transpose
from rainbench.report.latex import escape_latex
from rainbench.report.tables import (
    table_csv,
    table_json,
    table_latex,
    table_markdown,
    timing_markdown,
    write_tables,
)
from rainbench.report.uncertainty import add_statistics
from rainbench.report.writers import write_grid
from rainbench.run.metrics.columns import Column as MetricColumn
from rainbench.run.results import RunResults
from rainbench.run.scores import format_rows, means_of, read_images_csv
from rainbench.run.store import CellStore

HOSTILE = (
    "<script>alert('x')</script>",
    'quo"te, and `code` *stars* [link](x)',
    "new\nline\r\n\ttab",
    "../../etc/passwd",
    r"\input{/etc/passwd} \end{tabular} ${}^2$ 50% #1 a_b ~ & |",
    "雨 é ß \x00 \x1b[31m \u202e",
)


def marks(texts, **options):
    cells = [Cell(text, float(text) if text else None) for text in texts]
    return [cell.mark for cell in mark_best(cells, **options)]


def test_marks():
    assert marks(["1.0", "3.0", "2.0", ""]) == ["", "best", "second", ""]
    assert marks(["3.0", "3.0", "2.0", "1.0"]) == ["best", "best", "second", ""]
    assert marks(["3.0", "2.0", "2.0", "1.0"]) == ["best", "second", "second", ""]
    assert marks(["3.0", "2.0", "2.0"]) == ["best", "", ""]
    assert marks(["1.0", "3.0", "2.0"], smallest=True) == ["best", "", "second"]
    assert marks(["2.0", "2.0"]) == ["", ""]
    assert marks(["inf", "2.0", "1.0"]) == ["best", "second", ""]
    assert marks([]) == []


def test_numbers_that_print_the_same_are_ties():
    cells = [Cell("37.46", 37.461), Cell("37.46", 37.459), Cell("37.45", 37.45)]
    assert [cell.mark for cell in mark_best([*cells, Cell("0", 0.0)])] == [
        "best", "best", "second", "",
    ]  # fmt: skip


def test_transposed():
    grid = Grid(
        "t",
        (Column("m", numeric=False), Column("PSNR", "A"), Column("SSIM", "A")),
        ((Cell("x"), Cell("1", 1.0, "best"), Cell("2")),),
    )
    turned = transpose(grid, "Methods")
    assert [column.title for column in turned.columns] == ["Methods", "x"]
    assert [[cell.text for cell in row] for row in turned.rows] == [
        ["PSNR, A", "1"],
        ["SSIM, A", "2"],
    ]
    assert turned.rows[0][1].mark == "best"


@pytest.fixture
def run_folder(tmp_path):
    """A run's folder with per-image scores of three entries, and their rows."""
    names = {"net.a": 1.0, "net.b": 1.001, "net.c": 0.0}
    rows = []
    for number, (name, gain) in enumerate(names.items()):
        scores = {
            str(image): {
                protocol: Score(
                    None
                    if protocol == "rescan-rgb"
                    else 30 + gain + math.sin(image * (number < 2)),
                    0.9 + image / 1000,
                )
                for protocol in PROTOCOLS
            }
            for image in range(20)
        }
        if name == "net.b":  # better and worse than net.a in turns
            for image in scores:
                for protocol, score in scores[image].items():
                    sign = 0.01 * (-1) ** int(image)
                    psnr = None if score.psnr is None else score.psnr + sign
                    scores[image][protocol] = Score(psnr, score.ssim)
        folder = RunResults(tmp_path).cell("rain100l", name).folder
        folder.mkdir(parents=True)
        (folder / "images.csv").write_text(format_rows(scores))
        row = dataclasses.replace(ROW, entry=name, psnr=30 + gain, images=20)
        rows += [row, dataclasses.replace(row, protocol="rescan-rgb", is_default=False, psnr=None)]
    return tmp_path, rows


def test_error_bars_and_groups(run_folder):
    out, rows = run_folder
    found = {(row.entry, row.protocol): row for row in add_statistics(rows, out)}
    assert [found[name, "prenet-y"].group for name in ("net.a", "net.b", "net.c")] == [
        "a",
        "a",
        "b",
    ]
    first = found["net.a", "prenet-y"]
    assert first.psnr_interval.low < 31 < first.psnr_interval.high
    assert first.ssim_interval.low < 0.9095 < first.ssim_interval.high
    without = found["net.a", "rescan-rgb"]
    assert without.psnr_interval is None and without.ssim_interval and without.group == ""


def test_entries_scored_on_other_images_get_no_letter(run_folder):
    out, rows = run_folder
    file = RunResults(out).cell("rain100l", "net.c").folder / "images.csv"
    kept = [line for line in file.read_text().splitlines(True) if not line.startswith("7,")]
    file.write_text("".join(kept))
    letters = {row.entry: row.group for row in add_statistics(rows, out) if row.is_default}
    assert letters == {"net.a": "a", "net.b": "a", "net.c": ""}


def test_every_form_says_the_same(run_folder):
    out, rows = run_folder
    rows = add_statistics(rows, out)
    content = json.loads(table_json(rows))["rows"]
    for record, line in zip(content, csv.DictReader(io.StringIO(table_csv(rows))), strict=True):
        assert list(record) == list(line)
        for name, value in record.items():
            assert (value is None and line[name] == "") or float_or_text(line[name]) == value
    assert "| net.b | **31.00** |" in table_markdown(rows, load_registry())
    assert r"net.b & \textbf{31.00} &" in table_latex(rows, load_registry())


def float_or_text(text):
    try:
        return float(text)
    except ValueError:
        return text


def test_json_knows_infinity():
    (record,) = json.loads(table_json([dataclasses.replace(ROW, psnr=math.inf, ssim=math.nan)]))[
        "rows"
    ]
    assert record["psnr"] == "inf" and record["ssim"] is None and record["images"] == 100


@given(st.text(max_size=20))
def test_latex_text_has_no_command_of_its_own(text):
    known = [
        "textbackslash",
        "textasciicircum",
        "textasciitilde",
        "textless",
        "textgreater",
        "textbar",
        "char34",
        "times",
        "pm",
        "cdot",
        "surd",
        "ge",
        "le",
        "ldots",
        "textasciigrave",
    ]
    escaped = escape_latex(text)
    rest = escaped
    for command in known:
        rest = rest.replace(f"\\{command}{{}}", "").replace(f"$\\{command}$", "")
    for character in "{}$&#%_":
        rest = rest.replace(f"\\{character}", "")
    rest = rest.replace("{[}", "").replace("{]}", "")
    assert not set(rest) & set("\\{}$&#%_^~\n\r"), escaped


def hostile_grid():
    rows = tuple((Cell(name, note=name), Cell("1.00", 1.0, "best")) for name in HOSTILE)
    columns = (Column(HOSTILE[0], numeric=False), Column(HOSTILE[4], HOSTILE[1]))
    return Grid(HOSTILE[4], columns, rows, HOSTILE)


def test_hostile_names_break_no_table():
    markdown = write_grid(hostile_grid(), "markdown")
    assert "<script" not in markdown and "\x1b" not in markdown
    assert sum(line.startswith("|") for line in markdown.splitlines()) == 2 + len(HOSTILE)
    content = json.loads(write_grid(hostile_grid(), "json"))
    assert [row[0]["text"] for row in content["rows"]] == list(HOSTILE)
    back = list(csv.reader(io.StringIO(write_grid(hostile_grid(), "csv"), newline="")))
    assert [row[0] for row in back[1:]] == list(HOSTILE)


def test_no_cell_of_a_csv_is_a_formula():
    """What a spreadsheet would run is quoted; numbers with a sign stay numbers."""
    names = ("=cmd|' /C calc'!A0", "@SUM(1)", "+1+cmd|x", "-2+3+cmd|x", "\t=1", "-0.03", "net.a")
    grid = Grid("", (Column("entry"),), tuple((Cell(name, note=name),) for name in names))
    shown = ["'" + name for name in names[:5]] + ["-0.03", "net.a"]
    back = list(csv.reader(io.StringIO(write_grid(grid, "csv"), newline="")))
    assert [row[0] for row in back[1:]] == [row[1] for row in back[1:]] == shown
    row = dataclasses.replace(ROW, entry=names[0], note=names[1], psnr=-1.5)
    (line,) = csv.DictReader(io.StringIO(table_csv([row])))
    assert (line["entry"], line["note"], line["psnr"]) == (shown[0], shown[1], "-1.5000")


def test_column_of_letters_only_where_entries_share_one(run_folder):
    out, rows = run_folder
    rows = add_statistics(rows, out)
    assert "like" in table_markdown(rows, load_registry())
    apart = [row for row in rows if row.entry != "net.b"]
    text = table_markdown(apart, load_registry())
    assert "like" not in text and "All entries with the same images differ" in text
    columns = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert len(columns) <= 2  # that of the results and that of the costs


def test_costs_show_three_digits_and_no_empty_column():
    costs = dataclasses.replace(ROW, parameters=10, seconds_per_image=0.023449, peak_bytes=0)
    assert "| 0.0234 |" in timing_markdown([costs], load_registry())
    text = table_markdown([costs], load_registry()).split("## Cost")[1]
    assert "0.0234" not in text and "peak" not in text.lower()
    costs = dataclasses.replace(costs, peak_bytes=12_000_000)
    assert "| 12 |" in table_markdown([costs], load_registry()).split("## Cost")[1]


def test_no_table_holds_a_time(run_folder):
    """A killed and resumed run has to end with the bytes of an undisturbed one."""
    _, rows = run_folder
    slower = [dataclasses.replace(row, seconds_per_image=7.0) for row in rows]
    registry = load_registry()
    assert timing_markdown(rows, registry) != timing_markdown(slower, registry)
    assert table_csv(rows) == table_csv(slower) and table_json(rows) == table_json(slower)
    for write in (table_markdown, table_latex):
        assert write(rows, registry) == write(slower, registry)


def compile_latex(text, folder):
    program = shutil.which("pdflatex") or shutil.which("tectonic")
    if program is None:
        pytest.skip("no TeX is installed (pdflatex or tectonic)")
    document = (
        "\\documentclass{article}\\usepackage[margin=2cm]{geometry}\\usepackage{booktabs,graphicx}\n"
        f"\\begin{{document}}\n{text}\n\\end{{document}}\n"
    )
    (folder / "t.tex").write_text(document, encoding="utf-8")
    options = ["-interaction=nonstopmode", "-halt-on-error"] if "pdflatex" in program else []
    done = subprocess.run([program, *options, "t.tex"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (folder / "t.pdf").read_bytes().startswith(b"%PDF")
    return done.stdout


def test_latex_compiles(run_folder, tmp_path):
    out, rows = run_folder
    log = compile_latex(table_latex(add_statistics(rows, out), load_registry()), tmp_path)
    assert "Overfull" not in log


def test_hostile_latex_compiles(tmp_path):
    compile_latex(write_grid(hostile_grid(), "latex"), tmp_path)


def test_a_large_run_is_tabulated_cell_by_cell(tmp_path):
    """What was read of one cell is let go before the next: memory is that of one, and the rows."""
    cells, images = 24, 150
    (tmp_path / "cards").mkdir()
    (tmp_path / "cards" / "toy.toml").write_text(TOY_CARD)
    out, names = tmp_path / "o", [str(number) for number in range(images)]
    scores = {name: Score(30.0 + int(name) / 7, 0.9) for name in names}
    for number in range(cells):
        entry = f"net{number}"
        parts = {"dataset": "toy", "entry": entry, "foreign": {"title": entry}}
        folder = RunResults(out).cell("toy", entry).folder
        with CellStore(folder, parts, tuple(PROTOCOLS), [(name, name) for name in names]) as store:
            if number:
                shutil.copy(out / "cells/toy/net0/images.csv", folder)
            else:
                for name in names:
                    store.append(name, dict.fromkeys(PROTOCOLS, scores[name]), 0.01)
            means = means_of(read_images_csv(out / "cells/toy/net0/images.csv"))
            options = {"precision": "fp32", "tile": 0}
            store.complete(
                {
                    "dataset": "toy", "entry": entry, "variant": "", "comparable": True,
                    "images": images, "complete_set": True, "left_out": [], "options": options,
                    "means": means,
                }
            )  # fmt: skip
    registry = load_registry([tmp_path / "cards"])
    write_tables(out, registry, final=False)  # what is loaded at the first call does not count
    tracemalloc.start()
    try:
        rows = write_tables(out, registry, final=False)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(rows) == cells * len(PROTOCOLS) and {row.state for row in rows} == {"measured"}
    of_one_cell = images * len(PROTOCOLS) * 200  # bytes, at the least
    assert peak < cells * of_one_cell / 2, peak


@pytest.mark.parametrize("count", [0, 1, 3])
def test_json_is_laid_out_as_a_whole(count):
    """It is written row by row, to the bytes that the library gives for all of it."""
    column = MetricColumn("own", "A metric", True, 2, 5, math.inf, "line\nbreak")
    row = dataclasses.replace(ROW, note=HOSTILE[2] + HOSTILE[5], metrics={"own": column})
    text = table_json([row] * count)
    assert text == json.dumps(json.loads(text), indent=1, ensure_ascii=False) + "\n"
    assert len(json.loads(text)["rows"]) == count
