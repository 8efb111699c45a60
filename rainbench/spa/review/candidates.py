"""One candidate clean frame of a run, read tolerantly: what is missing or damaged is reported."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from rainbench.spa.review.files import is_own_file, png_size, printable, read_object

CURVE_LENGTH = 101
"""Percentiles from 0 to 100."""

_SAMPLE = re.compile(r"[0-9]{1,9}\.png", re.ASCII)


@dataclass(frozen=True, slots=True)
class ShownCandidate:
    """What the builder says about a sequence's clean frame; None where it says nothing.

    Attributes:
        video: The file it comes from.
        method: How the clean frame was extracted.
        frames: Of how many frames.
        percentile: The percentile over time that was taken.
        vote_curve: 101 numbers, the votes for each percentile.
        vote_share: Share of the pixels that voted for the percentile taken, 0 to 1.
        estimated_psnr: The judge's estimate of the PSNR against the unseen truth, dB.
        verdict: ``accept``, ``more`` or ``reject``: what the judge would do.
        reason: Why.
        round: How often frames were added to the first ones.
    """

    video: str | None = None
    method: str | None = None
    frames: int | None = None
    percentile: float | None = None
    vote_curve: tuple[float, ...] | None = None
    vote_share: float | None = None
    estimated_psnr: float | None = None
    verdict: str | None = None
    reason: str | None = None
    round: int | None = None


@dataclass(frozen=True, slots=True)
class Pictures:
    """The pictures beside a candidate.

    Attributes:
        clean: The clean frame, or None where it is missing.
        samples: Some rainy frames, by number.
        size: Width and height of the clean frame; None where it is no PNG.
        problem: Why the pictures cannot be compared; empty when they can.
    """

    clean: Path | None
    samples: tuple[Path, ...]
    size: tuple[int, int] | None
    problem: str


def read_candidate(folder: Path) -> ShownCandidate:
    """Read ``candidate.json``; unknown keys are ignored, unusable values become None.

    Raises:
        UnreadableError: The file is missing or is not a JSON object.
    """
    content = read_object(folder / "candidate.json")
    verdict = _text(content, "verdict")
    return ShownCandidate(
        video=_text(content, "video"),
        method=_text(content, "method"),
        frames=_whole(content, "frames"),
        percentile=_number(content.get("percentile")),
        vote_curve=_curve(content.get("vote_curve")),
        vote_share=_number(content.get("vote_share")),
        estimated_psnr=_number(content.get("estimated_psnr")),
        verdict=verdict if verdict in ("accept", "more", "reject") else None,
        reason=_text(content, "reason"),
        round=_whole(content, "round"),
    )


def find_pictures(folder: Path) -> Pictures:
    """Find a sequence's clean frame and its sample frames ``rainy/<number>.png``."""
    clean = folder / "clean.png" if is_own_file(folder / "clean.png") else None
    rainy = folder / "rainy"
    try:
        found = [path for path in rainy.iterdir() if _SAMPLE.fullmatch(path.name)]
    except OSError:
        found = []
    # A folder `rainy` that is a link out of the sequence is as good as none.
    own = [path for path in found if is_own_file(path) and not rainy.is_symlink()]
    samples = tuple(sorted(own, key=lambda path: (int(path.stem), path.name)))
    size = png_size(clean) if clean else None
    return Pictures(clean, samples, size, _problem(clean, samples, size))


def _problem(clean: Path | None, samples: tuple[Path, ...], size: tuple[int, int] | None) -> str:
    if clean is None:
        return "clean.png is missing"
    if size is None:
        return "clean.png is not a PNG picture: empty, cut short or damaged"
    if not samples:
        return "there is no sample frame in rainy/ to compare with"
    for sample in samples:
        other = png_size(sample)
        if other != size:
            measured = "{}x{}".format(*other) if other else "no PNG picture"
            return f"rainy/{sample.name} is {measured}, but clean.png is {size[0]}x{size[1]}"
    return ""


def _text(content: dict[str, object], key: str) -> str | None:
    value = content.get(key)
    return printable(value, 2000) if isinstance(value, str) and value.strip() else None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _whole(content: dict[str, object], key: str) -> int | None:
    value = content.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _curve(value: object) -> tuple[float, ...] | None:
    if not isinstance(value, list) or len(value) != CURVE_LENGTH:
        return None
    numbers = [_number(item) for item in value]
    known = tuple(number for number in numbers if number is not None and number >= 0)
    return known if len(known) == CURVE_LENGTH and max(known) > 0 else None
