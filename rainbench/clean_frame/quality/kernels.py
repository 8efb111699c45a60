"""Compiled loops of the judge: what frames and stretches of a sequence say of a clean frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rainbench.core.compiled import compiled

_Bytes = NDArray[np.uint8]
_Floats = NDArray[np.float32]
_Doubles = NDArray[np.float64]


@compiled
def count_shown(samples: _Bytes, colour: _Floats, reach: np.float32, number: _Floats) -> None:
    """Count the frames that show a colour, in every channel.

    Args:
        samples: ``(N, bytes)``, the pixels as R G B R G B ....
        colour: ``(bytes,)``, in levels.
        reach: Levels within which a frame shows it.
        number: ``(pixels,)``, zeros; receives the numbers.
    """
    size = colour.size
    least, span, inside = np.empty((3, size), np.uint8)
    for k in range(size):
        low, high = np.ceil(colour[k] - reach), np.floor(colour[k] + reach)
        low, high = max(low, np.float32(0)), min(high, np.float32(255))
        least[k], span[k] = np.uint8(low), np.uint8(max(high - low, np.float32(0)))
    counted = np.zeros(number.size, np.uint16)
    for n in range(samples.shape[0]):
        line = samples[n]
        for k in range(size):
            inside[k] = np.uint8(np.uint8(line[k] - least[k]) <= span[k])
        for x in range(number.size):
            counted[x] += inside[3 * x] & inside[3 * x + 1] & inside[3 * x + 2]
    for x in range(number.size):
        number[x] = counted[x]


@compiled
def find_rivals(
    samples: _Bytes,
    places: NDArray[np.int64],
    own: _Floats,
    usual: _Bytes,
    reach: np.float32,
    best: _Floats,
    most: _Floats,
) -> None:
    """Find the colour of a stretch, other than the clean frame's, that most frames show.

    Args:
        samples: ``(N, bytes)``.
        places: ``(n,)``, which pixels of these.
        own: ``(n, 3)``, the clean frame's colour, in levels.
        usual: ``(K, n, 3)``, what the stretches usually show.
        reach: Levels within which a frame shows a colour; others lie twice as far.
        best: ``(n, 3)``, the clean frame's colour; receives the other.
        most: ``(n,)``, zeros; receives how many frames show it.
    """
    frames = samples.shape[0]
    series = np.empty((3, frames), np.uint8)
    least, highest = np.empty((2, 3), np.uint8)
    for x in range(places.size):
        for n in range(frames):
            for c in range(3):
                series[c, n] = samples[n, 3 * places[x] + c]
        for k in range(usual.shape[0]):
            away = np.float32(0)
            for c in range(3):
                level = np.float32(usual[k, x, c])
                away = max(away, abs(level - own[x, c]))
                least[c] = np.uint8(max(np.ceil(level - reach), np.float32(0)))
                highest[c] = np.uint8(min(np.floor(level + reach), np.float32(255)))
            if away <= 2 * reach:
                continue
            number = 0
            for n in range(frames):
                red, green, blue = series[0, n], series[1, n], series[2, n]
                number += (
                    (red >= least[0])
                    & (red <= highest[0])
                    & (green >= least[1])
                    & (green <= highest[1])
                    & (blue >= least[2])
                    & (blue <= highest[2])
                )
            if number > most[x]:
                most[x] = number
                for c in range(3):
                    best[x, c] = usual[k, x, c]


@compiled
def compare_halves(usual: _Bytes, levels: _Floats, near: np.float32, slow: _Floats) -> None:
    """Compare what the stretches of the two halves of a sequence show.

    Args:
        usual: ``(K, pixels, 3)``.
        levels: ``(pixels, 3)``, the clean frame.
        near: Levels within which a stretch shows the scene.
        slow: ``(pixels,)``, receives the squared difference of the two halves beyond chance.
    """
    stretches, pixels, _ = usual.shape
    half = stretches // 2
    number, total, squares = np.empty(2), np.empty((2, 3)), np.empty((2, 3))
    for x in range(pixels):
        number[:], total[:], squares[:] = 0, 0, 0
        for n in range(stretches):
            part, widest = int(n >= half), np.float32(0)
            for c in range(3):
                widest = max(widest, abs(np.float32(usual[n, x, c]) - levels[x, c]))
            if widest <= near:
                number[part] += 1
                for c in range(3):
                    away = np.float32(usual[n, x, c]) - levels[x, c]
                    total[part, c] += away
                    squares[part, c] += away * away
        slow[x] = 0
        if number[0] >= 2 and number[1] >= 2:
            difference = 0.0
            for c in range(3):
                means = 0.0
                for part in range(2):
                    count = number[part]
                    mean = total[part, c] / count
                    means += mean if part else -mean
                    by_chance = squares[part, c] - count * mean * mean
                    difference -= by_chance / (count * (count - 1))
                difference += means * means
            slow[x] = difference / 3


@compiled
def add_light(
    usual: _Bytes, levels: _Floats, block: int, own: _Doubles, both: _Doubles, square: _Doubles
) -> None:
    """Add products of a clean frame and of what stretches show, in blocks.

    Args:
        usual: ``(K, H, W, 3)``.
        levels: ``(H, W, 3)``.
        block: Pixels a side.
        own: Zeros, ``(block rows, block columns)``; receives the squares of the clean frame.
        both: Zeros, ``(K, block rows, block columns)``; receives its products with a stretch.
        square: The same for the squares of a stretch.
    """
    _, height, width, _ = usual.shape
    for row in range(height):
        for x in range(width):
            for c in range(3):
                level = np.float64(levels[row, x, c])
                own[row // block, x // block] += level * level
        for k in range(usual.shape[0]):
            products, squares = both[k, row // block], square[k, row // block]
            for x in range(width):
                at = x // block
                for c in range(3):
                    seen = np.float64(usual[k, row, x, c])
                    products[at] += seen * levels[row, x, c]
                    squares[at] += seen * seen


@compiled
def count_residuals(
    frame: _Bytes,
    level: _Floats,
    inverse_gain: np.float32,
    known: NDArray[np.bool_],
    block: int,
    reach: np.float32,
    step: np.float32,
    counts: _Doubles,
) -> None:
    """Count the residuals of a frame, the mean of R, G and B, in every second row of each block.

    Args:
        frame: ``(rows, W, 3)``.
        level: ``(rows, W)``, mean of the clean frame's channels.
        inverse_gain: One over the frame's light.
        known: ``(rows, W)``, where to count.
        block: Pixels a side of a block.
        reach: Residual below which, and minus which, one is counted.
        step: Width of a bin.
        counts: ``(blocks, bins)``, to which is added.
    """
    width = level.shape[1]
    bins, factor = counts.shape[1], inverse_gain / (np.float32(3) * step)
    offset = np.empty_like(level)
    for row in range(0, level.shape[0], 2):
        for x in range(width):
            offset[row, x] = (reach - level[row, x]) / step + np.float32(0.5)
        for x in range(width):
            if not known[row, x]:
                continue
            total = int(frame[row, x, 0]) + int(frame[row, x, 1]) + int(frame[row, x, 2])
            place = np.float32(total) * factor + offset[row, x]
            if 0 <= place < bins:
                counts[x // block, int(place)] += 1


@compiled
def compare_detail(
    frame: _Bytes,
    level: _Floats,
    calm: NDArray[np.bool_],
    rainy: np.float32,
    alike: _Doubles,
    energy: _Doubles,
) -> None:
    """Compare the detail of a frame, what it has more than the mean of 3x3, with a clean frame's.

    Args:
        frame: ``(rows, W, 3)``.
        level: ``(rows, W)``, mean of the clean frame's channels.
        calm: ``(rows, W)``, where nothing but rain is seen.
        rainy: Levels off the clean frame from which a sample says nothing.
        alike: ``(2,)``, left and right half; to which the products of what the frame's detail has
            more with the clean frame's are added.
        energy: ``(2,)``, to which the squares of the clean frame's detail are added.
    """
    rows, width = level.shape
    more, dry = np.empty((rows, width), np.float32), np.empty((rows, width), np.bool_)
    for row in range(rows):
        for x in range(width):
            total = int(frame[row, x, 0]) + int(frame[row, x, 1]) + int(frame[row, x, 2])
            more[row, x] = np.float32(total) / np.float32(3) - level[row, x]
            dry[row, x] = calm[row, x] and abs(more[row, x]) < rainy
    for row in range(1, rows - 1):
        for x in range(1, width - 1):
            all_dry, one, other = True, np.float32(0), np.float32(0)
            for down in range(-1, 2):
                for right in range(-1, 2):
                    all_dry &= dry[row + down, x + right]
                    one += more[row + down, x + right]
                    other += level[row + down, x + right]
            if all_dry:
                detail = level[row, x] - other / np.float32(9)
                # As np.array_split: the left half has the odd column.
                half = int(x - 1 >= (width - 1) // 2)
                alike[half] += (more[row, x] - one / np.float32(9)) * detail
                energy[half] += detail * detail
