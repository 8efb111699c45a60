"""Which videos are one recording or show one scene, and in which split each recording is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rainbench.core.errors import RainbenchError
from rainbench.packaging.same_scene import SIDE, find_twins
from rainbench.packaging.split import SplitName, choose_test_videos, same_recordings
from rainbench.spa.candidate import Candidate
from rainbench.spa.options import SpaOptions
from rainbench.spa.table.entries import VideoEntry


@dataclass(frozen=True, slots=True)
class Recordings:
    """The recordings that videos are of.

    Attributes:
        first: The id of the video that stands for all of its recording, by a video's id.
        why: What joins a video to another one, in words, by its id; nothing for one by itself.
    """

    first: Mapping[str, str]
    why: Mapping[str, str]


def find_recordings(candidates: Sequence[Candidate]) -> Recordings:
    """Say which videos are one recording: they share a frame, or their clean frames look alike.

    The first are copies in another container, or cut; the second are coded again, resized, cropped,
    mirrored or without colour. Clean frames of one place filmed twice look alike, too, and such
    videos had better be in one split as well.
    """
    labels = {candidate.video_id: candidate.video for candidate in candidates}
    prints: dict[str, list[str]] = {video: [] for video in labels}
    for candidate in candidates:
        prints[candidate.video_id].extend(candidate.prints)
    why: dict[str, str] = {}
    owners: dict[str, str] = {}
    for video, own in prints.items():
        for other in (owners.setdefault(picture, video) for picture in own):
            if other != video:
                why.setdefault(video, f"the same frames as {labels[other]}")
                why.setdefault(other, f"the same frames as {labels[video]}")
    scenes: dict[str, list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]] = {}
    for candidate in candidates:
        seen = np.frombuffer(bytes.fromhex(candidate.scene_thumbnail), np.uint8)
        if seen.size == SIDE**2:
            scenes.setdefault(candidate.video_id, []).append(seen.reshape(SIDE, SIDE))
    for twins in find_twins(scenes):
        token = f"scene of {twins.one} and {twins.other}"
        for video, other in ((twins.one, twins.other), (twins.other, twins.one)):
            prints[video].append(token)
            alike = f"the scene of {labels[other]} (likeness {twins.likeness:.2f})"
            why.setdefault(video, alike)
    return Recordings(same_recordings(prints), why)


def split_candidates(
    candidates: Sequence[Candidate],
    recordings: Recordings,
    options: SpaOptions,
    entries: Mapping[str, VideoEntry],
) -> list[tuple[Candidate, SplitName]]:
    """Say of each accepted sequence to which split its video belongs: that of its recording.

    Args:
        candidates: The sequences.
        recordings: Which videos belong together.
        options: The options.
        entries: What the table of videos says of each video, by its id.

    Raises:
        RainbenchError: The table has one recording in both splits.
    """
    first = recordings.first
    fixed: dict[str, tuple[SplitName, str]] = {}
    for candidate in candidates:
        if not (split := entries[candidate.video_id].split):
            continue
        wanted, other = fixed.setdefault(first[candidate.video_id], (split, candidate.video))
        if split != wanted:
            raise RainbenchError(
                f"{candidate.video} is to be in the {split} split and {other} in the {wanted} "
                f"split, but {candidate.video} shows {recordings.why[candidate.video_id]}",
                hint="Give both one split in the table of videos, and run the command again.",
            )
    test = choose_test_videos(
        list(first.values()),
        options.test_share,
        options.seed,
        {recording: split for recording, (split, _) in fixed.items()},
    )
    return [
        (candidate, "test" if first[candidate.video_id] in test else "train")
        for candidate in candidates
    ]
