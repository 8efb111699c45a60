"""Validation: held-out pairs, restored whole and scored under the default protocol."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from rainbench.core.errors import RainbenchError
from rainbench.core.images import Image, quantise
from rainbench.core.text import count_of
from rainbench.metrics import Score, mean_score, score_all
from rainbench.networks.conventions import Conventions
from rainbench.train.engine import Precision, autocast
from rainbench.train.material.scenes import TrainingPairs, Window

if TYPE_CHECKING:
    from rainbench.packaging.contact_sheet import SheetRow

_LOG = logging.getLogger(__name__)

SHOWN = 4
"""Pairs in the picture of samples."""


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """One held-out pair.

    Attributes:
        name: What messages call it.
        rainy: ``(H, W, 3)`` uint8 RGB.
        clean: The same shape.
    """

    name: str
    rainy: Image
    clean: Image


@dataclass(frozen=True, slots=True)
class Validation:
    """Pairs to validate on, kept in memory.

    Attributes:
        pairs: The pairs.
        protocol: The metric protocol's name.
        label: What they are, for the record.
    """

    pairs: tuple[Held, ...]
    protocol: str
    label: str

    def score_input(self) -> Score:
        """Return the mean score of the rainy images themselves."""
        return self._mean([(pair.rainy, pair.clean) for pair in self.pairs])

    def score(
        self,
        network: nn.Module,
        conventions: Conventions,
        device: torch.device,
        precision: Precision,
    ) -> tuple[Score, Image]:
        """Restore every pair and score it.

        Returns:
            The mean score, and a picture of the first pairs: rainy, restored, clean.

        Raises:
            RainbenchError: The network returned values that are not finite.
        """
        was_training = network.training
        network.eval()
        restored = []
        with torch.inference_mode(), autocast(device, precision):
            for pair in self.pairs:
                rainy = torch.from_numpy(pair.rainy).to(device).permute(2, 0, 1)[None].float() / 255
                image = conventions.apply(network, rainy).image.float()
                if not torch.isfinite(image).all():
                    raise RainbenchError(
                        f"the network returned values that are not finite (NaN) on {pair.name}",
                        hint="The training diverged: see the log, and lower --learning-rate.",
                    )
                # A training that goes astray is told by its numbers, not ended by their range.
                image = image.clamp(0, 1)
                restored.append(image[0].permute(1, 2, 0).contiguous().cpu().numpy())
        network.train(was_training)
        scored = self._mean(
            [(image, pair.clean) for image, pair in zip(restored, self.pairs, strict=True)]
        )
        return scored, self._picture(restored)

    def _mean(self, pictures: Sequence[tuple[NDArray[np.float32] | Image, Image]]) -> Score:
        mean = mean_score(
            score_all(restored, clean, [self.protocol])[self.protocol]
            for restored, clean in pictures
        )
        return Score(mean.psnr, mean.ssim)

    def _picture(self, restored: Sequence[NDArray[np.float32]]) -> Image:
        from rainbench.packaging.contact_sheet import SheetRow, make_contact_sheet

        rows: list[SheetRow] = []
        for pair, image in zip(self.pairs[:SHOWN], restored, strict=False):
            before, after = (
                score_all(picture, pair.clean, [self.protocol])[self.protocol].psnr
                for picture in (pair.rainy, image)
            )
            label = pair.name
            if before is not None and after is not None:
                label += f"  PSNR {before:.2f} dB, restored {after:.2f} dB"
            rows.append(SheetRow(label, [pair.rainy, quantise(image, "round"), pair.clean]))
        return make_contact_sheet(rows, ("rainy", "restored", "clean"))


def load_validation(
    source: TrainingPairs, indices: Sequence[int], *, side: int, protocol: str, seed: int
) -> Validation:
    """Read the held-out pairs of a source, the middle of each, with rain of their own.

    Args:
        source: The pairs.
        indices: Which of them.
        side: Pixels beyond which an image is cut to its middle.
        protocol: The metric protocol's name.
        seed: Of the rain.

    Raises:
        RainbenchError: None of them can be read.
    """
    pairs = []
    for index in indices:
        try:
            scene = source.scene(index, Window(side, within=True), "validation", seed)
        except RainbenchError as error:
            _LOG.warning("left out: %s", error.message)
            continue
        pairs.append(Held(source.name(index).rpartition("/")[2], scene.rainy, scene.clean))
    if not pairs:
        raise RainbenchError(
            f"{source.label}: none of {count_of(len(indices), 'held-out image')} can be used",
            hint="Mend or remove those that are named above, or give another --seed.",
        )
    return Validation(tuple(pairs), protocol, count_of(len(pairs), "held-out image"))
