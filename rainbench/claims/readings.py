"""What the shipped weights make of the embedded sets: the numbers behind `on_weights`.

Every entry sees an image once, whatever is read off its output.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from rainbench.catalog.registry import Entry, Registry
from rainbench.catalog.weights import find_weights
from rainbench.claims.measured import Reading
from rainbench.core.errors import RainbenchError
from rainbench.core.images import Image, read_gray
from rainbench.core.text import did_you_mean
from rainbench.metrics import score_all
from rainbench.networks.base import Restoration
from rainbench.networks.conventions import Conventions
from rainbench.networks.load import build_network
from rainbench.pairs.layouts import Pair, copies_of
from rainbench.pairs.load import PairSet, load_image, load_pair, load_pairs
from rainbench.rain.transform import Synthesis, SynthesisKind

Say = Callable[[str], None]
Key = tuple[str, str, float, bool]
"""An entry, a data set or kind of rain, its strength, and whether the clean images are shown."""

PERFECT = 99.0
"""The PSNR in dB that stands for an output without any error."""

SCENES = "mini-streaks"
"""The embedded set over whose clean images rain comes anew."""

SEED = 1
ROWS = 480
"""Rain that comes anew is as that of the embedded sets: as large as in images of so many rows."""


@dataclass(frozen=True, slots=True, eq=False)
class _Scene:
    """One pair, with the pixels that streaks change where they are known, and how it is scored."""

    rainy: Image
    clean: Image
    rain: NDArray[np.bool_] | None
    protocol: str


def read_values(
    registry: Registry,
    readings: Iterable[Reading],
    *,
    threads: int = 1,
    done: Say = lambda _: None,
) -> dict[Reading, tuple[float, ...]]:
    """Return the readings' numbers, one per image.

    Args:
        registry: All cards.
        readings: What is to be read.
        threads: Of the networks.
        done: Called with the name of each entry and set after its passes, see `passes_of`.

    Raises:
        RainbenchError: There is no such entry, set, stage, map or mask, or an entry's weights are
            not shipped.

    Example:
        >>> from rainbench.catalog.registry import load_registry
        >>> reading = Reading(entry="identity", dataset="mini-streaks")
        >>> values = read_values(load_registry(), [reading])[reading]
        >>> len(values), round(max(values), 2)
        (8, 25.89)
    """
    torch.set_num_threads(threads)
    found: dict[Reading, list[float]] = {reading: [] for reading in readings}
    for key, group in itertools.groupby(sorted(found, key=_key), key=_key):
        entry, scenes = _entry(registry, key[0]), _scenes(registry, key[1], key[2])
        wanted = list(group)
        weights = find_weights(entry, [])
        network, conventions = build_network(entry, weights), Conventions.of(entry.baseline)
        for scene in scenes:
            shown = scene.clean if key[3] else scene.rainy
            _check_size(entry, shown)
            batch = torch.from_numpy(shown).permute(2, 0, 1)[None].float() / 255
            with torch.inference_mode():
                restoration = conventions.apply(network, batch)
            for reading in wanted:
                found[reading].append(_value(reading, restoration, scene))
        done(f"{key[0]} on {key[1]}")
    return {reading: tuple(numbers) for reading, numbers in found.items()}


def passes_of(readings: Iterable[Reading]) -> int:
    """Return how many times an entry goes over a set for readings."""
    return len({_key(reading) for reading in readings})


def _key(reading: Reading) -> Key:
    return reading.entry, reading.dataset, reading.strength, reading.view == "without rain"


def _entry(registry: Registry, name: str) -> Entry:
    found = [entry for entry in registry.entries([name]) if entry.name == name]
    if not found:
        names = [entry.name for entry in registry.entries([name])]
        raise RainbenchError(f"{name} names several entries", hint=did_you_mean(name, names))
    return found[0]


def _scenes(registry: Registry, name: str, strength: float) -> list[_Scene]:
    """Return the pairs of an embedded set, or rain of a kind made anew."""
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


def _check_size(entry: Entry, image: Image) -> None:
    multiple = entry.baseline.size_multiple
    height, width = image.shape[:2]
    if height % multiple or width % multiple:
        raise RainbenchError(f"{entry.name} needs sides in {multiple}s, not {width}x{height}")


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
