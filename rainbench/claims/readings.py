"""What the shipped weights make of the embedded sets: the numbers behind `on_weights`."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal, cast, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from rainbench.catalog.registry import Entry, Registry
from rainbench.catalog.weights import find_weights
from rainbench.claims.measured import Quantity
from rainbench.core.errors import CardError, RainbenchError
from rainbench.core.images import Image, read_gray
from rainbench.core.text import did_you_mean
from rainbench.metrics import score_all
from rainbench.networks.base import Restoration
from rainbench.networks.conventions import Conventions
from rainbench.networks.load import build_network
from rainbench.pairs.copies import copies_of
from rainbench.pairs.layouts import Pair
from rainbench.pairs.load import PairSet, load_pairs
from rainbench.pairs.pictures import load_image, load_pair
from rainbench.rain.transform import Synthesis, SynthesisKind

PERFECT = 99.0
"""The PSNR in dB that stands for an output without any error."""

SCENES = "mini-streaks"
"""The embedded set on whose clean images fresh rain falls."""

SEED = 1
ROWS = 480
"""Fresh rain is like that of the embedded sets: as large as in images of so many rows."""

KEPT = 4
"""Passes of an entry over a set whose outputs are kept, 20 MB each: claims read several numbers off
one pass in a row."""

View = Literal["rain", "without rain", "where it rains"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A number per image, by how an entry restores it; its text says which.

    Of the restored images it is the PSNR under the set's default protocol; of a map of the
    network, the area under the curve (AUC) by which it tells the pixels that streaks change from
    all others.

    Attributes:
        entry: Name of the baseline, with the tag of its weights.
        dataset: Name of an embedded set; with a strength, a kind of rain with streaks, which falls
            afresh on the clean images of an embedded set.
        stage: Which stage's image, from 1 on; 0 for the network's result.
        map: A map of the network; empty for images.
        strength: Noise amount of the streaks; 0 for the pairs of a set as they are.
        view: ``rain``; ``without rain``, where the network is given the clean images; or ``where it
            rains``, where pixels that no streak changes are put back as they were.

    Example:
        >>> str(Reading(entry="sian.streaks-w12", stage=2))
        'sian.streaks-w12 stage 2 on mini-streaks'
    """

    entry: str
    dataset: str = SCENES
    stage: int = 0
    map: str = ""
    strength: float = 0.0
    view: View = "rain"

    def __post_init__(self) -> None:
        if self.view not in get_args(View) or (self.stage and self.map):
            raise CardError(f'"{self}" is no reading: a stage and a map, or an unknown view')

    @property
    def unit(self) -> str:
        """``dB``, or ``AUC`` of a map."""
        return "AUC" if self.map else "dB"

    def __str__(self) -> str:
        what = f" stage {self.stage}" if self.stage else f" map {self.map}" if self.map else ""
        strength = f" at {self.strength}" if self.strength else ""
        view = f" {self.view}" if self.view != "rain" else ""
        return f"{self.entry}{what} on {self.dataset}{strength}{view}"


@dataclass(frozen=True, slots=True, eq=False)
class _Scene:
    """One pair, with the pixels that streaks change where they are known, and how it is scored."""

    rainy: Image
    clean: Image
    rain: NDArray[np.bool_] | None
    protocol: str


class Weights:
    """What shipped weights make of embedded sets; a claim calls it with what it asks.

    Args:
        registry: All cards.
        threads: Of the networks.

    Attributes:
        values: All that was read so far, a number per image.

    Example:
        >>> from rainbench.catalog.registry import load_registry
        >>> values = Weights(load_registry())("identity").numbers["dB"]
        >>> len(values), round(max(values), 2)
        (8, 25.89)
    """

    def __init__(self, registry: Registry, threads: int = 1) -> None:
        torch.set_num_threads(threads)
        self.values: dict[Reading, tuple[float, ...]] = {}
        self._registry = registry
        self._scenes = functools.lru_cache(KEPT)(functools.partial(_open_scenes, registry))
        self._outputs = functools.lru_cache(KEPT)(self._restore)

    def __call__(
        self,
        entry: str,
        dataset: str = SCENES,
        *,
        stage: int = 0,
        map_name: str = "",
        strength: float = 0.0,
        view: View = "rain",
    ) -> Quantity:
        """Return a reading, see `Reading`.

        Raises:
            RainbenchError: There is no such entry, set, stage, map or mask, or an entry's weights
                are not shipped.
        """
        reading = Reading(
            entry=entry, dataset=dataset, stage=stage, map=map_name, strength=strength, view=view
        )
        if reading not in self.values:
            scenes = self._scenes(dataset, strength)
            outputs = self._outputs(entry, dataset, strength, view == "without rain")
            self.values[reading] = tuple(
                _value(reading, output, scene)
                for output, scene in zip(outputs, scenes, strict=True)
            )
        return Quantity(str(reading), {reading.unit: self.values[reading]})

    def _restore(
        self, name: str, dataset: str, strength: float, is_clean: bool
    ) -> list[Restoration]:
        """Return what an entry makes of a set, or of its clean images."""
        scenes, entry = self._scenes(dataset, strength), _entry(self._registry, name)
        network = build_network(entry, find_weights(entry, []))
        conventions, multiple = Conventions.of(entry.baseline), entry.baseline.size_multiple
        outputs = []
        for scene in scenes:
            image = scene.clean if is_clean else scene.rainy
            height, width = image.shape[:2]
            if height % multiple or width % multiple:
                raise RainbenchError(f"{name} needs sides in {multiple}s, not {width}x{height}")
            batch = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
            with torch.inference_mode():
                outputs.append(conventions.apply(network, batch))
        return outputs


