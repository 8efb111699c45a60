"""The guard of a CI job: a wrong rounding, a darker channel, a changed protocol make it fail.

The mistakes are made in the source of a copy of the package; the run and the comparison are real.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml

from rainbench.cli import COMMANDS, cli

ROOT = Path(__file__).parents[2]
RUN = ("run", "-b", "net", "-d", "toy", "--data", "data", "--device", "cpu", "--out")
ACCEPT = ("accept", "right", "--golden", "golden")
COMPARE = ("compare", "--golden", "golden", "--guarded", "1", "--summary", "sum.md")


CALL = """
import sys
from rainbench.cli import cli
for line in sys.argv[1:]:
    try:
        code = cli.main(line.split(), standalone_mode=False)
    except SystemExit as end:
        code = end.code
    print("exit", code or 0)
"""


@pytest.fixture
def call(tmp_path, toy, add_network, cards):
    """Run commands one after the other in one process, with the package of a folder."""
    add_network("net", "Blur")
    toynets = ROOT / "tests" / "helpers"

    def call(package, *commands):
        done = subprocess.run(
            [sys.executable, "-c", CALL, *map(" ".join, commands)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=600,
            env={
                **os.environ,
                "PYTHONPATH": f"{package}:{toynets}",
                "RAINBENCH_PATH": str(cards),
            },
        )
        exits = [int(line[5:]) for line in done.stdout.splitlines() if line.startswith("exit ")]
        return exits, done.stdout + done.stderr

    return call


def mutated(folder, file, old, new):
    """Copy the package with one mistake in it."""
    for name in ("rainbench", "datasets", "baselines", "reports"):
        shutil.copytree(ROOT / name, folder / name)
    source = folder / "rainbench" / file
    text = source.read_text()
    assert old in text
    source.write_text(text.replace(old, new, 1))
    return folder


def test_an_unchanged_tree_passes_and_a_changed_one_fails(call, tmp_path):
    (tmp_path / "empty").mkdir()
    nothing = ("compare", "right", "--golden", "empty", "--guarded", "1")
    compare = (*COMPARE, "right")
    exits, text = call(ROOT, (*RUN, "right"), ACCEPT, compare, nothing)
    assert exits == [0, 0, 0, 1], text
    assert "only 0 values compared with golden numbers, at least 1 wanted" in text
    assert "## Numbers: passed" in (tmp_path / "sum.md").read_text()

    rounding = mutated(
        tmp_path / "a", "core/images.py", 'if rule == "round":', 'if rule != "round":'
    )
    exits, text = call(rounding, (*RUN, "rounding"), (*COMPARE, "rounding"))
    assert exits == [0, 1], text
    assert "drift          toy / net / prenet-y: PSNR of image" in text
    assert "| toy / net / prenet-y | drift | PSNR of image" in (tmp_path / "sum.md").read_text()

    darker = mutated(
        tmp_path / "b", "networks/conventions.py",
        "            return found\n",
        "            return Restoration(0.97 * found.image)\n",
    )  # fmt: skip
    shutil.copytree(tmp_path / "right", tmp_path / "before")
    accept = ("accept", "before", "--golden", "new")
    compare_before = (*COMPARE, "before")
    exits, text = call(darker, compare_before, accept, (*RUN, "before"), compare_before)
    assert exits == [1, 1, 0, 1], text
    stale, drift = text.split("exit 0", 1)
    assert "nothing was accepted" in text
    reason = "the code of evaluation changed since it was computed: run it again"
    assert f"stale          toy / net: {reason}" in stale and "drift   " not in stale
    assert f"left out toy / net: {reason}" in stale and not (tmp_path / "new").exists()
    assert re.search("drift +toy / net / rgb: (PSNR|SSIM) of image", drift)

    version = mutated(tmp_path / "c", "metrics/protocols.py", "version=1,", "version=2,")
    exits, text = call(version, compare)
    assert exits == [1]
    assert "toy / net / " in text and "under version 1 of the protocol, which is now" in text


def test_the_ready_workflow_parses_and_its_commands_exist():
    workflow = yaml.safe_load((ROOT / "docs" / "ci-workflow.yml").read_text())
    steps = workflow["jobs"]["numbers"]["steps"]
    assert all(("uses" in step) != ("run" in step) for step in steps)
    scripts = [line for step in steps for line in step.get("run", "").splitlines()]
    calls = [shlex.split(line)[1:] for line in scripts if line.startswith("rainbench ")]
    assert [call[0] for call in calls] == ["run", "compare", "report"]
    for name, *arguments in calls:
        assert name in COMMANDS
        command = cli.get_command(click.Context(cli), name)
        known = {"$ENTRIES": "mynet", "$DATASET": "mini-streaks", "$VALUES": "200"}
        command.make_context(name, [known.get(argument, argument) for argument in arguments])
    assert set(workflow["env"]) == {"RAINBENCH", "ENTRIES", "DATASET", "VALUES"}
