"""Clean images to rainy pairs on the fly: streaks, drops on glass, mist, or streaks and drops.

`Synthesis` is a function of an image and a key. It keeps no state, so that a training set may call
it in any order and in any process, and get the same pair for the same key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from rainbench.build.masks import soft_mask
from rainbench.build.mist import MistRanges, add_mist, draw_mist_parameters, pseudo_depth
from rainbench.build.streaks import StreakRanges, add, draw_parameters, make_streaks, screen
from rainbench.errors import RainbenchError
from rainbench.images import Image

SynthesisKind = Literal["streaks", "mist"]
Order = Literal["paper", "physical"]
Blend = Literal["screen", "add"]
Parameter = str | int | float

REVISION = "rainbench synth 1"
"""Part of every key: raised when the same key gives other pixels than before."""

BLENDS: Mapping[Blend, Callable[[Image, NDArray[np.uint8]], Image]] = {"screen": screen, "add": add}
"""How a layer of streaks comes over an image."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SyntheticPair:
    """A rainy image, its clean partner, and what lies between them.

    Attributes:
        rainy: ``(H, W, 3)`` uint8.
        clean: ``(H, W, 3)`` uint8.
        streaks: ``(H, W)`` uint8, the streak layer on black; black without streaks.
        streak_mask: ``(H, W)`` float32 in [0, 1]: what the streaks change, normalised over the
            image (`rainbench.build.masks`); zero without streaks, as all masks.
        drop_mask: The same of the drops.
        joint_mask: The same of everything together.
        parameters: What it was made from, flat and named for a table.
    """

    rainy: Image
    clean: Image
    streaks: NDArray[np.uint8]
    streak_mask: NDArray[np.float32]
    drop_mask: NDArray[np.float32]
    joint_mask: NDArray[np.float32]
    parameters: Mapping[str, Parameter]


@dataclass(frozen=True, slots=True, kw_only=True)
class Synthesis:
    """Makes rainy pairs from clean images.

    Attributes:
        kind: What to add.
        seed: Any number.
        mist: Add mist before anything else; always so for the kind ``mist``.
        order: ``paper``: streaks over the drops, as JRSRD was made. ``physical``: streaks behind
            the wet glass, which refracts them.
        blend: How streaks are laid on. ``add`` is that of NASNet's Eq. 3.
        rows: Rows of the whole images of which patches are given, so that rain has the size it has
            in them; None if whole images are given.
        streak_ranges: What the parameters of streaks are drawn from.
        mist_ranges: What those of mist are drawn from.

    Example:
        >>> rain = Synthesis(kind="streaks", seed=1, rows=480)
        >>> patch = np.full((64, 64, 3), 90, np.uint8)
        >>> pair, again = rain(patch, "yard.png", 7), rain(patch, "yard.png", 7)
        >>> bool((pair.rainy == again.rainy).all()), bool((pair.rainy >= pair.clean).all())
        (True, True)
    """

    kind: SynthesisKind = "streaks"
    seed: int = 0
    mist: bool = False
    order: Order = "paper"
    blend: Blend = "screen"
    rows: int | None = None
    streak_ranges: StreakRanges = field(default_factory=StreakRanges)
    mist_ranges: MistRanges = field(default_factory=MistRanges)

    def __post_init__(self) -> None:
        for name, known in (("kind", SynthesisKind), ("order", Order), ("blend", Blend)):
            if getattr(self, name) not in get_args(known):
                raise RainbenchError(
                    f"{name} {getattr(self, name)!r}: it must be {', '.join(get_args(known))}"
                )

    def __call__(self, clean: Image, *key: str | int) -> SyntheticPair:
        """Make one pair.

        Args:
            clean: ``(H, W, 3)`` uint8.
            key: Names the source, and the patch, the epoch and so on: the same key and image give
                the same pair.
        """
        key = (REVISION, self.seed, *key)
        height, width = clean.shape[:2]
        parameters: dict[str, Parameter] = {}
        scene, layer = clean, np.zeros((height, width), np.uint8)
        if self.mist or self.kind == "mist":
            thickness = draw_mist_parameters(*key, ranges=self.mist_ranges)
            scene = add_mist(clean, pseudo_depth(height, width, *key), thickness).image
            parameters |= {"depth": "pseudo", **_named("mist", thickness.as_record())}
        rainy = dropped = scene
        if self.kind == "streaks":
            drawn = draw_parameters(None, *key, ranges=self.streak_ranges)
            streaks = make_streaks(height, width, drawn, *key, rows=self.rows)
            layer = streaks.layer
            rainy = BLENDS[self.blend](dropped, layer)
            parameters |= {"blend": self.blend, **_named("streak", streaks.as_record())}
        return SyntheticPair(
            rainy=rainy,
            clean=clean,
            streaks=layer,
            streak_mask=soft_mask(rainy, dropped).values,
            drop_mask=soft_mask(dropped, scene).values,
            joint_mask=soft_mask(rainy, clean).values,
            parameters=parameters,
        )


def _named(what: str, record: Mapping[str, float]) -> dict[str, Parameter]:
    return {f"{what}_{name}": value for name, value in record.items()}
