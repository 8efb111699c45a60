"""``--cluster`` of the builders as a person gives it."""

import shutil
import sys

import pytest
from click.testing import CliRunner
from rain_clips import rain, tree, write_clip

from rainbench.cli import cli

pytest.importorskip("distributed")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no processes of Dask there")


def call(*arguments):
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def test_synth_on_a_cluster_of_two(photographs, tmp_path):
    for out, how in (("plain", ("--workers", "1")), ("spread", ("--cluster", "local:2"))):
        done = call(
            "synth", "joint", photographs, "--order", "physical", "--out", tmp_path / out, *how
        )
        assert done.exit_code == 0, done.output
    assert "local:2: 2 workers" in done.output and "with 2 workers" in done.output
    assert tree(tmp_path / "plain") == tree(tmp_path / "spread")


def test_build_spa_on_a_cluster_of_one(tmp_path):
    write_clip(tmp_path / "videos/yard.mp4", rain("coffee").frames[:24])
    command = ["build-spa", tmp_path / "videos", "--method", "exact", "--max-frames", "3", "--crop"]
    for out, how in (("plain", ("--workers", "1")), ("spread", ("--cluster", "local:1"))):
        done = call(*command, 64, "--name", "toy", "--out", tmp_path / out, *how)
        assert done.exit_code == 0, done.output
    assert tree(tmp_path / "plain") == tree(tmp_path / "spread")


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (("--cluster", "local:2", "--workers", "2"), "two ways to spread the work"),
        (("--cluster", "local:none"), "no number of processes"),
        (("--cluster", "here"), "names no cluster"),
    ],
)
@pytest.mark.parametrize("command", ["synth", "build-spa"])
def test_what_cannot_be_is_refused_before_anything_is_written(
    photographs, tmp_path, command, how, said
):
    words = ["synth", "streaks", photographs]
    if command == "build-spa":
        write_clip(tmp_path / "videos/yard.mp4", rain("coffee").frames[:4])
        words = ["build-spa", tmp_path / "videos"]
    done = call(*words, "--out", tmp_path / "out", *how)
    assert done.exit_code != 0 and said in str(done.exception)
    assert not (tmp_path / "out").exists()


def test_a_plan_starts_no_cluster_and_asks_one_that_is_there(photographs, tmp_path, monkeypatch):
    """A scheduler that does not answer was found out by the build alone."""

    def starts(*_):
        raise AssertionError("processes were started")

    monkeypatch.setattr("rainbench.cluster.places._started", starts)
    monkeypatch.setattr("rainbench.cluster.places.PATIENCE", 0.5)
    words = "synth", "streaks", photographs, "--out", tmp_path / "out", "--dry-run"
    assert call(*words, "--cluster", "local:2").exit_code == 0
    refused = call(*words, "--cluster", "tcp://127.0.0.1:9")
    assert "no scheduler answers" in str(refused.exception)
    assert not (tmp_path / "out").exists()


def test_the_pictures_of_a_report_on_a_cluster(cards, toy, add_network, tmp_path):
    """An entry that kills its worker costs its own pictures, and not the page."""
    add_network("deadly", "Deadly", extra='[arguments]\nway = "segfault"\nat = 9\n')
    given = ["--data", toy, "--cards", cards]
    names = ["-b", "identity", "-b", "median", "-b", "deadly"]
    done = call("run", *names, "-d", "toy", *given, "--out", tmp_path / "plain")
    assert done.exit_code == 0, (done.output, done.exception)
    shutil.copytree(tmp_path / "plain", tmp_path / "spread")
    card = cards / "deadly.toml"
    card.write_text(card.read_text().replace("at = 9", "at = 1"))  # now it dies at once
    spread = call("report", tmp_path / "spread", "--pictures", 2, *given, "--cluster", "local:2")
    assert spread.exit_code == 0, (spread.output, spread.exception)
    assert "No picture: deadly on toy: its process died" in spread.output
    shutil.rmtree(tmp_path / "plain/cells/toy/deadly")
    plain = call("report", tmp_path / "plain", "--pictures", 2, *given)
    assert plain.exit_code == 0, (plain.output, plain.exception)
    found = [tree(tmp_path / out / "restored") for out in ("plain", "spread")]
    assert found[0] == found[1] and len(found[0]) == 8
    shown = [set(tree(tmp_path / out / "report-images")) for out in ("plain", "spread")]
    assert len(shown[0]) == len(shown[1])
