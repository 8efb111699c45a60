"""Deraining one image or video: the result is made, kept from an earlier call, or refused.

Beside each result ``NAME`` lies a hidden record ``.NAME.json`` (see `rainbench.core.resume`): what
it was made with, the hash of its source, and what came of it. A call that was interrupted keeps
what its records prove, makes again what is missing or damaged, and never takes a result of another
network, of other options or of another source for its own.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np

from rainbench.core.errors import RainbenchError
from rainbench.core.files import is_file, write_atomically
from rainbench.core.images import Image, encode_png, quantise, read_image
from rainbench.core.progress import Advance
from rainbench.core.resume import file_hash, key_of, read_claim, read_record, write_record
from rainbench.run.clips.predict import ClipPredictor
from rainbench.run.plan import foreign_parts
from rainbench.run.predict import Predictor
from rainbench.video.read import decode
from rainbench.video.write import VideoWriter

AnyPredictor = Predictor | ClipPredictor

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


def made_with(predictor: AnyPredictor, style: Style) -> dict[str, object]:
    """Return all that a result depends on but its source."""
    weights = file_hash(predictor.weights) if predictor.weights else ""
    options = {**predictor.options.key_parts(), **dataclasses.asdict(style)}
    card = predictor.entry.weights
    chosen = {"state_dict": card.state_dict} if card and card.state_dict else {}
    made_by = foreign_parts(predictor.entry)
    return {"entry": predictor.entry.name, "weights": weights, **chosen, **made_by, **options}


def refuse_others(tasks: Sequence[DerainTask], how: Mapping[str, object]) -> None:
    """Refuse results that were made in another way, before anything is done."""
    for task in tasks:
        claim = read_claim(task.record) if is_file(task.target) else None
        before = claim.facts.get("made_with") if claim else None
        if not isinstance(before, dict) or before == how:
            continue
        names = [name for name in {**how, **before} if before.get(name) != how.get(name)]
        raise RainbenchError(
            f"{task.target}: was made with another {', '.join(names)}",
            hint="Give another --out, or --overwrite to replace what is there.",
        )


def _key(how: Mapping[str, object], source: str) -> str:
    return key_of({**how, "source": source})


def kept(task: DerainTask, how: Mapping[str, object], *, overwrite: bool) -> Derained | None:
    """Return the result of an earlier call, or None where there is none or it is not whole.

    Raises:
        RainbenchError: There is a result of another source, or of nobody knows what.
    """
    if overwrite or not is_file(task.target):
        return None
    claim = read_claim(task.record)
    if claim is None:
        raise RainbenchError(
            f"{task.target} exists, and there is no record of what it was made from",
            hint="Move it away, or give --overwrite to replace it.",
        )
    if claim.key != _key(how, _source_hash(task)):
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


def made(
    task: DerainTask,
    predictor: AnyPredictor,
    style: Style,
    how: Mapping[str, object],
    advance: Advance,
) -> Derained:
    """Make a result and record it."""
    key = _key(how, _source_hash(task))
    task.target.parent.mkdir(parents=True, exist_ok=True)
    facts: dict[str, object] = {"made_with": how, "state": "begun"}
    # So that a result is known as this program's own even if a kill comes before its record.
    write_record(task.record, key, facts=facts)
    try:
        if isinstance(predictor, ClipPredictor):
            result = _derain_clip(task, predictor, style, advance)
        elif task.kind == "image":
            result = _derain_image(task, predictor, style)
        else:
            result = _derain_video(task, predictor, style, advance)
    except Exception:
        if not is_file(task.target):
            task.record.unlink(missing_ok=True)
        raise
    facts |= {"state": result.state, "frames": result.frames, "note": result.note}
    write_record(task.record, key, [task.target], facts)
    return result


def _source_hash(task: DerainTask) -> str:
    if not is_file(task.source):  # a pipe would be waited for
        raise RainbenchError(f"{task.source}: is a pipe, a device or a link to nothing")
    try:
        return file_hash(task.source)
    except OSError as error:
        raise RainbenchError(f"{task.source}: cannot be read: {error.strerror}") from None


def _derain_image(task: DerainTask, predictor: Predictor, style: Style) -> Derained:
    rainy = read_image(task.source)
    started = time.perf_counter()
    restored = quantise(predictor(rainy), "round")
    seconds = time.perf_counter() - started
    write_atomically(task.target, encode_png(task.target, _composed(rainy, restored, style)))
    return Derained(task, "done", 1, seconds)


def _derain_video(
    task: DerainTask, predictor: Predictor, style: Style, advance: Advance
) -> Derained:
    written, seconds = 0, 0.0
    with decode(task.source, allow_truncated=True) as stream:
        info = stream.info
        width = info.width * 2 if style.side_by_side else info.width
        rate = info.rate or DEFAULT_RATE
        of = f" of {info.frames}" if info.frames else ""
        with VideoWriter(task.target, width, info.height, rate, lossless=style.lossless) as video:
            for frame in stream:
                started = time.perf_counter()
                restored = quantise(predictor(frame.image), "round")
                seconds += time.perf_counter() - started
                video.write(_composed(frame.image, restored, style), frame.time)
                written += 1
                advance(0, f"{task.source.name}, frame {written}{of}")
        if stream.damage:
            return Derained(task, "cut short", written, seconds, f"{task.source}: {stream.damage}")
    return Derained(task, "done", written, seconds)


def _derain_clip(
    task: DerainTask, predictor: ClipPredictor, style: Style, advance: Advance
) -> Derained:
    """Restore a video whose frames have to be known all at once."""
    if task.kind == "image":
        raise RainbenchError(
            f"{predictor.entry.name} restores videos, and no single images",
            hint="Make a video of them, if they are the frames of one.",
        )
    with decode(task.source, allow_truncated=True) as stream:
        info = stream.info
        predictor.check_length(info.frames or 1, info.height, info.width)
        most = predictor.most_frames(info.height, info.width)
        images, times = [], []
        for frame in stream:
            images.append(frame.image)
            times.append(frame.time)
            advance(0, f"{task.source.name}, frame {len(images)} read")
            if len(images) > most:  # of a video that does not say how long it is
                predictor.check_length(len(images), info.height, info.width)
        damage = f"{task.source}: {stream.damage}" if stream.damage else ""
    frames = np.stack(images)
    del images
    advance(0, f"{task.source.name}, {len(frames)} frames at once")
    started = time.perf_counter()
    restored = predictor(frames)
    seconds = time.perf_counter() - started
    width = info.width * 2 if style.side_by_side else info.width
    rate = info.rate or DEFAULT_RATE
    with VideoWriter(task.target, width, info.height, rate, lossless=style.lossless) as video:
        for rainy, frame_restored, shown in zip(frames, restored, times, strict=True):
            video.write(_composed(rainy, quantise(frame_restored, "round"), style), shown)
    return Derained(task, "cut short" if damage else "done", len(frames), seconds, damage)


def _composed(rainy: Image, restored: Image, style: Style) -> Image:
    return np.hstack([rainy, restored]) if style.side_by_side else restored
