"""Where commands write: never into what they read, never where an empty text would mean."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from rainbench.cli import COMMANDS, cli
from rainbench.core.errors import RainbenchError

ROOT = Path(__file__).parents[1]

CALLS = {
    "synth": "synth streaks photos --out OUT",
    "synth with depth": "synth streaks away --mist --blend add --depth photos --out OUT",
    "synth-jrsrd": "synth-jrsrd --clean photos --drops lens --out OUT",
    "build-spa": "build-spa away photos --out OUT",
    "derain": "derain median photos --out OUT",
    "score": "score photos -d mini-streaks --name x --out OUT",
    "train": "train prenet_r --clean photos --steps 1 --short --device cpu --out OUT",
    "claims": "claims --run --clean photos --out OUT",
}


def call(text):
    result = CliRunner().invoke(cli, text.split(), standalone_mode=False)
    assert isinstance(result.exception, RainbenchError), result.output
    return str(result.exception)


@pytest.fixture
def here(tmp_path, photographs, monkeypatch):
    """A folder with ``photos``, the same photographs in a folder of it, and a link to it."""
    for place in ("photos", "photos/below", "away"):
        (tmp_path / place).mkdir()
        for file in photographs.iterdir():
            (tmp_path / place / file.name).write_bytes(file.read_bytes())
    (tmp_path / "link").symlink_to("photos")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("out", ["photos", "photos/below/out", "link/out", "away/../photos/out"])
@pytest.mark.parametrize("name", CALLS)
def test_nothing_is_written_into_an_input_folder(here, name, out):
    before = sorted(here.rglob("*"))
    said = call(CALLS[name].replace("OUT", out))
    assert "lies in the input folder" in said or "one lies inside the other" in said
    assert sorted(here.rglob("*")) == before


def test_a_result_of_derain_never_lands_in_the_input_from_above(here):
    (here / "photos" / "photos").mkdir()
    (here / "photos/photos/1.png").write_bytes((here / "photos/1.png").read_bytes())
    before = sorted(here.rglob("*"))
    assert "lies in the input folder" in call("derain median photos --out .")
    assert sorted(here.rglob("*")) == before


@pytest.mark.parametrize("name", COMMANDS)
def test_an_empty_path_is_refused(name):
    command = cli.get_command(click.Context(cli), name)
    places = [each for each in command.params if isinstance(each.type, click.Path)]
    for place in places:
        with pytest.raises(click.BadParameter, match="it is empty"):  # by every path
            place.type("", place, click.Context(command))


def test_an_empty_out_writes_nothing_into_the_current_folder(rainbench, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    done = rainbench("build-mini", "--out", "")
    assert done.returncode == 2
    assert "Invalid value for '--out': it is empty" in done.stderr
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(os.name != "posix", reason="such a folder cannot be removed")
def test_a_current_folder_that_was_removed_is_told(tmp_path):
    """PyTorch cannot be loaded there: its own word of it was that MKL is damaged."""
    program = (
        "import os, sys; os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')\n"
        "from rainbench.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "run", "-b", "identity", "-d", "mini-streaks"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == "Error: the current folder was removed"
