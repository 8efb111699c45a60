"""PSNR and SSIM under every published convention.

Example:
    >>> import numpy as np
    >>> clean = np.full((16, 16, 3), 100, np.uint8)
    >>> score_all(clean, clean)["prenet-y"]
    Score(psnr=inf, ssim=1.0)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rainbench.metrics.protocols import PROTOCOLS, get_protocol
from rainbench.metrics.record import Protocol
from rainbench.metrics.score import MeanScore, mean_score, score_all
from rainbench.metrics.views import Score

if TYPE_CHECKING:
    from rainbench.metrics.objects import PSNR, SSIM

__all__ = [
    "PROTOCOLS",
    "PSNR",
    "SSIM",
    "MeanScore",
    "Protocol",
    "Score",
    "get_protocol",
    "mean_score",
    "score_all",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Load torch for the objects that need it, when they are asked for."""
    if name in ("PSNR", "SSIM"):
        from rainbench.metrics import objects

        return getattr(objects, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
