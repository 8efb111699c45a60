"""The folder of one sequence: a candidate clean frame, what is known of it, what was decided.

``sequences/<id>/`` holds ``clean.png``, some rainy frames as ``rainy/000.png`` and so on,
``candidate.json``, and ``record.json``, which is written last: a candidate counts only while its
files are as recorded there. A person's ``decision.json`` (see `rainbench.spa.review`) lies beside
them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rainbench.clean_frame.quality.estimate import FrameVerdict
from rainbench.core.files import write_atomically
from rainbench.core.images import Image, read_image
from rainbench.core.resume import read_record, write_record
from rainbench.packaging.package import store_png
from rainbench.spa.review.decisions import read_decision

State = Literal["accepted", "rejected", "waiting"]

_UNCERTAIN = "uncertain.png"

SAMPLES = 5
"""Rainy frames kept beside a candidate, evenly spread: enough for a person to compare with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A clean frame and how it was made; the content of ``candidate.json``.

    Attributes:
        id: The sequence's id: its video's, and the number of the scene.
        video: The video, as it was given.
        video_id: The video's id.
        key: What the candidate depends on: the video's bytes and the options.
        scene: First frame of the scene in the video, and the one after its last.
        first: First frame used, in the video.
        frames: Number of frames used.
        width: Of the clean frame, in pixels; smaller than the video's where it was aligned.
        height: Of the clean frame, in pixels.
        method: How it was made.
        density: Of the rain, as given or estimated.
        percentile: The percentile over time that was taken; None for methods without one.
        vote_curve: Votes for each percentile 0 to 100; None where none were cast.
        vote_share: Share of the pixels that voted for the best percentile.
        estimated_psnr: What the judge takes its PSNR to be, in dB.
        verdict: What the judge would do.
        reason: Why.
        round: How often frames were added.
        drift: Largest distance between two places of the camera, in pixels.
        shake: Root mean square of its jumps from frame to frame, in pixels.
        light: Largest change of the light, as a share.
        corrections: ``shake`` and ``light``, where frames were corrected for them.
        crop: Left, top, right, bottom of the clean frame in the video's frames.
        shifts: Shift of each frame used, in pixels, where the shake was corrected.
        turns: Turn of each frame used, in radians, where there is one.
        exposure: Brightness of each frame used, or of its channels, where the light was corrected.
        uncertain: Share of the picture in which two things may be the scene, see ``uncertain.png``.
        numbers: Of the frames used, in the video, where some between them are left out, as
            they repeat others; empty where they follow one another.
        prints: Hashes of the frames used, see `rainbench.spa.frames.VideoFrames`.
        scene_thumbnail: The clean frame's, see `rainbench.packaging.same_scene`, as hexadecimals.
    """

    id: str
    video: str
    video_id: str
    key: str
    scene: tuple[int, int]
    first: int
    frames: int
    width: int
    height: int
    method: str
    density: str
    percentile: int | None
    vote_curve: tuple[int, ...] | None
    vote_share: float | None
    estimated_psnr: float
    verdict: FrameVerdict
    reason: str
    round: int
    drift: float | None = None
    shake: float | None = None
    light: float | None = None
    corrections: tuple[str, ...] = ()
    crop: tuple[int, int, int, int] = (0, 0, 0, 0)
    shifts: tuple[tuple[float, float], ...] = ()
    turns: tuple[float, ...] = ()
    exposure: tuple[float | tuple[float, float, float], ...] = ()
    uncertain: float = 0.0
    numbers: tuple[int, ...] = ()
    prints: tuple[str, ...] = ()
    scene_thumbnail: str = ""

    @property
    def used(self) -> Sequence[int]:
        """Numbers in the video of the frames used."""
        return self.numbers or range(self.first, self.first + self.frames)


def save_candidate(
    folder: Path,
    candidate: Candidate,
    clean: Image,
    samples: Sequence[Image],
    uncertain: NDArray[np.bool_] | None = None,
) -> None:
    """Write a candidate; a kill at any moment leaves none or a complete one.

    Where something is uncertain, the mask of it lies beside the clean frame, ``uncertain.png``.

    Raises:
        StoreError: A picture cannot be written.
        OSError: A file or folder cannot be written.
    """
    for name in ("record.json", "candidate.json", _UNCERTAIN):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / "rainy", ignore_errors=True)
    (folder / "rainy").mkdir(parents=True)
    for unfinished in folder.glob(".*.part"):
        unfinished.unlink()
    store_png(folder / "clean.png", clean)
    masks = []
    if uncertain is not None and uncertain.any():
        masks = [folder / _UNCERTAIN]
        store_png(masks[0], np.repeat(uncertain[..., None], 3, axis=2).astype(np.uint8) * 255)
    for number, sample in enumerate(samples):
        store_png(folder / f"rainy/{number:03d}.png", sample)
    text = json.dumps(asdict(candidate), ensure_ascii=False, indent=1) + "\n"
    write_atomically(folder / "candidate.json", text.encode())
    files = [folder / "candidate.json", folder / "clean.png", *masks]
    files += (folder / "rainy").iterdir()
    write_record(folder / "record.json", candidate.key, files)


def load_uncertain(folder: Path) -> NDArray[np.bool_] | None:
    """Return where the clean frame of a sequence's folder is in doubt; None for nowhere.

    Raises:
        ImageError: The mask cannot be read.
    """
    path = folder / _UNCERTAIN
    return read_image(path)[..., 0] > 0 if path.exists() else None


def load_candidate(folder: Path) -> Candidate | None:
    """Return the candidate of a sequence's folder; None unless it is whole and as it was made."""
    if read_record(folder / "record.json") is None:
        return None
    try:
        values = json.loads((folder / "candidate.json").read_text(encoding="utf-8"))
        values.setdefault("exposure", values.pop("gains", []))  # its name in 0.1.0
        return Candidate(**{key: as_tuples(value) for key, value in values.items()})
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def state_of(folder: Path, candidate: Candidate, *, review: bool) -> State:
    """Return how a sequence stands: as a person decided, else as the judge did.

    A decision about another round does not count. With ``review`` an undecided sequence waits.
    """
    decision = read_decision(folder)
    if decision is not None and decision.round == candidate.round:
        decided: dict[str, State] = {"accept": "accepted", "reject": "rejected"}
        return decided.get(decision.decision, "waiting")
    if review:
        return "waiting"
    return "accepted" if candidate.verdict == "accept" else "rejected"


def rounds_asked(folder: Path, candidate: Candidate | None) -> int | None:
    """Return the round that a person asked for by ``more``, or None."""
    decision = read_decision(folder)
    if decision is None or decision.decision != "more" or decision.round is None:
        return None
    if candidate is not None and candidate.round != decision.round:
        return None
    return decision.round + 1


def as_tuples(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a value read from JSON with tuples for its lists, as a candidate holds them.

    Example:
        >>> as_tuples([[1.0, 2.0], [3.0, 4.0]])
        ((1.0, 2.0), (3.0, 4.0))
    """
    return tuple(map(as_tuples, value)) if isinstance(value, list) else value
