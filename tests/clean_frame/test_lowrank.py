"""The low-rank method against a plain transcription, and on sequences with a known truth."""

import numpy as np
import pytest
from hard_sequences import hard_sequence
from sequences import psnr

from rainbench.clean_frame.extract import extract_clean_frame
from rainbench.clean_frame.lowrank import low_rank_part, recover_background
from rainbench.frames.sources import as_source


def plain_pursuit(samples, tolerance=1e-5):
    """Inexact augmented Lagrange multipliers, written down as the algorithm stands."""
    weight = 1 / np.sqrt(max(samples.shape))
    two = np.linalg.norm(samples, 2)
    y = samples / max(two, np.abs(samples).max() / weight)
    low, sparse, mu = np.zeros_like(samples), np.zeros_like(samples), 1.25 / two
    while np.linalg.norm(samples - low - sparse) >= tolerance * np.linalg.norm(samples):
        u, s, v = np.linalg.svd(samples - sparse + y / mu, full_matrices=False)
        low = u @ np.diag(np.maximum(s - 1 / mu, 0)) @ v
        rest = samples - low + y / mu
        sparse = np.sign(rest) * np.maximum(np.abs(rest) - weight / mu, 0)
        y = y + mu * (samples - low - sparse)
        mu *= 1.5
    return low


@pytest.mark.parametrize("shape", [(90, 12), (9, 30), (16, 16)])
def test_it_is_the_plain_algorithm(shape):
    rng = np.random.default_rng(shape[0])
    samples = np.outer(rng.uniform(20, 200, shape[0]), rng.uniform(0.9, 1.1, shape[1]))
    samples += rng.normal(0, 2, shape) + 80 * (rng.random(shape) < 0.15)
    low = plain_pursuit(samples)
    assert np.abs(low_rank_part(samples) - low).max() < 1e-4
    assert np.abs(low_rank_part(samples.astype(np.float32)) - low).max() < 0.2


def test_a_scene_without_rain_is_itself():
    scene = np.random.default_rng(3).integers(0, 256, (20, 30, 3), np.uint8)
    clean = extract_clean_frame(np.repeat(scene[None], 12, axis=0), "lowrank")
    assert (clean.image == scene).all()
    assert (clean.method, clean.frames, clean.percentile) == ("lowrank", 12, None)
    black = extract_clean_frame(np.zeros((4, 6, 6, 3), np.uint8), "lowrank")
    assert not black.image.any()


def test_it_finds_the_scene_behind_rain():
    made = hard_sequence("plain", (64, 96), 40)
    lowrank, mean = (extract_clean_frame(made.frames, m).levels for m in ("lowrank", "mean"))
    assert psnr(lowrank, made.truth) > 42
    assert psnr(lowrank, made.truth) > psnr(mean, made.truth) + 6


def test_light_is_corrected_before():
    made = hard_sequence("plain", (48, 64), 24)
    light = np.linspace(0.8, 1.1, 24)
    darker = np.rint(made.frames * light[:, None, None, None]).clip(0, 255).astype(np.uint8)
    clean = extract_clean_frame(darker, "lowrank", exposure=light)
    assert psnr(clean.levels, extract_clean_frame(made.frames, "lowrank").levels) > 45


def test_neither_threads_nor_the_way_of_reading_change_it(monkeypatch):
    monkeypatch.setattr("rainbench.clean_frame.lowrank._SAMPLES", 16 * 24 * 20 * 3)
    frames = hard_sequence("plain", (40, 24), 20).frames
    whole = recover_background(as_source(frames))
    assert np.array_equal(whole, recover_background(as_source(list(frames)), threads=3))
    rows = extract_clean_frame(frames, "lowrank", threads=2, band_rows=7).levels
    assert np.array_equal(whole, rows)
