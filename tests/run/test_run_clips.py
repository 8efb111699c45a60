"""Runs on data sets of clips: video methods by clips, networks by frames, and the means."""

import csv
import json
import math
import shutil

import numpy as np
import pytest

import rainbench as rb
from rainbench.catalog.registry import load_registry
from rainbench.core.images import quantise, read_image
from rainbench.metrics import score_all
from rainbench.pairs.pictures import load_pair
from rainbench.report.restored import Restorer
from rainbench.run.clips import predict as clips
from rainbench.run.clips.predict import predictor_of
from rainbench.run.cost import estimate_seconds
from rainbench.run.evaluate import run_plan
from rainbench.run.options import RunOptions
from rainbench.run.plan import make_plan
from rainbench.run.results import RunResults
from rainbench.run.scores import disagreement
from rainbench.synthesis.mini import write_clips


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_clips(folder)
    return folder


def plan(data, *entries, sets=("mini-clips",), **options):
    return make_plan(
        load_registry(), datasets=sets, baselines=entries, data_roots=[data], **options
    )


def lines(out, entry):
    file = out / "cells" / "mini-clips" / entry / "images.csv"
    return list(csv.reader(file.read_text().splitlines()))[1:]


def test_the_set_is_made_the_same_each_time(data, tmp_path):
    again = write_clips(tmp_path)
    for file in (data / "mini-clips").rglob("*.png"):
        other = again / file.relative_to(data / "mini-clips")
        assert np.array_equal(read_image(file), read_image(other))
    static = sorted((again / "clean" / "1-astronaut").iterdir())
    assert len(static) == 10
    assert np.array_equal(read_image(static[0]), read_image(static[9]))
    moving = sorted((again / "clean" / "6-cup").iterdir())
    first, second = read_image(moving[0]), read_image(moving[1])
    assert np.array_equal(first[:, 2:], second[:, :-2])


def test_a_video_method_is_scored_frame_by_frame(data, tmp_path):
    chosen = plan(data, "fastderain", "identity")
    assert [each.state for each in run_plan(chosen, tmp_path, RunOptions())] == ["done", "done"]
    predictor = predictor_of(load_registry().entries(["fastderain"])[0], None, RunOptions())
    folder = data / "mini-clips"
    frames, clean = (
        np.stack([read_image(f) for f in sorted((folder / kind / "6-cup").iterdir())])
        for kind in ("rainy", "clean")
    )
    restored = predictor(frames)
    scores = RunResults(tmp_path).cell("mini-clips", "fastderain").scores
    for number in range(10):
        wanted = score_all(restored[number], clean[number], ["prenet-y"])["prenet-y"]
        found = scores[f"6-cup/{number}"]["prenet-y"]
        assert found.psnr == pytest.approx(wanted.psnr, abs=1e-5)
    assert not np.array_equal(quantise(restored, "round"), frames)


def test_the_mean_is_that_of_the_clips_means(data, tmp_path):
    chosen = plan(data, "identity", images=["1-astronaut/0", "1-astronaut/1", "6-cup/3"])
    list(run_plan(chosen, tmp_path, RunOptions()))
    cell = RunResults(tmp_path).cell("mini-clips", "identity")
    psnr = {image: each["prenet-y"].psnr for image, each in cell.scores.items()}
    assert list(psnr) == ["1-astronaut/0", "1-astronaut/1", "6-cup/3"]
    first = (psnr["1-astronaut/0"] + psnr["1-astronaut/1"]) / 2
    wanted = (first + psnr["6-cup/3"]) / 2
    assert not math.isclose(wanted, sum(psnr.values()) / 3, abs_tol=1e-3)
    summary = cell.summary
    assert summary["means"]["prenet-y"]["psnr"] == pytest.approx(wanted, abs=1e-6)
    assert summary["clips"] == 2 and summary["images"] == 3
    claim = json.loads((cell.folder / "cell.json").read_text())
    assert not disagreement(claim, cell.scores)
    claim["means"]["prenet-y"]["psnr"] = sum(psnr.values()) / 3
    assert "mean of prenet-y" in disagreement(claim, cell.scores)


def test_an_interrupted_run_ends_with_the_same_lines(data, tmp_path):
    chosen = plan(data, "fastderain")
    list(run_plan(chosen, tmp_path / "whole", RunOptions()))
    cut = tmp_path / "cut"
    stopped = 0

    def stop(count, _what):
        nonlocal stopped
        stopped += count
        if stopped > 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(run_plan(chosen, cut, RunOptions(), advance=stop))
    before = lines(cut, "fastderain")
    assert 0 < len({line[0] for line in before}) < 20
    assert [each.state for each in run_plan(chosen, cut, RunOptions())] == ["done"]
    assert lines(cut, "fastderain") == lines(tmp_path / "whole", "fastderain")
    assert [each.state for each in run_plan(chosen, cut, RunOptions())] == ["kept"]


