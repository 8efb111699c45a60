"""The frames of clips as pairs: which clip each belongs to, and those that lie in video files."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from rainbench.catalog.cards import Layout
from rainbench.catalog.patterns import Fields
from rainbench.core.errors import RainbenchError
from rainbench.core.text import count_of, natural_key
from rainbench.video.at import count_frames
from rainbench.video.read import VIDEO_SUFFIXES

FRAME = "frame"
"""The field of a pattern that numbers the frames; all others together name the clip."""


def are_videos(pattern: str) -> bool:
    """Return whether the files of a pattern are videos, by their ending."""
    return PurePosixPath(pattern).suffix.lower() in VIDEO_SUFFIXES


@dataclass(frozen=True, slots=True)
class ClipFrame:
    """A frame of a clip, rainy and clean.

    Attributes:
        clip: The clip's name.
        number: The frame's number, or what its file is called by.
        rainy: The image, or the video that it is a frame of.
        clean: The same of its partner; a still image may be that of all frames.
        rainy_frame: The number of the frame in the video; None for an image.
        clean_frame: The same of its partner.
    """

    clip: str
    number: int | str
    rainy: Path
    clean: Path
    rainy_frame: int | None = None
    clean_frame: int | None = None

    @property
    def id(self) -> str:
        """The pair's id."""
        return f"{self.clip}/{self.number}"


def frames_of_clips(
    layout: Layout, found: Sequence[tuple[Fields, Path, Path]], problems: list[str]
) -> list[ClipFrame]:
    """Return the frames of clips, clip by clip and in order of time.

    Args:
        layout: What the files were found by.
        found: The values of each rainy file's fields, the file, and its clean partner.
        problems: Is added to: what is wrong with videos, a sentence each.
    """
    if are_videos(layout.clean) and not are_videos(layout.rainy):
        problems.append(
            f'layout "{layout.name}" has videos for clean images but pictures for rainy ones: cut '
            "the videos into frames, or write the rainy frames as videos"
        )
        return []
    keys = [tuple(part for part in reading if part[0] != FRAME) for reading, _, _ in found]
    names = _clip_names(keys)
    frames: list[ClipFrame] = []
    for key, (reading, rainy, clean) in zip(keys, found, strict=True):
        clip, moving = names[key], are_videos(layout.clean)
        if not are_videos(layout.rainy):
            frames.append(ClipFrame(clip, dict(reading).get(FRAME, rainy.stem), rainy, clean))
            continue
        frames += [
            ClipFrame(clip, number, rainy, clean, number, number if moving else None)
            for number in range(_length(rainy, clean, moving=moving, problems=problems))
        ]
    # By the name itself, too: those of clips 1 and 01 are equal to a natural order.
    return sorted(
        frames, key=lambda each: (natural_key(each.clip), each.clip, natural_key(each.id))
    )


def note_holes(ids: Sequence[str]) -> str:
    """Return a sentence about frames that are missing within clips; empty where none is.

    What is rainy and clean may have lost the same frame. Sets number their frames by 1, or by any
    other step, so it is the usual one that counts.

    Args:
        ids: Those of all frames, clip by clip and in order of time.

    Example:
        >>> note_holes(["a/1", "a/2", "a/4", "a/5", "b/8", "b/9"])
        '1 hole in the numbers of frames, such as between a/2 and a/4: frames are missing there'
        >>> note_holes(["a/0", "a/5", "a/10"])
        ''
    """
    holes, steps = _holes(ids)
    if not holes or len(holes) * 2 > steps:  # numbers that count no frames
        return ""
    (before, after), *_ = holes
    return (
        f"{count_of(len(holes), 'hole')} in the numbers of frames, such as between {before} and "
        f"{after}: frames are missing there"
    )


def torn_clips(every: Sequence[str], good: Collection[str]) -> dict[str, str]:
    """Return the clips that lack frames within, each with where that is.

    Args:
        every: The ids of all frames, clip by clip and in order of time.
        good: The ids of those that can be used.

    Example:
        >>> torn_clips(["a/x", "a/y", "a/z", "b/1", "b/2"], ["a/x", "a/z", "b/1"])
        {'a': 'a/x and a/z'}
        >>> torn_clips(["a/1", "a/2", "a/4"], ["a/1", "a/2", "a/4"])
        {'a': 'a/2 and a/4'}
    """
    torn: dict[str, str] = {}
    used = [(place, name) for place, name in enumerate(every) if name in good]
    for (place, before), (then, after) in itertools.pairwise(used):
        clip = before.rpartition("/")[0]
        if clip == after.rpartition("/")[0] and then > place + 1:
            torn.setdefault(clip, f"{before} and {after}")
    holes, steps = _holes([name for _, name in used])
    if len(holes) * 2 <= steps:
        for before, after in holes:
            torn.setdefault(before.rpartition("/")[0], f"{before} and {after}")
    return torn


def _holes(ids: Sequence[str]) -> tuple[list[tuple[str, str]], int]:
    """Return between which frames of clips numbers are left out, and how many steps there are."""
    parts = [(name, *name.rpartition("/")[::2]) for name in ids]
    steps = [
        (int(after[2]) - int(before[2]), (before[0], after[0]))
        for before, after in itertools.pairwise(parts)
        if before[1] == after[1] and before[2].isdecimal() and after[2].isdecimal()
    ]
    usual = Counter(step for step, _ in steps).most_common(1)[0][0] if steps else 0
    return [where for step, where in steps if step > usual], len(steps)


def _clip_names(keys: Sequence[Fields]) -> dict[Fields, str]:
    """Return a name for each clip: its fields' values with ``_`` between them, or ``+``."""
    for joint in "_+":
        names = {key: joint.join(str(value) for _, value in key) or "clip" for key in keys}
        if max(Counter(names.values()).values(), default=1) == 1:
            break
    return names


def _length(rainy: Path, clean: Path, *, moving: bool, problems: list[str]) -> int:
    """Return how many frames a pair of videos has; none where one of them cannot be used."""
    try:
        lengths = [count_frames(file) for file in ((rainy, clean) if moving else (rainy,))]
    except RainbenchError as error:
        problems.append(error.message)
        return 0
    if len(set(lengths)) > 1:
        problems.append(
            f"{rainy} has {lengths[0]} frames but {clean} has {lengths[1]}: frames were lost or "
            "added in one of the two"
        )
        return 0
    return lengths[0]
