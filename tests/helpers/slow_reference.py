"""Plain, slow versions of the clean-frame methods, written from their descriptions, and frames."""

from __future__ import annotations

import numpy as np


def rain_on_noise(count, height=5, width=13, seed=0):
    """A noisy static picture, brightened now and then."""
    rng = np.random.default_rng((seed, count))
    scene = rng.integers(0, 256, (height, width, 3))
    noise = rng.normal(0, 1.2, (count, height, width, 1))
    rain = rng.exponential(40, noise.shape) * (rng.random(noise.shape) < 0.4)
    return np.clip(scene + noise + rain, 0, 255).astype(np.uint8)


def slow_luma(frames):
    weights = np.array([299, 587, 114], np.int64)
    return (frames.astype(np.int64) * weights).sum(-1) // 1000


def slow_mode_places(samples):
    """The first and last place of the smallest most frequent value among the sorted samples."""
    values, counts = np.unique(samples, return_counts=True)
    mode = values[np.argmax(counts)]
    first = int((samples < mode).sum())
    return first, first + int(counts.max()) - 1


def slow_curve(frames, rule="inclusive"):
    luma = slow_luma(frames).reshape(len(frames), -1)
    count = len(frames)
    curve = np.zeros(101, np.int64)
    percentiles = np.arange(101)
    for pixel in range(luma.shape[1]):
        first, last = slow_mode_places(luma[:, pixel])
        place = percentiles * count
        if rule == "inclusive":
            curve += (100 * first <= place) & (place <= 100 * last)
        else:
            curve += (100 * first < place) & (place < 100 * (last + 1))
    return curve


def slow_percentile(curve, ties="plateau"):
    best = [p for p in range(101) if curve[p] == curve.max()]
    if ties == "lowest":
        return best[0]
    runs = []
    for p in best:
        if runs and runs[-1][-1] == p - 1:
            runs[-1].append(p)
        else:
            runs.append([p])
    longest = max(runs, key=len)
    return (longest[0] + longest[-1]) // 2


def slow_select(frames, percentile):
    """The percentile of each channel in hundredths of a level."""
    ordered = np.sort(frames, axis=0).astype(np.int64)
    rank, rest = divmod(percentile * (len(frames) - 1), 100)
    above = min(rank + 1, len(frames) - 1)
    return ordered[rank] * (100 - rest) + ordered[above] * rest


def slow_exact(frames, rule="inclusive", ties="plateau"):
    curve = slow_curve(frames, rule)
    percentile = slow_percentile(curve, ties)
    hundredths = slow_select(frames, percentile)
    return ((hundredths + 50) // 100).astype(np.uint8), percentile, curve


def slow_spanet_reference(frames):
    """The steps of the published code one by one, with its luma, tiles and rounding."""
    count, height, width, _ = frames.shape
    luma = frames[..., 0] * 0.299 + frames[..., 1] * 0.587 + frames[..., 2] * 0.114
    luma[:, :, 1:] += 128.0
    luma = np.floor(luma).astype(np.int64) % 256
    curve = np.zeros(101, np.int64)
    for row in range(2):
        for column in range(4):
            top, bottom = height / 2 * row, height / 2 * (row + 1)
            left, right = width / 4 * column, width / 4 * (column + 1)
            ranges = []
            for y in range(int(top), int(bottom)):
                for x in range(int(left), int(right)):
                    samples = luma[:, y, x]
                    mode = np.bincount(samples).argmax()
                    places = [i for i, value in enumerate(sorted(samples)) if value == mode]
                    ranges.append((places[0] / count * 100, places[-1] / count * 100))
            for low, high in ranges[: int(bottom - top) * int(right - left)]:
                for p in range(101):
                    curve[p] += low <= p <= high
    percentile = int(curve.argmax())
    return np.percentile(frames, percentile, axis=0).astype(np.uint8), percentile, curve
