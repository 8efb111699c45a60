"""From clean images to rainy pairs on the fly: streaks, drops on glass, mist, or streaks and drops.

`Synthesis` is a function of an image and a key. It keeps no state, so that a training set may call
it in any order and in any process, and get the same pair for the same key. `Synthesis.prepare`
does what several rainy versions of one image share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from rainbench.core.errors import RainbenchError
from rainbench.core.images import Image
from rainbench.rain.drops import (
    DROP_RANGES,
    DropParameters,
    DropRanges,
    draw_drop_parameters,
    render_drops,
)
from rainbench.rain.masks import SoftMask, exact_soft_mask
from rainbench.rain.mist import MistRanges, add_mist, draw_mist_parameters, pseudo_depth
from rainbench.rain.physical_streaks import (
    PhysicalRanges,
    draw_physical_parameters,
    drop_light,
    make_physical_streaks,
)
from rainbench.rain.ranges import Look
from rainbench.rain.streaks import (
    StreakLayer,
    StreakRanges,
    add,
    draw_parameters,
    make_streaks,
    screen,
)

SynthesisKind = Literal["streaks", "drops", "mist", "joint"]
StreakModel = Literal["photoshop", "physical"]
Order = Literal["paper", "physical"]
Blend = Literal["screen", "add"]
Parameter = str | int | float

REVISION = "rainbench synth 2"
"""Part of every key: raised when the same key gives other pixels than before."""

BLENDS: Mapping[Blend, Callable[[Image, NDArray[np.uint8]], Image]] = {"screen": screen, "add": add}
"""How a layer of streaks is blended with an image."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SyntheticPair:
    """A rainy image, its clean image, and what lies between them.

    Attributes:
        rainy: ``(H, W, 3)`` uint8.
        clean: ``(H, W, 3)`` uint8.
        streaks: ``(H, W)`` uint8, the streak layer on black; black without streaks.
        streak_mask: ``(H, W)`` float32 in [0, 1]: what the streaks change, normalised over the
            image (`rainbench.rain.masks`); zero without streaks, as all masks.
        drop_mask: The same of the drops.
        joint_mask: The same of everything together, mist included.
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
        kind: What to add; ``joint`` is streaks and drops.
        seed: Any number.
        model: ``photoshop``: painted streaks, as in the published sets. ``physical``: drops that
            fall before the camera while its shutter is open.
        mist: Add mist before anything else; always so for the kind ``mist``.
        order: ``paper``: streaks over the drops, as JRSRD was made. ``physical``: streaks behind
            the wet glass, which refracts them.
        blend: How streaks are blended with the image. ``add`` is that of NASNet's Eq. 3.
        look: Of painted streaks and of rendered drops. The default makes what was made before;
            the commands' default is ``natural``.
        rows: Rows of the whole images of which patches are given, so that rain has the size it has
            in them; None if whole images are given.
        streak_ranges: What the parameters of painted streaks are drawn from.
        physical_ranges: What those of physical streaks are drawn from.
        drop_ranges: What those of drops are drawn from; None for those of the look.
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
    model: StreakModel = "photoshop"
    mist: bool = False
    order: Order = "paper"
    blend: Blend = "screen"
    look: Look = "painted"
    rows: int | None = None
    streak_ranges: StreakRanges = field(default_factory=StreakRanges)
    physical_ranges: PhysicalRanges = field(default_factory=PhysicalRanges)
    drop_ranges: DropRanges | None = None
    mist_ranges: MistRanges = field(default_factory=MistRanges)

    def __post_init__(self) -> None:
        for name, known in (
            ("kind", SynthesisKind),
            ("model", StreakModel),
            ("order", Order),
            ("blend", Blend),
            ("look", Look),
        ):
            if getattr(self, name) not in get_args(known):
                raise RainbenchError(
                    f"{name} {getattr(self, name)!r}: it must be {', '.join(get_args(known))}"
                )

    @property
    def has_streaks(self) -> bool:
        """Whether streaks are part of it."""
        return self.kind in ("streaks", "joint")

    @property
    def has_drops(self) -> bool:
        """Whether drops are part of it."""
        return self.kind in ("drops", "joint")

    @property
    def has_mist(self) -> bool:
        """Whether mist is part of it."""
        return self.mist or self.kind == "mist"

    def __call__(self, clean: Image, *key: str | int) -> SyntheticPair:
        """Make one pair.

        Args:
            clean: ``(H, W, 3)`` uint8.
            key: Names the source, and the patch, the epoch and so on: the same key and image give
                the same pair.
        """
        return self.prepare(clean, *key).rain()

    def prepare(
        self,
        clean: Image,
        *key: str | int,
        photograph: Image | None = None,
        depth: NDArray[np.uint16] | None = None,
    ) -> PreparedScene:
        """Lay mist over an image and put the wet glass before it.

        Args:
            clean: ``(H, W, 3)`` uint8.
            key: Names the source.
            photograph: The same scene photographed through drops, in place of rendered ones. The
                camera saw no streaks behind them, so only the paper's order is possible.
            depth: ``(H, W)`` uint16, 65535 for the farthest point; made up by default.

        Raises:
            RainbenchError: Rain in the physical order or mist is wanted over a photograph, or sizes
                differ.
        """
        key = (REVISION, self.seed, *key)
        parameters: dict[str, Parameter] = {"kind": self.kind}
        if self.look != "painted":  # the tables of painted sets stay as they were
            parameters["look"] = self.look
        misted, transmission = clean, None
        if photograph is not None:
            if self.order == "physical" or self.has_mist:
                raise RainbenchError(
                    "streaks and mist cannot be put behind the drops of a photograph",
                    hint="Use --order paper without --mist, or render the drops (--drops lens).",
                )
            if photograph.shape != clean.shape:
                raise RainbenchError("a photograph and its clean image differ in size")
        if self.has_mist:
            drawn = draw_mist_parameters(*key, ranges=self.mist_ranges)
            source = "pseudo" if depth is None else "given"
            depth = pseudo_depth(*clean.shape[:2], *key) if depth is None else depth
            mist = add_mist(clean, depth, drawn)
            misted, transmission = mist.image, mist.transmission
            parameters |= {"depth": source, **_named("mist", drawn.as_record())}
        dropped, alpha, wetness = misted, np.zeros(clean.shape[:2], np.uint8), None
        if photograph is not None:
            dropped = photograph
            parameters["drops"] = "photographed"
        elif self.has_drops:
            ranges = self.drop_ranges or DROP_RANGES[self.look]
            wetness = draw_drop_parameters(*key, ranges=ranges)
            wet = render_drops(misted, wetness, *key, rows=self.rows, look=self.look)
            dropped, alpha = wet.image, wet.alpha
            parameters |= {"drops": "rendered", **_named("drop", wet.as_record())}
        return PreparedScene(
            synthesis=self,
            key=key,
            clean=clean,
            misted=misted,
            transmission=transmission,
            dropped=dropped,
            alpha=alpha,
            drop_mask=exact_soft_mask(dropped, misted),
            wetness=wetness,
            parameters=parameters,
        )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PreparedScene:
    """An image with everything that its rainy versions share.

    Attributes:
        synthesis: How rain is added to it.
        key: Of the scene, revision and seed included.
        clean: ``(H, W, 3)`` uint8.
        misted: The clean image in mist; itself without.
        transmission: ``(H, W)`` uint16, the share of light that mist lets through, in 1 / 65535;
            None without.
        dropped: What is seen through the drops when no streak falls; ``misted`` without drops.
        alpha: ``(H, W)`` uint8, the share of rendered drop per pixel; zero without.
        drop_mask: What the drops change.
        wetness: What the wet glass is made from; None for a photograph and without drops.
        parameters: All of this for a table.
    """

    synthesis: Synthesis
    key: tuple[str | int, ...]
    clean: Image
    misted: Image
    transmission: NDArray[np.uint16] | None
    dropped: Image
    alpha: NDArray[np.uint8]
    drop_mask: SoftMask
    wetness: DropParameters | None
    parameters: Mapping[str, Parameter]

    def rain(self, strength: float | None = None, version: int = 0) -> SyntheticPair:
        """Make one rainy version.

        Args:
            strength: Of its streaks: the noise amount of painted ones, the rain rate in mm/h of
                physical ones; drawn by default.
            version: Versions of one scene have streaks of their own.
        """
        height, width = self.clean.shape[:2]
        rainy, layer = self.dropped, np.zeros((height, width), np.uint8)
        parameters = dict(self.parameters)
        if self.synthesis.has_streaks:
            streaks = self._streaks(strength, version)
            layer, rainy = streaks.layer, self._blend(streaks.layer)
            parameters |= {
                "model": self.synthesis.model,
                "order": self.synthesis.order,
                "blend": self.synthesis.blend,
                **_named("streak", streaks.as_record()),
            }
            if self.synthesis.blend == "add":
                parameters["clipped"] = self._clipped_share(layer)
        streak_mask = exact_soft_mask(rainy, self.dropped)
        joint_mask = exact_soft_mask(rainy, self.clean)
        masks = (("streak", streak_mask), ("drop", self.drop_mask), ("joint", joint_mask))
        for name, mask in masks:
            parameters |= {f"{name}_mask_0": mask.lowest, f"{name}_mask_1": mask.highest}
        return SyntheticPair(
            rainy=rainy,
            clean=self.clean,
            streaks=layer,
            streak_mask=streak_mask.values,
            drop_mask=self.drop_mask.values,
            joint_mask=joint_mask.values,
            parameters=parameters,
        )

    def _streaks(self, strength: float | None, version: int) -> StreakLayer:
        synthesis, size, key = self.synthesis, self.clean.shape[:2], (*self.key, version)
        if synthesis.model == "photoshop":
            drawn = draw_parameters(strength, *key, ranges=synthesis.streak_ranges)
            return make_streaks(*size, drawn, *key, rows=synthesis.rows, look=synthesis.look)
        rain = draw_physical_parameters(
            strength, *key, ranges=synthesis.physical_ranges, light=drop_light(self.misted)
        )
        return make_physical_streaks(*size, rain, *key, rows=synthesis.rows)

    def _blend(self, layer: NDArray[np.uint8]) -> Image:
        blend = BLENDS[self.synthesis.blend]
        if self.wetness is None or self.synthesis.order == "paper":
            return blend(self.dropped, layer)
        behind = blend(self.misted, layer)
        synthesis = self.synthesis
        return render_drops(
            behind, self.wetness, *self.key, rows=synthesis.rows, look=synthesis.look
        ).image

    def _clipped_share(self, layer: NDArray[np.uint8]) -> float:
        """Return the share of samples that adding a layer takes beyond white."""
        paper = self.wetness is None or self.synthesis.order == "paper"
        below = self.dropped if paper else self.misted
        return float((below > 255 - layer[..., None]).mean())


def _named(what: str, record: Mapping[str, float]) -> dict[str, Parameter]:
    return {f"{what}_{name}": value for name, value in record.items()}
