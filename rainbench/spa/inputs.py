"""Which videos a build is about: files, folders of them, folders of images, ``.mat`` stacks."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rainbench.core.errors import RainbenchError
from rainbench.core.files import refuse_inside
from rainbench.core.images import note_unread
from rainbench.core.resume import file_hash
from rainbench.core.text import natural_key, safe_name
from rainbench.video.lookalikes import looks_like_a_video
from rainbench.video.read import VIDEO_SUFFIXES
from rainbench.video.stills import list_images

MARKER = "rainbench-build.json"
"""File in every folder that a build writes to, whose images are therefore no input of another."""

_LONGEST_SLUG = 40
"""Letters of a video's name that its id keeps: folders are named after it."""

Kind = Literal["video", "images", "mat"]


@dataclass(frozen=True, slots=True)
class VideoInput:
    """One video to make a clean frame of.

    Attributes:
        path: A file, or a folder of images.
        kind: What it is.
        size: Bytes on disk.
        label: How it is named in lines and tables: relative to what was given.
    """

    path: Path
    kind: Kind
    size: int
    label: str


def find_inputs(paths: Sequence[Path], out: Path) -> list[VideoInput]:
    """Find every video in files and folders, in natural order, each once.

    Folders are searched to any depth. A folder that holds images and no videos is one sequence.
    Hidden files, and everything that a build wrote, are ignored.

    Args:
        paths: Files and folders as given.
        out: Where the build will write; must not be an input folder or lie in one.

    Raises:
        RainbenchError: A path does not exist, ``out`` lies in an input, or there is
            no video at all.
    """
    refuse_inside(out, paths)
    found: dict[Path, VideoInput] = {}
    for path in paths:
        if not path.exists():
            raise RainbenchError(f"{path}: there is no such file or folder", hint="Check the path.")
        for item in _walk(path) if path.is_dir() else [_file(path, path.name)]:
            found.setdefault(item.path.resolve(), item)
    if not found:
        given = ", ".join(map(str, paths))
        raise RainbenchError(
            f"{given}: no videos found",
            hint=f"Looked for {' '.join(sorted(VIDEO_SUFFIXES))} and folders of images.",
        )
    return sorted(found.values(), key=lambda item: (natural_key(item.label), str(item.path)))


def content_hash(item: VideoInput) -> str:
    """Return the SHA-256 of a video's bytes; of a folder, of its images' names and bytes.

    Raises:
        OSError: A file cannot be read.
    """
    if item.kind != "images":
        return file_hash(item.path)
    digest = hashlib.sha256()
    for file in sorted(list_images(item.path), key=lambda file: file.name):
        digest.update(f"{file.name}\0{file_hash(file)}\n".encode())
    return digest.hexdigest()


def video_id(item: VideoInput, sha256: str) -> str:
    """Return the id of a video: its name in plain letters, and the start of its hash.

    Files of one name in two folders differ in the hash; the id does not depend on what else there
    is.

    Example:
        >>> item = VideoInput(Path("in/Hof 雨.mp4"), "video", 10, "Hof 雨.mp4")
        >>> video_id(item, "0123456789abcdef")
        'hof-01234567'
    """
    stem = item.path.name if item.kind == "images" else item.path.stem
    return f"{safe_name(stem)[:_LONGEST_SLUG].strip('-_') or 'video'}-{sha256[:8]}"


def passed_over(paths: Sequence[Path]) -> list[tuple[str, str]]:
    """Return what in folders is no input though somebody may take it for a video, and why.

    Args:
        paths: Files and folders as given; a file is always an input.

    Returns:
        Labels and reasons, in natural order: animations, videos that are not read, images that
        lie beside videos.
    """
    found: dict[str, str] = {}
    for root in paths:
        for here, files in _folders(root) if root.is_dir() else ():
            videos = any(file.suffix.lower() in VIDEO_SUFFIXES for file in files)
            images = set(list_images(here))
            for file in files:
                if file not in images and (why := looks_like_a_video(file)):
                    found[_relative(file, root)] = why
            if videos and images:
                found |= _beside_videos(sorted(images), root)
    return sorted(found.items(), key=lambda each: natural_key(each[0]))


def _beside_videos(images: Sequence[Path], root: Path) -> dict[str, str]:
    """Return the animations among images that are not read, and how many other images there are."""
    reasons = {file: looks_like_a_video(file) for file in images}
    found = {_relative(file, root): why for file, why in reasons.items() if why}
    still = [file for file, why in reasons.items() if not why]
    if still:
        what = "an image" if len(still) == 1 else f"one of {len(still)} images"
        found[_relative(still[0], root)] = (
            f"{what} beside videos; give frames a folder of their own"
        )
    return found


def _walk(root: Path) -> Iterator[VideoInput]:
    for here, visible in _folders(root):
        videos = [file for file in visible if file.suffix.lower() in VIDEO_SUFFIXES]
        for file in videos:
            yield _file(file, _relative(file, root))
        if not videos and (images := list_images(here)):
            note_unread(visible)
            size = sum(file.stat().st_size for file in images)
            yield VideoInput(here, "images", size, _relative(here, root))


def _folders(root: Path) -> Iterator[tuple[Path, list[Path]]]:
    """Yield folders and the files that are not hidden in them, but for what a build wrote."""
    for folder, subfolders, files in os.walk(root):
        here = Path(folder)
        if MARKER in files:
            subfolders.clear()
            continue
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        yield here, [here / name for name in files if not name.startswith(".")]


def _file(path: Path, label: str) -> VideoInput:
    kind: Kind = "mat" if path.suffix.lower() == ".mat" else "video"
    try:
        size = path.stat().st_size
    except OSError:  # a link to nothing: whoever opens it says so
        size = 0
    return VideoInput(path, kind, size, label)


def _relative(path: Path, root: Path) -> str:
    return root.name if path == root else path.relative_to(root).as_posix()
