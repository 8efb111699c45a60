"""Compiled loops of the search for modes (`rainbench.clean_frame.modes`).

Colours are vectors: two samples are alike when all three channels are, never one by one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rainbench.core.compiled import compiled

_Bytes = NDArray[np.uint8]
_Floats = NDArray[np.float32]
_Flags = NDArray[np.bool_]


@compiled
def find_changing(
    usual: _Bytes, tolerance: int, most_bright: float, weights: _Floats, changing: _Flags
) -> None:
    """Find the pixels that do not show one colour through all stretches but for some rain.

    Args:
        usual: ``(K, pixels, 3)``, the usual colour in each stretch.
        tolerance: Levels within which two stretches show the same.
        most_bright: Share of the frames that may be brighter than the median of the stretches.
        weights: ``(K,)``, the share of the frames in each stretch.
        changing: Receives ``(pixels,)``.
    """
    stretches, pixels, _ = usual.shape
    middle = np.empty(3, np.int64)
    ordered = np.empty(stretches, np.uint8)
    for x in range(pixels):
        changing[x] = False
        widest = np.int64(0)
        for c in range(3):
            low, high = np.int64(255), np.int64(0)
            for k in range(stretches):
                low, high = min(low, np.int64(usual[k, x, c])), max(high, np.int64(usual[k, x, c]))
            widest = max(widest, high - low)
        if widest <= tolerance:
            continue
        for c in range(3):
            for k in range(stretches):
                ordered[k] = usual[k, x, c]
            ordered.sort()
            middle[c] = ordered[stretches // 2]
        brighter = np.float32(0)
        for k in range(stretches):
            lower, higher = np.int64(0), np.int64(0)
            for c in range(3):
                away = np.int64(usual[k, x, c]) - middle[c]
                lower, higher = min(lower, away), max(higher, away)
            if lower < -tolerance:
                changing[x] = True
                break
            if higher > tolerance:
                brighter += weights[k]
        changing[x] |= brighter > most_bright


@compiled
def _alike(samples: _Bytes, n: int, at: int, colour: _Floats, tolerance: np.float32) -> bool:
    """Say whether frame ``n`` shows a colour at byte ``at``, in every channel."""
    return bool(
        abs(np.float32(samples[n, at]) - colour[0]) <= tolerance
        and abs(np.float32(samples[n, at + 1]) - colour[1]) <= tolerance
        and abs(np.float32(samples[n, at + 2]) - colour[2]) <= tolerance
    )


@compiled
def count_alike(
    samples: _Bytes,
    start: int,
    changing: _Flags,
    usual: _Bytes,
    picked: NDArray[np.int64],
    tolerances: _Floats,
    counts: NDArray[np.uint16],
) -> None:
    """Count how many frames show what each label shows, at the pixels that change.

    Args:
        samples: ``(N, bytes)``; the first pixel lies at byte ``start``.
        start: See above.
        changing: ``(pixels,)``.
        usual: ``(K, pixels, 3)``: the first labels.
        picked: The frames that are the other labels.
        tolerances: ``(pixels,)``, in levels.
        counts: ``(K + picked, pixels)``, receives the numbers; 0 where nothing changes.
    """
    frames, stretches = samples.shape[0], usual.shape[0]
    colour = np.empty(3, np.float32)
    for x in range(changing.size):
        counts[:, x] = 0
        if not changing[x]:
            continue
        at, tolerance = start + 3 * x, tolerances[x]
        for label in range(counts.shape[0]):
            for c in range(3):
                if label < stretches:
                    colour[c] = usual[label, x, c]
                else:
                    colour[c] = samples[picked[label - stretches], at + c]
            number = 0
            for n in range(frames):
                number += _alike(samples, n, at, colour, tolerance)
            counts[label, x] = number


@compiled
def _average(
    samples: _Bytes, at: int, colour: _Floats, tolerance: np.float32, mean: _Floats
) -> int:
    """Average the frames that show a colour into ``mean``, and return how many do."""
    number = 0
    mean[:] = 0
    for n in range(samples.shape[0]):
        if _alike(samples, n, at, colour, tolerance):
            number += 1
            for c in range(3):
                mean[c] += np.float32(samples[n, at + c])
    for c in range(3):
        mean[c] = mean[c] / number if number else colour[c]
    return number


@compiled
def _compare(
    samples: _Bytes, at: int, one: _Floats, other: _Floats, tolerance: np.float32, facts: _Floats
) -> None:
    """Say when the first of two modes is there: number of frames, visits of both, who is first.

    A frame that shows neither, for the rain, belongs to the mode that was seen last; those before
    the first that does to that one. ``facts`` receives four numbers.
    """
    frames = samples.shape[0]
    here, first = -1, -1
    number, visits = np.zeros(2, np.int64), np.zeros(2, np.int64)
    for n in range(frames):
        now = here
        if _alike(samples, n, at, one, tolerance):
            now = 0
        elif _alike(samples, n, at, other, tolerance):
            now = 1
        if now < 0:
            continue
        if first < 0:
            first = now
            number[now] = n
        if now != here:
            visits[now] += 1
        here = now
        number[now] += 1
    facts[0] = number[0]
    facts[1], facts[2], facts[3] = visits[0], visits[1], first


@compiled
def describe_modes(
    samples: _Bytes,
    start: int,
    changing: _Flags,
    usual: _Bytes,
    picked: NDArray[np.int64],
    tolerances: _Floats,
    scores: _Floats,
    modes: _Floats,
    facts: _Floats,
) -> None:
    """Find the two modes that most frames show, among the labels, at the pixels that change.

    Args:
        samples: See `count_alike`.
        start: See `count_alike`.
        changing: See `count_alike`.
        usual: See `count_alike`.
        picked: See `count_alike`.
        tolerances: See `count_alike`.
        scores: ``(K + picked, pixels)``, how well each label does here and around.
        modes: ``(2, pixels, 3)``, receives the two colours, first the one that is seen first; equal
            where there is only one.
        facts: ``(5, pixels)``, receives the number of frames in which the first is there, the
            visits of the first and of the second, and how many frames show each.
    """
    stretches = usual.shape[0]
    colour, mean, when = np.empty(3, np.float32), np.empty(3, np.float32), np.empty(4, np.float32)
    for x in range(changing.size):
        if not changing[x]:
            continue
        at, tolerance = start + 3 * x, tolerances[x]
        for mode in range(2):
            best, most = -1, np.float32(0)
            for label in range(scores.shape[0]):
                if scores[label, x] <= most:
                    continue
                apart = np.float32(0)
                for c in range(3):
                    if label < stretches:
                        value = np.float32(usual[label, x, c])
                    else:
                        value = np.float32(samples[picked[label - stretches], at + c])
                    apart = max(apart, abs(value - modes[0, x, c]))
                if mode == 0 or apart > 2 * tolerance:
                    best, most = label, scores[label, x]
            if best < 0:
                modes[1, x] = modes[0, x]
                facts[4, x] = 0
                break
            for c in range(3):
                if best < stretches:
                    colour[c] = usual[best, x, c]
                else:
                    colour[c] = samples[picked[best - stretches], at + c]
            facts[3 + mode, x] = _average(samples, at, colour, tolerance, mean)
            modes[mode, x] = mean
        if facts[4, x] == 0:
            facts[0, x], facts[1, x], facts[2, x] = samples.shape[0], 1, 0
            continue
        _compare(samples, at, modes[0, x], modes[1, x], tolerance, when)
        facts[:3, x] = when[:3]
        if when[3] == 1:
            facts[0, x] = samples.shape[0] - when[0]
            facts[1, x], facts[2, x] = when[2], when[1]
            facts[3, x], facts[4, x] = facts[4, x], facts[3, x]
            for c in range(3):
                modes[0, x, c], modes[1, x, c] = modes[1, x, c], modes[0, x, c]
