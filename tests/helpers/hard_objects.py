"""What stands or passes before the scene of hard sequences, and drops on the lens."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from hard_scenes import Picture, smooth_field
from numpy.typing import NDArray

LOOKS = ("bright", "dark", "coloured", "textured")
TIMES = ("first", "middle", "last", "twice")
"""When it is there: until it leaves, between, from when it arrives, and in two visits."""

_COLOURS = ((215, 35, 30), (30, 60, 205), (235, 205, 30), (35, 150, 60), (200, 40, 170))


@dataclass(frozen=True, slots=True)
class Body:
    """Something before the scene.

    Attributes:
        cover: ``(h, w, 1)``, how much it hides, 0 to 1.
        colour: ``(h, w, 3)`` in levels.
        places: ``(N, 2)`` whole numbers, its top and left on every frame.
        there: ``(N,)``, the frames it is there on.
    """

    cover: Picture
    colour: Picture
    places: NDArray[np.int64]
    there: NDArray[np.bool_]

    def paint(self, picture: Picture, hidden: NDArray[np.bool_], n: int) -> None:
        """Paint it into a frame, and mark which pixels it hides."""
        if not self.there[n]:
            return
        rows, columns = (
            (max(0, start), min(size, start + length))
            for start, size, length in zip(
                self.places[n], picture.shape[:2], self.cover.shape[:2], strict=True
            )
        )
        if rows[0] >= rows[1] or columns[0] >= columns[1]:
            return
        place = np.s_[rows[0] : rows[1], columns[0] : columns[1]]
        top, left = self.places[n]
        part = np.s_[rows[0] - top : rows[1] - top, columns[0] - left : columns[1] - left]
        cover = self.cover[part]
        picture[place] += cover * (self.colour[part] - picture[place])
        hidden[place] |= cover[..., 0] > 0.01


def visit(share: float, when: str, count: int) -> NDArray[np.bool_]:
    """Return on which of the frames something is there that is there for a share of them."""
    frames, there = np.arange(count), round(share * count)
    if when == "first":
        return frames < there
    if when == "last":
        return frames >= count - there
    if when == "middle":
        begin = (count - there) // 2
        return (frames >= begin) & (frames < begin + there)
    early, again = there // 2, round(0.55 * count)
    return (frames < early) | ((frames >= again) & (frames < again + there - early))


def standing(
    rng: np.random.Generator,
    look: str,
    share: float,
    when: str,
    size: tuple[int, int],
    count: int,
    across: tuple[float, float] = (0.1, 0.9),
) -> Body:
    """Something that stands still for a share of the frames, somewhere between two columns."""
    height, width = size
    first, last = (round(place * width) for place in across)
    tall = round(height * rng.uniform(0.22, 0.36))
    draw, most = ((person, 0.42), (car, 2.1), (block, 0.9))[int(rng.integers(3))]
    shape = draw(min(tall, int((last - first) / most)))
    top = int(rng.integers(2, height - shape.shape[0] - 2))
    left = int(rng.integers(first, max(first + 1, last - shape.shape[1])))
    places, there = np.tile([top, left], (count, 1)), visit(share, when, count)
    return Body(shape[..., None], clothes(rng, look, shape.shape), places, there)


def several(
    rng: np.random.Generator, share: float, size: tuple[int, int], count: int
) -> list[Body]:
    """Four at once, one of each look, next to each other, at different times."""
    return [
        standing(rng, look, share, TIMES[n], size, count, (0.02 + 0.24 * n, 0.26 + 0.24 * n))
        for n, look in enumerate(LOOKS)
    ]


def parked_car(rng: np.random.Generator, size: tuple[int, int], count: int, share: float) -> Body:
    """A car that drives in from the left, and is parked for the last part of the frames."""
    height, width = size
    shape = car(round(0.24 * height))
    stop, entering = round(width * rng.uniform(0.35, 0.55)), max(2, count // 12)
    stands = visit(share, "last", count)
    since = np.arange(count) - int(stands.argmax())
    way = np.clip(1 + since / entering, 0, 1)
    left = np.rint(-shape.shape[1] + (stop + shape.shape[1]) * (1 - (1 - way) ** 2))
    places = np.stack([np.full(count, round(0.62 * height)), left], 1).astype(np.int64)
    colour = clothes(rng, str(rng.choice(LOOKS)), shape.shape)
    return Body(shape[..., None], colour, places, way > 0)


def pausing_walker(
    rng: np.random.Generator, size: tuple[int, int], count: int, share: float, look: str
) -> Body:
    """A walker who stops on the way for a share of the frames, shifting a pixel now and then."""
    height, width = size
    shape = person(round(0.4 * height))
    stop = width * rng.uniform(0.4, 0.6)
    stands = round(share * count)
    before = (count - stands) // 2
    after = count - stands - before
    left = np.concatenate(
        [
            np.linspace(-shape.shape[1], stop, before, endpoint=False),
            stop + np.rint(0.6 * np.sin(np.arange(stands) / 5)),
            np.linspace(stop, width, after + 1)[1:],
        ]
    )
    places = np.stack([np.full(count, round(0.5 * height)), np.rint(left)], 1).astype(np.int64)
    colour = clothes(rng, look, shape.shape)
    return Body(shape[..., None], colour, places, np.ones(count, np.bool_))


def shifting(
    rng: np.random.Generator, look: str, share: float, size: tuple[int, int], count: int
) -> Body:
    """Something in the middle of the frames that is a pixel farther on in each, of three places."""
    body = standing(rng, look, share, "middle", size, count)
    return replace(body, places=body.places + np.arange(count)[:, None] % 3 * [0, 1])


def every_third(rng: np.random.Generator, look: str, size: tuple[int, int], count: int) -> Body:
    """Something that every third frame shows, as a slow picture on a fast screen does."""
    body = standing(rng, look, 0.4, "middle", size, count)
    return replace(body, there=np.arange(count) % 3 == 0)


def in_turn(rng: np.random.Generator, size: tuple[int, int], count: int) -> list[Body]:
    """Five people wait in the same place, in turn, each for an eighth of the frames."""
    shape = person(round(0.5 * size[0]))
    place = np.array([0.4 * size[0], rng.uniform(0.3, 0.6) * size[1]]).astype(np.int64)
    turn, when = np.divmod(np.arange(count) * 5 / count, 1)
    bodies = []
    for number in range(5):
        there = (turn == number) & (when < 0.6)
        places = place + [0, 1] * rng.integers(-1, 2, (count, 1))
        colour = clothes(rng, str(rng.choice(LOOKS)), shape.shape)
        bodies.append(Body(shape[..., None], colour, places, there))
    return bodies


def lens_drops(
    rng: np.random.Generator, picture: Picture, count: int, number: int = 14
) -> list[Body]:
    """Drops on the lens that show the scene upside down; each stays for a tenth to a third."""
    height, width = picture.shape[:2]
    drops = []
    for _ in range(number):
        radius = round(height * rng.uniform(0.02, 0.06)) + 2
        top, left = (int(rng.integers(0, side - 2 * radius - 1)) for side in (height, width))
        y, x = np.mgrid[: 2 * radius + 1, : 2 * radius + 1] - radius
        far = np.hypot(y * 0.9, x * 1.05) / radius
        cover = np.clip((1 - far) * radius / 2, 0, 0.95).astype(np.float32)[..., None]
        seen = cv2.resize(picture[::-4, ::4], (2 * radius + 1,) * 2, interpolation=cv2.INTER_AREA)
        rim = (35 * np.clip(far - 0.6, 0, 0.4) / 0.4 * (y < 0))[..., None]
        begin = int(rng.integers(0, count))
        there = np.arange(count) - begin
        there = (there >= 0) & (there < round(count * rng.uniform(0.1, 0.34)))
        colour = np.clip(0.9 * seen + rim + 8, 0, 255).astype(np.float32)
        drops.append(Body(cover, colour, np.tile([top, left], (count, 1)), there))
    return drops


def clothes(rng: np.random.Generator, look: str, shape: tuple[int, ...]) -> Picture:
    """The surface of a body, ``(h, w, 3)`` in levels."""
    height, width = shape
    shade = 1 + 0.08 * smooth_field(rng, height, width, 9)[..., None]
    if look == "textured":
        fine = 70 * np.sign(smooth_field(rng, height, width, 5))[..., None]
        return (125 + fine * rng.uniform(0.4, 1.0, 3) * shade).clip(0, 255).astype(np.float32)
    tint = rng.uniform(-6, 6, 3)
    if look == "coloured":
        base = np.array(_COLOURS[int(rng.integers(len(_COLOURS)))]) + tint
    else:
        base = {"bright": 232.0, "dark": 20.0}[look] + tint
    return (base * shade).clip(0, 255).astype(np.float32)


def person(tall: int) -> Picture:
    """A silhouette with a head, arms and legs, ``(h, w)`` with soft edges."""
    y, x = _grid(tall, max(3, round(0.42 * tall)))
    head = np.hypot(x * 0.42, y + 0.42) < 0.075
    trunk = (np.abs(x) < 0.55) & (np.abs(y + 0.12) < 0.22)
    legs = (np.abs(np.abs(x) - 0.28) < 0.2) & (y >= 0.05)
    return _soft(head | trunk | legs)


def car(tall: int) -> Picture:
    """A car from the side, ``(h, w)`` with soft edges."""
    y, x = _grid(tall, round(2.1 * tall))
    cabin = (np.abs(x) < 0.55 - 0.35 * (-y)) & (y < 0) & (y > -0.4)
    body = (np.abs(x) < 0.94) & (y >= 0) & (y < 0.28)
    wheels = np.hypot((np.abs(x) - 0.55) * 1.05, y - 0.27) < 0.17
    return _soft(cabin | body | wheels)


def block(tall: int) -> Picture:
    """A box, ``(h, w)`` with soft edges."""
    y, x = _grid(tall, round(0.9 * tall))
    return _soft((np.abs(x) < 0.9) & (np.abs(y) < 0.45))


def _grid(tall: int, wide: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return y from -0.5 to 0.5 and x from -1 to 1 on twice as many points as pixels."""
    return (
        np.linspace(-0.5, 0.5, 2 * tall)[:, None] + np.zeros(2 * wide),
        np.linspace(-1, 1, 2 * wide) + np.zeros((2 * tall, 1)),
    )


def _soft(shape: NDArray[np.bool_]) -> Picture:
    """Halve the size of a shape, with edges between 0 and 1."""
    size = (shape.shape[1] // 2, shape.shape[0] // 2)
    return cv2.resize(shape.astype(np.float32), size, interpolation=cv2.INTER_AREA)
