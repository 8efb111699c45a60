"""The worst patches: found where the damage is, remembered, and as cheap as promised."""

import numpy as np
import pytest
from example_runs import add_sequence
from hypothesis import given
from hypothesis import strategies as st

from rainbench.core.errors import ImageError
from rainbench.core.images import write_png
from rainbench.spa.review.patches import (
    PatchCache,
    find_worst_patches,
    local_residual,
    worst_patches,
)


@given(st.integers(1, 12), st.integers(1, 150), st.integers(1, 20), st.integers(0, 99))
def test_residual_is_that_of_the_plain_formula(count, height, width, seed):
    random = np.random.default_rng(seed)
    clean = random.integers(0, 256, (height, width, 3), np.uint8)
    samples = [random.integers(0, 256, clean.shape, np.uint8) for _ in range(count)]
    median = np.sort(np.stack(samples), axis=0)[(count - 1) // 2]
    expected = np.abs(clean.astype(float) - median).mean(axis=2)
    np.testing.assert_allclose(local_residual(clean, samples), expected, atol=1e-4)


@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 9))
def test_patches_lie_inside_apart_and_in_order(height, width, seed):
    residual = np.random.default_rng(seed).random((height, width), np.float32) * 9
    patches = worst_patches(residual, 6)
    assert 1 <= len(patches) <= 6 or residual.mean() < 1
    for index, patch in enumerate(patches):
        assert patch.x + patch.side <= width and patch.y + patch.side <= height
        square = residual[patch.y : patch.y + patch.side, patch.x : patch.x + patch.side]
        assert patch.residual == pytest.approx(float(square.mean()), abs=1e-3)
        for other in patches[:index]:
            assert other.residual >= patch.residual
            assert max(abs(patch.x - other.x), abs(patch.y - other.y)) >= patch.side


def test_a_perfect_frame_has_none():
    assert worst_patches(np.full((50, 50), 0.3, np.float32)) == []


def test_the_ghost_is_found(client):
    patches = client.get(f"/s/{client.keys()['one']}/patches.json").json()
    ghost = patches[0]  # rows 8 to 16, columns 12 to 24
    assert 0 <= ghost["y"] <= 12 and 4 <= ghost["x"] <= 20 and ghost["residual"] > 10


def test_found_once_until_a_picture_changes(tmp_path):
    folder = add_sequence(tmp_path, "one")
    calls = []

    def find(clean, samples):
        calls.append(clean)
        return find_worst_patches(clean, samples)

    cache = PatchCache(2, find)
    paths = (folder / "clean.png", tuple(sorted((folder / "rainy").iterdir())))
    first = cache.get(*paths)
    assert cache.get(*paths) is first and len(calls) == 1
    write_png(folder / "clean.png", np.zeros((64, 96, 3), np.uint8))
    assert cache.get(*paths) != first and len(calls) == 2
    (folder / "clean.png").unlink()
    with pytest.raises(ImageError):
        cache.get(*paths)
