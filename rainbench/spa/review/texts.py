"""What the page says: numbers with their meaning, the vote curve, the filled-in templates."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from rainbench.spa.review.candidates import Pictures, ShownCandidate, find_pictures
from rainbench.spa.review.files import printable
from rainbench.spa.review.sequences import (
    STATES,
    ReviewedSequence,
    decided,
    possible_decisions,
    summary,
)

if TYPE_CHECKING:
    from jinja2 import Environment

PAGE_FOLDER = Path(__file__).parent / "page"

UNKNOWN = "unknown"
VERDICTS = {"accept": "accept", "more": "more frames", "reject": "reject"}

_MEANINGS = {
    "Estimated PSNR": "How close the judge expects this frame to be to the unseen truth. Higher is "
    "better; 6 dB more is half the error.",
    "Judge": "What the judge would do. It cannot see what all frames have in common, such as rain "
    "that never pauses: you can.",
    "Vote share": "Share of the pixels that agree on the percentile taken. About 80 % in normal "
    "rain, 60 to 80 % in dense rain; below 50 % the scene has moved or its light has changed.",
    "Percentile": "Which value over time was taken, of all sorted from dark to bright. Rain "
    "brightens, so it usually lies below 50.",
    "Frames": "How many frames of the video were used. More help where rain is dense.",
    "Round": "How often frames were added; asking for more frames starts another round.",
    "Method": "How the clean frame was extracted.",
    "Video": "The file that the frames are from.",
}


def number_rows(candidate: ShownCandidate) -> list[tuple[str, str, str]]:
    """Return name, value and meaning of everything known about a candidate.

    Example:
        >>> shown = number_rows(ShownCandidate(frames=100))
        >>> rows = {name: value for name, value, _meaning in shown}
        >>> rows["Frames"], rows["Estimated PSNR"]
        ('100', 'unknown')
    """
    verdict = VERDICTS.get(candidate.verdict or "", UNKNOWN)
    values = {
        "Estimated PSNR": decibels(candidate.estimated_psnr),
        "Judge": f"{verdict}: {candidate.reason}" if candidate.reason else verdict,
        "Vote share": _known(candidate.vote_share, "{:.0%}").replace("%", " %"),
        "Percentile": _known(candidate.percentile, "{:g}"),
        "Frames": _known(candidate.frames, "{}"),
        "Round": _known(candidate.round, "{}"),
        "Method": candidate.method or UNKNOWN,
        "Video": candidate.video or UNKNOWN,
    }
    return [(name, value, _MEANINGS[name]) for name, value in values.items()]


def decibels(value: float | None) -> str:
    """Return a PSNR as text.

    Example:
        >>> decibels(41.26), decibels(None)
        ('41.3 dB', 'unknown')
    """
    return _known(value, "{:.1f} dB")


def _known(value: float | None, form: str) -> str:
    return UNKNOWN if value is None else form.format(value)


def curve_points(curve: tuple[float, ...], width: float, height: float) -> str:
    """Return the vote curve as the points of an SVG polyline, with the origin at the top left.

    Example:
        >>> curve_points((0.0, 4.0, 2.0), 10, 8)
        '0,8 5,0 10,4'
    """
    top = max(curve)
    step = width / (len(curve) - 1)
    return " ".join(
        f"{round(index * step, 2):g},{round(height * (1 - votes / top), 2):g}"
        for index, votes in enumerate(curve)
    )


def page_html(run: Path, sequences: list[ReviewedSequence]) -> str:
    """Return the page with its list of sequences."""
    return _environment().get_template("page.html").render(
        run=printable(run.name or str(run)),
        sequences=sequences,
        decided=decided(sequences),
        summary=summary(sequences),
        states=STATES,
        decibels=decibels,
    )  # fmt: skip


def sequence_html(sequence: ReviewedSequence) -> str:
    """Return the part of the page that is about one sequence."""
    candidate = sequence.candidate
    pictures = find_pictures(sequence.folder) if candidate else Pictures(None, (), None, "")
    earlier = sequence.decision if sequence.state == "undecided" else None
    return _environment().get_template("sequence.html").render(
        sequence=sequence,
        candidate=candidate,
        pictures=pictures,
        possible=possible_decisions(sequence, pictures),
        rows=number_rows(candidate) if candidate else [],
        earlier=STATES[earlier.decision] if earlier else "",
        states=STATES,
        points=curve_points(candidate.vote_curve, 400, 120)
        if candidate and candidate.vote_curve
        else "",
        version=_version,
    )  # fmt: skip


def _version(path: Path) -> str:
    """Return a mark that changes with the file, so that no browser shows an earlier round's."""
    try:
        return f"{path.stat().st_mtime_ns:x}"
    except OSError:
        return "0"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(PAGE_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
