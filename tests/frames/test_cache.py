import errno
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from slow_reference import rain_on_noise

from rainbench.clean_frame.extract import extract_clean_frame
from rainbench.core.errors import RainbenchError
from rainbench.frames import cache as frame_cache
from rainbench.frames.cache import FrameCache, collect, keep
from rainbench.frames.exposure import normalise
from rainbench.frames.sources import ArraySource, ListSource


def open_files():
    folder = "/proc/self/fd"
    return len(os.listdir(folder)) if os.path.isdir(folder) else 0  # noqa: PTH112, PTH208


@given(st.integers(1, 140), st.integers(1, 11), st.integers(1, 5), st.integers(1, 12), st.data())
def test_bands_are_what_was_added(count, height, width, rows, data):
    frames = np.random.default_rng(count).integers(0, 256, (count, height, width, 3), np.uint8)
    with FrameCache(band_rows=rows) as cache:
        for frame in frames:
            cache.add(frame)
        assert cache.shape == frames.shape
        top = data.draw(st.integers(0, height - 1))
        bottom = data.draw(st.integers(top + 1, height))
        assert (cache.band(top, bottom) == frames[:, top:bottom]).all()


@pytest.mark.parametrize("method", ["exact", "robust", "spanet-reference", "mode", "mean"])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_cached_sequence_gives_the_same_bytes(method, threads):
    frames = rain_on_noise(70, 12, 17)
    with FrameCache(band_rows=5) as cache:
        for frame in frames:
            cache.add(frame)
        cached = extract_clean_frame(cache, method, threads=threads)
    direct = extract_clean_frame(frames, method)
    assert (cached.image == direct.image).all()
    assert (cached.levels == direct.levels).all()


def test_collect_puts_on_disk_only_what_does_not_fit(tmp_path):
    frames = rain_on_noise(20, 6, 8)
    with collect(iter(frames)) as source:
        assert isinstance(source, ListSource)
        assert (source.band(0, 6) == frames).all()
    with collect(iter(frames), budget=7 * frames[0].nbytes, folder=tmp_path) as source:
        assert isinstance(source, FrameCache)
        assert (source.band(0, 6) == frames).all()
        assert list(tmp_path.iterdir()) == []  # the file has no name
    with pytest.raises(ValueError, match="closed"):
        source.band(0, 1)


def test_keep_makes_bands_once(tmp_path):
    frames = rain_on_noise(70, 12, 17)
    lazy = normalise(frames, np.linspace(0.9, 1.1, 70))
    expected = lazy.band(0, 12)
    with keep(lazy) as source:
        assert isinstance(source, ArraySource)
        assert (source.frames == expected).all()
    with keep(lazy, budget=1000, folder=tmp_path) as source:
        assert isinstance(source, FrameCache)
        assert (source.band(0, 12) == expected).all()
    with keep(frames) as source:
        assert source.frames is frames


def test_errors_leave_nothing_open(tmp_path):
    before = open_files()
    mixed = collect([*rain_on_noise(3, 6, 8), *rain_on_noise(1, 6, 9)], 10, tmp_path)
    with pytest.raises(RainbenchError, match="frame 3 is 9x6, the first 8x6"), mixed:
        pass
    with pytest.raises(RainbenchError, match="frame 0 is float64"):
        collect([np.zeros((4, 4, 3))], 1, tmp_path).__enter__()
    assert open_files() == before
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said_clearly(tmp_path, monkeypatch):
    class FullFile:
        written = 0

        def seek(self, offset):
            pass

        def write(self, data):
            self.written += len(data)
            if self.written > 500:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return min(7, len(data))  # short writes happen just before

        def close(self):
            self.closed = True

    full = FullFile()
    monkeypatch.setattr(frame_cache.tempfile, "TemporaryFile", lambda **_: full)
    with pytest.raises(RainbenchError, match="No space left") as caught:
        collect(iter(rain_on_noise(20, 6, 8)), budget=0, folder=tmp_path).__enter__()
    assert str(tmp_path) in str(caught.value)
    assert "TMPDIR" in caught.value.hint
    assert full.closed


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(RainbenchError, match="nowhere"):
        FrameCache(tmp_path / "nowhere")


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_killed_program_leaves_no_file(tmp_path):
    code = (
        "import os, sys, signal, pathlib, numpy as np\n"
        "from rainbench.frames.cache import FrameCache\n"
        "cache = FrameCache(pathlib.Path(sys.argv[1]))\n"
        "cache.add(np.zeros((50, 50, 3), np.uint8))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode != 0
    assert list(tmp_path.iterdir()) == []
