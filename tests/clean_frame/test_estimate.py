"""The judge against the truth it does not see, on scenes that no constant was chosen on."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr
from sequences import CROWD, HELD_OUT, STATIC, Spec, make_sequence, psnr, with_walkers

from rainbench.clean_frame.extract import extract_clean_frame
from rainbench.clean_frame.quality.estimate import judge_clean_frame
from rainbench.clean_frame.quality.residuals import systematic_error
from rainbench.clean_frame.quality.stillness import is_static
from rainbench.core.errors import RainbenchError
from rainbench.frames.exposure import normalise
from rainbench.frames.sources import as_source

HEIGHT, WIDTH = 80, 112
ROWS, COLUMNS = ("upper", "middle", "lower"), ("left", "middle", "right")
METHODS = ("mean", "min", "median", "mode", "spanet-reference", "exact", "robust")


@pytest.fixture(scope="module")
def judged():
    """Scene, method, number of frames, true and estimated PSNR."""
    rows = []
    for spec in (HELD_OUT[0], HELD_OUT[3], HELD_OUT[8]):
        sequence = make_sequence(spec, HEIGHT, WIDTH)
        for count in (20, 50, 100):
            frames = sequence.frames[:count]
            for method in METHODS:
                clean = extract_clean_frame(frames, method)
                estimate = judge_clean_frame(frames, clean).estimated_psnr
                rows.append((spec.name, method, count, psnr(clean.image, sequence.truth), estimate))
    return rows


def test_estimates_rank_clean_frames_as_the_truth_does(judged):
    true, estimated = np.array([row[3:] for row in judged]).T
    assert spearmanr(true, estimated)[0] >= 0.9


def test_estimates_are_near_the_truth_where_it_matters(judged):
    errors = [estimate - true for _, method, _, true, estimate in judged if method == "robust"]
    assert np.abs(errors).max() < 5
    assert np.mean(errors) < 1  # rather too low than too high


@pytest.mark.parametrize("method", ["exact", "robust", "spanet-reference"])
def test_choosing_the_number_of_frames_costs_little(judged, method):
    losses = []
    for scene in {row[0] for row in judged}:
        tried = [row for row in judged if row[:2] == (scene, method)]
        chosen = max(tried, key=lambda row: row[4])
        losses.append(max(row[3] for row in tried) - chosen[3])
    assert np.mean(losses) <= 0.3


def test_a_good_clean_frame_is_accepted_and_a_bad_one_asks_for_more():
    sequence = make_sequence(STATIC[8], HEIGHT, WIDTH)
    few = sequence.frames[:8]
    verdict = judge_clean_frame(few, extract_clean_frame(few, "exact"))
    assert (verdict.verdict, verdict.check.static) == ("more", True)
    assert "less than 40.0" in verdict.reason
    verdict = judge_clean_frame(sequence.frames, extract_clean_frame(sequence.frames, "exact"))
    assert (verdict.verdict, verdict.reason) == ("accept", "")
    assert (
        judge_clean_frame(
            sequence.frames, extract_clean_frame(sequence.frames, "exact"), good=70
        ).verdict
        == "more"
    )


def test_what_moves_is_rejected_until_corrected():
    sequence = make_sequence(replace(STATIC[2], drift=0.1), HEIGHT, WIDTH)
    rejected = judge_clean_frame(sequence.frames, extract_clean_frame(sequence.frames, "exact"))
    assert rejected.verdict == "reject"
    assert "light" in rejected.reason
    corrected = extract_clean_frame(sequence.frames, "robust")
    assert judge_clean_frame(sequence.frames, corrected).verdict == "accept"
    voted = extract_clean_frame(sequence.frames, "exact", exposure=corrected.exposure)
    assert judge_clean_frame(sequence.frames, voted).verdict == "accept"


def test_a_fixed_percentile_is_judged_at_that_percentile():
    frames = make_sequence(STATIC[1], 48, 64).frames
    good, bad = (
        judge_clean_frame(frames, extract_clean_frame(frames, "percentile", percentile=p))
        for p in (30, 90)
    )
    assert good.estimated_psnr > bad.estimated_psnr + 10


def test_a_clean_frame_of_other_frames_is_refused():
    frames = make_sequence(STATIC[1], 48, 64).frames
    clean = extract_clean_frame(frames[:50], "exact")
    with pytest.raises(RainbenchError, match="of 50 frames of 64x48 cannot be judged"):
        judge_clean_frame(frames, clean)


@pytest.mark.parametrize("drift", [0.0, 0.05])
def test_the_check_is_that_of_the_frames_alone(drift):
    sequence = make_sequence(replace(HELD_OUT[1], drift=drift, frames=40), HEIGHT, WIDTH)
    exposure = sequence.exposure if drift else None
    steady = normalise(sequence.frames, exposure) if drift else sequence.frames
    clean = extract_clean_frame(sequence.frames, "exact", exposure=exposure)
    judgement = judge_clean_frame(sequence.frames, clean)
    assert judgement.check == is_static(steady)
    assert judgement.split == judgement.cross == judgement.check.split
    assert judgement.split_half == judgement.check.split_half


@pytest.mark.parametrize("scene", ["coffee", "engine"])
def test_walkers_do_not_spoil_the_verdict_of_a_clean_frame_without_them(scene):
    dry = make_sequence(Spec("W", scene, frames=24, rain=1.2), HEIGHT, WIDTH)
    frames = with_walkers(dry, CROWD[:2]).frames
    clean = extract_clean_frame(frames, "robust")
    verdict = judge_clean_frame(frames, clean)
    assert (verdict.verdict, verdict.reason) == ("accept", "")
    assert abs(verdict.estimated_psnr - psnr(clean.image, dry.truth)) < 4
    assert verdict.check.crossed > 0.05 and verdict.ghosting < 0.01


def test_walkers_that_show_are_a_reason_to_reject():
    made = with_walkers(make_sequence(Spec("W", "coffee", frames=24, rain=1.2), HEIGHT, WIDTH))
    frames = made.frames[::2]
    clean = extract_clean_frame(frames, "exact")
    verdict = judge_clean_frame(frames, clean)
    assert psnr(clean.image, made.truth) < 30 and verdict.low < 30
    assert verdict.check.static and verdict.verdict == "reject"
    assert "passes before the scene" in verdict.reason and "robust" in verdict.reason
    # The place that it names is one of the three that are worst by the truth.
    wrong = np.square(clean.levels - made.truth).mean(axis=-1)
    parts = [np.array_split(np.arange(side), 3) for side in wrong.shape]
    sums = np.array([[wrong[np.ix_(r, c)].sum() for c in parts[1]] for r in parts[0]])
    names = [f"{row} {column}".replace("middle ", "") for row in ROWS for column in COLUMNS]
    worst = [names[n] for n in np.argsort(sums.ravel())[-3:]]
    assert any(f"most in the {name} (x " in verdict.reason for name in worst)


def test_walkers_that_do_not_show_are_none():
    made = with_walkers(make_sequence(Spec("W", "engine", frames=24, rain=1.2), HEIGHT, WIDTH))
    clean = extract_clean_frame(made.frames, "exact")
    assert psnr(clean.image, made.truth) > 45
    assert judge_clean_frame(made.frames, clean).verdict == "accept"


def test_residuals_are_counted_where_few_pixels_are_still():
    sequence = make_sequence(STATIC[1], 48, 64)
    clean = extract_clean_frame(sequence.frames, "exact")
    still = np.ones((48, 64), bool)
    still[16:32:2, 16:32] = False  # every second row of a block
    still[17:32, 16:32] &= np.arange(16) == 3
    error = systematic_error(as_source(sequence.frames), clean, still)
    assert error < 4 * systematic_error(as_source(sequence.frames), clean, None) + 0.1
