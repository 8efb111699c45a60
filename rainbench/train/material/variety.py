"""Rain of a wide span, and none on some patches: what networks meet outside of one data set."""

from __future__ import annotations

import dataclasses
from typing import Literal, Protocol

from rainbench.core.errors import RainbenchError
from rainbench.core.images import Image
from rainbench.core.random import philox, uniform
from rainbench.rain.ranges import Look
from rainbench.rain.streaks import StreakRanges
from rainbench.rain.transform import REVISION, Blend, Synthesis, SynthesisKind, SyntheticPair

Span = Literal["narrow", "wide"]
"""How far rain differs from patch to patch: ``narrow`` as in the sets that are synthesised by
default; ``wide`` see `WIDE_STREAKS`."""

WIDE_STREAKS = StreakRanges(
    amount=(0.1, 0.6),
    angle=(-45.0, 45.0),
    length=(10.0, 90.0),
    width=(0.8, 3.0),
    opacity=(0.3, 1.0),
    slenderness=5.0,
)
"""From a few thin, faint streaks to a downpour of thick ones: around the ranges that look right
(`StreakRanges`) on every side, chosen without a look at any test set. Each patch has one of the two
blends, and where there are no drops one of the two looks, as well."""

NO_STREAKS = StreakRanges(opacity=(0.0, 0.0))
"""Streaks that nobody sees: an image with all of its layers, as it was."""


class Rain(Protocol):
    """What puts rain onto an image, the same for the same key: `Synthesis` and `VariedRain`."""

    @property
    def kind(self) -> SynthesisKind:
        """What it adds."""

    def __call__(self, clean: Image, *key: str | int) -> SyntheticPair:
        """Make one pair."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VariedRain:
    """Rain whose look differs from patch to patch, and that leaves some as they are.

    A network that has only seen one kind of rain takes other kinds for the scene, and one that has
    never seen a clean picture finds streaks in all of them.

    Attributes:
        rain: Its kind, seed and size.
        span: How far the streaks differ; drops and mist are those of `rain`.
        untouched: Share of the pairs, 0 to below 1, whose input is the clean image.

    Example:
        >>> import numpy as np
        >>> rain = VariedRain(rain=Synthesis(kind="streaks", rows=480), span="wide", untouched=0.5)
        >>> patch = np.full((64, 64, 3), 90, np.uint8)
        >>> pairs = [rain(patch, "yard.png", number) for number in range(20)]
        >>> sum(bool((pair.rainy == patch).all()) for pair in pairs)
        11
    """

    rain: Synthesis
    span: Span = "narrow"
    untouched: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.untouched < 1:
            raise RainbenchError(
                f"untouched {self.untouched}: the share of patches without rain must be 0 to "
                "below 1"
            )

    @property
    def kind(self) -> SynthesisKind:
        """What it adds."""
        return self.rain.kind

    @property
    def label(self) -> str:
        """Kind, span and share, for the record."""
        wide = " of a wide span" if self.span == "wide" else ""
        share = f" on {1 - self.untouched:.4g} of the patches" if self.untouched else ""
        return f"{self.kind}{wide}{share}"

    def everywhere(self) -> VariedRain:
        """Return the same rain on every image, to validate on."""
        return dataclasses.replace(self, untouched=0.0)

    def __call__(self, clean: Image, *key: str | int) -> SyntheticPair:
        """Make one pair, see `Synthesis`."""
        return self.drawn(*key)(clean, *key)

    def drawn(self, *key: str | int) -> Synthesis:
        """Return the rain that a key gets."""
        generator = philox("variety", REVISION, self.rain.seed, *key)
        if uniform(generator, 0, 1) < self.untouched:
            return dataclasses.replace(self.rain, kind="streaks", streak_ranges=NO_STREAKS)
        if self.span == "narrow":
            return self.rain
        natural = uniform(generator, 0, 1) < 0.5
        look: Look = "natural" if natural else "painted"
        blend: Blend = "add" if uniform(generator, 0, 1) < 0.5 else "screen"
        return dataclasses.replace(
            self.rain,
            look=self.rain.look if self.rain.has_drops else look,  # it is the drops' look, too
            blend=blend,
            streak_ranges=WIDE_STREAKS,
        )
