"""The rules of the rounds: how many frames are tried, when it ends, what is taken."""

from types import SimpleNamespace

import numpy as np
import pytest

from rainbench.clean_frame.quality.estimate import Judgement
from rainbench.clean_frame.quality.stillness import StaticCheck
from rainbench.frames.sources import as_source
from rainbench.spa import rounds as spa_rounds
from rainbench.spa.options import SpaOptions


def counts(available, density="normal", asked=None, most=12, **how):
    tried = spa_rounds._frame_counts(available, density, asked, SpaOptions(**how))
    return [count for (_, count), _ in zip(tried, range(most), strict=False)]


@pytest.mark.parametrize(
    ("density", "expected"),
    [
        ("sparse", [20, 30, 40, 50, 60]),
        ("normal", [100, 120, 140, 160, 180]),
        ("dense", [200, 250, 300, 350, 400]),
    ],
)
def test_rounds_add_frames_as_in_the_paper(density, expected):
    assert counts(1000, density, most=5, frames="paper") == expected


@pytest.mark.parametrize(
    ("available", "density", "expected"),
    [
        (24, "sparse", [20, 24]),
        (20, "sparse", [20]),
        (9, "dense", [9]),
        (130, "normal", [100, 120, 130]),
    ],
)
def test_rounds_end_with_the_last_frame(available, density, expected):
    assert counts(available, density, frames="paper") == expected


def test_all_frames_are_used_by_default():
    for density in ("sparse", "normal", "dense"):
        assert counts(376, density) == [376]
    assert counts(376, "sparse", asked=2) == [376]


def test_auto_begins_with_all_frames_and_halves_them():
    assert counts(300, frames="auto") == [300, 150, 75, 37]
    assert counts(9, frames="auto") == [9]


def test_a_given_number_is_one_round_and_a_person_may_ask_for_more():
    assert counts(300, frames=64) == [64]
    assert counts(50, frames=64) == [50]
    assert counts(300, "sparse", asked=3, frames="paper") == [50]
    assert counts(300, "normal", asked=2, frames=64) == [104]


@pytest.fixture
def play(monkeypatch):
    """Run rounds over 200 frames whose verdicts are given; return the frames tried, the result."""

    def run(verdicts, density="sparse", **how):
        how.setdefault("frames", "paper")
        tried = []

        def attempt(_frames, source, _options):
            verdict, psnr, *moving = verdicts[min(len(tried), len(verdicts) - 1)]
            tried.append(source.shape[0])
            check = StaticCheck(0.8, 50, 50, moving=moving[0] if moving else "")
            judged = Judgement(psnr, verdict, "why", psnr, psnr, psnr, psnr, check, low=psnr)
            clean = SimpleNamespace(frames=source.shape[0])
            return spa_rounds._Attempt(clean, None, 0.0, judged)

        monkeypatch.setattr(spa_rounds, "_attempt", attempt)
        source = as_source(np.arange(200 * 12).reshape(200, 2, 2, 3).astype(np.uint8))
        number, best = spa_rounds._run_rounds(None, source, density, None, SpaOptions(**how))
        return tried, number, best

    return run


def test_the_first_good_round_ends_it(play):
    tried, number, best = play([("more", 37), ("more", 39), ("accept", 41), ("accept", 45)])
    assert (tried, number, best.judgement.estimated_psnr) == ([20, 30, 40], 2, 41)


def test_two_rounds_without_gain_end_it_and_the_best_one_is_taken(play):
    tried, number, best = play([("more", 37), ("more", 38), ("more", 37.5), ("more", 37.9)])
    assert (tried, number) == ([20, 30, 40, 50], 1)
    assert best.judgement.verdict == "accept"
    assert "38.0 dB: no number of frames gives more" in best.judgement.reason


@pytest.mark.parametrize(("least", "verdict"), [(36.0, "reject"), (35.0, "accept")])
def test_min_psnr_decides_where_no_round_is_good(play, least, verdict):
    _, _, best = play([("more", 35.5)], min_psnr=least)
    assert best.judgement.verdict == verdict
    if verdict == "reject":
        assert "35.5 dB with 20 frames, less than 36" in best.judgement.reason


def test_a_scene_that_moves_is_not_tried_again_but_by_auto(play):
    moving = [("reject", 30, "scene")]
    assert play(moving)[0] == [20]
    assert play(moving, frames="auto")[0] == [200, 100, 50]
    tried, _, best = play([*moving, ("accept", 41)], frames="auto")
    assert tried == [200, 100] and best.judgement.verdict == "accept"


def test_ghosts_ask_for_more_frames_and_min_psnr_does_not_overrule_them(play):
    tried, _, best = play([("reject", 44), ("reject", 45), ("accept", 43)])
    assert tried == [20, 30, 40] and best.judgement.estimated_psnr == 43
    assert play([("reject", 44)])[2].judgement.verdict == "reject"


GHOST = (
    "what passes before the scene shows in 7.4 % of the picture, most in the left: "
    "use the method robust, or a longer video"
)


@pytest.mark.parametrize("method", ["robust", "exact"])
def test_a_method_is_not_advised_that_was_used(method):
    check = StaticCheck(0.8, 50, 50)
    judged = Judgement(44, "reject", GHOST, 44, 44, 44, 44, check, ghosting=0.074)
    attempt = spa_rounds._Attempt(SimpleNamespace(frames=20), None, 0.0, judged)
    reason = spa_rounds._advised(attempt, SpaOptions(method=method)).judgement.reason
    assert reason.startswith(GHOST.partition(": ")[0])
    assert ("use the method robust" in reason) == (method == "exact")
    assert "longer video" in reason


@pytest.mark.parametrize("moving", ["light", "camera"])
def test_a_correction_is_not_advised_that_was_made(play, moving):
    rounds = [("reject", 30, moving)]
    assert "frames in which it is steady" in play(rounds)[2].judgement.reason
    assert play(rounds, align=False)[2].judgement.reason == "why"