def _entry(registry: Registry, name: str) -> Entry:
    found = registry.entries([name])
    if [entry.name for entry in found] != [name]:
        names = [entry.name for entry in found]
        raise RainbenchError(f"{name} names several entries", hint=did_you_mean(name, names))
    return found[0]


def _open_scenes(registry: Registry, name: str, strength: float) -> list[_Scene]:
    """Return the pairs of an embedded set, or fresh rain of a kind on its clean images."""
    card = registry.dataset(SCENES if strength else name)
    if not card.embedded:
        raise RainbenchError(f"{name} does not come with rainbench, so nothing is read off it")
    pairs = load_pairs(card, copies_of(card, [], only=True)[0])
    if not strength:
        return [
            _Scene(*load_pair(pair), _rain_beside(pair, pairs), card.protocol)
            for pair in pairs.pairs
        ]
    rain = Synthesis(kind=cast("SynthesisKind", name), seed=SEED, rows=ROWS)
    protocol = registry.dataset(f"mini-{name}").protocol
    made = []
    for pair in pairs.pairs:
        clean = load_image(pair.clean)
        wet = rain.prepare(clean, pair.clean.path.name).rain(strength)
        made.append(_Scene(wet.rainy, clean, wet.streak_mask > 0, protocol))
    return made


def _rain_beside(pair: Pair, pairs: PairSet) -> NDArray[np.bool_] | None:
    """Return where streaks change a pair, by the mask beside its rainy image; None without one."""
    file = pairs.folder / "streak_mask" / pair.rainy.path.name
    return read_gray(file) > 0 if file.is_file() else None


def _value(reading: Reading, restoration: Restoration, scene: _Scene) -> float:
    if reading.map:
        if reading.map not in restoration.maps:
            raise RainbenchError(
                f"{reading.entry} returns no map {reading.map}",
                hint=did_you_mean(reading.map, restoration.maps),
            )
        shown = restoration.maps[reading.map][0].float().mean(0).numpy()
        return area_under_curve(shown, _rain(reading, scene))
    if reading.stage > len(restoration.stages):
        raise RainbenchError(f"{reading.entry} has {len(restoration.stages)} stages")
    images = restoration.stages[reading.stage - 1] if reading.stage else restoration.image
    restored = images[0].permute(1, 2, 0).float().contiguous().numpy()
    if reading.view == "where it rains":
        rainy = scene.rainy.astype(np.float32) / np.float32(255)
        restored = np.where(_rain(reading, scene)[..., None], restored, rainy)
    psnr = score_all(restored, scene.clean, [scene.protocol])[scene.protocol].psnr
    if psnr is None:
        raise RainbenchError(f"the protocol {scene.protocol} of {reading.dataset} has no PSNR")
    return min(float(psnr), PERFECT)


def _rain(reading: Reading, scene: _Scene) -> NDArray[np.bool_]:
    if scene.rain is None:
        raise RainbenchError(f"{reading.dataset} has no masks of streaks")
    return scene.rain


def area_under_curve(scores: ArrayLike, is_rain: ArrayLike) -> float:
    """Return how well numbers tell rain from the rest: the area under the ROC curve.

    It is the chance that a pixel of rain has a higher number than another one, ties counted as
    half (Mann and Whitney 1947): 0.5 is chance, 1 perfect, 0 perfect with the sign turned.

    Args:
        scores: A number per pixel.
        is_rain: Where rain is, the same shape.

    Raises:
        RainbenchError: There is nothing of one of the two.

    Example:
        >>> area_under_curve([0.1, 0.4, 0.4, 0.9], [False, False, True, True])
        0.875
    """
    rain = np.ravel(np.asarray(is_rain, bool))
    wet, dry = int(rain.sum()), int((~rain).sum())
    if not wet or not dry:
        raise RainbenchError("the area under the curve needs pixels with rain and without")
    ranks = rankdata(np.ravel(np.asarray(scores)))
    return float((ranks[rain].sum() - wet * (wet + 1) / 2) / (wet * dry))