def psnrs(out, entry="fastderain"):
    scores = RunResults(out).cell("mini-clips", entry).scores
    return {image: each["prenet-y"].psnr for image, each in scores.items()}


@pytest.mark.parametrize("chosen", [{"limit": 3}, {"images": ["1-astronaut/4", "6-cup/9"]}])
def test_a_frame_has_its_number_however_few_are_asked_for(data, tmp_path, chosen):
    list(run_plan(plan(data, "fastderain"), tmp_path / "whole", RunOptions()))
    part = plan(data, "fastderain", **chosen)
    assert [each.state for each in run_plan(part, tmp_path / "part", RunOptions())] == ["done"]
    whole, some = psnrs(tmp_path / "whole"), psnrs(tmp_path / "part")
    assert some and some == {image: whole[image] for image in some}
    states = [
        each.state for each in run_plan(plan(data, "fastderain"), tmp_path / "part", RunOptions())
    ]
    assert states == ["done"] and psnrs(tmp_path / "part") == whole


def test_a_slice_of_a_data_set_is_restored_from_whole_clips(data, tmp_path):
    found = rb.load_dataset("mini-clips", data=data)
    rb.evaluate("fastderain", found, out=tmp_path / "whole", quiet=True)
    rb.evaluate("fastderain", found[3:5], out=tmp_path / "part", quiet=True)
    whole, some = psnrs(tmp_path / "whole"), psnrs(tmp_path / "part")
    assert list(some) == ["1-astronaut/3", "1-astronaut/4"]
    assert some == {image: whole[image] for image in some}


def test_a_frame_that_changed_touches_its_whole_clip(data, tmp_path):
    own = shutil.copytree(data, tmp_path / "data")
    list(run_plan(plan(own, "fastderain"), tmp_path / "run", RunOptions()))
    file = own / "mini-clips" / "rainy" / "1-astronaut" / "09.png"
    shutil.copyfile(file.with_name("08.png"), file)
    for out in ("run", "fresh"):
        list(run_plan(plan(own, "fastderain"), tmp_path / out, RunOptions()))
    assert len(psnrs(tmp_path / "fresh")) == 20
    assert psnrs(tmp_path / "run") == psnrs(tmp_path / "fresh")


def test_a_frame_beside_the_chosen_ones_that_cannot_be_read_is_told(data, tmp_path):
    own = shutil.copytree(data, tmp_path / "data")
    file = own / "mini-clips" / "rainy" / "1-astronaut" / "09.png"
    file.write_bytes(file.read_bytes()[:200])
    found = plan(own, "fastderain", "identity", limit=3)
    outcomes = list(run_plan(found, tmp_path / "run", RunOptions()))
    assert [each.state for each in outcomes] == ["missing", "done"]
    assert "1-astronaut/09.png" in outcomes[0].note.replace("\\", "/")


def test_tiles_and_precisions_of_networks_are_not_written_down(data, tmp_path):
    options = RunOptions(precision="bf16", tile=64)
    list(run_plan(plan(data, "fastderain", limit=4), tmp_path, options))
    cell = RunResults(tmp_path).cell("mini-clips", "fastderain")
    assert cell.is_plain


def test_a_clip_beyond_the_memory_fails_and_the_others_run(data, tmp_path, monkeypatch):
    monkeypatch.setattr(clips, "free_memory", lambda: 10_000)
    outcomes = list(run_plan(plan(data, "fastderain", "identity"), tmp_path, RunOptions()))
    assert [each.state for each in outcomes] == ["failed", "done"]
    assert "1-astronaut" in outcomes[0].note and "is enough for 0" in outcomes[0].note


def test_a_clip_of_two_sizes_fails(tmp_path):
    folder = write_clips(tmp_path)
    for kind in ("rainy", "clean"):
        (folder / kind / "6-cup" / "03.png").write_bytes(
            (folder / kind / "1-astronaut" / "03.png").read_bytes()
        )
    outcomes = list(run_plan(plan(tmp_path, "fastderain"), tmp_path / "run", RunOptions()))
    assert outcomes[0].state == "failed" and "different sizes" in outcomes[0].note


