import numpy as np
import pytest
from sequences import Spec, make_sequence
from slow_reference import rain_on_noise

from rainbench.clean_frame.local_vote import local_curves, percentile_map, select_local_percentile
from rainbench.clean_frame.voting import count_votes, select_percentile, to_levels
from rainbench.frames.sources import ListSource, as_source


def test_blocks_together_give_the_vote_of_the_picture():
    frames = rain_on_noise(60, 37, 50) // 2  # nothing is clipped
    votes = count_votes(as_source(frames), keep_ranges=True)
    curves = local_curves(votes, 60)
    assert curves.shape == (3, 4, 101)
    assert (curves.sum(axis=(0, 1)) == votes.curve).all()


def test_pixels_that_are_clipped_most_of_the_time_do_not_vote():
    frames = np.full((20, 16, 32, 3), 255, np.uint8)
    frames[:8, :, :16] = np.arange(200, 208)[:, None, None, None]  # the mode is 255, not the scene
    frames[0, :, 16:] = 0
    frames[1, :8, 16:] = 250
    frames[2:, :8, 16:] = 40
    curves = local_curves(count_votes(as_source(frames), keep_ranges=True), 20)
    assert curves[0, 0].sum() == 0
    assert curves[0, 1, [0, 50, 90, 95]].tolist() == [0, 128, 128, 0]


def test_votes_without_ranges_are_refused():
    with pytest.raises(ValueError, match="keep_ranges"):
        local_curves(count_votes(as_source(rain_on_noise(5))), 5)


@pytest.mark.parametrize("count", [2, 60, 257])
def test_one_percentile_everywhere_is_the_global_selection(count):
    frames = rain_on_noise(count, 7, 19)
    for percentile in (0, 25, 99.0, 100):
        local = np.full((7, 19), percentile, np.float32)
        expected = to_levels(select_percentile(as_source(frames), int(percentile)))
        got = select_local_percentile(as_source(frames), local)
        assert np.abs(got - expected).max() < 1e-3 * (1 + (count > 100))


def test_each_pixel_gets_its_own_percentile_whatever_the_bands():
    frames = rain_on_noise(50, 9, 21)
    percentiles = np.random.default_rng(0).uniform(0, 100, (9, 21)).astype(np.float32)
    got = select_local_percentile(as_source(frames), percentiles)
    for y, x in ((0, 0), (4, 20), (8, 11)):
        expected = np.percentile(frames[:, y, x].astype(float), percentiles[y, x], axis=0)
        assert got[y, x] == pytest.approx(expected, abs=1e-3)
    banded = select_local_percentile(ListSource(list(frames)), percentiles, threads=2, band_rows=2)
    assert (banded == got).all()


def test_percentile_follows_rain_that_is_denser_on_one_side():
    sparse = make_sequence(Spec("A", "brick", frames=60, rain=0.5, seed=5), 96, 96).frames
    dense = make_sequence(Spec("A", "brick", frames=60, rain=5.0, seed=5), 96, 96).frames
    frames = np.concatenate([sparse[:, :, :48], dense[:, :, 48:]], axis=2)
    votes = count_votes(as_source(frames), keep_ranges=True)
    chosen = percentile_map(local_curves(votes, 60), 96, 96)
    assert chosen[:, :16].mean() > chosen[:, -16:].mean() + 10
    assert np.abs(np.diff(chosen, axis=1)).max() < 3  # no step shows between blocks
