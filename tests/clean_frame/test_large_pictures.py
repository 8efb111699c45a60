"""Maps on disk and strips change nothing but the memory that a clean frame and its judge take."""

import contextlib
import tracemalloc
from dataclasses import fields

import cv2
import numpy as np
import pytest

from rainbench.clean_frame.extract import extract_clean_frame
from rainbench.clean_frame.quality.estimate import judge_clean_frame
from rainbench.clean_frame.quality.evidence import ask_frames
from rainbench.clean_frame.scene import modes
from rainbench.frames import maps
from rainbench.frames.cache import FrameCache
from rainbench.frames.exposure import normalise
from rainbench.frames.sources import ArraySource

HEIGHT, WIDTH, FRAMES = 1200, 160, 30


@pytest.fixture(scope="module")
def video():
    """Rain, noise and drifting light over a scene with water, and somebody who stands there."""
    rng = np.random.default_rng(3)
    coarse = rng.integers(40, 150, (HEIGHT // 8, WIDTH // 8, 3)).astype(np.float32)
    scene = cv2.resize(coarse, (WIDTH, HEIGHT))
    down = np.arange(HEIGHT, dtype=np.float32)[:, None, None]
    frames = []
    for n in range(FRAMES):
        frame = scene + 18 * np.sin(1.3 * n + down / 40) * (down > 700)
        frame += rng.normal(0, 1.5, (HEIGHT, WIDTH, 1))
        if 5 < n < 16:
            frame[90:180, 40:100] = 30, 60, 200
        drops = (rng.random((HEIGHT, WIDTH)) < 0.004).astype(np.float32)
        rain = cv2.filter2D(drops, -1, np.ones((9, 1), np.float32))
        light = 1 + 0.04 * np.sin(n / 5)
        frames.append(np.clip(light * frame + 70 * rain[..., None], 0, 255).astype(np.uint8))
    return np.stack(frames)


def everything(source):
    """All bytes of a clean frame, and its judgement."""
    clean = extract_clean_frame(source)
    found = {each.name: getattr(clean, each.name) for each in fields(clean)}
    made = {
        name: value.tobytes() if isinstance(value, np.ndarray) else value
        for name, value in found.items()
    }
    return made, judge_clean_frame(source, clean)


@pytest.fixture(scope="module")
def known(video):
    return everything(ArraySource(video))


@pytest.mark.parametrize(
    "pixels", [maps.STRIP_PIXELS, 100 * WIDTH, 41 * WIDTH], ids="{} a strip".format
)
def test_neither_disk_nor_strips_change_a_bit(video, known, pixels, tmp_path, monkeypatch):
    monkeypatch.setattr(maps, "STRIP_PIXELS", pixels)
    with maps.maps_on_disk(tmp_path, least=1), FrameCache(tmp_path, band_rows=7) as cache:
        cache.fill(ArraySource(video))
        made, judgement = everything(cache)
    changed = [name for name, value in made.items() if value != known[0][name]]
    assert changed == []
    assert judgement == known[1]


def test_the_sequence_has_what_is_worked_on_in_strips(known):
    made, judgement = known
    assert made["exposure"] is not None
    assert made["levels"] != made["other"]  # somebody stood there
    assert judgement.low < 45  # water


def peak(video, context):
    with context, FrameCache(band_rows=8) as cache:
        cache.fill(ArraySource(video))
        tracemalloc.start()
        try:
            clean = extract_clean_frame(cache)
            ask_frames(normalise(cache, clean.exposure), clean)
            return tracemalloc.get_traced_memory()[1] / (HEIGHT * WIDTH)
        finally:
            tracemalloc.stop()


def test_few_bytes_of_a_pixel_are_in_memory_at_a_time(video, known, monkeypatch):
    """A picture of floats is 12 bytes a pixel; maps on disk are not counted, as they are let go."""
    monkeypatch.setattr(maps, "STRIP_PIXELS", 12 * WIDTH)
    monkeypatch.setattr(modes, "_BAND_BYTES", 1)
    on_disk = peak(video, maps.maps_on_disk(least=WIDTH * HEIGHT))
    assert on_disk < 40  # 33 measured; 188 in memory
    assert peak(video, contextlib.nullcontext()) > 3 * on_disk
