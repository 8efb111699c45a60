"""Applying an entry to images, folders of them, and videos, outside any data set.

Beside each result ``NAME`` lies a hidden record ``.NAME.json`` (see `rainbench.core.resume`): what
it was made with, the hash of its source, and what came of it. A call that was interrupted keeps
what its records prove, makes again what is missing or damaged, and never takes a result of another
network, of other options or of another source for its own.
"""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np

from rainbench.core.errors import RainbenchError, StoreError
from rainbench.core.images import IMAGE_SUFFIXES, Image, quantise, read_image, write_png
from rainbench.core.resume import file_hash, key_of, read_claim, read_record, write_record
from rainbench.run.predict import Predictor
from rainbench.video.read import VIDEO_SUFFIXES, decode
from rainbench.video.write import VideoWriter

_ENDINGS = (
    f"Images end with {', '.join(sorted(IMAGE_SUFFIXES))}, "
    f"videos with {', '.join(sorted(VIDEO_SUFFIXES))}."
)

DEFAULT_RATE = Fraction(25)
"""Frames a second of a video that states none."""

Kind = Literal["image", "video"]
State = Literal["done", "kept", "cut short", "failed"]


@dataclass(frozen=True, slots=True)
class DerainTask:
    """One file to be derained.

    Attributes:
        source: The file.
        target: Where the result goes.
        kind: What it is.
    """

    source: Path
    target: Path
    kind: Kind

    @property
    def record(self) -> Path:
        """Where the record of the result lies."""
        return self.target.with_name(f".{self.target.name}.json")


OnFrame = Callable[[DerainTask, int], None]


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
        task: The file.
        state: ``done``; ``kept``, from before; ``cut short``, a damaged video whose good frames
            were written; ``failed``.
        frames: Images or frames written.
        seconds: Spent in the network.
        note: The reason for the last two states.
    """

    task: DerainTask
    state: State
    frames: int = 0
    seconds: float = 0.0
    note: str = ""


def find_tasks(path: Path, out: Path, style: Style) -> list[DerainTask]:
    """Find what there is to derain and where each result goes.

    Args:
        path: An image, a video, or a folder that is searched with all folders in it.
        out: A folder, which keeps the folders of ``path``; for a single file also the name of the
            file to write.
        style: How results are written.

    Returns:
        The tasks in order of their names. Images become PNG.

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
        return [DerainTask(path, target, kind)]
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
            DerainTask(file, out / file.relative_to(path).parent / _name(file, kind, style), kind)
            for file, kind in sources
        ]
    )


def derain(
    tasks: Sequence[DerainTask],
    predictor: Predictor,
    style: Style,
    *,
    overwrite: bool = False,
    on_frame: OnFrame = lambda _task, _total: None,
) -> Iterator[Derained]:
    """Derain file after file; one that cannot be used becomes a result with its reason.

    Args:
        tasks: What to do, see `find_tasks`.
        predictor: The entry.
        style: How results are written.
        overwrite: Make all results again; otherwise those that were made of the same source in the
            same way are kept.
        on_frame: Called after each image or frame with the task and how many frames it is said to
            have, 0 for unknown.

    Raises:
        RainbenchError: Results that are there were made with another entry or other options.
        StoreError: A result cannot be written: nor could those after it.
    """
    made_with = _made_with(predictor, style)
    if not overwrite:
        _check_results(tasks, made_with)
    for task in tasks:
        try:
            yield _kept(task, made_with, overwrite=overwrite) or _made(
                task, predictor, style, made_with, on_frame
            )
        except StoreError:
            raise
        except OSError as error:
            raise StoreError(f"{task.target}: cannot be written: {error.strerror}") from None
        except RainbenchError as error:
            message = f"{error.message}. {error.hint}" if error.hint else error.message
            named = str(task.source) in message
            yield Derained(task, "failed", note=message if named else f"{task.source}: {message}")


def _made_with(predictor: Predictor, style: Style) -> dict[str, object]:
    """Return all that a result depends on but its source."""
    weights = file_hash(predictor.weights) if predictor.weights else ""
    options = {**predictor.options.key_parts(), **dataclasses.asdict(style)}
    return {"entry": predictor.entry.name, "weights": weights, **options}


def _check_results(tasks: Sequence[DerainTask], made_with: Mapping[str, object]) -> None:
    """Refuse results that were made in another way, before anything is done."""
    for task in tasks:
        claim = read_claim(task.record) if task.target.exists() else None
        before = claim.facts.get("made_with") if claim else None
        if not isinstance(before, dict) or before == made_with:
            continue
        names = [
            name for name in {**made_with, **before} if before.get(name) != made_with.get(name)
        ]
        raise RainbenchError(
            f"{task.target}: was made with another {', '.join(names)}",
            hint="Give another --out, or --overwrite to replace what is there.",
        )


