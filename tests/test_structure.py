"""The house: which room may use which, no circles, no room too large to be seen at a glance.

Imports are read from the source, those inside functions and for type checkers included.
"""

import ast
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "rainbench"

MAY_USE = {
    "core": "",
    "catalog": "core",
    "metrics": "core",
    "networks": "core catalog",
    "video_methods": "core catalog",
    "video": "core",
    "pairs": "core catalog video",
    "frames": "core",
    "clean_frame": "core frames video_methods",
    "rain": "core metrics",
    "packaging": "core catalog",
    "spa": "core catalog video frames clean_frame packaging",
    "synthesis": "core catalog pairs rain packaging spa",
    "train": "core catalog metrics networks pairs rain packaging",
    "cluster": "core",
    "run": "core catalog metrics networks pairs video video_methods cluster",
    "derain": "core catalog run video",
    "foreign": "core catalog networks pairs run",
    "report": "core catalog metrics networks pairs run",
    "api": "core catalog metrics packaging pairs rain clean_frame run derain foreign report",
    "claims": "core catalog metrics networks pairs rain report train",
}
"""Every room with the rooms that it may use, from the ground up; `commands` may use all."""

MOST_FILES, MOST_FLOORS = 15, 6
LISTS = ("networks", "commands")
"""Rooms that are lists of things of one kind, as long as there are such things."""

IGNORED = {"build", "dist", "env", "venv", "node_modules", "CVS", "_darcs", "target", "out", "bin"}
"""Folders that pytest, linters, packagers or ignore files pass over without a word."""


@cache
def modules():
    files = {file.relative_to(ROOT): file for file in PACKAGE.rglob("*.py")}
    return {
        ".".join(path.with_suffix("").parts).removesuffix(".__init__"): file
        for path, file in files.items()
    }


@cache
def imports(name):
    """The modules of the package that a module imports, anywhere in its source."""
    found = set()
    for node in ast.walk(ast.parse(modules()[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: relative import"
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {each if each in modules() else node.module for each in inside}
    return (found & modules().keys()) - {name}


def room(name):
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and (PACKAGE / parts[1]).is_dir() else ""


def test_rooms_use_only_what_lies_below_them():
    assert {room(name) for name in modules()} - {""} == {*MAY_USE, "commands"}
    wrong = [
        f"{name} imports {used}"
        for name in modules()
        for used in imports(name)
        if room(name) in MAY_USE
        and room(used) not in ("", room(name), *MAY_USE[room(name)].split())
    ]
    assert wrong == []


def test_rooms_are_in_an_order():
    try:
        TopologicalSorter({each: used.split() for each, used in MAY_USE.items()}).prepare()
    except CycleError as error:
        pytest.fail(f"rooms use each other: {error.args[1]}")


def test_modules_are_in_an_order():
    try:
        TopologicalSorter({name: imports(name) for name in modules()}).prepare()
    except CycleError as error:
        pytest.fail(f"modules import each other: {' -> '.join(error.args[1])}")


def folders():
    return sorted({file.parent for file in modules().values()} - {PACKAGE})


@pytest.mark.parametrize("folder", folders(), ids=lambda folder: folder.name)
def test_a_room_is_seen_at_a_glance(folder):
    names = {
        name
        for name, file in modules().items()
        if file.parent == folder and file.name != "__init__.py"
    }
    inside = TopologicalSorter({name: imports(name) & names for name in names})
    inside.prepare()
    floors = 0
    while inside.is_active():
        inside.done(*inside.get_ready())
        floors += 1
    if folder.name not in LISTS:
        assert len(names) <= MOST_FILES
    assert floors <= MOST_FLOORS


def test_no_folder_bears_a_name_that_tools_pass_over():
    content = [ROOT / name for name in ("datasets", "baselines", "reports", "tests", "benchmarks")]
    parts = {
        part
        for top in (PACKAGE, *content)
        for path in top.rglob("*")
        if path.is_dir() and "__pycache__" not in path.parts
        for part in path.relative_to(ROOT).parts
    }
    assert parts & IGNORED == set()
    assert [part for part in parts if part.startswith(".")] == []


def test_the_plain_command_collects_every_test():
    """Every file of tests, and every module with an example, is in the README's test command."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "--collect-only",
            "-q",
            "-n",
            "0",
            "-p",
            "no:cacheprovider",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    collected = {line.partition("::")[0] for line in done.stdout.splitlines() if "::" in line}
    tests = {file.relative_to(ROOT) for file in (ROOT / "tests").rglob("test_*.py")}
    examples = {
        file.relative_to(ROOT)
        for file in modules().values()
        if ">>>" in file.read_text(encoding="utf-8")
    }
    assert tests and examples
    assert sorted(map(str, (tests | examples) - {Path(name) for name in collected})) == []
