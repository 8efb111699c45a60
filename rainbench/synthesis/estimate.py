"""How much a build of synthetic rain will write, and how long it takes: by trying some scenes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from rainbench.core.errors import RainbenchError
from rainbench.core.files import refuse_irregular
from rainbench.packaging.contact_sheet import CELL_HEIGHT, CELL_WIDTH
from rainbench.packaging.split import spread
from rainbench.synthesis.dataset import SHEET_COLUMNS, SHEET_ROWS, SynthPlan
from rainbench.synthesis.scene import SceneResult, rehearse_scene
from rainbench.synthesis.sources import SceneSource

TRIED, PATIENCE = 8, 3.0
"""At most so many scenes are tried, and none any more after so many seconds."""

LOOKED_AT = 1000
"""The headers of at most so many pictures are read for their sizes."""

_PAIR, _SCENE, _SET, _LETTERS = 2000, 4000, 35_000, 20_000
"""Bytes that describe a pair, a scene and the data set, and those of a contact sheet's letters in a
row: what sets of very small pictures consist of."""

_MEMBER = 1536
"""Bytes of a tar file around a member: its header and what fills the last block, on average."""

_LARGER_SHRUNK = 1.3
"""A picture that is shrunk for the contact sheet has more detail in a pixel, hence more bytes."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a build is going to take.

    Attributes:
        bytes: All files together.
        seconds: With the workers that the options name.
    """

    bytes: float
    seconds: float


def estimate_build(plan: SynthPlan, *, shards: bool = False) -> Estimate:
    """Try some scenes, without writing, and scale by the pixels of all; 0 if none can be used.

    Args:
        plan: What to do.
        shards: Every file is written a second time, into shards, and those that versions share once
            for each.
    """
    tasks = plan.tasks()
    begin = time.monotonic()
    first = spread(range(len(tasks)), TRIED)
    size, sheet, seconds, pixels, tried = 0.0, 0.0, 0.0, 0, 0
    for index in [*first, *(n for n in range(len(tasks)) if n not in first)]:
        if tried == TRIED or (tried and time.monotonic() - begin > PATIENCE):
            break
        try:
            result, taken = rehearse_scene(tasks[index])
        except RainbenchError:
            continue
        tried += 1
        seconds += taken
        pixels += _area(result)
        size += _bytes_of(result, shards=shards)
        sheet += _bytes_on_sheet(result)
    if not tried:
        return Estimate(0.0, 0.0)
    count = len(tasks)
    scale = count * (_mean_pixels(plan.sources) or pixels / tried) / pixels
    rest = (sheet / tried + _LETTERS) * min(count, SHEET_ROWS)
    rest += count * (_SCENE + len(plan.options.strengths) * _PAIR)
    workers = min(plan.options.workers, count)
    return Estimate(size * scale + rest + _SET, seconds * scale / workers)


def _area(result: SceneResult) -> int:
    facts = next(iter(result.facts.values()))
    return facts.width * facts.height


def _bytes_of(result: SceneResult, *, shards: bool) -> float:
    total = sum(result.bytes.values())
    if shards:
        total += sum(
            result.bytes[path] + _MEMBER
            for version in result.versions
            for path in version.files.values()
        )
    return total


def _bytes_on_sheet(result: SceneResult) -> float:
    """Return roughly what the scene's row of the contact sheet takes."""
    shrunk = min(1.0, CELL_WIDTH * CELL_HEIGHT / _area(result))
    versions = result.versions[:: max(1, len(result.versions) // 4)][:4]
    shown = {
        path
        for version in versions
        for role, path in version.files.items()
        if role == "rainy" or (role in SHEET_COLUMNS and version is versions[0])
    }
    larger = _LARGER_SHRUNK if shrunk < 1 else 1.0
    return shrunk * larger * sum(result.bytes[path] for path in shown)


def _mean_pixels(sources: Sequence[SceneSource]) -> float:
    """Return the mean pixels of the clean images by their headers; 0 if none can be read."""
    import PIL.Image

    sizes = []
    for index in spread(range(len(sources)), LOOKED_AT):
        try:
            refuse_irregular(sources[index].clean)
            with PIL.Image.open(sources[index].clean) as picture:
                sizes.append(picture.width * picture.height)
        except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError):
            continue  # the build will say what is wrong with it
    return sum(sizes) / len(sizes) if sizes else 0.0
