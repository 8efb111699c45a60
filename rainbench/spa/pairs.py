"""From a sequence's frames and its clean frame to pairs on disk: windows, masks, hashes.

A sequence's pairs lie in its own folder under names that do not depend on other videos::

    pairs/clean/X_Y.png          one window of the clean frame, shared by all frames
    pairs/rainy/FRAME_X_Y.png    the same window of a rainy frame
    pairs/mask/FRAME_X_Y.png     255 where that frame is brighter than the clean one
    pairs/objects/FRAME_X_Y.png  255 where it shows something else than scene and rain; only where
                                 that is allowed, for otherwise there is nothing
    pairs/pairs.json             the record of what is there; written last

A build that was killed writes only those files again that are missing or differ.
"""

from __future__ import annotations

import bisect
from collections.abc import Container, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rainbench.core.files import write_atomically
from rainbench.core.images import Image, encode_png, read_image
from rainbench.core.resume import key_of, read_record, write_record
from rainbench.frames.maps import strips
from rainbench.packaging.package import FileFacts, facts_of
from rainbench.packaging.split import spread

Window = tuple[int, int, int, int]
"""Left, top, width and height, in pixels."""

HiddenFrame = tuple[int, Image, NDArray[np.bool_]]
"""Number and picture of a frame, and ``(H, W)`` bool where it shows neither the scene nor rain, or
where the clean frame is in doubt and shows something else."""

ROLES = ("rainy", "clean", "mask", "objects")
"""What the files of a pair show, in the order of tables; the last only where it is allowed."""


@dataclass(frozen=True, slots=True)
class PairPlan:
    """Which pairs to make of a sequence.

    A window that objects hide in one frame is taken from a later one, before the next of ``frames``
    comes; where all are hidden it is left out.

    Attributes:
        frames: Numbers of the rainy frames, in the video.
        windows: The windows of every frame.
        mask_levels: Brightening from which a pixel is rain, see `make_mask`.
        most: Pairs in all, evenly spread; None for every window of every frame.
        allow_objects: Share of a window that may show something else than scene and rain.
    """

    frames: tuple[int, ...]
    windows: tuple[Window, ...]
    mask_levels: float
    most: int | None = None
    allow_objects: float = 0.0

    @property
    def wanted(self) -> frozenset[tuple[int, int]]:
        """The pairs that are wanted: place in ``frames`` and in ``windows``."""
        across = len(self.windows)
        chosen = spread(range(len(self.frames) * across), self.most)
        return frozenset(divmod(index, across) for index in chosen)


@dataclass(frozen=True, slots=True)
class SequencePair:
    """A pair in a sequence's folder.

    Attributes:
        frame: Number of the rainy frame in the video.
        x: Left edge of the window.
        y: Top edge of the window.
        rain_share: Share of the mask's pixels that are rain.
        object_share: Share of its pixels that show something else than scene and rain.
        facts: Size and hashes of each file, by role.
    """

    frame: int
    x: int
    y: int
    rain_share: float
    object_share: float
    facts: dict[str, FileFacts]

    def path(self, role: str) -> str:
        """Return where a file lies, relative to the sequence's folder."""
        place = f"{self.x}_{self.y}.png"
        return f"pairs/{role}/{place if role == 'clean' else f'{self.frame}_{place}'}"


def cut_windows(width: int, height: int, side: int) -> tuple[Window, ...]:
    """Cover a frame with the fewest square windows, evenly spread, row by row.

    Windows overlap where the frame is no multiple of the side, and are smaller than ``side`` only
    where the frame is.

    Args:
        width: Of the frame, in pixels.
        height: Of the frame.
        side: Of the windows; 0 for one window that is the whole frame.

    Example:
        >>> cut_windows(368, 640, 256)[:3]
        ((0, 0, 256, 256), (112, 0, 256, 256), (0, 192, 256, 256))
        >>> cut_windows(238, 158, 256)
        ((0, 0, 238, 158),)
    """
    if side == 0:
        return ((0, 0, width, height),)
    across, down = min(side, width), min(side, height)
    return tuple(
        (x, y, across, down) for y in _places(height, down) for x in _places(width, across)
    )


