"""PSNR and SSIM as objects that collect batches, for training loops and validation.

Where torchmetrics is installed they are its metrics, and whatever works with these (Lightning,
`MetricCollection`, distributed training) works with them; elsewhere they have the same methods. The
numbers are those of `rainbench run`: a protocol's, averaged over the images.
"""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import Tensor

from rainbench.core.errors import RainbenchError
from rainbench.metrics.protocols import get_protocol
from rainbench.metrics.score import score_all
from rainbench.metrics.torch_backend import score_all_torch

_WHOLE = 1e-3
"""How far a clean picture in [0, 1], times 255, may be from whole levels."""


class PlainMetric:
    """The part of torchmetrics' ``Metric`` that is needed here, where that is not installed."""

    def __init__(self) -> None:
        self._defaults: dict[str, Tensor] = {}

    def add_state(self, name: str, default: Tensor, dist_reduce_fx: str) -> None:
        """Add a sum, which processes add up."""
        assert dist_reduce_fx == "sum"
        self._defaults[name] = default
        setattr(self, name, default.clone())

    def update(self, restored: Tensor, clean: Tensor) -> None:
        """Add images."""
        raise NotImplementedError

    def compute(self) -> Tensor:
        """Return the mean."""
        raise NotImplementedError

    def reset(self) -> None:
        """Forget all images."""
        for name, default in self._defaults.items():
            setattr(self, name, default.clone())

    def forward(self, restored: Tensor, clean: Tensor) -> Tensor:
        """Add images, and return the mean over these alone, of this process."""
        before = {name: getattr(self, name) for name in self._defaults}
        self.reset()
        self.update(restored, clean)
        of_batch = self._mean({name: getattr(self, name) for name in self._defaults})
        for name, value in before.items():
            setattr(self, name, value + getattr(self, name))
        return of_batch

    __call__ = forward

    def _mean(self, sums: dict[str, Tensor]) -> Tensor:
        raise NotImplementedError

    def _sums(self) -> dict[str, Tensor]:
        sums = {name: getattr(self, name).clone() for name in self._defaults}
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            for value in sums.values():
                torch.distributed.all_reduce(value)
        return sums


def _find_base() -> Any:  # noqa: ANN401
    try:
        from torchmetrics import Metric
    except Exception:  # a torchvision that does not fit its torch raises a RuntimeError
        return PlainMetric
    return Metric


_Base: Any = _find_base()


class _Mean(_Base):  # type: ignore[misc]
    """The mean of a protocol's PSNR or SSIM over all images."""

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    def __init__(self, protocol: str = "prenet-y") -> None:
        super().__init__()
        self.protocol = get_protocol(protocol).name
        for name in ("total", "infinite", "images"):
            self.add_state(name, torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, restored: Tensor, clean: Tensor) -> None:
        """Add images.

        Args:
            restored: ``(N, 3, H, W)`` or ``(3, H, W)`` RGB: floating point nominally in [0, 1],
                not clamped, or uint8.
            clean: The clean pictures, of the same shape: uint8, or such levels over 255.

        Raises:
            RainbenchError: Shapes differ, or the values are on another scale.
        """
        restored, clean = _batch(restored), _levels(_batch(clean))
        if len(restored) != len(clean):
            raise RainbenchError(f"{len(restored)} restored images, {len(clean)} clean ones")
        if restored.is_floating_point():
            restored = restored.float()
        for one, other in zip(restored.detach(), clean.detach(), strict=True):
            value = self._score(one, other)
            self.images += 1
            if math.isinf(value):
                self.infinite += 1
            else:
                self.total += value

    def compute(self) -> Tensor:
        """Return the mean over the images of all processes: infinite if that of any is.

        NaN for no images.
        """
        if isinstance(self, PlainMetric):
            return self._mean(self._sums())
        return self._mean({name: getattr(self, name) for name in ("total", "infinite", "images")})

    def _mean(self, sums: dict[str, Tensor]) -> Tensor:
        mean = sums["total"] / sums["images"]
        return torch.where(sums["infinite"] > 0, torch.full_like(mean, math.inf), mean)

    def _score(self, restored: Tensor, clean: Tensor) -> float:
        if restored.device.type == "cuda":
            score = score_all_torch(restored, clean, [self.protocol])[self.protocol]
        else:
            pictures = [
                each.permute(1, 2, 0).contiguous().cpu().numpy() for each in (restored, clean)
            ]
            score = score_all(pictures[0], pictures[1], [self.protocol])[self.protocol]
        return cast("float", getattr(score, type(self).__name__.lower()))


class PSNR(_Mean):
    """Mean PSNR in dB under a protocol.

    Args:
        protocol: One of `rainbench.metrics.PROTOCOLS`.

    Raises:
        RainbenchError: There is no such protocol, or it has no PSNR.

    Example:
        >>> psnr = PSNR("prenet-y")
        >>> clean = torch.full((2, 3, 16, 16), 100, dtype=torch.uint8)
        >>> psnr.update(clean + 1, clean)
        >>> psnr.update((clean[0] + 2) / 255, clean[0] / 255)
        >>> round(float(psnr.compute()), 2), int(psnr.images)
        (47.45, 3)
    """

    def __init__(self, protocol: str = "prenet-y") -> None:
        super().__init__(protocol)
        if not get_protocol(protocol).has_psnr:
            raise RainbenchError(f"protocol {protocol} has no PSNR")


class SSIM(_Mean):
    """Mean SSIM under a protocol; as `PSNR`.

    Example:
        >>> ssim = SSIM()
        >>> image = torch.arange(768, dtype=torch.uint8).reshape(1, 3, 16, 16)
        >>> round(float(ssim(image, image)), 6)
        1.0
    """


def _batch(images: Tensor) -> Tensor:
    if not isinstance(images, Tensor) or images.ndim not in (3, 4) or images.shape[-3] != 3:
        shape = tuple(images.shape) if isinstance(images, Tensor) else type(images).__name__
        raise RainbenchError(f"images of {shape} were given, not (N, 3, H, W) or (3, H, W) tensors")
    return images if images.ndim == 4 else images[None]


def _levels(clean: Tensor) -> Tensor:
    """Return the 8-bit levels of clean pictures."""
    if clean.dtype == torch.uint8:
        return clean
    scaled = clean.detach().double() * 255
    levels = scaled.round()
    off = float((scaled - levels).abs().max()) if clean.numel() else 0.0
    if not (off <= _WHOLE and float(levels.min()) >= 0 and float(levels.max()) <= 255):
        raise RainbenchError(
            "the clean pictures are neither uint8 nor such levels divided by 255",
            hint="Scores are of 8-bit pictures: give the clean ones as they were read.",
        )
    return levels.byte()
