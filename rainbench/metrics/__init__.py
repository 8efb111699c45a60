"""PSNR and SSIM under every published convention.

Example:
    >>> import numpy as np
    >>> clean = np.full((16, 16, 3), 100, np.uint8)
    >>> score_all(clean, clean)["prenet-y"]
    Score(psnr=inf, ssim=1.0)
"""

from rainbench.metrics.protocols import PROTOCOLS, get_protocol
from rainbench.metrics.record import Protocol
from rainbench.metrics.score import MeanScore, mean_score, score_all
from rainbench.metrics.views import Score

__all__ = [
    "PROTOCOLS",
    "MeanScore",
    "Protocol",
    "Score",
    "get_protocol",
    "mean_score",
    "score_all",
]
