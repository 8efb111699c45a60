"""Scores of pictures that are at hand, as arrays or tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

from rainbench.api.pictures import as_levels, as_restored, split_batch
from rainbench.core.errors import RainbenchError
from rainbench.metrics import PROTOCOLS, Score, score_all

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    Picture = NDArray[Any] | Tensor


def list_protocols() -> list[str]:
    """Return the names of all protocols: conventions of PSNR and SSIM that papers used.

    Example:
        >>> list_protocols()[:3]
        ['prenet-y', 'mprnet-y8', 'sian-y']
    """
    return list(PROTOCOLS)


@overload
def score(restored: Picture, clean: Picture, protocol: str) -> Score | list[Score]: ...


@overload
def score(
    restored: Picture, clean: Picture, protocol: None = None
) -> dict[str, Score] | list[dict[str, Score]]: ...


def score(
    restored: Picture | Sequence[Picture],
    clean: Picture | Sequence[Picture],
    protocol: str | None = None,
) -> Score | dict[str, Score] | list[Score] | list[dict[str, Score]]:
    """Score a restored picture, or a batch of them, against the clean one.

    Args:
        restored: RGB. NumPy: ``(H, W, 3)`` or ``(N, H, W, 3)``; torch, on any device: ``(3, H, W)``
            or ``(N, 3, H, W)``; or a list of pictures. Either uint8, or floats in [0, 1] that need
            not be clamped: each protocol clamps and quantises by its own rule.
        clean: The same kind and shape; floats have to be 8-bit levels over 255, as loaders give
            them.
        protocol: One out of `list_protocols`; None for all of them.

    Returns:
        A `rainbench.metrics.Score`, PSNR in dB and SSIM; without a protocol, one by the name of
        each; of a batch or list, a list. They equal those of ``rainbench run`` for the same pixels.

    Raises:
        RainbenchError: There is no such protocol, or the pictures cannot be compared: other sizes,
            another range, values that are not finite.

    Example:
        >>> import numpy as np
        >>> clean = np.full((16, 16, 3), 100, np.uint8)
        >>> score(clean / np.float32(255) + np.float32(0.004), clean, "prenet-y").psnr > 49
        True
        >>> len(score(clean, clean)) == len(list_protocols())
        True
    """
    if not isinstance(protocol, str | None):
        raise RainbenchError(f"protocol {protocol!r}", hint="Give one name, or None for all.")
    pairs = split_batch(restored, clean)
    names = None if protocol is None else [protocol]
    scores = []
    for number, pair in enumerate(pairs or [(restored, clean)]):
        try:
            found = score_all(as_restored(pair[0]), as_levels(pair[1], "clean"), names)
        except RainbenchError as error:
            if pairs is None:
                raise
            raise RainbenchError(f"picture {number}: {error.message}", hint=error.hint) from None
        scores.append(found if protocol is None else next(iter(found.values())))
    return scores[0] if pairs is None else scores  # type: ignore[return-value]
