"""The parts of the variational methods against plain matrices, and the mirror against a table."""

import numpy as np
import pytest

from rainbench.video_methods.base import restore_luma
from rainbench.video_methods.differences import adjoint, divide, forward, spectrum
from rainbench.video_methods.jiang2017 import mirrored, thresholded

SIZE = (5, 6, 7)


def volume(seed=0):
    return np.random.default_rng(seed).random(SIZE)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_adjoint_is_the_adjoint(axis):
    a, b = volume(1), volume(2)
    assert np.vdot(forward(a, axis), b) == pytest.approx(np.vdot(a, adjoint(b, axis)))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_division_solves_the_system(axis):
    right = volume()
    found = divide(right, 2 + spectrum(SIZE, axis))
    assert np.allclose(2 * found + adjoint(forward(found, axis), axis), right)


def test_thresholding_lowers_singular_values():
    clip, expected = volume(), 0
    for axis in range(3):
        moved = np.moveaxis(clip, axis, 0)
        u, values, v = np.linalg.svd(moved.reshape(len(moved), -1), full_matrices=False)
        low = (u * np.maximum(values - 0.7, 0)) @ v
        expected = expected + np.moveaxis(low.reshape(moved.shape), 0, axis) / 9
    assert np.allclose(thresholded(clip, 0.7), expected)


def test_the_mirror_is_the_authors():
    """Their loops, sample by sample: frames first, then columns, then rows."""
    clip = np.random.default_rng(3).random((8, 9, 10))
    found = mirrored(clip)
    time = [5, 4, 3, 2, 1, 0, 1, 2, 3, 4, 5, 6, 6, 5, 4, 3, 2, 1]
    rows = [4, 3, 2, 1, 0, *range(9), 8, 7, 6, 5, 4]
    columns = [5, 4, 3, 2, 1, *range(10), 9, 8, 7, 6, 5]
    assert np.array_equal(found, clip[np.ix_(time, rows, columns)])


def test_luma_left_alone_is_the_same_picture():
    frames = np.random.default_rng(4).integers(0, 256, (2, 5, 6, 3), np.uint8)
    assert np.abs(restore_luma(frames, lambda luma: luma) - frames / 255).max() < 1e-7


def test_darker_luma_moves_all_channels_alike():
    frames = np.full((2, 4, 4, 3), (90, 120, 150), np.uint8)
    moved = restore_luma(frames, lambda luma: luma - 21.9 / 255) * 255
    assert np.allclose(moved, np.array((90, 120, 150)) - 25.5, atol=1e-4)
