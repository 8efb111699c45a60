"""From what a network returned to the two pictures that a protocol compares."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import numpy as np
from numpy.typing import NDArray

from rainbench.core.errors import RainbenchError
from rainbench.core.images import Image, quantise
from rainbench.metrics.record import PredictionRule

Prediction = NDArray[np.float32] | Image
"""``(H, W, 3)``: float32, nominally in [0, 1], or uint8."""

UNIT_LEVELS = np.arange(256, dtype=np.float32) / np.float32(255)
"""The 256 levels over 255 in float32, as loaders divide, so that a perfect float prediction is
identical to its clean picture."""

_OVERSHOOT = 0.25
"""How far beyond [0, 1] a picture goes before anybody asks on which scale it is."""

_BRIGHT = 16
"""A level that only a picture on the scale 0..255 reaches."""


def ecnet_floor(image: Prediction) -> Image:
    """Bring a picture to [-1, 1] and back in float32 and cut it to 8 bits, as ECNet does.

    Of the 256 levels, 63 come back lowered by one.

    Example:
        >>> ecnet_floor(np.array([0, 1, 128, 255], np.uint8)).tolist()
        [0, 0, 128, 255]
    """
    if image.dtype == np.uint8:
        return cast("Image", ecnet_floor(UNIT_LEVELS)[image])
    one, two, peak = np.float32(1), np.float32(2), np.float32(255)
    signed = (image - one / two) / (one / two)
    floored: Image = np.floor(np.clip((signed + one) / two * peak, 0, peak)).astype(np.uint8)
    return floored


def wrap(image: NDArray[np.float32]) -> Image:
    """Cast a float picture to 8 bits without a clamp: towards zero, modulo 256.

    Example:
        >>> wrap(np.array([-0.01, 0.5, 1.0, 1.01], np.float32)).tolist()
        [254, 127, 255, 1]
    """
    # Beyond 2^32 every float32 is a multiple of 256, so this clip changes nothing.
    scaled = np.clip(image * np.float32(255), -(2.0**62), 2.0**62)
    wrapped: Image = scaled.astype(np.int64).astype(np.uint8)
    return wrapped


def check_pair(restored: Prediction, clean: Image) -> None:
    """Refuse what cannot be scored.

    Raises:
        RainbenchError: Shapes or types are not those of `score_all`, sizes differ, or the
            prediction has values that are not finite.
    """
    for what, picture in (("restored", restored), ("clean", clean)):
        if not isinstance(picture, np.ndarray):
            raise RainbenchError(
                f"the {what} picture is a {type(picture).__name__}, not an array",
                hint="Give a NumPy array of shape (H, W, 3).",
            )
    if clean.dtype != np.uint8 or clean.ndim != 3 or clean.shape[2] != 3:
        raise RainbenchError(
            f"the clean picture is {_describe(clean)}, not uint8 of shape (H, W, 3) with values "
            "from 0 to 255",
            hint="Read it with rainbench.core.images.read_image.",
        )
    if restored.dtype not in (np.uint8, np.float32) or restored.ndim != 3 or restored.shape[2] != 3:
        raise RainbenchError(
            f"the restored picture is {_describe(restored)}, not float32 or uint8 of shape"
            " (H, W, 3): float32 in [0, 1], uint8 from 0 to 255",
            hint="A network's output (1, 3, H, W) becomes it by image[0].permute(1, 2, 0).numpy().",
        )
    if restored.shape != clean.shape:
        sizes = [f"{shape[1]}x{shape[0]}" for shape in (restored.shape, clean.shape)]
        raise RainbenchError(
            f"the restored picture is {sizes[0]} but the clean one is {sizes[1]}",
            hint="Cut a network's padding off before scoring; pictures are never resized here.",
        )
    if clean.size == 0:
        raise RainbenchError("the pictures have no pixels")


def check_range(restored: Prediction, clean: Image) -> None:
    """Refuse a picture that is on another scale than its type says.

    What overshoots [0, 1], as networks do, is none of that: only a picture that lies outside for
    the greater part is refused, or one that comes much nearer to the clean one on another scale.

    Args:
        restored: See `rainbench.metrics.score_all`; finite.
        clean: The true image, as `rainbench.metrics.score_all` takes it.

    Raises:
        RainbenchError: Float values of 0..255 or of -1..1, or 8-bit values of 0..1.

    Example:
        >>> clean = np.full((1, 1, 3), 100, np.uint8)
        >>> try:
        ...     check_range(clean.astype(np.float32), clean)
        ... except RainbenchError as error:
        ...     print(error.message)
        the restored picture has float values from 100 to 100, [0, 1] is expected
    """
    if restored.size == 0:
        return
    lowest, highest = float(restored.min()), float(restored.max())
    if restored.dtype == np.uint8:
        for what, picture, other in (("restored", restored, clean), ("clean", clean, restored)):
            if picture.max() == 1 and other.max() > _BRIGHT:
                raise RainbenchError(
                    f"the {what} picture has 8-bit values of 0 and 1 only; 0 to 255 is expected",
                    hint="A float picture in [0, 1] is multiplied by 255 before it becomes uint8.",
                )
        return
    if not is_odd_range(lowest, highest):
        return
    levels, truth = cast("NDArray[np.float32]", restored), UNIT_LEVELS[clean]
    error = float(np.abs(np.clip(levels, 0, 1) - truth).mean())
    for scaled, divide in ((levels / 255, "Divide by 255"), ((levels + 1) / 2, "Add 1, halve")):
        nearer = float(np.abs(scaled - truth).mean()) < error / 2
        far = divide == "Divide by 255" and float(np.median(levels)) > 1 + _OVERSHOOT
        if nearer or far:
            raise RainbenchError(
                f"the restored picture has float values from {lowest:.3g} to {highest:.3g}, "
                "[0, 1] is expected",
                hint=f"{divide}; or the network that made it diverged.",
            )


def is_odd_range(lowest: float, highest: float) -> bool:
    """Return whether a float prediction of this range is one that `check_range` has to look at.

    Example:
        >>> is_odd_range(-0.1, 1.2), is_odd_range(0.0, 200.0)
        (False, True)
    """
    return lowest < -_OVERSHOOT or highest > 1 + _OVERSHOOT


def used_rules(
    restored: Prediction, rules: Iterable[PredictionRule]
) -> dict[PredictionRule, PredictionRule]:
    """Say which rule can stand in for each: rules that give the same here are applied once.

    Raises:
        RainbenchError: A float prediction is not finite everywhere.
    """
    if restored.dtype == np.uint8:
        return {rule: "ecnet" if rule == "ecnet" else "round" for rule in rules}
    lowest, highest = float(restored.min()), float(restored.max())
    if not np.isfinite(lowest + highest):
        broken = restored.size - int(np.isfinite(restored).sum())
        raise RainbenchError(
            f"the restored picture has {broken} values that are nan or infinite",
            hint="The network diverged or overflowed; try it in float32.",
        )
    return stand_ins(rules, lowest, highest)


def stand_ins(
    rules: Iterable[PredictionRule], lowest: float, highest: float
) -> dict[PredictionRule, PredictionRule]:
    """Say which rule can stand in for each, for a float prediction of this range."""
    within = lowest >= 0 and highest <= 1
    same: dict[PredictionRule, PredictionRule] = (
        {"wrap": "truncate", "none": "clip"} if within else {}
    )
    return {rule: same.get(rule, rule) for rule in rules}


def apply_rule(
    restored: Prediction, clean: Image, rule: PredictionRule
) -> tuple[Prediction, Prediction]:
    """Return the two pictures that a protocol with this rule compares.

    Returns:
        Both uint8, or, for ``clip`` and ``none`` of a float prediction, both floats whose peak is
        1: the clean one divided by 255 in float32, as the authors' loaders do.
    """
    if rule == "ecnet":
        return ecnet_floor(restored), ecnet_floor(clean)
    if restored.dtype == np.uint8:
        return restored, clean
    levels = cast("NDArray[np.float32]", restored)
    if rule == "truncate" or rule == "round":
        return quantise(levels, rule), clean
    if rule == "wrap":
        return wrap(levels), clean
    if rule == "clip":
        levels = np.clip(levels, np.float32(0), np.float32(1))
    return levels, cast("NDArray[np.float32]", UNIT_LEVELS[clean])


def _describe(array: NDArray[np.generic]) -> str:
    return f"{array.dtype} of shape {array.shape}"
