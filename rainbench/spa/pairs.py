"""From a sequence's frames and its clean frame to pairs on disk: windows, masks, hashes.

A sequence's pairs lie in its own folder under names that do not depend on other videos::

    pairs/clean/X_Y.png          one window of the clean frame, shared by all frames
    pairs/rainy/FRAME_X_Y.png    the same window of a rainy frame
    pairs/mask/FRAME_X_Y.png     255 where that frame is brighter than the clean one
    pairs/pairs.json             the record of what is there; written last

A build that was killed writes only those files again that are missing or differ.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from rainbench.core.files import write_atomically
from rainbench.core.images import Image, encode_png, read_image
from rainbench.core.resume import key_of, read_record, write_record
from rainbench.packaging.package import FileFacts, facts_of

Window = tuple[int, int, int, int]
"""Left, top, width and height, in pixels."""

ROLES = ("rainy", "clean", "mask")


@dataclass(frozen=True, slots=True)
class PairPlan:
    """Which pairs to make of a sequence.

    Attributes:
        frames: Numbers of the rainy frames, in the video.
        windows: The windows of every frame.
        mask_levels: Brightening from which a pixel is rain, see `make_mask`.
    """

    frames: tuple[int, ...]
    windows: tuple[Window, ...]
    mask_levels: float


@dataclass(frozen=True, slots=True)
class SequencePair:
    """A pair in a sequence's folder.

    Attributes:
        frame: Number of the rainy frame in the video.
        x: Left edge of the window.
        y: Top edge of the window.
        rain_share: Share of the mask's pixels that are rain.
        facts: Size and hashes of each file, by role.
    """

    frame: int
    x: int
    y: int
    rain_share: float
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
    brighter = rainy.sum(axis=2, dtype=np.int32) - clean.sum(axis=2, dtype=np.int32)
    mask: Image = np.repeat((brighter >= 3 * levels)[..., None], 3, axis=2).astype(np.uint8) * 255
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
    folder: Path, frames: Iterable[tuple[int, Image]], clean: Image, plan: PairPlan, key: str
) -> list[SequencePair]:
    """Write the pairs of a sequence into its folder.

    Args:
        folder: The sequence's folder.
        frames: Number and picture of each frame, corrected to match the clean frame; frames that
            the plan does not name are ignored.
        clean: The clean frame.
        plan: What to make.
        key: What the frames and the clean frame depend on.

    Returns:
        The pairs, by frame, then by window.

    Raises:
        StoreError: A file cannot be written.
        OSError: A folder cannot be made.
    """
    _prepare(folder)
    shared = {
        (x, y): _write(folder / f"pairs/clean/{x}_{y}.png", clean[y : y + height, x : x + width])
        for x, y, width, height in plan.windows
    }
    wanted = set(plan.frames)
    pairs = [
        _write_window(folder, (number, image), clean, window, plan.mask_levels, shared)
        for number, image in frames
        if number in wanted
        for window in plan.windows
    ]
    files = {
        folder / pair.path(role): facts.sha256
        for pair in pairs
        for role, facts in pair.facts.items()
    }
    _remove_others(folder, {*files, folder / "pairs/pairs.json"})
    facts = {"pairs": [asdict(pair) for pair in pairs]}
    write_record(folder / "pairs/pairs.json", _key(plan, key), files, facts)
    return pairs


def _write_window(
    folder: Path,
    frame: tuple[int, Image],
    clean: Image,
    window: Window,
    levels: float,
    shared: Mapping[tuple[int, int], FileFacts],
) -> SequencePair:
    number, image = frame
    x, y, width, height = window
    rainy, below = (picture[y : y + height, x : x + width] for picture in (image, clean))
    mask = make_mask(rainy, below, levels)
    facts = {
        "rainy": _write(folder / f"pairs/rainy/{number}_{x}_{y}.png", rainy),
        "clean": shared[x, y],
        "mask": _write(folder / f"pairs/mask/{number}_{x}_{y}.png", mask),
    }
    share = float(np.count_nonzero(mask[..., 0])) / mask[..., 0].size
    return SequencePair(number, x, y, share, facts)


def _write(path: Path, picture: Image) -> FileFacts:
    picture = np.ascontiguousarray(picture)
    data = encode_png(path, picture)
    if not path.exists() or path.read_bytes() != data:
        write_atomically(path, data)
    return facts_of(picture, data)


def _prepare(folder: Path) -> None:
    for role in ROLES:
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
    return SequencePair(frame, x, y, float(str(values["rain_share"])), known)
