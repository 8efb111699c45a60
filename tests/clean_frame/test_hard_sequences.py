"""The hard sequences: what their names promise, and that their truth is the truth."""

import re

import numpy as np
import pytest
from hard_sequences import KINDS, STILL, hard_sequence

SIZE = (64, 96)
CODED = re.compile(r"\+(crf|jpeg)")
SOME = [*STILL[::5], *(kind for kind in KINDS if kind not in STILL and not CODED.search(kind))]


@pytest.mark.parametrize("kind", SOME)
def test_dry_samples_show_the_truth(kind):
    made = hard_sequence(kind, SIZE, 20)
    assert made.frames.shape == (20, *SIZE, 3)
    assert made.frames.dtype == np.uint8
    assert made.objects.any() == kind.startswith(
        ("still", "several", "parked", "walker", "shifting", "lensdrops", "third", "turns")
    )
    lit = ("lamp", "exposure", "white-balance", "shadow", "headlights", "bands")
    if kind.startswith(lit) or made.moves:
        return
    if kind in ("night", "overexposed"):  # their noise is cut off
        return
    if kind.endswith("+sharpened"):  # streaks have dark rims
        return
    shown = ~(made.rainy | made.objects)
    shown[:, made.unsteady] = False
    seen = shown.sum(axis=0) >= 3
    number = np.maximum(shown.sum(axis=0), 1)[..., None]
    mean = (made.frames * shown[..., None]).sum(axis=0) / number
    error = (mean - made.truth)[seen]
    if error.size and kind != "snow":
        assert abs(error.mean()) < 0.35  # rain of less than a level counts as dry
        assert np.sqrt(np.square(error).mean()) < 0.5 + made.noise


@pytest.mark.parametrize("share", (5, 35, 50))
@pytest.mark.parametrize("when", ["first", "middle", "last", "twice"])
def test_a_still_object_is_there_for_its_share(share, when):
    made = hard_sequence(f"still-coloured-{when}-{share}", SIZE, 40)
    assert made.objects.mean(axis=0).max() == pytest.approx(share / 100, abs=0.0126)
    there = made.objects.any(axis=(1, 2))
    assert (there[0], there[-1]) == (when in ("first", "twice"), when == "last")


def test_several_do_not_hide_each_other():
    for seed in range(3):
        made = hard_sequence("several-40", (120, 160), 10, seed)
        assert made.objects.mean(axis=0).max() == pytest.approx(0.4)


def test_the_same_arguments_give_the_same_sequence():
    one, again, other = (hard_sequence("leaves", SIZE, 8, seed) for seed in (3, 3, 4))
    assert np.array_equal(one.frames, again.frames)
    assert not np.array_equal(one.frames, other.frames)


def test_a_codec_loses_more_with_a_higher_number():
    plain = hard_sequence("plain", SIZE, 8)
    errors = [
        np.square(hard_sequence(f"plain+crf{crf}", SIZE, 8).frames - plain.frames.astype(float))
        for crf in (17, 28, 40)
    ]
    assert 1 < errors[0].mean() < errors[1].mean() < errors[2].mean()


def test_a_low_rate_repeats_each_frame():
    made = hard_sequence("lowrate", SIZE, 10)
    same = [np.array_equal(*pair) for pair in zip(made.frames, made.frames[1:], strict=False)]
    assert same == [True, True, True, False] * 2 + [True]
