"""Video methods on files: whole videos, the memory they may take, and what is no video."""

import json

import numpy as np
import pytest
import torch
from rain_clips import rain, write_bad, write_clip

import rainbench as rb
from rainbench.catalog.registry import load_registry
from rainbench.core.errors import RainbenchError
from rainbench.core.images import quantise, write_png
from rainbench.derain.folder import Style, derain, find_tasks
from rainbench.run.clips import predict as clips
from rainbench.run.clips.predict import ClipPredictor, predictor_of
from rainbench.run.options import RunOptions
from rainbench.run.predict import PredictionError, Predictor
from rainbench.video.read import read_video

ENTRY = load_registry().entries(["fastderain"])[0]
FRAMES = rain("chelsea").frames[:6, :48, :64]


@pytest.fixture
def fastderain():
    return predictor_of(ENTRY, None, RunOptions(tile=64, precision="bf16"))


@pytest.fixture
def video(tmp_path):
    return write_clip(tmp_path / "in" / "rain.mp4", FRAMES)


def run(path, out, predictor, **style):
    style = Style(**style)
    return list(derain(find_tasks(path, out, style), predictor, style))


def test_a_video_is_restored_as_a_whole(video, tmp_path, fastderain):
    (result,) = run(video, tmp_path / "out", fastderain, lossless=True)
    assert (result.state, result.frames) == ("done", len(FRAMES))
    written = read_video(result.task.target).frames
    assert np.array_equal(written, quantise(fastderain(FRAMES), "round"))
    assert not np.array_equal(written, FRAMES)
    (again,) = run(video, tmp_path / "out", fastderain, lossless=True)
    assert again.state == "kept"


def test_side_by_side(video, tmp_path, fastderain):
    (result,) = run(video, tmp_path / "out", fastderain, lossless=True, side_by_side=True)
    written = read_video(result.task.target).frames
    assert np.array_equal(written[:, :, :64], FRAMES)


def test_tiles_and_precisions_are_a_networks(fastderain):
    assert fastderain.options == RunOptions(device="cpu", precision="fp32", tile=0)


@pytest.mark.parametrize("announced", [True, False])
def test_a_video_beyond_the_memory_is_refused(video, tmp_path, fastderain, monkeypatch, announced):
    monkeypatch.setattr(clips, "free_memory", lambda: 140 * 48 * 64 * 5)
    if not announced:  # as of a video that does not say how long it is
        known = fastderain.check_length
        monkeypatch.setattr(
            ClipPredictor, "check_length", lambda _self, n, h, w: n > 1 and known(n, h, w)
        )
    (result,) = run(video, tmp_path / "out", fastderain)
    assert result.state == "failed"
    assert str(video) in result.note
    assert "6 frames of 64x48" in result.note and "enough for 5" in result.note
    assert not result.task.target.exists()
    with pytest.raises(PredictionError, match="enough for 5"):
        fastderain(FRAMES)


def test_images_are_no_videos_and_do_not_stop_those(video, tmp_path, fastderain):
    write_png(video.parent / "a.png", FRAMES[0])
    bad = write_bad(video.parent / "bad", video)
    results = {
        each.task.source.name: each for each in run(video.parent, tmp_path / "o", fastderain)
    }
    assert results["rain.mp4"].state == "done"
    assert results["a.png"].state == "failed"
    assert "restores videos, and no single images" in results["a.png"].note
    assert results["one.mp4"].state == "failed" and "at least 2 frames" in results["one.mp4"].note
    assert {results[file.name].state for name, file in bad.items() if name != "cut"} == {"failed"}


def test_no_image_predictor_is_made_of_a_video_method():
    with pytest.raises(PredictionError, match="fastderain restores clips"):
        Predictor(ENTRY, None, RunOptions())


def test_the_command_announces_the_limit(video, tmp_path, rainbench):
    done = rainbench("derain", "fastderain", video, "--out", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["counts"] == {"done": 1}
    assert "restores a video as a whole, in memory" in done.stderr


def test_from_python():
    assert {"fastderain", "jiang2017"} <= set(rb.list_models())
    model = rb.load_model("fastderain")
    restored = model(FRAMES)
    assert restored.shape == FRAMES.shape and restored.dtype == np.float32
    assert np.array_equal(model(FRAMES / 255), restored)
    tensor = model(torch.from_numpy(FRAMES).permute(0, 3, 1, 2))
    assert np.array_equal(tensor.permute(0, 2, 3, 1).numpy(), restored)
    for wrong in (FRAMES[0], FRAMES[:0]):
        with pytest.raises(RainbenchError, match="restores clips, and no single pictures"):
            model(wrong)
