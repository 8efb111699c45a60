"""Where commands write: never into what they read, never where an empty text would mean."""

import click
import pytest
from click.testing import CliRunner

from rainbench.cli import COMMANDS, cli
from rainbench.core.errors import RainbenchError

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
