"""How close the methods come to the truth; the full-size table is in benchmarks/."""

from dataclasses import replace

import numpy as np
import pytest
from sequences import STATIC, make_sequence, noise_free, psnr

from rainbench.clean_frame.extract import extract_clean_frame

HEIGHT, WIDTH = 80, 112


@pytest.fixture(scope="module")
def scores():
    """PSNR of each static scene: published, exact, robust, then exact and robust unrounded."""
    rows = []
    for spec in STATIC:
        sequence = make_sequence(spec, HEIGHT, WIDTH)
        published = extract_clean_frame(sequence.frames, "spanet-reference")
        exact = extract_clean_frame(sequence.frames)
        robust = extract_clean_frame(sequence.frames, "robust")
        images = (published.image, exact.image, robust.image, exact.levels, robust.levels)
        rows.append([psnr(image, sequence.truth) for image in images])
    return np.array(rows)


def test_exact_beats_the_published_code(scores):
    gain = scores[:, 1] - scores[:, 0]
    assert gain.mean() >= 0.8
    assert gain.min() >= 0


def test_robust_beats_both(scores):
    assert (scores[:, 2] - scores[:, 0]).mean() >= 1.5
    assert (scores[:, 2] - scores[:, 1]).min() >= -0.2


def test_unrounded_levels_are_much_closer(scores):
    assert (scores[:, 4] - scores[:, 0]).mean() >= 5
    assert (scores[:, 3] > scores[:, 1]).all()


@pytest.mark.parametrize("spec", STATIC[::2], ids=lambda spec: spec.name)
@pytest.mark.parametrize("black_frame", [False, True])
def test_noise_free_sequences_give_the_truth_itself(spec, black_frame):
    sequence = make_sequence(noise_free(spec), 48, 64)
    if black_frame:
        sequence.frames[41] = 0
    assert (extract_clean_frame(sequence.frames).image == sequence.truth).all()
    assert (extract_clean_frame(sequence.frames, "robust").image == sequence.truth).all()


@pytest.mark.parametrize(("drift", "least"), [(0.05, 5), (0.15, 20)])
def test_drifting_light(drift, least):
    sequence = make_sequence(replace(STATIC[2], drift=drift), HEIGHT, WIDTH)
    published = psnr(extract_clean_frame(sequence.frames, "spanet-reference").image, sequence.truth)
    robust = extract_clean_frame(sequence.frames, "robust")
    exact = extract_clean_frame(sequence.frames, exposure=robust.exposure)
    assert psnr(robust.image, sequence.truth) >= published + least
    assert psnr(exact.image, sequence.truth) >= published + least
    assert np.abs(robust.exposure / sequence.exposure - 1).max() < 0.01