def test_a_clip_that_cannot_be_restored_is_left_out_where_that_is_allowed(tmp_path):
    """Across a hole no method for videos works; networks restore the frames that there are."""
    folder = write_clips(tmp_path)
    (folder / "rainy" / "1-astronaut" / "04.png").write_bytes(b"broken")
    chosen = plan(tmp_path, "fastderain", "identity", allow_partial=True)
    outcomes = list(run_plan(chosen, tmp_path / "run", RunOptions()))
    assert [each.state for each in outcomes] == ["done", "done"]
    results = RunResults(tmp_path / "run")
    results.write_plan(chosen)
    cell, frames = (results.cell("mini-clips", name) for name in ("fastderain", "identity"))
    assert {name.partition("/")[0] for name in cell.scores} == {"6-cup"}
    assert len(frames.scores) == 19 and not cell.problem and not frames.problem
    said = cell.summary["left_out"][-1]
    assert "clip 1-astronaut: frames are missing between 1-astronaut/3 and 1-astronaut/5" in said
    assert cell.summary["clips"] == 1 and cell.summary["complete_set"] is False
    assert len(results.pictures("mini-clips")) == 19


@pytest.mark.parametrize("gone", [("rainy",), ("rainy", "clean")])
def test_a_frame_that_is_gone_tears_its_clip(tmp_path, gone):
    folder = write_clips(tmp_path)
    for kind in gone:
        (folder / kind / "1-astronaut" / "04.png").unlink()
    (cell,) = plan(tmp_path, "fastderain", allow_partial=True).cells
    assert {pair.clip for pair in cell.pairs.pairs} == {"6-cup"}


def test_frames_at_an_end_tear_no_clip_and_a_short_one_is_left_out(tmp_path):
    folder = write_clips(tmp_path)
    for kind in ("rainy", "clean"):
        (folder / kind / "1-astronaut" / "00.png").unlink()
        for number in range(1, 10):
            (folder / kind / "6-cup" / f"{number:02}.png").unlink()
    (cell,) = plan(tmp_path, "fastderain", allow_partial=True).cells
    assert {pair.clip for pair in cell.pairs.pairs} == {"1-astronaut"}
    assert "needs at least" in cell.pairs.left_out[-1] and "not 1 frame" in cell.pairs.left_out[-1]


def test_frames_are_restored_again_to_be_looked_at(data, tmp_path):
    chosen = plan(data, "fastderain")
    list(run_plan(chosen, tmp_path, RunOptions()))
    restorer = Restorer(tmp_path, chosen.cells[0], RunOptions())
    pairs = chosen.cells[0].pairs.pairs
    for pair in (pairs[3], pairs[12], pairs[4]):
        rainy, clean = load_pair(pair)
        shown, maps = restorer(pair, rainy, clean)  # it has to score what the run says
        assert shown.shape == rainy.shape and not maps
        assert not np.array_equal(shown, rainy)


def test_real_rain_has_no_clips(data, tmp_path, rainbench):
    pictures = data / "mini-clips" / "rainy" / "6-cup"
    done = rainbench("run", "-b", "fastderain", "--rainy", pictures, "--limit", "1",
                     "--metrics", "niqe-rainbench", "--out", tmp_path / "run")  # fmt: skip
    assert "fastderain: restores videos, and these are single pictures" in done.stderr


def test_single_images_are_not_for_video_methods(data):
    both = plan(data, "fastderain", "identity", sets=("mini-clips", "mini-streaks"))
    assert [cell.entry.name for cell in both.runnable] == ["fastderain", "identity", "identity"]
    (unfit,) = both.unfit
    assert unfit.pairs.card.name == "mini-streaks"
    assert "restores videos, and mini-streaks is a set of single images" in unfit.missing
    every = plan(data, sets=("mini-streaks",))
    assert not every.unfit and "fastderain" not in {cell.entry.name for cell in every.cells}
    assert "jiang2017" in {cell.entry.name for cell in plan(data).cells}


def test_the_time_that_cards_state_is_in_the_estimate(data):
    slow, fast = (estimate_seconds(plan(data, name), RunOptions()) for name in
                  ("jiang2017", "identity"))  # fmt: skip
    pixels = 128 * (192 + 174) * 10
    stated = load_registry().baseline("jiang2017").seconds_per_megapixel
    assert slow - fast == pytest.approx(stated * pixels / 1e6)


def test_the_command_says_what_is_left_out(data, tmp_path, rainbench):
    call = ["run", "-b", "fastderain", "-d", "mini-streaks", "--out", tmp_path / "run"]
    done = rainbench(*call)
    assert done.returncode == 2
    assert "left out on mini-streaks, a set of single images: fastderain" in done.stderr
    done = rainbench(*call[:3], "-d", "mini-clips", "--data", data, *call[5:], "--metrics",
                     "niqe-rainbench", "--limit", "4")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "fastderain" in done.stdout and "niqe-rainbench" in done.stdout
