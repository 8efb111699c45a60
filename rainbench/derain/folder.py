"""Applying an entry to images, folders of them, and videos, outside any data set."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from rainbench.core.errors import RainbenchError, StoreError, failing_alone, told
from rainbench.core.files import is_file, refuse_inside, sweep
from rainbench.core.images import IMAGE_SUFFIXES, note_unread
from rainbench.core.progress import Advance, unseen
from rainbench.core.watch import Watch
from rainbench.derain.file import (
    AnyPredictor,
    Derained,
    DerainTask,
    Kind,
    Style,
    kept,
    made,
    made_with,
    refuse_others,
)
from rainbench.video.lookalikes import looks_like_a_video
from rainbench.video.read import VIDEO_SUFFIXES

_LOG = logging.getLogger(__name__)

_ENDINGS = (
    f"Images end with {', '.join(sorted(IMAGE_SUFFIXES))}, "
    f"videos with {', '.join(sorted(VIDEO_SUFFIXES))}."
)

_OF_ONE_NAME = (
    errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ELOOP, errno.EILSEQ,
    errno.EINVAL,
)  # fmt: skip


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
    if is_file(path):
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
        what = "is a pipe, a device or a link to nothing"
        there = os.path.lexists(path)
        raise RainbenchError(f"{path}: {what if there else 'there is no such file or folder'}")
    refuse_inside(out, [path])
    if out.is_file():
        raise RainbenchError(f"{out}: is a file", hint="Give a folder with --out.")
    files = [file for file in _files_below(path) if not file.name.startswith(".")]
    note_unread(files)
    for file in files:
        if _kind(file) is None and (why := looks_like_a_video(file)):
            _LOG.warning("%s: passed over: %s", file, why)
    sources = [(file, kind) for file in files if (kind := _kind(file))]
    if not sources:
        raise RainbenchError(
            f"{path}: holds no images or videos",
            hint=_ENDINGS,
        )
    tasks = _apart(
        [
            DerainTask(file, out / file.relative_to(path).parent / _name(file, kind, style), kind)
            for file, kind in sources
        ]
    )
    if path.resolve().is_relative_to(out.resolve()):  # a/a/1.png with --out . goes to a/1.png
        for folder in {task.target.parent for task in tasks}:
            refuse_inside(folder, [path])
    return tasks


def derain(
    tasks: Sequence[DerainTask],
    predictor: AnyPredictor,
    style: Style,
    *,
    overwrite: bool = False,
    advance: Advance = unseen,
    watch: Watch | None = None,
) -> Iterator[Derained]:
    """Derain file after file; whatever is wrong with one is its result.

    Args:
        tasks: What to do, see `find_tasks`.
        predictor: The entry.
        style: How results are written.
        overwrite: Make all results again; otherwise those that were made of the same source in the
            same way are kept.
        advance: Called with 1 and a file's name when it is done, and with 0 in between, to say
            which file or frame it is.
        watch: Is told of the file that is being worked on; one that a process died of before fails.

    Raises:
        RainbenchError: Results that are there were made with another entry or other options.
        StoreError: A result cannot be written: nor could those after it.
    """
    watch = watch or Watch()
    how = made_with(predictor, style)
    if not overwrite:
        refuse_others(tasks, how)
    for folder in {task.target.parent for task in tasks}:
        sweep(folder, ".*.part")
    for task in tasks:
        advance(0, task.source.name)
        name = str(task.source)
        again = overwrite and name not in watch.finished  # by a process that died since
        try:
            with failing_alone(name), _writing(task.target), watch.at(name):
                if death := watch.died.get(name):
                    raise RainbenchError(death)
                result = kept(task, how, overwrite=again) or made(
                    task, predictor, style, how, advance
                )
        except StoreError:
            raise
        except RainbenchError as error:
            note = told(error)
            named = str(task.source) in note
            result = Derained(task, "failed", note=note if named else f"{task.source}: {note}")
        if result.state == "kept" and name in watch.finished:
            result = dataclasses.replace(result, state="done")
        elif result.state in ("done", "cut short"):
            watch.has_finished(name)
        advance(1, task.source.name)
        yield result


@contextlib.contextmanager
def _writing(target: Path) -> Iterator[None]:
    """Tell what cannot be written because of its name alone from what ends all writing."""
    try:
        yield
    except OSError as error:
        kind = RainbenchError if error.errno in _OF_ONE_NAME else StoreError
        raise kind(f"{target}: cannot be written: {error.strerror}") from None


def _files_below(folder: Path) -> list[Path]:
    """Return all files in order; a folder that cannot be looked into is a warning in the log."""

    def passed_over(error: OSError) -> None:
        _LOG.warning("%s: cannot be read: %s; it is left out", error.filename, error.strerror)

    walked = os.walk(folder, onerror=passed_over)
    return sorted(Path(place) / name for place, _, names in walked for name in names)


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
