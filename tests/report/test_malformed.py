"""Whatever lies in a run's folder or among golden numbers: a line with file and reason, no crash.

Each file of one cell is replaced by something else; the other cell has to go on.
"""

import json
import os
import random
import shutil
from functools import cache
from pathlib import Path

import click
import pytest

from rainbench.catalog.registry import load_registry
from rainbench.cli import cli
from rainbench.core.errors import RainbenchError
from rainbench.report.compare import compare_run, describe
from rainbench.report.golden import accept_run, format_golden, golden_file
from rainbench.report.rows import build_rows
from rainbench.run.results import RunResults
from rainbench.run.scores import read_images_csv

FIXTURE = Path(__file__).parents[1] / "fixtures" / "run_0_1"
CELL = "cells/mini-streaks/identity"


@cache
def registry():
    return load_registry()


@pytest.fixture
def run(tmp_path):
    shutil.copytree(FIXTURE, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def golden(run, tmp_path):
    """Golden numbers of the complete cell of the fixture."""
    file = tmp_path / "golden/mini-streaks/identity.csv"
    file.parent.mkdir(parents=True)
    file.write_text(format_golden(read_images_csv(run / CELL / "images.csv")))
    return file


def call(*arguments):
    """Run a command in this process; return its exit code. Anything but an error of ours fails."""
    try:
        code = cli.main([str(each) for each in arguments], standalone_mode=False)
    except (RainbenchError, click.ClickException):
        return 2
    except SystemExit as end:
        code = end.code
    return code or 0


def replace_by(file, what):
    """Put something else into the place of a file."""
    if file.is_dir():
        shutil.rmtree(file)
    else:
        file.unlink(missing_ok=True)
    if what == "folder":
        (file / "inside").mkdir(parents=True)
    elif what == "pipe":
        os.mkfifo(file)
    elif what == "dangling link":
        file.symlink_to("nowhere")
    elif what == "link loop":
        file.symlink_to(file.name)
    elif what == "device":
        file.symlink_to("/dev/zero")
    else:
        file.write_bytes(what)


THINGS = [
    "folder", "pipe", "dangling link", "link loop", "device",
    b"", b"\n\n", bytes(range(256)), b"\xff\xfe{\0}\0", b"<html>404</html>", b"null", b"[]", b'"x"',
    b"1" * 5000, b"[" * 100_000, b'{"a":' * 100_000, b'{"means": NaN}', b"{", b'"' * 70_000,
    b"image,protocol,psnr,ssim\n", b"image,psnr\n1,2\n", b"a,b\n" + b"x," * 200_000,
]  # fmt: skip


def survives(run, golden):
    """Read a run's folder as the commands do; return what is said and the comparison."""
    assert {row.entry for row in build_rows(run, registry())} >= {"median"}
    assert {cell.entry for cell in accept_run(run, golden.parents[1])} >= {"median"}
    return "\n".join(RunResults(run).problems), compare_run(run, registry(), golden.parents[1])


@pytest.mark.parametrize("name", ["cell.json", "images.csv"])
def test_what_a_number_hangs_on(run, golden, name):
    for thing in THINGS:
        replace_by(run / CELL / name, thing)
        said, compared = survives(run, golden)
        assert f"identity/{name}: " in said and not compared.passed, thing
        (row,) = [row for row in compared.rows if row.entry == "identity"]
        assert row.state == "failed" and f"identity/{name}: " in row.note, thing


@pytest.mark.parametrize("name", ["key.json", "timing.csv", "failed.json"])
def test_what_only_tells_more(run, golden, name):
    for thing in THINGS:
        replace_by(run / CELL / name, thing)
        said, compared = survives(run, golden)
        assert not said and compared.guarded, thing


def test_the_list_of_what_could_not_start(run, golden):
    wrong = [*THINGS, b'{"missing": 3}', b'{"missing": [[1]]}', b'{"missing": [[1, 2, 3]]}']
    for thing in wrong:
        replace_by(run / "run.json", thing)
        said, compared = survives(run, golden)
        assert "run.json: is damaged" in said, thing
        assert "run.json: is damaged" in "".join(describe(compared)), thing


def test_the_commands_say_what_they_left_out(run, golden, capfd):
    """The other cell is in the tables, and the exit code is not 0."""
    for name, thing in (("images.csv", "pipe"), ("cell.json", b"[" * 100_000)):
        replace_by(run / CELL / name, thing)
        for arguments in (
            ("report", run, "--pictures", 0),
            ("compare", run, "--golden", golden.parents[1]),
            ("accept", run, "--golden", run.parent / "accepted"),
        ):
            assert call(*arguments) == 1
            said = capfd.readouterr()
            assert f"identity/{name}: " in said.out + said.err, arguments
        assert "median" in (run / "table.csv").read_text()


def test_golden_numbers_that_cannot_be_used(run, golden):
    whole = golden.read_text()
    header, first, *rest = whole.splitlines(True)
    edits = {
        "no rows": header,
        "rows of other images": header + first.replace("1-", "9-", 1),
        "a row is gone": header + "".join(rest),
        "a row twice": whole + first,
        "a short row": whole + "9,1\n",
        "nan": whole.replace(first.split(",")[1], "nan", 1),
        "a word": whole.replace(first.split(",")[1], "many", 1),
        "no header": "".join([first, *rest]),
        "two columns of a protocol": whole.replace("rgb-win7:1", "rgb:1"),
        "another version of columns": whole.replace(":1:psnr", ":psnr"),
        "half of two columns is gone": "\n".join(
            line.rpartition(",")[0] for line in whole.splitlines()
        ),
        "a table of a run": (FIXTURE / "table.csv").read_text(),
        "scores of a run": (run / CELL / "images.csv").read_text(),
    }
    for what, thing in [*edits.items(), *zip(map(repr, THINGS), THINGS, strict=True)]:
        replace_by(golden, thing.encode() if isinstance(thing, str) and what in edits else thing)
        compared = compare_run(run, registry(), golden.parents[1])
        said = "\n".join(describe(compared))
        assert not compared.passed and f"identity: {golden}: " in said, what
        assert compared.guarded == 0 or what in ("a row is gone", "rows of other images"), what


def test_nothing_compared_fails_where_a_folder_is_given(run, tmp_path):
    (tmp_path / "empty").mkdir()
    compared = compare_run(run, registry(), tmp_path / "empty")
    assert compared.guarded == 0 and "only 0 values compared" in compared.shortage


def test_a_cell_without_a_card_that_is_damaged_fails_the_comparison(run, golden):
    shutil.copytree(run / CELL, run / "cells/mini-streaks/gone")
    (run / "cells/mini-streaks/gone/images.csv").unlink()
    compared = compare_run(run, registry(), golden.parents[1])
    assert [cell for cell, _ in compared.broken] == ["mini-streaks / gone"]


def test_values_are_counted_not_cells(run, golden):
    compared = compare_run(run, registry(), golden.parents[1])
    numbers = [text for line in golden.read_text().splitlines()[1:] for text in line.split(",")[1:]]
    assert compared.guarded == sum(text != "" for text in numbers) > 8 * 20


VALUES = [None, True, -1, 3.5, 10**400, float("nan"), "x", "", [], [1, [2]], {}, {"a": []}, "\0\n"]


def mutate(content, chance):
    """Change one thing somewhere in a JSON document."""
    if isinstance(content, dict | list) and content and chance.random() < 0.8:
        keys = list(content) if isinstance(content, dict) else range(len(content))
        key = chance.choice(keys)
        if chance.random() < 0.15:
            del content[key]
        else:
            content[key] = mutate(content[key], chance)
        return content
    return chance.choice(VALUES)


@pytest.mark.parametrize("seed", range(4))
def test_mutated_json(run, golden, seed):
    """Twelve mutants of each file and seed."""
    chance = random.Random(seed)
    for name in ("cell.json", "key.json"):
        file = run / CELL / name
        whole = file.read_text()
        for _ in range(12):
            mutant = mutate(json.loads(whole), chance)
            file.write_text(json.dumps(mutant))
            compared = compare_run(run, registry(), golden.parents[1])
            assert any(row.entry == "median" for row in compared.rows) or compared.stale
            accept_run(run, golden.parents[1])
            for cell in RunResults(run).cells():
                assert cell.label and isinstance(cell.failure, str)
        file.write_text(whole)
    (run / CELL / "key.json").write_text(json.dumps(mutate(json.loads(whole), chance)))


@pytest.mark.parametrize(
    ("name", "command"),
    [("table.csv", "report"), ("report.html", "report"), ("figures", "figures")],
)
def test_what_is_written_has_another_thing_in_its_place(run, name, command):
    replace_by(run / name, "folder" if "." in name else b"")
    pictures = ["--pictures", 0] if command == "report" else []
    assert call(command, run, *pictures) == 2


@pytest.mark.parametrize("thing", THINGS[:6], ids=repr)
def test_a_run_goes_on_over_it(run, thing):
    """What is there is computed again, or the cell fails with the file's name."""
    name = random.Random(repr(thing)).choice(["cell.json", "key.json", "images.csv", "timing.csv"])
    for cell in (CELL, "cells/mini-streaks/median"):
        replace_by(run / cell / name, thing)
    code = call("run", "-b", "median", "-d", "mini-streaks", "--limit", 1, "--out", run)
    assert code in (0, 1, 2)
    if code == 0:
        assert RunResults(run).cell("mini-streaks", "median").summary


def test_two_files_of_golden_numbers_end_one_cell_only(run, golden, tmp_path):
    """Golden numbers that stand in two folders are no reason to leave out the others."""
    own = tmp_path / "own/golden/mini-streaks"
    own.mkdir(parents=True)
    shutil.copy(golden, own / "identity.csv")
    assert golden_file("mini-streaks", "identity").is_file()
    compared = compare_run(run, load_registry([tmp_path / "own"]))
    assert compared.guarded and [cell for cell, _ in compared.broken] == ["mini-streaks / identity"]


def test_a_renamed_cell_is_not_another_entrys(run, golden, tmp_path):
    """Else its numbers would become golden ones of an entry that was never run."""
    (run / CELL).rename((run / CELL).with_name("prenet.rain100l"))
    (run / CELL).mkdir()  # nothing was begun in it
    cells = {cell.entry: cell.problem for cell in RunResults(run).cells()}
    assert "identity" not in cells and "is of identity on mini-streaks" in cells["prenet.rain100l"]
    assert call("accept", run, "--golden", tmp_path / "own") and call("compare", run)
    assert not list((tmp_path / "own").rglob("*.csv"))


def test_report_says_that_the_plan_of_a_run_is_damaged(run, rainbench):
    (run / "run.json").write_text("{")
    done = rainbench("report", run)
    assert done.returncode == 1 and "run.json: is damaged" in done.stderr