def _key(made_with: Mapping[str, object], source: str) -> str:
    return key_of({**made_with, "source": source})


def _kept(task: DerainTask, made_with: Mapping[str, object], *, overwrite: bool) -> Derained | None:
    """Return the result of an earlier call, or None where there is none or it is not whole.

    Raises:
        RainbenchError: There is a result of another source, or of nobody knows what.
    """
    if overwrite or not task.target.exists():
        return None
    claim = read_claim(task.record)
    if claim is None:
        raise RainbenchError(
            f"{task.target} exists, and there is no record of what it was made from",
            hint="Move it away, or give --overwrite to replace it.",
        )
    if claim.key != _key(made_with, _source_hash(task)):
        raise RainbenchError(
            f"{task.source} is not the file that {task.target} was made from",
            hint="Give --overwrite to make it again.",
        )
    record = read_record(task.record)
    state = record.facts.get("state") if record else None
    if record is None or state not in ("done", "cut short"):
        return None
    if state == "done":
        return Derained(task, "kept")
    return Derained(task, "cut short", note=str(record.facts.get("note")))


def _made(
    task: DerainTask,
    predictor: Predictor,
    style: Style,
    made_with: Mapping[str, object],
    on_frame: OnFrame,
) -> Derained:
    """Make a result and record it."""
    key = _key(made_with, _source_hash(task))
    task.target.parent.mkdir(parents=True, exist_ok=True)
    facts: dict[str, object] = {"made_with": made_with, "state": "begun"}
    # So that a result is known as this program's own even if a kill comes before its record.
    write_record(task.record, key, facts=facts)
    try:
        work = _derain_image if task.kind == "image" else _derain_video
        result = work(task, predictor, style, on_frame)
    except RainbenchError:
        if not task.target.exists():
            task.record.unlink(missing_ok=True)
        raise
    facts |= {"state": result.state, "frames": result.frames, "note": result.note}
    write_record(task.record, key, [task.target], facts)
    return result


def _source_hash(task: DerainTask) -> str:
    try:
        return file_hash(task.source)
    except OSError as error:
        raise RainbenchError(f"{task.source}: cannot be read: {error.strerror}") from None


def _derain_image(
    task: DerainTask,
    predictor: Predictor,
    style: Style,
    on_frame: OnFrame,
) -> Derained:
    rainy = read_image(task.source, upright=True)
    started = time.perf_counter()
    restored = quantise(predictor(rainy), "round")
    seconds = time.perf_counter() - started
    write_png(task.target, _composed(rainy, restored, style))
    on_frame(task, 1)
    return Derained(task, "done", 1, seconds)


def _derain_video(
    task: DerainTask,
    predictor: Predictor,
    style: Style,
    on_frame: OnFrame,
) -> Derained:
    written, seconds = 0, 0.0
    with decode(task.source, allow_truncated=True) as stream:
        info = stream.info
        width = info.width * 2 if style.side_by_side else info.width
        rate = info.rate or DEFAULT_RATE
        with VideoWriter(task.target, width, info.height, rate, lossless=style.lossless) as video:
            for frame in stream:
                started = time.perf_counter()
                restored = quantise(predictor(frame.image), "round")
                seconds += time.perf_counter() - started
                video.write(_composed(frame.image, restored, style), frame.time)
                written += 1
                on_frame(task, info.frames or 0)
        if stream.damage:
            return Derained(task, "cut short", written, seconds, f"{task.source}: {stream.damage}")
    return Derained(task, "done", written, seconds)


def _composed(rainy: Image, restored: Image, style: Style) -> Image:
    return np.hstack([rainy, restored]) if style.side_by_side else restored


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


def _apart(tasks: Sequence[DerainTask]) -> list[DerainTask]:
    """Give results of equal names, as of ``a.jpg`` and ``a.png``, their sources' full names."""
    taken = Counter(task.target for task in tasks)
    apart = [task if taken[task.target] == 1 else _full_name(task) for task in tasks]
    if len({task.target for task in apart}) < len(tasks):  # one is called a.jpg.png already
        apart = [_full_name(task) for task in tasks]
    return apart


def _full_name(task: DerainTask) -> DerainTask:
    name = task.source.name + task.target.suffix
    return dataclasses.replace(task, target=task.target.with_name(name))
