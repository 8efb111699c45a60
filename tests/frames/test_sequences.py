"""The generator itself: what the quality tests rest on."""

import numpy as np
import pytest
from sequences import HELD_OUT, STATIC, Spec, make_sequence, psnr, shifted


def test_same_spec_same_bytes():
    spec = Spec("X", "coins", frames=5)
    one, two = (make_sequence(spec, 40, 56) for _ in range(2))
    assert (one.frames == two.frames).all()
    other = make_sequence(Spec("X", "coins", frames=5, seed=2), 40, 56)
    assert (one.frames != other.frames).any()


def test_rain_covers_a_sample_as_often_as_meant():
    coverage = [make_sequence(spec, 64, 96).coverage for spec in (STATIC[0], STATIC[8])]
    assert coverage[0] == pytest.approx(0.12, abs=0.03)
    assert coverage[1] == pytest.approx(0.69, abs=0.05)


def test_rain_only_brightens_and_dry_samples_hold_the_truth():
    sequence = make_sequence(Spec("X", "rocket", frames=10, noise=0, flicker=0), 64, 96)
    above = sequence.frames - sequence.truth
    assert above.min() >= -0.5001
    assert np.abs(above[~sequence.rainy]).max() <= 1 + 3.5  # faint rain, unevenly in colour


def test_input_is_as_rainy_as_published_sequences():
    scores = []
    for spec in STATIC[:6]:
        sequence = make_sequence(spec, 64, 96)
        scores.append(np.mean([psnr(frame, sequence.truth) for frame in sequence.frames[::9]]))
    assert 23 < np.mean(scores) < 27


def test_held_out_scenes_are_other_scenes():
    assert not {(s.scene, s.seed) for s in STATIC} & {(s.scene, s.seed) for s in HELD_OUT}
    assert not {s.scene for s in STATIC} & {s.scene for s in HELD_OUT}


def test_shift_moves_to_the_right_and_down():
    image = np.zeros((16, 16, 3))
    image[4, 5] = 1
    moved = shifted(image, 2, 3)
    assert np.unravel_index(moved[..., 0].argmax(), (16, 16)) == (7, 7)
