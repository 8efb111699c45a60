"""A card's channel order and value range, which training, runs and probes honour alike."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from torch import Tensor

from rainbench.catalog.cards import BaselineCard
from rainbench.networks.base import Restoration, as_restoration


@dataclasses.dataclass(frozen=True, slots=True)
class Conventions:
    """How a network wants its images.

    Attributes:
        bgr: Channels in the order blue, green, red.
        white: The value of white in its input, 1 or 255.
    """

    bgr: bool = False
    white: int = 1

    @classmethod
    def of(cls, card: BaselineCard) -> Conventions:
        """Return a card's conventions."""
        return cls(bgr=card.channel_order == "bgr", white=card.value_range)

    def apply(self, network: Callable[[Tensor], Restoration], rainy: Tensor) -> Restoration:
        """Run a network on ``(N, 3, H, W)`` RGB in [0, 1]; its images come back as such.

        Args:
            network: Takes and returns images in the card's order and range.
            rainy: The batch, on the network's device.

        Example:
            >>> import torch
            >>> from rainbench.networks.plain import Identity
            >>> conventions = Conventions(bgr=True, white=255)
            >>> conventions.apply(Identity(), torch.tensor([[[[0.5]], [[0.0]], [[1.0]]]])).image
            tensor([[[[0.5000]],
            <BLANKLINE>
                     [[0.0000]],
            <BLANKLINE>
                     [[1.0000]]]])
        """
        found = as_restoration(network(self._turned(rainy) * self.white))
        if not self.bgr and self.white == 1:
            return found
        stages = tuple(self.of_output(stage) for stage in found.stages)
        return Restoration(self.of_output(found.image), stages, found.maps)

    def of_output(self, image: Tensor) -> Tensor:
        """Return an image that the network put out as RGB in [0, 1]."""
        return self._turned(image) / self.white

    def _turned(self, image: Tensor) -> Tensor:
        return image.flip(1) if self.bgr else image
