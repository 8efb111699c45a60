"""The embedded mini data set: eight small streak pairs, made from photographs of scikit-image.

The photographs are the astronaut (NASA, public domain), the coffee (Rachel Michetti, CC0) and
Chelsea the cat (Stefan van der Walt, CC0), all shipped as PNG with scikit-image.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rainbench.build.streaks import draw_parameters, make_streaks, screen
from rainbench.images import Image, write_png

HEIGHT, WIDTH = 128, 192
SEED = "mini-streaks 1"

CUTS = (
    ("astronaut", 2, 0, 32),
    ("astronaut", 2, 120, 40),
    ("astronaut", 1, 40, 140),
    ("coffee", 2, 0, 0),
    ("coffee", 2, 70, 100),
    ("coffee", 1, 100, 200),
    ("chelsea", 2, 10, 20),
    ("chelsea", 1, 60, 120),
)
"""Photograph, reduction by block means, top row and left column of each cut."""

AMOUNTS = (0.2, 0.25, 0.3, 0.35, 0.2, 0.25, 0.3, 0.4)


def mini_pairs() -> Iterator[tuple[int, Image, Image]]:
    """Yield number, rainy and clean image of each embedded pair.

    Example:
        >>> number, rainy, clean = next(mini_pairs())
        >>> number, rainy.shape, bool((rainy >= clean).all())
        (1, (128, 192, 3), True)
    """
    from skimage import data

    for number, ((name, reduction, top, left), amount) in enumerate(
        zip(CUTS, AMOUNTS, strict=True), start=1
    ):
        photograph = _reduce(getattr(data, name)(), reduction)
        clean = np.ascontiguousarray(photograph[top : top + HEIGHT, left : left + WIDTH])
        # Streaks of the size they have in an image of 480 rows would be thinner than a pixel here.
        parameters = draw_parameters(amount, SEED, number)
        layer = make_streaks(480, 720, parameters, SEED, number).layer[:HEIGHT, :WIDTH]
        yield number, screen(clean, layer), clean


def write_mini(folder: Path) -> int:
    """Write the pairs as ``rainy/N.png`` and ``clean/N.png``; return how many."""
    count = 0
    for name in ("rainy", "clean"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number, rainy, clean in mini_pairs():
        write_png(folder / "rainy" / f"{number}.png", rainy)
        write_png(folder / "clean" / f"{number}.png", clean)
        count += 1
    return count


def _reduce(image: Image, factor: int) -> Image:
    """Reduce an image by the rounded means of whole blocks."""
    height, width = (side // factor * factor for side in image.shape[:2])
    blocks = image[:height, :width].reshape(height // factor, factor, width // factor, factor, 3)
    total = blocks.sum(axis=(1, 3), dtype=np.int64)
    area = factor * factor
    means: Image = ((2 * total + area) // (2 * area)).astype(np.uint8)
    return means
