"""``--cluster`` of the builders as a person gives it."""

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


def test_a_plan_opens_no_cluster(photographs, tmp_path):
    words = "synth", "streaks", photographs, "--out", tmp_path / "out", "--dry-run"
    assert call(*words, "--cluster", "tcp://127.0.0.1:9").exit_code == 0