def _places(length: int, side: int) -> list[int]:
    count = -(-length // side)
    return [index * (length - side) // max(1, count - 1) for index in range(count)]


def make_mask(rainy: Image, clean: Image, levels: float) -> Image:
    """Return where a frame is rainy: its mean of R, G and B is ``levels`` or more above the clean.

    Both are the 8-bit images of the pair, so that whoever has the pair can make its mask again.

    Returns:
        ``(H, W, 3)`` uint8, 255 where there is rain and 0 elsewhere, the same in all channels.

    Example:
        >>> clean = np.full((1, 2, 3), 90, np.uint8)
        >>> rainy = clean + np.array([[[7, 8, 8], [8, 8, 8]]], np.uint8)
        >>> make_mask(rainy, clean, 8)[..., 0].tolist()
        [[0, 255]]
    """
    import cv2

    mask: Image = np.empty(rainy.shape, np.uint8)
    for strip in strips(mask.shape):
        above = np.subtract(rainy[strip.rows], clean[strip.rows], dtype=np.int16)
        light = np.asarray(cv2.transform(above, np.ones((1, 3)))).reshape(above.shape[:2])
        rain = np.uint8(255) * (light >= 3 * levels).view(np.uint8)
        cv2.merge((rain,) * 3, mask[strip.rows])
    return mask


def known_pairs(folder: Path, plan: PairPlan, key: str) -> list[SequencePair] | None:
    """Return the pairs of a sequence if all that are planned are there as they were made, or None.

    Args:
        folder: The sequence's folder.
        plan: What is wanted.
        key: What the frames and the clean frame depend on.
    """
    record = read_record(folder / "pairs/pairs.json", _key(plan, key))
    try:
        pairs = record.facts["pairs"] if record else None
        return [_from_json(pair) for pair in pairs] if isinstance(pairs, list) else None
    except (ValueError, KeyError, TypeError):
        return None


def write_pairs(
    folder: Path, frames: Iterable[HiddenFrame], clean: Image, plan: PairPlan, key: str
) -> list[SequencePair]:
    """Write the pairs of a sequence into its folder.

    Args:
        folder: The sequence's folder.
        frames: Number, picture and mask of each frame in order, corrected to match the clean frame;
            they are read until nothing is wanted any more.
        clean: The clean frame.
        plan: What to make.
        key: What the frames and the clean frame depend on.

    Returns:
        The pairs, by frame, then by window.

    Raises:
        StoreError: A file cannot be written.
        OSError: A folder cannot be made.
    """
    _prepare(folder, plan)
    shared = {
        (x, y): _write(folder / f"pairs/clean/{x}_{y}.png", clean[y : y + height, x : x + width])
        for x, y, width, height in plan.windows
    }
    pairs = []
    wanted = set(plan.wanted)
    for frame in frames:
        slot = bisect.bisect(plan.frames, frame[0]) - 1
        for place, window in enumerate(plan.windows):
            if (slot, place) not in wanted or _hidden(frame, window) > plan.allow_objects:
                continue
            pairs.append(_write_window(folder, frame, clean, window, plan, shared))
            wanted.remove((slot, place))
        if not any(other >= slot for other, _ in wanted):
            break
    files = {
        folder / pair.path(role): facts.sha256
        for pair in pairs
        for role, facts in pair.facts.items()
    }
    _remove_others(folder, {*files, folder / "pairs/pairs.json"})
    facts = {"pairs": [asdict(pair) for pair in pairs]}
    write_record(folder / "pairs/pairs.json", _key(plan, key), files, facts)
    return pairs


def _hidden(frame: HiddenFrame, window: Window) -> float:
    """Return the share of a window in which a frame shows neither the scene nor rain."""
    x, y, width, height = window
    return float(frame[2][y : y + height, x : x + width].mean())


def _write_window(
    folder: Path,
    frame: HiddenFrame,
    clean: Image,
    window: Window,
    plan: PairPlan,
    shared: Mapping[tuple[int, int], FileFacts],
) -> SequencePair:
    number, image, hidden = frame
    x, y, width, height = window
    part = np.s_[y : y + height, x : x + width]
    mask = make_mask(image[part], clean[part], plan.mask_levels)
    name = f"{number}_{x}_{y}.png"
    facts = {
        "rainy": _write(folder / "pairs/rainy" / name, image[part]),
        "clean": shared[x, y],
        "mask": _write(folder / "pairs/mask" / name, mask),
    }
    if plan.allow_objects:
        objects = np.repeat(hidden[part][..., None], 3, axis=2).astype(np.uint8) * 255
        facts["objects"] = _write(folder / "pairs/objects" / name, objects)
    share = float(np.count_nonzero(mask[..., 0])) / mask[..., 0].size
    return SequencePair(number, x, y, share, _hidden(frame, window), facts)


def _write(path: Path, picture: Image) -> FileFacts:
    picture = np.ascontiguousarray(picture)
    data = encode_png(path, picture)
    if not path.exists() or path.read_bytes() != data:
        write_atomically(path, data)
    return facts_of(picture, data)


def _prepare(folder: Path, plan: PairPlan) -> None:
    for role in ROLES if plan.allow_objects else ROLES[:-1]:
        (folder / "pairs" / role).mkdir(parents=True, exist_ok=True)


def _remove_others(folder: Path, files: Container[Path]) -> None:
    """Remove what an earlier build made of other frames or windows, or left unfinished."""
    for path in list((folder / "pairs").rglob("*")):
        if path.is_file() and path not in files:
            path.unlink()


def read_pair_image(folder: Path, pair: SequencePair, role: str) -> Image:
    """Read one image of a pair."""
    return read_image(folder / pair.path(role))


def _key(plan: PairPlan, key: str) -> str:
    return key_of([key, asdict(plan)])


def _from_json(values: dict[str, object]) -> SequencePair:
    facts = values["facts"]
    assert isinstance(facts, dict)
    known = {role: FileFacts(**fact) for role, fact in facts.items()}
    frame, x, y = (int(str(values[name])) for name in ("frame", "x", "y"))
    rain, objects = (float(str(values[name])) for name in ("rain_share", "object_share"))
    return SequencePair(frame, x, y, rain, objects, known)
