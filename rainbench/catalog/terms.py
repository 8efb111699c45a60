"""The terms of a training objective as plain data, for cards: which loss, on what, against what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

LAYERS = ("streak_mask", "drop_mask", "streaks")
"""What a data set may hold beside its pairs, a gray picture for each rainy one: where and how
strong streaks are, the same of drops, and the streaks themselves on black. `Layout` says where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LossTerm:
    """One weighted summand of an objective; `rainbench.train.losses` computes it.

    In a card's recipe an objective is a list of such tables, here that of SPANet (Eqs. 6 and 7)::

        losses = [
          { name = "l1", on = "image" },
          { name = "one_minus_ssim", on = "image" },
          { name = "mse", on = "attention", target = "joint_mask", mask = "binary" },
        ]

    Attributes:
        name: Mean absolute difference, mean squared difference, minus SSIM, one minus SSIM, or the
            mean cross-entropy of a map of two logits, none and some, with a mask.
        on: What the network returns under this name: ``image``; ``stages``, the sum over the image
            of every stage, the last one included; the name of one of its maps, as ``attention``;
            or ``NAME_*``, the sum over its maps ``NAME_1``, ``NAME_2``, ...
        target: What it is held against: the ``clean`` image, reduced by means where the network's
            is smaller by a whole factor; the ``rain``, which is the rainy image less the clean one;
            one of `LAYERS`; ``joint_mask``, which marks all rain, whatever its kind; or ``one``,
            which is 1 everywhere, as the sum of two attention maps may have to be (DAiAM, Eq. 2).
        weight: Its factor in the sum.
        mask: Whether a mask is taken as it is, in [0, 1] after the rain's intensity (DAiAM,
            Sec. 3.2), or as zeros and ones (SPANet, Eq. 7).
        threshold: A binary mask is one where any channel of the difference between rainy and clean
            exceeds this, white being 1; for streak and drop masks, where the mask exceeds it.
        channels: Whether the loss of an image is the mean over its channels or their sum. The mean
            makes a map of one channel as heavy as an image of three; in a sum over positions, as
            DAiAM prints it (Eqs. 5, 9), an image weighs three times as much.
        window: Whether SSIM takes zeros beyond the picture's border, as the published training
            code of PReNet, SPANet and SIAN does, or only windows that lie within the picture.
    """

    name: Literal["l1", "mse", "neg_ssim", "one_minus_ssim", "cross_entropy"]
    on: str = "image"
    target: Literal["clean", "rain", "streak_mask", "drop_mask", "streaks", "joint_mask", "one"] = (
        "clean"
    )
    weight: float = 1.0
    mask: Literal["soft", "binary"] = "soft"
    threshold: float = 0.0
    channels: Literal["mean", "sum"] = "mean"
    window: Literal["padded", "valid"] = "padded"

    @property
    def label(self) -> str:
        """What logs call it, as ``l1 image`` or ``mse attention (binary joint_mask)``.

        Example:
            >>> LossTerm(name="l1", on="attention", target="joint_mask").label
            'l1 attention (soft joint_mask)'
        """
        if self.target == "clean":
            return f"{self.name} {self.on}"
        if self.target in ("one", "rain"):
            return f"{self.name} {self.on} ({self.target})"
        return f"{self.name} {self.on} ({self.mask} {self.target})"


def layers_of(terms: Iterable[LossTerm]) -> tuple[str, ...]:
    """Return which gray pictures an objective needs beside the pair, each once.

    A binary joint mask is made from the pair itself.

    Example:
        >>> layers_of([LossTerm(name="l1"), LossTerm(name="l1", on="a", target="streak_mask")])
        ('streak_mask',)
    """
    needed = [
        term.target
        for term in terms
        if term.target in LAYERS or (term.target == "joint_mask" and term.mask == "soft")
    ]
    return tuple(dict.fromkeys(needed))
