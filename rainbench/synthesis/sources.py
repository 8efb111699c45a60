"""The scenes of a build: clean images, with drop photographs or depth maps beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rainbench.core.errors import RainbenchError
from rainbench.core.images import IMAGE_SUFFIXES
from rainbench.core.resume import file_hash
from rainbench.core.text import count_of, natural_key, safe_name
from rainbench.packaging.split import SplitName, choose_test_videos
from rainbench.pairs.files import shown

_LONGEST = 100
"""Letters of a scene's id that its name in the input gives."""

DEPTH_SUFFIXES = (".png", ".tif", ".tiff", ".npy")


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneSource:
    """One scene.

    Attributes:
        id: Names its files; unique in its split.
        split: Where all its pairs go.
        label: How the metadata names it: its path in the input, as text.
        clean: The clean image.
        photograph: The same scene through drops; None where drops are rendered or left out.
        depth: Its depth map; None where it is made up.
    """

    id: str
    split: SplitName
    label: str
    clean: Path
    photograph: Path | None = None
    depth: Path | None = None


def clean_scenes(
    folder: Path, *, test_share: float, seed: int, depth: Path | None = None
) -> tuple[list[SceneSource], list[str]]:
    """List the images of a folder, at any depth, as scenes.

    A file whose bytes equal an earlier one's is left out: in two splits, it would be a leak.

    Args:
        folder: Holds clean images.
        test_share: Share of them that is for testing; which ones depends on the seed and each
            one's name alone.
        seed: Any number.
        depth: Folder of depth maps, named like the images, with an ending of their own.

    Returns:
        The scenes in natural order, and what was left out or passed over, a sentence each.

    Raises:
        RainbenchError: There is no image, or an image has no depth map.
    """
    if not folder.is_dir():
        raise RainbenchError(f"{folder}: there is no such folder")
    files = sorted(
        (path for path in folder.rglob("*") if not path.is_dir()),
        key=lambda path: natural_key(path.relative_to(folder).as_posix()),
    )
    files = [path for path in files if not _is_hidden(path.relative_to(folder))]
    paths = [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
    others = _others([path for path in files if path.suffix.lower() not in IMAGE_SUFFIXES])
    if not paths:
        found = f": {others[0]}" if others else ""
        raise RainbenchError(
            f"{folder}: holds no images{found}", hint="Give a folder of clean images."
        )
    paths, notes = _distinct(paths, folder)
    notes = others + notes
    labels = [shown(path.relative_to(folder).as_posix()) for path in paths]
    test = choose_test_videos(labels, test_share, seed)
    scenes = [
        SceneSource(
            id=identity,
            split="test" if label in test else "train",
            label=label,
            clean=path,
            depth=_depth_of(depth, path.relative_to(folder)) if depth else None,
        )
        for identity, label, path in zip(_identities(labels), labels, paths, strict=True)
    ]
    return scenes, notes


def _is_hidden(name: Path) -> bool:
    return any(part.startswith(".") for part in name.parts)


def _others(files: Sequence[Path]) -> list[str]:
    """Return a sentence about files that are not taken for images; none if there are none."""
    endings = Counter(shown(path.suffix.lower()) or "no ending" for path in files)
    if not endings:
        return []
    each = ", ".join(f"{ending} ({count})" for ending, count in sorted(endings.items()))
    return [f"passed over {count_of(len(files), 'file')} of other kinds: {each}"]


def _distinct(paths: Sequence[Path], folder: Path) -> tuple[list[Path], list[str]]:
    """Return the files whose bytes are new, and a sentence about each of the others."""
    first: dict[str, Path] = {}
    notes = []
    for path in paths:
        try:
            digest = file_hash(path)
        except OSError:
            digest = str(path)  # the build will say what is wrong with it
        if digest in first:
            name, other = (shown(each.relative_to(folder)) for each in (path, first[digest]))
            notes.append(f"left out {name}: the same bytes as {other}")
        first.setdefault(digest, path)
    return list(first.values()), notes


def _identities(labels: Sequence[str]) -> list[str]:
    """Return a name for each path that a file may have; equal ones are numbered."""
    seen: dict[str, int] = {}
    names = []
    for label in labels:
        # A name that ends in a number would run into the number of the version.
        stem = safe_name(label.rpartition(".")[0]).replace("_", "-") or "scene"
        stem = stem[:_LONGEST].strip("-")
        seen[stem] = seen.get(stem, 0) + 1
        names.append(stem if seen[stem] == 1 else f"{stem}--{seen[stem]}")
    return names


def _depth_of(folder: Path, name: Path) -> Path:
    for suffix in DEPTH_SUFFIXES:
        path = folder / name.with_suffix(suffix)
        if path.is_file():
            return path
    raise RainbenchError(
        f"{folder}: no depth map for {name}",
        hint=f"It must be called {name.stem} with one of {', '.join(DEPTH_SUFFIXES)}.",
    )
