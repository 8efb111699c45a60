"""The parts of MS-CSC against plain formulas."""

import numpy as np
import pytest

from rainbench.video_methods.ms_csc import (
    MSCSC,
    robust_background,
    smoothed,
    still_picture,
    tapered,
)
from rainbench.video_methods.sparse_coding import code, first_filters, fitted_filters

SIZES = (5, 3)
CHANCE = np.random.default_rng(1)


def filters():
    found = CHANCE.random((2, 5, 5))
    found[1, [0, -1]] = found[1][:, [0, -1]] = 0
    return found / np.sqrt(np.square(found).sum((1, 2), keepdims=True))


def correlated(maps, kernels):
    """Each map correlated with its filter, periodically, sample by sample."""
    half = kernels.shape[1] // 2
    total = np.zeros(maps.shape[1:])
    for each, kernel in zip(maps, kernels, strict=True):
        for row in range(-half, half + 1):
            for column in range(-half, half + 1):
                shifted = np.roll(each, (-row, -column), (1, 2))
                total += kernel[row + half, column + half] * shifted
    return total


def rain_of(kernels):
    return correlated(np.maximum(CHANCE.normal(-1.5, 1, (2, 2, 24, 26)), 0), kernels)


def test_layers_are_the_maps_correlated_with_the_filters():
    kernels = filters()
    rain = rain_of(kernels)
    maps, layers = code(rain, kernels, [1e-3, 1e-3], 200)
    assert maps.min() >= 0 and maps.dtype == np.float32
    assert np.abs(layers.sum(0) - correlated(maps, kernels)).max() < 1e-3
    assert np.abs(layers.sum(0) - rain).mean() < 0.01 * rain.mean()


def test_dear_maps_are_sparse():
    kernels = filters()
    rain = rain_of(kernels)
    cheap, dear = (code(rain, kernels, [cost] * 2, 200)[0] for cost in (1e-3, 0.5))
    assert (dear > 0).mean() < 0.5 * (cheap > 0).mean()


def test_filters_get_better_and_keep_their_form():
    truth = filters()
    maps = np.maximum(CHANCE.normal(-1, 1, (2, 3, 24, 26)), 0).astype(np.float32)
    rain = correlated(maps, truth)
    start = filters()
    found = fitted_filters(rain, maps, start, SIZES, 29)

    def error(kernels):
        return np.square(correlated(maps, kernels) - rain)[:, 2:-2, 2:-2].sum()

    assert error(found) < 0.5 * error(start)
    assert np.allclose(np.square(found).sum((1, 2)), 1)
    assert found.min() >= 0 and not found[1, 0].any() and not found[1, :, 4].any()


def test_the_first_filters_are_components_of_patches():
    rain = CHANCE.random((2, 14, 15))
    found = first_filters(rain, SIZES)
    patches = np.stack([
        rain[t, y : y + 5, x : x + 5].ravel()
        for t in range(2) for y in range(10) for x in range(11)
    ])  # fmt: skip
    patches -= patches.mean(0)
    component = np.linalg.svd(patches.T @ patches)[0][:, 1].reshape(5, 5)
    wanted = [np.maximum(sign * component, 0) for sign in (1, -1)]
    likeness = [float((w * found[0]).sum() / np.linalg.norm(w)) for w in wanted]
    assert max(likeness) > 0.999
    assert np.allclose(np.square(found).sum((1, 2)), 1, atol=1e-6)


def test_only_edges_are_tapered():
    clip = CHANCE.random((2, 30, 28))
    found = tapered(clip)
    assert np.abs(found - clip)[:, 6:-6, 6:-6].max() < 1e-12
    assert np.abs(found - clip)[:, 0].max() > 0.01
    even = tapered(np.ones((1, 20, 20)))[0]  # beyond the edges it is black
    assert np.all(np.diff(even[10, :6]) > 0) and even[0, 0] < even[10, 0] < 0.8
    assert even[10, 6] == 1


def test_the_robust_background_leaves_streaks_out():
    still = np.repeat(CHANCE.random((1, 12, 13)), 10, 0)
    streaks = 0.5 * (CHANCE.random(still.shape) < 0.05)
    assert np.abs(robust_background(still + streaks) - still).mean() < 0.01


def test_the_still_picture_is_of_rank_one_and_sees_no_object():
    still = np.repeat(CHANCE.random((1, 12, 13)), 8, 0)
    mask = np.zeros(still.shape, bool)
    for frame in range(8):
        mask[frame, 2:6, frame : frame + 4] = True
    found = still_picture(np.where(mask, 1.0, still), mask, still * 0.9)
    assert np.linalg.matrix_rank(found.reshape(8, -1), tol=1e-8) == 1
    assert np.abs(found - still).max() < 0.02


def test_smoothing_is_the_primal_dual_algorithm():
    """Step by step, for one frame that exceeds 1."""
    frame = 1.4 * CHANCE.random((9, 10))
    tau, seen = 0.02, frame / frame.max()
    u = seen.copy()
    px, py = np.zeros_like(u), np.zeros_like(u)
    px[:, :-1], py[:-1] = np.diff(u, axis=1), np.diff(u, axis=0)
    for _ in range(50):
        px[:, :-1] += np.diff(u, axis=1) / (8 * tau)
        py[:-1] += np.diff(u, axis=0) / (8 * tau)
        norm = np.maximum(1, np.sqrt(px**2 + py**2))
        px, py = px / norm, py / norm
        divergence = px + py
        divergence[:, 1:] -= px[:, :-1]
        divergence[1:] -= py[:-1]
        v = u + tau * divergence
        new = np.where(np.abs(v - seen) <= 0.06, seen, v - 0.06 * np.sign(v - seen))
        u = 2 * new - u
    assert np.abs(smoothed(frame[None], 3.0)[0] - u).max() < 1e-9


@pytest.mark.parametrize("objects", [True, False])
def test_objects_are_shown_or_not_looked_for(objects):
    clip = np.repeat(CHANCE.random((1, 30, 32)) * 0.2 + 0.3, 8, 0)
    for frame in range(8):
        clip[frame, 8:18, 2 * frame + 2 : 2 * frame + 12] = 0.95
    found = MSCSC(objects=objects).separate(clip)
    assert found.mask.any() == objects
    if objects:
        assert np.abs(found.clean - clip)[:, 10:16, 18:20].mean() < 0.1
