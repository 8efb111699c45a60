"""Learning from photographs of rain that nobody has the clean image of (SIRR, CVPR 2019).

What a network takes away from a photograph has to look like rain: each value is of one of a few
Gaussians of mean zero, whose variances and shares are found by one step of expectation maximisation
(EM) for each batch; and what it leaves has to have little variation.

Of the published code this keeps the two terms that the network has a gradient of. A third one,
between the Gaussians and the rain of the pairs, has none there, as the Gaussians come from outside.
The photographs share every parameter with the pairs, where that code has biases and gains of their
own for them, which no test uses. How the Gaussians begin is ours.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from rainbench.catalog.cards import FromPhotographs
from rainbench.core.images import Image
from rainbench.core.text import count_of
from rainbench.train.material.scenes import Scene, Window
from rainbench.train.material.sources import CleanFolder

_LEAST_VARIANCE = 1e-6
"""Of a Gaussian, white being 1; as published."""

_FIRST_VARIANCES = (1e-4, 1e-1)
"""Of the narrowest and the widest Gaussian at first: half a level of rain, and most of white."""


@dataclass(frozen=True, slots=True)
class Photographs:
    """Photographs of rain as a source of patches, whose clean half is the photograph itself.

    Attributes:
        folder: Their folder, read as one of clean images is.
    """

    folder: CleanFolder

    @property
    def label(self) -> str:
        """The folder's name and size."""
        return f"{count_of(len(self.folder), 'photograph')} of {self.folder.title}"

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.folder)

    def name(self, index: int) -> str:
        """Return a photograph's path."""
        return self.folder.name(index)

    def clean(self, index: int) -> Image:
        """Return a photograph."""
        return self.folder.clean(index)

    def scene(
        self,
        index: int,
        window: Window,
        *key: str | int,  # noqa: ARG002 (nothing is drawn)
        layers: Collection[str] = (),  # noqa: ARG002 (there are none)
    ) -> Scene:
        """Return a part of a photograph, twice."""
        whole = self.clean(index)
        part = np.ascontiguousarray(whole[window.of(whole, self.name(index))])
        return Scene(part, part)

    def lacking(self, index: int, layers: Collection[str]) -> str:  # noqa: ARG002 (never asked)
        """Return nothing: no layer of a photograph is ever wanted."""
        return ""

    def size(self, index: int) -> tuple[int, int]:
        """Return height and width of a photograph."""
        return self.folder.size(index)


class RainOfPhotographs(nn.Module):
    """The Gaussians that rain in photographs is drawn from, and the losses that follow from them.

    Its state is part of a training's: it depends on all photographs that were seen.

    Args:
        terms: How many Gaussians, and the weights of the losses.

    Example:
        >>> rain = RainOfPhotographs(FromPhotographs(mixture=0.5, variation=0.0))
        >>> photographs = torch.full((1, 3, 4, 4), 0.5)
        >>> total, parts = rain(photographs - 0.1, photographs)
        >>> sorted(parts), bool(total > 0)
        (['mixture photographs', 'variation photographs'], True)
    """

    shares: Tensor
    variances: Tensor

    def __init__(self, terms: FromPhotographs) -> None:
        super().__init__()
        self.terms = terms
        first, last = map(math.log10, _FIRST_VARIANCES)
        self.register_buffer("shares", torch.full((terms.components,), 1.0 / terms.components))
        variances = torch.logspace(first, last, terms.components)
        self.register_buffer("variances", variances)

    def forward(self, restored: Tensor, photographs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the weighted sum of the losses of a batch, and each of them, detached.

        The Gaussians are fitted to the batch first.

        Args:
            restored: ``(N, 3, H, W)``, what the network made of them.
            photographs: The same shape, in [0, 1].
        """
        restored = restored.float()
        squares = (photographs - restored).square().flatten()
        member = self._fitted(squares.detach())
        mixture = (member / (2 * self.variances) * squares[:, None]).sum(1).mean()
        rows = restored[:, :, 1:] - restored[:, :, :-1]
        columns = restored[..., 1:] - restored[..., :-1]
        variation = (rows.abs().sum() + columns.abs().sum()) / len(restored)
        parts = {
            "mixture photographs": self.terms.mixture * mixture,
            "variation photographs": self.terms.variation * variation,
        }
        total = torch.stack(tuple(parts.values())).sum()
        return total, {name: part.detach() for name, part in parts.items()}

    @torch.no_grad()
    def _fitted(self, squares: Tensor) -> Tensor:
        """Take one step of EM; return how far each value belongs to each Gaussian, ``(V, K)``."""
        logs = self.shares.log() - (self.variances.log() + squares[:, None] / self.variances) / 2
        member = torch.softmax(logs, 1)
        weight = member.sum(0).clamp(min=1e-12)
        self.variances.copy_((member * squares[:, None]).sum(0) / weight)
        self.variances.clamp_(min=_LEAST_VARIANCE)
        self.shares.copy_((weight / weight.sum()).clamp(min=1e-12))
        return member
