"""Compiled loops of `rainbench.rain.drops`; importing this module loads the compiler.

Only additions, products, quotients and square roots of doubles are used, which IEEE 754 rounds the
same everywhere, and the compiler neither reorders nor fuses them; colours are whole numbers.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from rainbench.core.compiled import compiled

_Floats = NDArray[np.float64]
_Ints = NDArray[np.int32]

WATER = 1.333
"""Refractive index of water, in visible light at room temperature."""


@compiled
def block_means(clean: NDArray[np.uint8], to_linear: NDArray[np.uint16], block: int) -> _Ints:
    """Return the mean linear light of square blocks of an image; the last ones may be smaller."""
    height, width = clean.shape[:2]
    result = np.empty(((height - 1) // block + 1, (width - 1) // block + 1, 3), np.int32)
    sums = np.empty((result.shape[1], 3), np.int64)
    for i in range(result.shape[0]):
        sums[:] = 0
        tall = min(block, height - i * block)
        for y in range(i * block, i * block + tall):
            for j in range(result.shape[1]):
                for x in range(j * block, min((j + 1) * block, width)):
                    sums[j, 0] += to_linear[clean[y, x, 0]]
                    sums[j, 1] += to_linear[clean[y, x, 1]]
                    sums[j, 2] += to_linear[clean[y, x, 2]]
        for j in range(result.shape[1]):
            for c in range(3):
                result[i, j, c] = sums[j, c] // (tall * min(block, width - j * block))
    return result


@compiled
def keep_apart(
    x: _Floats, y: _Floats, radius: _Floats, share: float, wanted: int
) -> NDArray[np.bool_]:
    """Take drops in order, leaving out any that lies too near to one already taken.

    Args:
        x: ``(N,)`` centres, not negative.
        y: ``(N,)`` centres, not negative.
        radius: ``(N,)``.
        share: Least distance of two drops as a share of the sum of their radii, above 0.
        wanted: How many to take at most.

    Returns:
        ``(N,)``, true for the drops taken.
    """
    taken = np.zeros(x.size, np.bool_)
    if x.size == 0:
        return taken
    reach = 2 * share * radius.max()
    rows, columns = int(y.max() / reach) + 1, int(x.max() / reach) + 1
    first = np.full((rows, columns), -1, np.int64)  # of the drops taken in each square ...
    following = np.full(x.size, -1, np.int64)  # ... and the next in the same square
    count = 0
    for n in range(x.size):
        if count == wanted:
            break
        row, column = int(y[n] / reach), int(x[n] / reach)
        free = True
        for i in range(max(row - 1, 0), min(row + 2, rows)):
            for j in range(max(column - 1, 0), min(column + 2, columns)):
                other = first[i, j]
                while other >= 0 and free:
                    across, down = x[n] - x[other], y[n] - y[other]
                    least = share * (radius[n] + radius[other])
                    free = across * across + down * down >= least * least
                    other = following[other]
        if free:
            taken[n] = True
            following[n] = first[row, column]
            first[row, column] = n
            count += 1
    return taken


@compiled
def raise_caps(heights: _Floats, cover: _Ints, drops: _Floats, step: float, margin: float) -> None:
    """Set the height of water and the share of wet surface of every cell of a grid.

    Each drop is a spherical cap over a round outline that two harmonics deform and gravity draws
    out upwards; where drops overlap the higher one counts.

    Args:
        heights: ``(R, C)``, raised in place; in pixels.
        cover: ``(R, C)``, share of a cell under water in units of 1 / 255, raised in place.
        drops: A row per drop: x, y, radius, sag, two parts of the oval, two of the bulge,
            cotangent of the contact angle.
        step: Pixels per cell.
        margin: Pixels of the grid before the image begins.
    """
    rows, columns = heights.shape
    for n in range(drops.shape[0]):
        x, y, radius, sag = drops[n, 0], drops[n, 1], drops[n, 2], drops[n, 3]
        oval_c, oval_s, bulge_c, bulge_s = drops[n, 4], drops[n, 5], drops[n, 6], drops[n, 7]
        flat = drops[n, 8]
        peak = 1 + flat * flat  # (radius of the sphere / radius of the footprint) ** 2
        reach = radius * 1.2 + step  # the harmonics add 0.12 and 0.07 of the radius at most
        top = max(0, int((y - reach * (1 + sag) + margin) / step))
        bottom = min(rows, int((y + reach + margin) / step) + 1)
        left = max(0, int((x - reach + margin) / step))
        right = min(columns, int((x + reach + margin) / step) + 1)
        for i in range(top, bottom):
            down = (i + 0.5) * step - margin - y
            squeeze = 1.0
            if down < 0:
                down /= 1 + sag
                squeeze = 1 + sag * min(1.0, -down / radius)  # narrower towards the top
            for j in range(left, right):
                across = ((j + 0.5) * step - margin - x) * squeeze
                squared = across * across + down * down
                outline = 1.0
                distance = 0.0
                if squared > 0:
                    distance = sqrt(squared)
                    c, s = across / distance, down / distance
                    c2, s2 = c * c - s * s, 2 * c * s
                    c3, s3 = c2 * c - s2 * s, s2 * c + c2 * s
                    outline += oval_c * c2 + oval_s * s2 + bulge_c * c3 + bulge_s * s3
                edge = outline * radius
                inside = (edge - distance) / step + 0.5
                if inside <= 0:
                    continue
                cover[i, j] = max(cover[i, j], int(min(1.0, inside) * 255 + 0.5))
                if distance < edge:
                    share = distance / edge
                    height = radius * (sqrt(peak - share * share) - flat)
                    heights[i, j] = max(heights[i, j], height)


@compiled
def smooth(heights: _Floats, passes: int, weight: float) -> None:
    """Blur a grid in place by repeated three-tap filters of variance ``2 * weight``."""
    rows, columns = heights.shape
    centre = 1 - 2 * weight
    above = np.empty(columns)
    row = np.empty(columns)
    for _ in range(passes):
        for j in range(columns):
            above[j] = heights[0, j]
        for i in range(rows):
            below = heights[min(i + 1, rows - 1)]
            for j in range(columns):
                row[j] = centre * heights[i, j] + weight * (above[j] + below[j])
                above[j] = heights[i, j]
            for j in range(columns):
                left, right = row[max(j - 1, 0)], row[min(j + 1, columns - 1)]
                heights[i, j] = centre * row[j] + weight * (left + right)


@compiled
def refract(
    heights: _Floats,
    cover: _Ints,
    surroundings: _Ints,
    mean: _Ints,
    step: float,
    margin: float,
    frame: _Floats,
    block: float,
    origin: _Floats,
) -> _Ints:
    """Look through the water: the colour of every wet cell, times its share of wet surface.

    A ray from the pinhole enters the water at the flat glass, leaves it at the cap and meets the
    surroundings at infinity (Snell's law; Fresnel's for unpolarised light). What it cannot leave
    is dark.

    Args:
        heights: ``(R, C)`` height of water in pixels.
        cover: ``(R, C)`` share of wet surface in units of 1 / 255.
        surroundings: ``(E, F, 3)`` linear light by blocks of the image, reaching beyond it.
        mean: ``(3,)`` the light that reflections add on average.
        step: Pixels per cell.
        margin: Pixels of the grid before the image begins.
        frame: Centre of the image x, y, and focal length, in pixels.
        block: Pixels per block of the surroundings.
        origin: x, y of the surroundings' first block's corner, in pixels of the image.

    Returns:
        ``(4, R, C)``: premultiplied red, green, blue and share, in units of 1 / 65535.
    """
    rows, columns = heights.shape
    result = np.zeros((4, rows, columns), np.int32)
    tall, wide = surroundings.shape[0], surroundings.shape[1]
    centre_x, centre_y, focal = frame[0], frame[1], frame[2]
    for i in range(rows):
        up, down = heights[max(i - 1, 0)], heights[min(i + 1, rows - 1)]
        y = (i + 0.5) * step - margin - centre_y
        for j in range(columns):
            share = cover[i, j]
            if share == 0:
                continue
            here = heights[i]
            normal_x = (here[max(j - 1, 0)] - here[min(j + 1, columns - 1)]) / (2 * step)
            normal_y = (up[j] - down[j]) / (2 * step)
            size = sqrt(normal_x * normal_x + normal_y * normal_y + 1)
            normal_x, normal_y, normal_z = normal_x / size, normal_y / size, 1 / size
            x = (j + 0.5) * step - margin - centre_x
            size = sqrt(x * x + y * y + focal * focal) * WATER
            ray_x, ray_y = x / size, y / size
            ray_z = sqrt(1 - ray_x * ray_x - ray_y * ray_y)
            inner = ray_x * normal_x + ray_y * normal_y + ray_z * normal_z
            square = 1 - WATER * WATER * (1 - inner * inner)
            result[3, i, j] = share * 257  # from 1 / 255 to 1 / 65535
            passed, out_x, out_y, out_z = 0.0, 0.0, 0.0, 1.0
            if square > 0 and inner > 0:
                outer = sqrt(square)
                bend = outer - WATER * inner
                out_x = WATER * ray_x + bend * normal_x
                out_y = WATER * ray_y + bend * normal_y
                out_z = WATER * ray_z + bend * normal_z
                parallel = (inner - WATER * outer) / (inner + WATER * outer)
                across = (WATER * inner - outer) / (WATER * inner + outer)
                passed = 1 - (across * across + parallel * parallel) / 2
            out_z = max(out_z, 1e-3)  # a grazing ray would look infinitely far aside
            seen_x = (focal * out_x / out_z + centre_x - origin[0]) / block - 0.5
            seen_y = (focal * out_y / out_z + centre_y - origin[1]) / block - 0.5
            seen_x = min(max(seen_x, 0.0), wide - 1.001)
            seen_y = min(max(seen_y, 0.0), tall - 1.001)
            column, row = int(seen_x), int(seen_y)
            part_x, part_y = seen_x - column, seen_y - row
            for c in range(3):
                a = surroundings[row, column, c] * (1 - part_x)
                a += surroundings[row, column + 1, c] * part_x
                b = surroundings[row + 1, column, c] * (1 - part_x)
                b += surroundings[row + 1, column + 1, c] * part_x
                light = passed * (a * (1 - part_y) + b * part_y) + (1 - passed) * mean[c]
                result[c, i, j] = int(light * share / 255 + 0.5)
    return result


@compiled
def convolve(planes: _Ints, weights: _Ints, shift: int) -> _Ints:
    """Convolve planes where the kernel, of sum ``1 << shift``, fits; round the results."""
    count, rows, columns = planes.shape
    size = weights.shape[0]
    tall, wide = rows - size + 1, columns - size + 1
    result = np.empty((count, tall, wide), np.int32)
    half = np.int32((1 << shift) >> 1)
    total = np.empty(wide, np.int32)
    for p in range(count):
        for i in range(tall):
            for j in range(wide):
                total[j] = half
            for k in range(size):
                for m in range(size):
                    weight = weights[k, m]
                    if weight != 0:
                        row = planes[p, i + k, m : m + wide]
                        for j in range(wide):
                            total[j] += row[j] * weight
            for j in range(wide):
                result[p, i, j] = total[j] >> shift
    return result


@compiled
def lay_over(
    clean: NDArray[np.uint8],
    glass: _Ints,
    to_linear: NDArray[np.uint16],
    to_srgb: NDArray[np.uint8],
    image: NDArray[np.uint8],
    alpha: NDArray[np.uint8],
    light: NDArray[np.uint16],
) -> None:
    """Enlarge the glass to twice its size and lay it over an image, in linear light.

    Args:
        clean: ``(H, W, 3)``.
        glass: ``(4, R, C)`` as from `refract`, with one cell around the image's own.
        to_linear: Linear light of every byte.
        to_srgb: Byte of every linear light.
        image: ``(H, W, 3)``, filled with the result.
        alpha: ``(H, W)``, filled with the share of the glass.
        light: ``(H, W, 3)``, filled with the premultiplied light of the glass, white at most.
    """
    height, width = alpha.shape
    columns = glass.shape[2]
    rows = np.empty((4, columns), np.int32)
    for i in range(height):
        near = (i >> 1) + 1
        far = near - 1 if i % 2 == 0 else near + 1
        for c in range(4):
            a, b, out = glass[c, near], glass[c, far], rows[c]
            for j in range(columns):
                out[j] = 3 * a[j] + b[j]
        for j in range(width):
            middle = (j >> 1) + 1
            side = middle - 1 if j % 2 == 0 else middle + 1
            share = (3 * rows[3, middle] + rows[3, side] + 8) >> 4
            covered = (share + 128) // 257
            alpha[i, j] = covered
            for c in range(3):
                if covered == 0:
                    light[i, j, c] = 0
                    image[i, j, c] = clean[i, j, c]
                else:
                    own = (3 * rows[c, middle] + rows[c, side] + 8) >> 4
                    behind = (np.int32(to_linear[clean[i, j, c]]) * (255 - covered) + 127) // 255
                    light[i, j, c] = min(own, 65535)
                    image[i, j, c] = to_srgb[min(own + behind, 65535)]
