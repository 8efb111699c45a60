"""Pictures made in whole numbers, the same bytes everywhere, with detail of all sizes."""

import numpy as np

KINDS = ("plain", "colourful", "blurred", "noisy", "streaked")


def made_picture(kind, height=288, width=384):
    """Return one of `KINDS`, ``(H, W, 3)`` uint8, never flat."""
    seed = KINDS.index(kind)
    rng = np.random.default_rng(seed)
    channels = 3 if kind == "colourful" else 1
    sums = np.zeros((height, width, channels), np.int64)
    for octave in range(7):
        size = 1 << octave
        shape = (-(-height // size), -(-width // size), channels)
        noise = rng.integers(-128, 128, shape) * (octave + 2)
        sums += _box(noise.repeat(size, 0).repeat(size, 1)[:height, :width], size)
    picture = 128 + sums // 24
    if kind == "blurred":
        picture = _box(picture, 5)
    picture = picture + rng.integers(-20, 21, picture.shape) * (kind == "noisy")
    picture = picture + rng.integers(-2, 3, picture.shape)
    if kind == "streaked":
        picture[:, rng.integers(0, width, 60)] += 40
        picture = _box(picture, 2)
    picture = np.clip(picture, 3, 252)
    return np.ascontiguousarray(np.broadcast_to(picture, (height, width, 3)).astype(np.uint8))


def _box(values, size):
    """Average over windows that go on at the opposite edge, rounded down."""
    for axis in (0, 1):
        values = sum(np.roll(values, shift, axis) for shift in range(size)) // size
    return values
