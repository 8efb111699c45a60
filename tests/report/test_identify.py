"""Identification: planted numbers are found again, chances are counted, SIAN's rows are luma."""

import json

import click
import numpy as np
import pytest

from rainbench.catalog.folders import content_root
from rainbench.catalog.registry import load_registry
from rainbench.cli import cli
from rainbench.core.errors import RainbenchError
from rainbench.core.images import read_image, write_png
from rainbench.metrics import PROTOCOLS, MeanScore
from rainbench.pairs.load import load_pairs
from rainbench.report.identify import (
    Published,
    agreeing_family,
    family_of,
    rank,
    score_images,
)


@pytest.fixture(scope="module")
def mini():
    card = load_registry().dataset("mini-streaks")
    return load_pairs(card, content_root() / "datasets" / card.embedded, limit=4)


@pytest.fixture(scope="module")
def measured(mini):
    return score_images(mini)


@pytest.mark.parametrize("planted", ["prenet-y", "rgb", "raindrop-y", "spanet-rgb", "y-win7"])
def test_a_planted_number_is_found(measured, planted):
    score = measured[planted]
    target = Published("x", round(score.psnr, 2), round(score.ssim, 3))
    ranked = rank([target], [{"mini": measured}])
    nearest = ranked[0]
    by_name = {explanation.protocol: explanation for explanation in ranked}
    assert nearest.distance == pytest.approx(by_name[planted].distance, abs=0.3)
    assert nearest.family == family_of(planted)
    assert agreeing_family([target], ranked).family == family_of(planted)
    assert len(ranked) == len(PROTOCOLS)


def test_the_right_revision_is_found(measured):
    other = {name: each._replace(psnr=(each.psnr or 0) + 3) for name, each in measured.items()}
    score = measured["rgb"]
    target = Published("x", round(score.psnr, 2), round(score.ssim, 3))
    ranked = rank([target], [{"wrong": other, "right": measured}])
    assert ranked[0].revisions == ("right",)


def scores(psnrs):
    """Means that differ in PSNR alone, the rest of the protocols far away."""
    far = MeanScore(10.0, 0.5, 1, 0, 10.0)
    found = dict.fromkeys(PROTOCOLS, far)
    return found | {name: far._replace(psnr=psnr) for name, psnr in psnrs.items()}


def test_chance_by_hand():
    """Values over 20 dB, one number off by 0.1 dB: a place as near takes 0.2 of the 20 dB.

    Two other computations print something else, so the chance that one of them is as near is
    1 - (1 - 0.01)^2.
    """
    target = Published("x", 20.1, None)
    ranked = rank([target], [{"set": scores({"prenet-y": 20.0, "rgb": 30.0})}])
    assert ranked[0].protocol == "prenet-y"
    assert ranked[0].distance == pytest.approx(2.0)
    assert ranked[0].chance == pytest.approx(1 - 0.99**2)


def test_no_number_is_nearer_than_its_digits():
    target = Published("x", 20.0, None, psnr_step=1.0)
    ranked = rank([target], [{"set": scores({"prenet-y": 20.0, "rgb": 30.0})}])
    assert ranked[0].distance == 0
    assert ranked[0].chance == pytest.approx(1 - (1 - 1 / 20) ** 2)


def test_several_numbers_make_an_accident_less_probable(measured):
    score = measured["prenet-y"]
    target = Published("x", round(score.psnr, 2), round(score.ssim, 3))
    once = rank([target], [{"mini": measured}])[0]
    twice = rank([target, target], [{"mini": measured}] * 2)[0]
    assert twice.chance < once.chance < 0.2


def test_nothing_is_singled_out_when_nothing_agrees(measured):
    target = Published("x", 99.0, 0.1)
    assert agreeing_family([target], rank([target], [{"mini": measured}])).family == ""


def test_on_the_command_line(rainbench, tmp_path, mini, measured):
    score = measured["rgb"]
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    for pair in mini.pairs:
        write_png(outputs / f"{pair.id}.png", read_image(pair.rainy.path))
    done = rainbench(
        "identify", "-d", "mini-streaks", "--psnr", f"{score.psnr:.2f}", "--limit", 4, "--json",
        "--outputs", outputs,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["family"] == "RGB"
    assert answer["partial"] == ["mini-streaks: ranked by 4 of 8 images"]
    assert np.isclose(answer["ranked"][0]["measured"][0]["psnr"], score.psnr)


def test_a_ranking_by_some_images_is_said(capfd):
    cli.main(["identify", "-d", "mini-streaks", "--psnr", "22.92", "--limit", "2"],
             standalone_mode=False)  # fmt: skip
    said = capfd.readouterr().err
    assert "Warning: mini-streaks: ranked by 2 of 8 images: the published number is a mean" in said


def test_outputs_that_lack_an_image_are_refused(tmp_path, mini):
    for pair in mini.pairs[1:]:
        write_png(tmp_path / f"{pair.id}.png", read_image(pair.rainy.path))
    call = ["identify", "-d", "mini-streaks", "--psnr", "22", "--limit", "4", "--outputs"]
    with pytest.raises(RainbenchError, match="nothing for 1 image of mini-streaks, such as"):
        cli.main([*call, str(tmp_path)], standalone_mode=False)


@pytest.mark.parametrize(
    "given",
    [
        "--paper SIAN --psnr 25", "--table T5 --ssim 0.8", "--psnr 25 --method Input",
        "--psnr 25 --pattern {id}.png",
    ],
)  # fmt: skip
def test_no_option_is_passed_over(given):
    with pytest.raises(RainbenchError, match=r"contradict each other|--pattern is about"):
        cli.main(["identify", "-d", "mini-streaks", *given.split()], standalone_mode=False)


@pytest.mark.parametrize("wrong", [("--psnr", "x"), ()])
def test_wrong_calls(wrong):
    with pytest.raises((RainbenchError, click.ClickException)):
        cli.main(["identify", "-d", "mini-streaks", *wrong], standalone_mode=False)


@pytest.mark.data
@pytest.mark.slow
def test_luma_is_singled_out_for_sians_input_rows(rainbench, shared):
    done = rainbench(
        "identify", "-d", "rain100l", "-d", "rain100h", "--paper", "SIAN", "--table", "3", "--json",
        "--data", shared / "data",
    )  # fmt: skip
    answer = json.loads(done.stdout)
    assert answer["family"] == "luma, 16 to 235"
    assert answer["nearest"]["luma, 16 to 235"] < 0.02
    assert min(off for name, off in answer["nearest"].items() if name != answer["family"]) > 1
    assert all(each["family"] == answer["family"] for each in answer["ranked"][:8])
    assert answer["ranked"][0]["chance"] < 1e-4


@pytest.mark.parametrize(
    "wrong", [["--psnr", "nan"], ["--psnr", "-5"], ["--psnr", "22", "--ssim", "84.5"]]
)
def test_numbers_that_no_paper_prints_are_refused(wrong):
    with pytest.raises(RainbenchError, match="--ssim is 1 at most"):
        cli.main(["identify", "-d", "mini-streaks", *wrong], standalone_mode=False)
