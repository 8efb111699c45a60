"""The compiled vote against the slow one: every byte, whatever the tile, band or thread count."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from slow_reference import (
    rain_on_noise,
    slow_curve,
    slow_exact,
    slow_luma,
    slow_percentile,
    slow_select,
)

from rainbench.clean_frame import voting
from rainbench.clean_frame.voting import (
    choose_percentile,
    count_votes,
    select_mode,
    select_percentile,
    to_image,
    vote_limits,
)
from rainbench.frames import bands as tiles
from rainbench.frames.sources import ListSource, as_source

FRAME_COUNTS = [1, 2, 3, 19, 20, 99, 100, 101, 199, 200, 255, 256, 257, 300]


@pytest.mark.parametrize("rule", ["inclusive", "strict"])
@pytest.mark.parametrize("count", FRAME_COUNTS)
def test_equals_slow_reference(count, rule):
    frames = rain_on_noise(count)
    image, percentile, curve = slow_exact(frames, rule)
    source = as_source(frames)
    votes = count_votes(source, vote_limits(count, rule))
    assert (votes.curve == curve).all()
    assert choose_percentile(votes.curve) == percentile
    assert (to_image(select_percentile(source, percentile)) == image).all()


@pytest.mark.parametrize("count", [3, 100, 101, 256])
def test_every_percentile_equals_slow_reference(count):
    frames = rain_on_noise(count, 2, 7)
    for percentile in range(101):
        fast = select_percentile(as_source(frames), percentile)
        assert (fast == slow_select(frames, percentile)).all(), percentile


def test_luma_is_the_integer_formula_for_every_colour():
    steps = np.arange(0, 256, 3).astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, np.arange(256, dtype=np.uint8)), -1)
    colours = np.concatenate([grid.reshape(-1, 3), np.repeat(np.arange(256), 3).reshape(-1, 3)])
    colours = colours.astype(np.uint8)
    from rainbench.clean_frame import vote_kernels as kernels

    count = len(colours)
    block, planes = tiles.tile_block(1, count), tiles.scratch(3, count)
    sums = tiles.scratch(2, count, np.uint16)
    kernels.fill_luma(colours.reshape(1, -1), 0, count, planes, sums, block, count)
    assert (block[0, 0, :count] == slow_luma(colours)).all()


@given(
    lanes=st.sampled_from([64, 128, 1024]),
    together=st.sampled_from([1, 2, 7]),
    rows=st.integers(1, 9),
    threads=st.sampled_from([1, 2, 5]),
    listed=st.booleans(),
)
def test_tile_band_and_threads_change_nothing(lanes, together, rows, threads, listed):
    frames = rain_on_noise(40, 9, 31)
    source = ListSource(list(frames)) if listed else as_source(frames)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(voting, "tile_width", lambda _: lanes)
        patch.setattr(tiles, "MOST_TILES", together)
        votes = count_votes(source, threads=threads, band_rows=rows, keep_ranges=True)
        image = select_percentile(source, 23, threads=threads, band_rows=rows)
        mode = select_mode(source, threads=threads, band_rows=rows)
    whole = count_votes(as_source(frames), keep_ranges=True)
    assert (votes.curve == whole.curve).all()
    assert (votes.ranges == whole.ranges).all()
    assert (image == slow_select(frames, 23)).all()
    assert (mode == select_mode(as_source(frames))).all()


def test_frames_that_are_not_contiguous_are_read_right():
    frames = rain_on_noise(60, 8, 20)
    view = frames[::2, 1:7, 3:17]
    copy = np.ascontiguousarray(view)
    assert (count_votes(as_source(view)).curve == slow_curve(copy)).all()
    assert (select_percentile(as_source(view), 31) == slow_select(copy, 31)).all()


def test_mode_prefers_the_smallest_value_on_ties():
    values = np.array([9, 9, 200, 200, 3, 4], np.uint8)
    frames = np.tile(values[:, None, None, None], (1, 2, 3, 3))
    assert (select_mode(as_source(frames)) == 9).all()


@pytest.mark.parametrize("count", [20, 100, 300])
def test_mode_equals_numpy(count):
    frames = rain_on_noise(count, 3, 5)
    expected = np.apply_along_axis(lambda s: np.bincount(s).argmax(), 0, frames)
    assert (select_mode(as_source(frames)) == expected).all()


@given(st.lists(st.integers(0, 3), min_size=101, max_size=101))
def test_choice_among_ties_equals_slow_reference(counts):
    curve = np.array(counts)
    assert choose_percentile(curve) == slow_percentile(curve)
    assert choose_percentile(curve, "lowest") == slow_percentile(curve, "lowest")
    assert curve[choose_percentile(curve)] == curve.max()


def test_more_than_a_hundred_frames_may_leave_a_pixel_without_a_vote():
    # 150 different values: the mode is the first place, whose range holds percentile 0 alone;
    # moved to place 1 of 150 it holds none.
    samples = np.arange(150, dtype=np.uint8)
    samples[2] = 1  # the mode is 1, at places 1 and 2
    frames = np.tile(samples[:, None, None, None], (1, 1, 1, 3))
    votes = count_votes(as_source(frames))
    assert votes.voters == 1
    assert votes.curve.tolist() == slow_curve(frames).tolist()
    frames[2] = 3  # all unique but 3, at places 2 and 3: percentile 2 (place 3.0) only
    assert count_votes(as_source(frames)).curve.tolist() == slow_curve(frames).tolist()
