"""The judge on hard sequences of every kind: the truth is known, and no claim lies far above it."""

import numpy as np
import pytest
from hard_sequences import SMALL, hard_sequence
from scipy.stats import spearmanr
from sequences import psnr

from rainbench.clean_frame.extract import extract_clean_frame
from rainbench.clean_frame.quality.estimate import judge_clean_frame
from rainbench.clean_frame.quality.stillness import MOST_DRIFT, MOST_SHAKE, check_static
from rainbench.frames.sources import as_source

FINE = (
    "plain", "heavy", "snow", "fog", "noise-3", "lowrate", "exposure-steps", "several-25",
    "still-dark-first-25", "still-bright-last-40", "still-coloured-middle-40", "walker-dark-30",
    "still-dark-last-45", "still-textured-first-45", "several-45", "lamp-switched",
)  # fmt: skip
"""Kinds of which the robust method makes more than 50 dB."""

HALF = (
    "still-bright-first-50", "still-dark-middle-50", "still-coloured-twice-50",
    "still-textured-last-50",
)  # fmt: skip
"""Kinds in which time does not say what the scene is."""

POOR = (
    "plain+crf17", "plain+crf28", "plain+crf36", "heavy+crf17", "snow+crf23", "several-30+crf23",
    "leaves-windy", "fogbanks",
)  # fmt: skip
"""Kinds that lose detail which no frame shows, or whose scene is never at rest."""

OTHERS = ("lamp-global", "water", "slowmotion")
UNCORRECTED = (96, 128)

SEED = 7


@pytest.fixture(scope="module")
def judged():
    """Each kind's true PSNR and what the judge says."""
    rows = {}
    for kind in (*FINE, *HALF, *POOR, *OTHERS):
        made = hard_sequence(kind, SMALL, seed=SEED)
        clean = extract_clean_frame(made.frames, "robust")
        rows[kind] = psnr(clean.image, made.truth), judge_clean_frame(made.frames, clean)
    return rows


def test_no_accepted_clean_frame_is_much_worse_than_the_judge_says(judged):
    over = [said.low - true for true, said in judged.values() if said.verdict == "accept"]
    assert len(over) > 10
    assert max(over) <= 3 and np.mean(np.array(over) > 1) <= 0.05


def test_the_lower_end_ranks_as_the_truth_does(judged):
    true, low = np.array([(true, said.low) for true, said in judged.values()]).T
    assert spearmanr(true, low)[0] >= 0.85


def test_the_truth_lies_between_the_two_ends(judged):
    inside = [said.low - 1 <= true <= said.high + 1 for true, said in judged.values()]
    assert np.mean(inside) >= 0.7
    assert all(said.low <= said.estimated_psnr <= said.high for _, said in judged.values())


@pytest.mark.parametrize("kind", FINE)
def test_a_fine_clean_frame_is_accepted(judged, kind):
    true, said = judged[kind]
    assert true > 50 and said.verdict == "accept", said.reason


@pytest.mark.parametrize("kind", POOR)
def test_what_no_frame_shows_is_not_claimed(judged, kind):
    true, said = judged[kind]
    assert true < 45 and said.verdict != "accept"


@pytest.mark.parametrize("kind", ["shadow-80", "shadow-60"])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_shadow_that_creeps_through_leaves_an_edge_that_no_frame_shows(kind, seed):
    made = hard_sequence(kind, SMALL, seed=seed)
    clean = extract_clean_frame(made.frames, "robust")
    said = judge_clean_frame(made.frames, clean)
    assert psnr(clean.image, made.truth) < 25
    assert said.verdict != "accept"
    assert said.check.moving == "scene" or (said.low < 25 and said.uncertain > 0.1)


@pytest.mark.parametrize("thing", ["twice", "once"])
def test_what_two_things_leave_behind_is_not_accepted(thing):
    """Each stands for 48 %, and they overlap where the scene is hardly seen."""
    sequence = hard_sequence("plain", SMALL, frames=60, seed=3)
    video = sequence.frames.copy()
    video[:29, 40:80, 30:70] = (120, 60, 30)
    if thing == "twice":
        video[31:, 50:90, 55:95] = (40, 90, 160)
    clean = extract_clean_frame(video, "robust")
    said = judge_clean_frame(video, clean)
    true = psnr(clean.image, sequence.truth)
    if thing == "once":
        assert true > 50 and said.verdict == "accept"
    else:
        assert true < 40 and said.verdict != "accept"


@pytest.mark.parametrize("kind", ["plain", "heavy"])
def test_a_single_wrong_pixel_counts(kind):
    made = hard_sequence(kind, SMALL, seed=SEED)
    clean = extract_clean_frame(made.frames, "robust")
    before = judge_clean_frame(made.frames, clean)
    some = np.random.default_rng(0).permutation(len(made.frames))[: len(made.frames) // 4]
    made.frames[some, 50, 70] = wrong = (250, 20, 240)  # a hot pixel for a quarter of the time
    clean.levels[50, 70] = clean.image[50, 70] = wrong
    said = judge_clean_frame(made.frames, clean)
    true = psnr(clean.image, made.truth)
    assert before.low - 1 > true and said.low <= true + 1
    assert said.low <= said.estimated_psnr <= said.high


@pytest.mark.parametrize("kind", HALF)
def test_what_stands_for_half_of_the_time_is_judged_by_its_seams(judged, kind):
    true, said = judged[kind]
    assert (said.verdict == "accept") == (true >= 45)
    if true < 45:
        assert said.uncertain > 0.001 and "most in the" in said.reason and "x " in said.reason


def judged_uncorrected(kind, seed):
    made = hard_sequence(kind, UNCORRECTED, seed=seed)
    still = np.ones(len(made.frames))
    return judge_clean_frame(
        made.frames, extract_clean_frame(made.frames, "robust", exposure=still)
    )


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_camera_that_moved_and_was_not_corrected_is_rejected(seed):
    said = judged_uncorrected("drift", seed)
    # By 2.3 pixels from end to end, evenly: a deviation of 0.67.
    assert said.check.shake == pytest.approx(2.3 / 12**0.5, rel=0.1)
    assert said.check.shake > 3 * MOST_SHAKE
    # Pixels of a moved scene change as if the light did, which must not be named.
    assert said.verdict == "reject" and "camera" in said.reason


@pytest.mark.parametrize(("kind", "swing"), [("lamp-global", 0.5), ("exposure-steps", 0.32)])
@pytest.mark.parametrize("seed", [1, 2])
def test_light_that_changed_and_was_not_corrected_is_rejected(kind, swing, seed):
    said = judged_uncorrected(kind, seed)
    assert said.check.drift == pytest.approx(swing, rel=0.1)
    assert said.check.drift > 5 * MOST_DRIFT
    assert said.check.shake < MOST_SHAKE / 4
    assert said.verdict == "reject" and "light" in said.reason


@pytest.mark.parametrize("seed", [1, 2])
def test_what_stands_still_is_said_neither_to_move_nor_to_change(seed):
    made = hard_sequence("plain", UNCORRECTED, seed=seed)
    check = check_static(as_source(made.frames), 0.0, 50.0, 50.0)  # suspected, so that it looks
    assert check.shake < MOST_SHAKE / 4 and check.drift < MOST_DRIFT / 4 and check.static
