"""Applying an entry to images, folders of them, and videos, outside any data set."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np

from rainbench.core.errors import RainbenchError, StoreError
from rainbench.core.files import write_atomically
from rainbench.core.images import IMAGE_SUFFIXES, Image, quantise, read_image, write_png
from rainbench.run.predict import Predictor
from rainbench.video.read import VIDEO_SUFFIXES, decode
from rainbench.video.write import VideoWriter

RECORD = "derain.json"
"""What an output folder was made with."""

_ENDINGS = (
    f"Images end with {', '.join(sorted(IMAGE_SUFFIXES))}, "
    f"videos with {', '.join(sorted(VIDEO_SUFFIXES))}."
)

DEFAULT_RATE = Fraction(25)
"""Frames a second of a video that states none."""

Kind = Literal["image", "video"]
State = Literal["done", "kept", "cut short", "failed"]


@dataclass(frozen=True, slots=True)
class Job:
    """One file to be derained.

    Attributes:
        source: The file.
        target: Where the result goes.
        kind: What it is.
    """

    source: Path
    target: Path
    kind: Kind


@dataclass(frozen=True, slots=True)
class Style:
    """How results are written.

    Attributes:
        side_by_side: The input to the left of the result, in one picture.
        lossless: Videos as FFV1 in Matroska, every value kept, instead of H.264.
    """

    side_by_side: bool = False
    lossless: bool = False


@dataclass(frozen=True, slots=True)
class Derained:
    """What became of one file.

    Attributes:
        job: The file.
        state: ``done``; ``kept``, from before; ``cut short``, a damaged video whose good frames
            were written; ``failed``.
        frames: Images or frames written.
        seconds: Spent in the network.
        note: The reason for the last two states.
    """

    job: Job
    state: State
    frames: int = 0
    seconds: float = 0.0
    note: str = ""


def find_jobs(path: Path, out: Path, style: Style) -> list[Job]:
    """Find what there is to derain and where each result goes.

    Args:
        path: An image, a video, or a folder that is searched with all folders in it.
        out: A folder, which keeps the folders of ``path``; for a single file also the name of the
            file to write.
        style: How results are written.

    Returns:
        The jobs in order of their names. Images become PNG.

    Raises:
        RainbenchError: There is nothing, or a result would lie in the input.
    """
    if path.is_file():
        kind = _kind(path)
        if kind is None:
            raise RainbenchError(
                f"{path}: neither an image nor a video by its name",
                hint=_ENDINGS,
            )
        target = out if out.suffix and not out.is_dir() else out / _name(path, kind, style)
        _check_target(target, kind, style)
        if target.resolve() == path.resolve():
            raise RainbenchError(f"{target}: the result would replace its own input")
        return [Job(path, target, kind)]
    if not path.is_dir():
        raise RainbenchError(f"{path}: there is no such file or folder")
    if out.resolve().is_relative_to(path.resolve()):
        raise RainbenchError(
            f"{out}: lies in the input folder {path}", hint="Give an --out outside of it."
        )
    if out.is_file():
        raise RainbenchError(f"{out}: is a file", hint="Give a folder with --out.")
    sources = [
        (file, kind)
        for file in sorted(path.rglob("*"))
        if not file.name.startswith(".") and (kind := _kind(file)) and file.is_file()
    ]
    if not sources:
        raise RainbenchError(
            f"{path}: holds no images or videos",
            hint=_ENDINGS,
        )
    return _apart(
        [
            Job(file, out / file.relative_to(path).parent / _name(file, kind, style), kind)
            for file, kind in sources
        ]
    )


def derain(
    jobs: Sequence[Job],
    predictor: Predictor,
    style: Style,
    *,
    overwrite: bool = False,
    on_frame: Callable[[Job, int], None] = lambda _job, _total: None,
) -> Iterator[Derained]:
    """Derain file after file; one that cannot be used becomes a result with its reason.

    Args:
        jobs: What to do, see `find_jobs`.
        predictor: The entry.
        style: How results are written.
        overwrite: Make results that exist anew; otherwise they are kept.
        on_frame: Called after each image or frame with the job and how many frames it is said to
            have, 0 for unknown.

    Raises:
        StoreError: A result cannot be written: nor could those after it.
    """
    for job in jobs:
        if job.target.exists() and not overwrite:
            yield Derained(job, "kept")
            continue
        try:
            job.target.parent.mkdir(parents=True, exist_ok=True)
            work = _derain_image if job.kind == "image" else _derain_video
            yield work(job, predictor, style, on_frame)
        except StoreError:
            raise
        except OSError as error:
            raise StoreError(f"{job.target}: cannot be written: {error.strerror}") from None
        except RainbenchError as error:
            message = f"{error.message}. {error.hint}" if error.hint else error.message
            named = str(job.source) in message
            yield Derained(job, "failed", note=message if named else f"{job.source}: {message}")


def _derain_image(
    job: Job, predictor: Predictor, style: Style, on_frame: Callable[[Job, int], None]
) -> Derained:
    rainy = read_image(job.source, upright=True)
    started = time.perf_counter()
    restored = quantise(predictor(rainy), "round")
    seconds = time.perf_counter() - started
    write_png(job.target, _composed(rainy, restored, style))
    on_frame(job, 1)
    return Derained(job, "done", 1, seconds)


def _derain_video(
    job: Job, predictor: Predictor, style: Style, on_frame: Callable[[Job, int], None]
) -> Derained:
    written, seconds = 0, 0.0
    with decode(job.source, allow_truncated=True) as stream:
        info = stream.info
        width = info.width * 2 if style.side_by_side else info.width
        rate = info.rate or DEFAULT_RATE
        with VideoWriter(job.target, width, info.height, rate, lossless=style.lossless) as video:
            for frame in stream:
                started = time.perf_counter()
                restored = quantise(predictor(frame.image), "round")
                seconds += time.perf_counter() - started
                video.write(_composed(frame.image, restored, style), frame.time)
                written += 1
                on_frame(job, info.frames or 0)
        if stream.damage:
            return Derained(job, "cut short", written, seconds, f"{job.source}: {stream.damage}")
    return Derained(job, "done", written, seconds)


def _composed(rainy: Image, restored: Image, style: Style) -> Image:
    return np.hstack([rainy, restored]) if style.side_by_side else restored


def check_record(folder: Path, made_with: dict[str, object], *, replace: bool = False) -> None:
    """Note what a folder's results are made with, or refuse one that holds other results.

    Args:
        folder: The output folder; made when absent.
        made_with: Entry, weights and options.
        replace: Whether its results are to be replaced anyway.

    Raises:
        RainbenchError: It holds results of something else.
        StoreError: It cannot be written.
    """
    file = folder / RECORD
    made_with = {"key": hashlib.sha256(_json(made_with)).hexdigest()[:16], **made_with}
    try:
        before = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        before = None
    if not replace and isinstance(before, dict) and before.get("key") != made_with["key"]:
        changed = [name for name in made_with if before.get(name) != made_with[name]]
        names = ", ".join(name for name in changed if name != "key")
        raise RainbenchError(
            f"{folder}: holds results that were made with another {names}",
            hint="Give another --out, or --overwrite to replace them.",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(file, _json(made_with) + b"\n")
    except OSError as error:
        raise StoreError(f"{file}: cannot be written: {error.strerror}") from None


def _json(content: object) -> bytes:
    return json.dumps(content, indent=1, sort_keys=True).encode()


def _kind(file: Path) -> Kind | None:
    suffix = file.suffix.lower()
    if suffix in IMAGE_SUFFIXES:
        return "image"
    return "video" if suffix in VIDEO_SUFFIXES else None


def _name(source: Path, kind: Kind, style: Style) -> str:
    return source.stem + _suffix(kind, style)


def _suffix(kind: Kind, style: Style) -> str:
    if kind == "image":
        return ".png"
    return ".mkv" if style.lossless else ".mp4"


def _check_target(target: Path, kind: Kind, style: Style) -> None:
    wanted = _suffix(kind, style)
    if target.suffix.lower() != wanted:
        raise RainbenchError(
            f"{target}: {kind}s are written as {wanted}", hint=f"Give a name ending with {wanted}."
        )


def _apart(jobs: Sequence[Job]) -> list[Job]:
    """Give results of equal names, as of ``a.jpg`` and ``a.png``, their sources' full names."""
    taken = Counter(job.target for job in jobs)
    apart = [job if taken[job.target] == 1 else _full_name(job) for job in jobs]
    if len({job.target for job in apart}) < len(jobs):  # one is called a.jpg.png already
        apart = [_full_name(job) for job in jobs]
    return apart


def _full_name(job: Job) -> Job:
    name = job.source.name + job.target.suffix
    return dataclasses.replace(job, target=job.target.with_name(name))
