"""The pairs of a video's accepted sequences: frames decoded again, corrected as they were, cut."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rainbench.clean_frame.objects.doubt import doubtful_regions, in_doubt
from rainbench.clean_frame.objects.masks import object_masks
from rainbench.core.files import writing
from rainbench.core.images import Image, read_image
from rainbench.core.resume import key_of
from rainbench.frames.maps import put_away
from rainbench.spa.candidate import Candidate, load_uncertain
from rainbench.spa.correct import Correction, correct_frame
from rainbench.spa.frames import pick_numbers, room_for_maps
from rainbench.spa.options import SpaOptions
from rainbench.spa.pairs import HiddenFrame, PairPlan, SequencePair, known_pairs, write_pairs
from rainbench.spa.plan import PlannedVideo
from rainbench.video.read import VideoError

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
                    clean = read_image(folder / "clean.png")
                    frames = _frames(task.video, candidate, options)
                    with room_for_maps(clean.shape, options.frame_budget, out):
                        hidden = hide(frames, clean, uncertain=load_uncertain(folder))
                        pairs = write_pairs(folder, hidden, clean, plan, key)
            except VideoError as error:
                return task.video.id, {}, str(error)
        made[candidate.id] = tuple(pairs)
    return task.video.id, made, ""


def hide(
    frames: Iterable[tuple[int, Image]],
    clean: Image,
    *,
    uncertain: NDArray[np.bool_] | None = None,
    objects: Callable[[int], NDArray[np.bool_]] | None = None,
) -> Iterator[HiddenFrame]:
    """Add to each frame where it shows something else than the scene and rain.

    Args:
        frames: Number and picture of each frame, one after the other, as it matches the clean one.
        clean: The clean frame.
        uncertain: ``(H, W)`` bool, where the clean frame itself is in doubt, as two things may be
            the scene; None where nowhere. It counts in frames that show the other one.
        objects: Gives the passers of the frame of a number, ``(H, W)`` bool; None to look for them
            by `rainbench.clean_frame.objects.masks.object_masks`.

    Yields:
        Number, picture and mask; a few frames are read ahead.

    Example:
        >>> clean = np.full((20, 20, 3), 90, np.uint8)
        >>> corner = np.zeros((20, 20), bool)
        >>> corner[:3, :5] = True
        >>> other = clean - 7 * corner[..., None].astype(np.uint8)
        >>> frames = [(7, clean), (8, other)]
        >>> [(n, int(mask.sum())) for n, _, mask in hide(frames, clean, uncertain=corner)]
        [(7, 0), (8, 15)]
    """
    ahead: deque[tuple[int, Image]] = deque()  # a tee would keep 57 frames

    def read() -> Iterator[tuple[int, Image]]:
        for number, image in frames:
            ahead.append((number, put_away(image)))
            yield number, image

    if objects is None:
        masks = object_masks((image for _, image in read()), clean)
    else:
        masks = (objects(number) for number, _ in read())
    regions = () if uncertain is None else doubtful_regions(uncertain)
    for mask in masks:
        number, image = ahead.popleft()
        yield number, image, mask | in_doubt(image, clean, regions) if regions else mask


def _frames(
    video: PlannedVideo, candidate: Candidate, options: SpaOptions
) -> Iterator[tuple[int, Image]]:
    """Yield all frames of a sequence: what passes is told by the frames before and after, too."""
    correction = correction_of(candidate)
    frames = pick_numbers(
        video.source.path, candidate.used, allow_truncated=options.allow_truncated
    )
    for index, frame in enumerate(frames):
        yield frame.number, correct_frame(frame.image, index, correction)


def correction_of(candidate: Candidate) -> Correction:
    """Return the correction with which a candidate was made."""
    shifts = np.array(candidate.shifts) if candidate.shifts else None
    exposure = np.array(candidate.exposure) if candidate.exposure else None
    turns = np.array(candidate.turns) if candidate.turns else None
    return Correction(shifts, exposure, candidate.crop, turns)
