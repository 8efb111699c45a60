"""Two colours that compete for a pixel: seams tell, whatever the clean frame says."""

import numpy as np
import pytest
from hard_sequences import SMALL, hard_sequence
from scipy.ndimage import binary_erosion

from rainbench.clean_frame.extract import CleanFrame
from rainbench.clean_frame.quality.evidence import ask_frames
from rainbench.frames.sources import as_source

KINDS = (
    "still-bright-first-50", "still-dark-middle-50", "still-coloured-last-50",
    "still-textured-twice-50", "still-dark-first-45", "several-45", "parked-40",
)  # fmt: skip


def a_clean_frame(levels, count):
    """A clean frame that nobody made, so that no method's mistakes are in it."""
    levels = np.asarray(levels, np.float32)
    return CleanFrame(levels.round().astype(np.uint8), levels, "median", count)


@pytest.fixture(scope="module", params=KINDS)
def made(request):
    """A sequence, and a frame of it that shows what stands there, without rain."""
    sequence = hard_sequence(request.param, SMALL, seed=5)
    share = sequence.objects.mean(axis=0)
    stands = share > 0.6 * share.max()
    core = binary_erosion(stands, np.ones((3, 3)))  # its rim is soft
    with np.errstate(invalid="ignore"):
        shown = np.where(sequence.objects[..., None], sequence.frames, np.nan)
        thing = np.nan_to_num(np.nanpercentile(shown[:, stands], 30, axis=0))
    painted = sequence.truth.copy()
    painted[stands] = thing
    return sequence, core, painted


def test_the_scene_is_borne_out_though_something_stands_there_for_half_of_the_time(made):
    sequence, _, _ = made
    clean = a_clean_frame(sequence.truth, len(sequence.frames))
    asked = ask_frames(as_source(sequence.frames), clean)
    assert asked.open.mean() < 0.002


def test_what_stands_there_is_found_wrong_though_it_does_for_half_of_the_time(made):
    sequence, core, painted = made
    asked = ask_frames(as_source(sequence.frames), a_clean_frame(painted, len(sequence.frames)))
    assert asked.wrong[core].mean() > 0.8


def test_patches_of_both_are_found():
    sequence = hard_sequence("still-bright-first-50", SMALL, seed=5)
    inside = sequence.objects.mean(axis=0) > 0.3
    rows, columns = np.nonzero(inside)
    patch = np.zeros_like(inside)
    patch[rows.mean().astype(int) :][:6, columns.min() : columns.max()] = True
    patch &= inside
    mixed = sequence.truth.copy()
    mixed[patch] = np.percentile(sequence.frames[:50][:, patch], 30, axis=0)
    clean = a_clean_frame(mixed, len(sequence.frames))
    asked = ask_frames(as_source(sequence.frames), clean)
    assert asked.wrong[patch].mean() > 0.6 and asked.wrong[~patch].mean() < 0.01
