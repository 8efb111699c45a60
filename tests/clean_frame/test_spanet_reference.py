"""The published behaviour, against its steps carried out one by one."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from slow_reference import rain_on_noise, slow_luma, slow_spanet_reference

from rainbench.clean_frame import vote_kernels as kernels
from rainbench.clean_frame.extract import extract_clean_frame
from rainbench.clean_frame.spanet_reference import (
    count_published_votes,
    luma_products,
    select_published_percentile,
    voters,
)
from rainbench.frames import bands as tiles
from rainbench.frames.sources import as_source


@pytest.mark.parametrize(
    ("count", "height", "width"),
    [(20, 8, 16), (60, 7, 13), (100, 5, 9), (101, 6, 6), (200, 4, 11), (257, 3, 8)],
)
def test_equals_the_steps_of_the_published_code(count, height, width):
    frames = rain_on_noise(count, height, width, seed=3)
    image, percentile, curve = slow_spanet_reference(frames)
    clean = extract_clean_frame(frames, "spanet-reference")
    assert clean.percentile == percentile
    assert (clean.vote_curve == curve).all()
    assert (clean.image == image).all()


@pytest.mark.parametrize("count", [2, 77, 100])
def test_every_percentile_equals_truncated_numpy(count):
    frames = rain_on_noise(count, 3, 17)
    for percentile in range(101):
        published = select_published_percentile(as_source(frames), percentile)
        assert (published == np.percentile(frames, percentile, axis=0).astype(np.uint8)).all()


def colours_of_whole_luma():
    """Colours whose luma is a whole number, where float rounding decides."""
    red, green = np.meshgrid(np.arange(256), np.arange(256))
    need = -(299 * red + 587 * green) % 1000
    blue = np.array([next((b for b in range(256) if 114 * b % 1000 == n), -1) for n in range(1000)])
    whole = blue[need] >= 0
    return np.stack([red[whole], green[whole], blue[need][whole]], -1).astype(np.uint8)


def test_luma_is_a_float_sum_for_colours_near_an_integer():
    colours = colours_of_whole_luma()
    product = colours[:, 0] * 0.299 + colours[:, 1] * 0.587 + colours[:, 2] * 0.114
    assert (np.floor(product) != slow_luma(colours)).mean() > 0.1
    count = len(colours)
    block = tiles.tile_block(1, count)
    for width, expected in ((1, product), (1 << 30, product + 128)):
        kernels.fill_published_luma(
            colours.reshape(1, -1), 0, count, luma_products(), width, block, count
        )
        start = 0 if width == 1 else 1  # pixel 0 is in the first column
        assert (block[0, 0, start:count] == np.floor(expected).astype(int)[start:] % 256).all()


def test_the_loop_of_the_benchmark_adds_the_luma_in_the_same_order(monkeypatch):
    """A matrix product adds in an order of its own, which may be another on another machine."""
    folder = Path(__file__).parents[2] / "benchmarks"
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    benchmark = runpy.run_path(str(folder / "clean_frame_speed.py"))
    colours = colours_of_whole_luma()
    red, green, blue = (colours[:, channel] * luma_products()[channel, 1] for channel in range(3))
    left_to_right, other = red + green + blue, red + (green + blue)
    assert (np.floor(left_to_right) != np.floor(other)).any()
    first_column = colours.reshape(1, -1, 1, 3)
    luma = benchmark["published_luma"](first_column).ravel()
    assert (luma == np.floor(left_to_right)).all()
    beyond = benchmark["published_luma"](np.repeat(first_column, 2, axis=2))[0, :, 1]
    assert (beyond == np.floor(left_to_right + 128) % 256).all()
    frames = rain_on_noise(30, 6, 12, seed=1)
    image, percentile, curve = benchmark["published_loop"](frames)
    clean = extract_clean_frame(frames, "spanet-reference")
    assert clean.percentile == percentile
    assert (clean.image == image).all() and (clean.vote_curve == curve).all()


def test_the_wrap_shifts_all_columns_but_the_first():
    frames = np.full((20, 4, 8, 3), 100, np.uint8)
    frames[:8] = 140  # luma 268 becomes 12, below the background's 228
    curve = count_published_votes(as_source(frames)).curve
    assert curve[0] == 2 * 2  # first column: rain above the background
    assert curve[50] == 4 * 8 and curve[95] == 4 * 7  # elsewhere the background is on top


@pytest.mark.parametrize(("height", "width"), [(8, 16), (7, 13), (5, 6), (9, 31), (2, 4)])
def test_tiles_lose_votes_only_where_sizes_do_not_divide(height, width):
    counted = voters(height, width)
    if height % 2 == 0 and width % 4 == 0:
        assert counted.all()
    else:
        assert counted.sum() < height * width


def test_threads_and_bands_change_nothing():
    frames = rain_on_noise(50, 11, 14)
    one = extract_clean_frame(frames, "spanet-reference")
    many = extract_clean_frame(frames, "spanet-reference", threads=3, band_rows=2)
    assert (one.image == many.image).all()
    assert (one.vote_curve == many.vote_curve).all()
