"""The pairs of a video's accepted sequences: frames decoded again, corrected as they were, cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rainbench.core.files import writing
from rainbench.core.images import Image, read_image
from rainbench.core.resume import key_of
from rainbench.spa.candidate import Candidate
from rainbench.spa.correct import Correction, correct_frame
from rainbench.spa.options import SpaOptions
from rainbench.spa.pairs import PairPlan, SequencePair, known_pairs, write_pairs
from rainbench.spa.plan import PlannedVideo
from rainbench.video.read import VideoError, decode

VideoPairs = tuple[str, dict[str, tuple[SequencePair, ...]], str]
"""A video's id, the pairs of its sequences, and why there are none, where it failed."""


@dataclass(frozen=True, slots=True)
class PairTask:
    """The accepted sequences of a video.

    Attributes:
        video: The video.
        work: Candidates, and what to make of each.
    """

    video: PlannedVideo
    work: tuple[tuple[Candidate, PairPlan], ...]


def make_video_pairs(task: PairTask, out: Path, options: SpaOptions) -> VideoPairs:
    """Make the pairs of a video's accepted sequences, those that are not there yet.

    Raises:
        StoreError: Something cannot be written.
    """
    made: dict[str, tuple[SequencePair, ...]] = {}
    for candidate, plan in task.work:
        folder = out / "sequences" / candidate.id
        key = key_of([candidate.key, candidate.round])
        pairs = known_pairs(folder, plan, key)
        if pairs is None:
            try:
                with writing(folder):
                    frames = _frames(task.video, candidate, plan, options)
                    clean = read_image(folder / "clean.png")
                    pairs = write_pairs(folder, frames, clean, plan, key)
            except VideoError as error:
                return task.video.id, {}, str(error)
        made[candidate.id] = tuple(pairs)
    return task.video.id, made, ""


def _frames(
    video: PlannedVideo, candidate: Candidate, plan: PairPlan, options: SpaOptions
) -> Iterator[tuple[int, Image]]:
    wanted = set(plan.frames)
    correction = correction_of(candidate)
    span = slice(candidate.first, max(wanted) + 1)
    with decode(video.source.path, frames=span, allow_truncated=options.allow_truncated) as stream:
        for frame in stream:
            if frame.number in wanted:
                index = frame.number - candidate.first
                yield frame.number, correct_frame(frame.image, index, correction)


def correction_of(candidate: Candidate) -> Correction:
    """Return the correction with which a candidate was made."""
    shifts = np.array(candidate.shifts) if candidate.shifts else None
    exposure = np.array(candidate.exposure) if candidate.exposure else None
    turns = np.array(candidate.turns) if candidate.turns else None
    return Correction(shifts, exposure, candidate.crop, turns)
