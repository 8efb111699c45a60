"""Clips are restored from all of their frames, however few of these are asked for."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence

from rainbench.catalog.registry import Entry
from rainbench.core.errors import RainbenchError
from rainbench.core.images import pixel_hash
from rainbench.core.text import count_of
from rainbench.pairs.layouts import Pair
from rainbench.pairs.load import PairSet
from rainbench.pairs.manifest import PairInfo
from rainbench.pairs.pictures import load_image
from rainbench.video_methods.load import build_restorer

Frame = tuple[Pair, PairInfo]
"""A frame of a clip, and what it was when it was read."""


def frames_beside(pairs: PairSet) -> tuple[Frame, ...]:
    """Read the frames that nobody asked for of clips of which others were, in order of time.

    A method for videos restores a frame from those around it: what a limit cuts off, or a choice
    of images leaves out, belongs to the number of each image that is left.

    Args:
        pairs: A data set of clips, or some of its frames.

    Raises:
        ImageError: One of them cannot be read.
    """
    chosen = {pair.id for pair in pairs.pairs}
    clips = {pair.clip for pair in pairs.pairs}
    beside = []
    for pair in pairs.frames:
        if pair.clip in clips and pair.id not in chosen:
            rainy = load_image(pair.rainy)
            height, width = rainy.shape[:2]
            info = PairInfo(pair.id, "", "", width, height, pixel_hash(rainy), "")
            beside.append((pair, info))
    return tuple(beside)


def in_time(pairs: PairSet, frames: Iterable[Frame]) -> list[Frame]:
    """Return frames of a data set in their order in it."""
    place = {pair.id: number for number, pair in enumerate(pairs.frames)}
    return sorted(frames, key=lambda frame: place[frame[0].id])


def hashes_of_clips(frames: Sequence[Frame]) -> dict[str, str]:
    """Return a hash of all rainy frames of each clip, by the clip's name.

    It is what the number of each of its frames depends on.
    """
    hashes = {pair.clip: hashlib.sha256() for pair, _ in frames}
    for pair, info in frames:
        hashes[pair.clip].update(
            f"{pair.id}\0{info.rainy_sha256}\n".encode(errors="backslashreplace")
        )
    return {clip: each.hexdigest() for clip, each in hashes.items()}


def restorable(pairs: PairSet, entry: Entry) -> tuple[PairSet, list[str]]:
    """Leave out the clips that a method for videos cannot restore.

    Args:
        pairs: A data set of clips that was loaded with leave to leave out.
        entry: The method.

    Returns:
        The rest, and why each of the others was left out, a sentence each; all of it where the
        method cannot be made, which is told when it is run.
    """
    with contextlib.suppress(RainbenchError):
        restorer = build_restorer(entry)
        sizes: dict[str, set[tuple[int, int]]] = {}
        for pair, info in zip(pairs.pairs, pairs.manifest, strict=True):
            sizes.setdefault(pair.clip, set()).add((info.height, info.width))
        lengths = Counter(pair.clip for pair in pairs.frames)
        wrong: dict[str, str] = {}
        for clip, found in sizes.items():
            if clip in pairs.torn:
                wrong[clip] = f"frames are missing between {pairs.torn[clip]}"
            elif len(found) > 1:
                wrong[clip] = "its frames have different sizes"
            elif lengths[clip] < restorer.least_frames:
                count = count_of(lengths[clip], "frame")
                wrong[clip] = f"{entry.name} needs at least {restorer.least_frames}, not {count}"
        left_out = [f"clip {clip}: {why}" for clip, why in wrong.items()]
        if not wrong:
            return pairs, []
        kept = [
            (pair, info)
            for pair, info in zip(pairs.pairs, pairs.manifest, strict=True)
            if pair.clip not in wrong
        ]
        rest = dataclasses.replace(
            pairs,
            pairs=tuple(pair for pair, _ in kept),
            manifest=tuple(info for _, info in kept),
            left_out=(*pairs.left_out, *left_out),
        )
        return rest, left_out
    return pairs, []
