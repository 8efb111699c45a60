"""From arrays and tensors of either layout and range to pictures as this package reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from rainbench.core.errors import RainbenchError, told
from rainbench.core.images import Image

BETWEEN = 1e-3
"""How far from a whole 8-bit level a float may lie and still be one: float32 over 255 and back is
off by 3e-5 at most, bfloat16 by far more."""


def is_tensor(picture: object) -> bool:
    """Return whether something is a tensor of torch, without importing torch."""
    return type(picture).__module__.partition(".")[0] == "torch" and hasattr(picture, "detach")


def split_batch(restored: object, clean: object) -> list[tuple[Any, Any]] | None:
    """Return the pairs of pictures of two batches or lists; None where these are single pictures.

    Raises:
        RainbenchError: One is a batch and the other is not, or they have other lengths.
    """
    lengths = [_length(each) for each in (restored, clean)]
    if lengths[0] != lengths[1]:
        said = ["one picture" if each is None else f"{each} pictures" for each in lengths]
        raise RainbenchError(f"{said[0]} cannot be compared with {said[1]}")
    if lengths[0] is None:
        return None
    if lengths[0] == 0:
        raise RainbenchError("the batch holds no picture")
    return list(zip(cast("Any", restored), cast("Any", clean), strict=True))


def _length(pictures: object) -> int | None:
    if isinstance(pictures, Sequence):
        return len(pictures)
    return len(cast("Any", pictures)) if getattr(pictures, "ndim", 3) == 4 else None


def as_array(picture: object, what: str) -> NDArray[Any]:
    """Return a picture as ``(H, W, 3)`` with its values as they are.

    Args:
        picture: NumPy ``(H, W, 3)`` or torch ``(3, H, W)``.
        what: How an error calls it.

    Raises:
        RainbenchError: It is neither.
    """
    if is_tensor(picture):
        try:
            tensor = cast("Any", picture).detach().cpu()
            if str(tensor.layout) != "torch.strided":
                tensor = tensor.to_dense()
        except (RuntimeError, NotImplementedError) as error:
            raise RainbenchError(f"the {what} picture cannot be read: {told(error)}") from None
        if tensor.ndim != 3 or tensor.shape[0] != 3:
            raise RainbenchError(
                f"the {what} picture is a tensor of shape {tuple(tensor.shape)}",
                hint="Give (3, H, W) or (N, 3, H, W); permute(2, 0, 1) makes it from (H, W, 3).",
            )
        if tensor.is_floating_point():
            tensor = tensor.float()  # NumPy has no bfloat16
        return cast("NDArray[Any]", tensor.permute(1, 2, 0).contiguous().numpy())
    if isinstance(picture, np.ma.MaskedArray):
        raise RainbenchError(
            f"the {what} picture is masked: nothing says what a masked pixel is",
            hint="Give picture.filled(value).",
        )
    if not isinstance(picture, np.ndarray):
        raise RainbenchError(
            f"the {what} picture is a {type(picture).__name__}",
            hint="Give an array of NumPy, (H, W, 3), or a tensor of torch, (3, H, W).",
        )
    if picture.ndim != 3 or picture.shape[2] != 3:
        raise RainbenchError(
            f"the {what} picture is an array of shape {picture.shape}",
            hint="Give (H, W, 3) RGB, or (N, H, W, 3): arrays have their channels last, "
            "tensors of torch have them first.",
        )
    if picture.dtype in (np.float16, np.float64):
        return picture.astype(np.float32)
    return picture


def as_restored(picture: object) -> NDArray[Any]:
    """Return a restored picture as the metrics take it: uint8, or float32 that is not clamped.

    Raises:
        RainbenchError: It is no such picture.
    """
    return np.ascontiguousarray(as_array(picture, "restored"))


def as_levels(picture: object, what: str) -> Image:
    """Return a picture as 8-bit RGB; floats in [0, 1] have to be such levels over 255.

    Args:
        picture: NumPy ``(H, W, 3)`` or torch ``(3, H, W)``.
        what: How an error calls it.

    Raises:
        RainbenchError: It is no picture, on another scale, or holds values between the levels.

    Example:
        >>> as_levels(np.full((1, 1, 3), 7, np.float32) / 255, "clean").tolist()
        [[[7, 7, 7]]]
    """
    array = np.ascontiguousarray(as_array(picture, what))
    if not array.size:
        raise RainbenchError(f"the {what} picture has no pixels")
    if array.dtype == np.uint8:
        return array
    if array.dtype != np.float32:
        raise RainbenchError(
            f"the {what} picture is of {array.dtype}", hint="Give uint8, or floats in [0, 1]."
        )
    levels = as_unit_floats(array, what) * np.float32(255)
    whole = np.rint(levels)
    if array.size and float(np.abs(levels - whole).max()) > BETWEEN:
        raise RainbenchError(
            f"the {what} picture has values between the 256 levels of 8 bits",
            hint="Round it first: (picture * 255).round().astype('uint8'). Half precision is too "
            "coarse for the levels.",
        )
    return cast("Image", whole.astype(np.uint8))


def as_unit_floats(array: NDArray[np.float32], what: str) -> NDArray[np.float32]:
    """Return floats that all lie in [0, 1].

    Raises:
        RainbenchError: They do not, or are not finite.
    """
    if not array.size:
        raise RainbenchError(f"the {what} picture has no pixels")
    lowest, highest = float(array.min()), float(array.max())
    if not np.isfinite(lowest + highest):
        raise RainbenchError(f"the {what} picture has values that are not finite")
    if not (lowest >= 0 and highest <= 1):
        raise RainbenchError(
            f"the {what} picture has floats from {lowest:.4g} to {highest:.4g}, not in [0, 1]",
            hint="Divide by 255 what has 0 to 255; add 1 to what has -1 to 1, and halve it.",
        )
    return array
