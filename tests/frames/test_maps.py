"""Maps on disk hold what maps in memory hold, and leave memory when they are let go."""

import errno
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from rainbench.core.errors import RainbenchError
from rainbench.frames import maps


def resident():
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def test_strips_cover_a_picture_with_what_they_depend_on(monkeypatch):
    monkeypatch.setattr(maps, "STRIP_PIXELS", 70)
    picture = np.arange(23 * 10).reshape(23, 10)
    cut = list(maps.strips(picture.shape, margin=3))
    assert np.array_equal(np.concatenate([picture[strip.rows] for strip in cut]), picture)
    for strip in cut:
        assert np.array_equal(picture[strip.around][strip.inside], picture[strip.rows])
        assert strip.around.start in (0, strip.rows.start - 3)
        assert strip.around.stop in (23, strip.rows.stop + 3)
    assert len(cut) == 4


@pytest.mark.parametrize("size", [1, 8191, 128 * 8192, 3 * 128 * 8192 + 5])
def test_a_mean_by_parts_is_the_mean_of_the_whole(size):
    one, other = np.random.default_rng(size).normal(90, 40, (2, size)).astype(np.float32)
    whole = np.subtract(one, other).mean(dtype=np.float64)
    assert maps.mean_of(np.subtract, one, other) == whole


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_a_map_on_disk_leaves_memory_and_keeps_its_values(tmp_path):
    with maps.maps_on_disk(tmp_path):
        large, small = maps.picture_map((8, 1 << 20), np.uint64), maps.picture_map((8,), np.uint8)
    assert small.flags.owndata
    assert list(tmp_path.iterdir()) == []  # they have no name
    assert not large.any()
    maps.let_go()
    before = resident()
    large[:] = np.arange(8)[:, None]
    assert resident() > before + (32 << 20)
    maps.let_go()
    assert resident() < before + (8 << 20)
    assert large.sum(axis=1).tolist() == [n << 20 for n in range(8)]


def test_what_is_put_away_is_the_same(tmp_path):
    values = np.random.default_rng(0).random((30, 40), np.float32)
    assert maps.put_away(values) is values
    with maps.maps_on_disk(tmp_path, least=values.nbytes + 1):
        assert maps.put_away(values) is values
    with maps.maps_on_disk(tmp_path, least=1):
        kept = maps.put_away(values)
    assert kept is not values
    assert kept.tobytes() == values.tobytes()


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="space is taken another way")
def test_a_full_disk_is_told_of_before_anything_is_written(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with (
        maps.maps_on_disk(tmp_path, least=1),
        pytest.raises(RainbenchError, match="9 MB cannot be kept here: No space left"),
    ):
        maps.picture_map((1500, 2000, 3), np.uint8)
