"""Compiled loops of the search for modes (`rainbench.clean_frame.scene.modes`).

Colours are vectors: two samples are alike when all three channels are, never one by one. In
corrected light a channel of ``white`` or more, 255, is only known to be no darker: it is like
nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rainbench.core.compiled import compiled

_Bytes = NDArray[np.uint8]
_Floats = NDArray[np.float32]
_Flags = NDArray[np.bool_]

_AT_ONCE = 2048
"""Pixels whose extremes are kept, in the cache, at a time."""

NEARER = np.float32(3)
"""How many times nearer one of two modes must be than the other for what stays to be it; chosen."""

LASTS = 3
"""Frames before, that must show the same, for something to stay; chosen."""

DARKER = np.float32(2)
"""How many times the reach of a mode a frame must be darker to be a third thing; chosen."""

_NOTHING = np.float32(1e9)
"""What is like no level."""


@compiled
def find_changing(
    usual: _Bytes,
    tolerance: int,
    most_bright: float,
    weights: _Floats,
    white: int,
    changing: _Flags,
) -> None:
    """Find the pixels that do not show one colour through all stretches but for some rain.

    Args:
        usual: ``(K, pixels, 3)``, the usual colour in each stretch.
        tolerance: Levels within which two stretches show the same.
        most_bright: Share of the frames that may be brighter than the median of the stretches.
        weights: ``(K,)``, the share of the frames in each stretch.
        white: See above; 256 where all is known.
        changing: Receives ``(pixels,)``.
    """
    stretches, pixels, _ = usual.shape
    middle = np.empty(3, np.int64)
    ordered = np.empty(stretches, np.uint8)
    lowest, highest = np.empty((2, 3 * _AT_ONCE), np.uint8)
    for x in range(pixels):
        at = x % _AT_ONCE
        if at == 0:  # what is settled at nearly all pixels, many at a time
            size = 3 * min(_AT_ONCE, pixels - x)
            lowest[:], highest[:] = 255, 0
            for k in range(stretches):
                line = usual[k, x : x + _AT_ONCE].reshape(size)
                for t in range(size):
                    lowest[t] = min(lowest[t], line[t])
                for t in range(size):
                    highest[t] = max(highest[t], line[t])
            for t in range(size):
                highest[t] -= lowest[t]
        changing[x] = False
        if max(highest[3 * at], highest[3 * at + 1], highest[3 * at + 2]) <= tolerance:
            continue
        widest = np.int64(0)
        for c in range(3):
            low, high = np.int64(255), np.int64(0)
            for k in range(stretches):
                value = np.int64(usual[k, x, c])
                if value < white:
                    low, high = min(low, value), max(high, value)
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
            if max(usual[k, x, 0], usual[k, x, 1], usual[k, x, 2]) >= white:
                continue
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
def _gather(samples: _Bytes, at: int, white: int, series: _Floats) -> None:
    """Copy what a pixel shows over time to ``(3, N)``, channel by channel, for SIMD."""
    for n in range(samples.shape[0]):
        red, green, blue = samples[n, at], samples[n, at + 1], samples[n, at + 2]
        unknown = max(red, green, blue) >= white
        series[0, n] = _NOTHING if unknown else np.float32(red)
        series[1, n], series[2, n] = green, blue


@compiled
def _count(
    series: _Floats, red: np.float32, green: np.float32, blue: np.float32, tolerance: np.float32
) -> int:
    """Count the frames that show a colour, in every channel."""
    number = 0
    if red == _NOTHING:
        return number
    for n in range(series.shape[1]):
        away = max(abs(series[0, n] - red), abs(series[1, n] - green))
        number += max(away, abs(series[2, n] - blue)) <= tolerance
    return number


@compiled
def count_alike(
    samples: _Bytes,
    places: NDArray[np.int64],
    usual: _Bytes,
    picked: NDArray[np.int64],
    tolerances: _Floats,
    white: int,
    counts: _Floats,
) -> None:
    """Count how many frames show what each label shows, at some pixels.

    Args:
        samples: ``(N, bytes)``.
        places: ``(n,)``, which pixels of these.
        usual: ``(K, n, 3)``: the first labels.
        picked: The frames that are the other labels.
        tolerances: ``(n,)``, in levels.
        white: See above; 256 where all is known.
        counts: ``(n, K + picked)``, receives the numbers.
    """
    stretches = usual.shape[0]
    series = np.empty((3, samples.shape[0]), np.float32)
    for x in range(places.size):
        _gather(samples, 3 * places[x], white, series)
        tolerance = tolerances[x]
        for k in range(stretches):
            red, green, blue = usual[k, x, 0], usual[k, x, 1], usual[k, x, 2]
            counts[x, k] = _count(
                series, np.float32(red), np.float32(green), np.float32(blue), tolerance
            )
        for k in range(picked.size):
            n = picked[k]
            counts[x, stretches + k] = _count(
                series, series[0, n], series[1, n], series[2, n], tolerance
            )


@compiled
def average_around(
    number: NDArray[np.int32], values: _Floats, counted: _Flags, half: int, average: _Floats
) -> None:
    """Average over the pixels around each, of those that are counted.

    Args:
        number: ``(rows, W)``, which of some pixels lies here, else -1. Beyond its edges the pixels
            at them repeat.
        values: ``(n, L)``, whole numbers, so that no order of sums matters.
        counted: ``(n,)``.
        half: Pixels to each side.
        average: ``(n, L)``, receives the averages; 0 where none is counted.
    """
    rows, width = number.shape
    total = np.empty(values.shape[1], np.float32)
    for y in range(rows):
        for x in range(width):
            at = number[y, x]
            if at < 0:
                continue
            total[:] = 0
            known = 0
            for down in range(y - half, y + half + 1):
                for right in range(x - half, x + half + 1):
                    other = number[min(max(down, 0), rows - 1), min(max(right, 0), width - 1)]
                    if other >= 0 and counted[other]:
                        known += 1
                        for k in range(total.size):
                            total[k] += values[other, k]
            for k in range(total.size):
                average[at, k] = total[k] / np.float32(max(known, 1))


@compiled
def _average(series: _Floats, colour: _Floats, tolerance: np.float32, mean: _Floats) -> int:
    """Average the frames that show a colour into ``mean``, and return how many do."""
    red, green, blue = colour
    number = 0
    total_red, total_green, total_blue = np.float32(0), np.float32(0), np.float32(0)
    for n in range(series.shape[1]):
        away = max(abs(series[0, n] - red), abs(series[1, n] - green))
        if max(away, abs(series[2, n] - blue)) <= tolerance:
            number += 1
            total_red += series[0, n]
            total_green += series[1, n]
            total_blue += series[2, n]
    mean[0], mean[1], mean[2] = total_red, total_green, total_blue
    for c in range(3):
        mean[c] = mean[c] / number if number else colour[c]
    return number


@compiled
def _stays(series: _Floats, n: int, tolerance: np.float32) -> bool:
    """Say whether the frames just before show the same as one."""
    if n < LASTS:
        return False
    for c in range(3):
        for before in range(n - LASTS, n):
            if abs(series[c, n] - series[c, before]) > tolerance:
                return False
    return True


@compiled
def _compare(
    series: _Floats, one: _Floats, other: _Floats, tolerance: np.float32, facts: _Floats
) -> None:
    """Say when the first of two modes is there: number of frames, visits of both, who is first.

    A frame that shows neither, for the rain, belongs to the mode that was seen last; those before
    the first that does to that one. What stays for some frames is no rain: it belongs to the mode
    that is far nearer, as a scene does that a codec has coded anew. What is darker is no rain,
    either, but a third thing: such frames do not count, as if there were fewer. ``facts`` receives
    six numbers, the last two visits that last for two frames which show the mode.
    """
    frames = series.shape[1]
    here, first = -1, -1
    number, visits, longer = np.zeros((3, 2), np.int64)
    before, sure, others = -1, -1, 0
    for n in range(frames):
        away, apart = np.float32(0), np.float32(0)
        for c in range(3):
            away = max(away, abs(series[c, n] - one[c]))
            apart = max(apart, abs(series[c, n] - other[c]))
        seen = -1
        if away <= tolerance:
            seen = 0
        elif apart <= tolerance:
            seen = 1
        elif NEARER * min(away, apart) < max(away, apart) and _stays(series, n, tolerance):
            seen = int(apart < away)
        now = here if seen < 0 else seen
        if seen < 0 and here >= 0:
            darker, last = np.float32(0), other if here else one
            for c in range(3):
                darker = max(darker, last[c] - series[c, n])
            if darker > DARKER * tolerance:
                others += 1
                continue
        if now < 0:
            continue
        if seen >= 0:
            if seen == before and seen != sure:
                longer[seen] += 1
                sure = seen
            before = seen
        if first < 0:
            first = now
            number[now] = n
        if now != here:
            visits[now] += 1
        here = now
        number[now] += 1
    facts[0] = number[0] * (frames / (frames - others))
    facts[1], facts[2], facts[3] = visits[0], visits[1], first
    facts[4], facts[5] = longer


@compiled
def describe_modes(
    samples: _Bytes,
    places: NDArray[np.int64],
    usual: _Bytes,
    picked: NDArray[np.int64],
    tolerances: _Floats,
    white: int,
    scores: _Floats,
    modes: _Floats,
    facts: _Floats,
) -> None:
    """Find the two modes that most frames show, among the labels, at some pixels.

    Args:
        samples: See `count_alike`.
        places: See `count_alike`.
        usual: See `count_alike`.
        picked: See `count_alike`.
        tolerances: See `count_alike`.
        white: See `count_alike`.
        scores: ``(n, K + picked)``, how well each label does here and around.
        modes: ``(2, n, 3)``, receives the two colours, first the one that is seen first; equal
            where there is only one.
        facts: ``(7, n)``, receives the number of frames in which the first is there, the
            visits of the first and of the second, how many frames show each, and how many of the
            visits of each last for two frames that show it.
    """
    stretches = usual.shape[0]
    colour, mean, when = np.empty(3, np.float32), np.empty(3, np.float32), np.empty(6, np.float32)
    series = np.empty((3, samples.shape[0]), np.float32)
    for x in range(places.size):
        _gather(samples, 3 * places[x], white, series)
        tolerance = tolerances[x]
        for mode in range(2):
            best, most = -1, np.float32(0)
            for label in range(scores.shape[1]):
                if scores[x, label] <= most:
                    continue
                apart = np.float32(0)
                for c in range(3):
                    if label < stretches:
                        value = np.float32(usual[label, x, c])
                    else:
                        value = series[c, picked[label - stretches]]
                    apart = max(apart, abs(value - modes[0, x, c]))
                if mode == 0 or apart > 2 * tolerance:
                    best, most = label, scores[x, label]
            if best < 0:
                modes[1, x] = modes[0, x]
                facts[4, x] = 0
                break
            for c in range(3):
                if best < stretches:
                    colour[c] = usual[best, x, c]
                else:
                    colour[c] = series[c, picked[best - stretches]]
            facts[3 + mode, x] = _average(series, colour, tolerance, mean)
            modes[mode, x] = mean
        if facts[4, x] == 0:
            facts[0, x], facts[1, x], facts[2, x] = samples.shape[0], 1, 0
            facts[5, x], facts[6, x] = 1, 0
            continue
        _compare(series, modes[0, x], modes[1, x], tolerance, when)
        facts[:3, x], facts[5:, x] = when[:3], when[4:]
        if when[3] == 1:
            facts[0, x] = samples.shape[0] - when[0]
            facts[1, x], facts[2, x] = when[2], when[1]
            facts[5, x], facts[6, x] = when[5], when[4]
            facts[3, x], facts[4, x] = facts[4, x], facts[3, x]
            for c in range(3):
                modes[0, x, c], modes[1, x, c] = modes[1, x, c], modes[0, x, c]


@compiled
def nearest_shown(
    samples: _Bytes, places: NDArray[np.int64], farthest: np.float32, colours: _Floats
) -> None:
    """Replace colours that no frame shows by the nearest that one does.

    Args:
        samples: ``(N, bytes)``.
        places: ``(pixels,)``, at which byte each pixel lies.
        farthest: Squared distance, of three channels together, within which a frame shows a colour.
        colours: ``(pixels, 3)``; changed.
    """
    nearest = np.full(places.size, _NOTHING, np.float32)
    seen = np.zeros(places.size, np.int64)
    for n in range(samples.shape[0]):
        frame = samples[n]
        for k in range(places.size):
            at = places[k]
            red = np.float32(frame[at]) - colours[k, 0]
            green = np.float32(frame[at + 1]) - colours[k, 1]
            blue = np.float32(frame[at + 2]) - colours[k, 2]
            away = red * red + green * green + blue * blue
            if away < nearest[k]:
                nearest[k], seen[k] = away, n
    for k in range(places.size):
        if nearest[k] > farthest:
            for c in range(3):
                colours[k, c] = samples[seen[k], places[k] + c]
