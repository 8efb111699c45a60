"""A picture of many pairs: rainy, clean and mask side by side, a row per source."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rainbench.core.images import Image

CELL_WIDTH, CELL_HEIGHT = 288, 216
_MARGIN, _TEXT_ROWS = 6, 22
"""Pixels: three cells side by side fit on any screen."""

_PAPER, _INK = 250, 20
"""Grey levels of the ground and of letters."""


@dataclass(frozen=True, slots=True, eq=False)
class SheetRow:
    """One row of a contact sheet.

    Attributes:
        label: Written above the row; letters beyond ASCII lose their accents or become ``?``.
        images: One picture per column, ``(H, W, 3)`` uint8 RGB, of any size.
    """

    label: str
    images: Sequence[Image]


def make_contact_sheet(
    rows: Sequence[SheetRow], columns: Sequence[str] = ("rainy", "clean", "mask")
) -> Image:
    """Draw a contact sheet; pictures are shrunk to fit their cell, never enlarged.

    Args:
        rows: At least one.
        columns: What each column shows.

    Returns:
        ``(H, W, 3)`` uint8, RGB.

    Example:
        >>> picture = np.zeros((432, 288, 3), np.uint8)
        >>> sheet = make_contact_sheet([SheetRow("yard", [picture] * 3)])
        >>> sheet.shape
        (272, 888, 3)
    """
    width = len(columns) * (CELL_WIDTH + _MARGIN) + _MARGIN
    parts = [_band(width)]
    for index, column in enumerate(columns):
        _write(parts[0], column, _MARGIN + index * (CELL_WIDTH + _MARGIN))
    for row in rows:
        parts += [_labelled(row.label, width), _pictures(row, width)]
    parts.append(np.full((_MARGIN, width, 3), _PAPER, np.uint8))
    return np.concatenate(parts)


def _labelled(label: str, width: int) -> Image:
    band = _band(width)
    _write(band, label, _MARGIN)
    return band


def _pictures(row: SheetRow, width: int) -> Image:
    shrunk = [_shrink(image) for image in row.images]
    height = max(image.shape[0] for image in shrunk)
    band = np.full((height + _MARGIN, width, 3), _PAPER, np.uint8)
    for index, image in enumerate(shrunk):
        left = _MARGIN + index * (CELL_WIDTH + _MARGIN)
        band[: image.shape[0], left : left + image.shape[1]] = image
    return band


def _shrink(image: Image) -> Image:
    import cv2

    height, width = image.shape[:2]
    scale = min(1.0, CELL_WIDTH / width, CELL_HEIGHT / height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    shrunk: Image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return shrunk


def _band(width: int) -> Image:
    return np.full((_TEXT_ROWS, width, 3), _PAPER, np.uint8)


def _write(band: Image, text: str, left: int) -> None:
    import cv2

    plain = unicodedata.normalize("NFKD", text).encode("ascii", "replace").decode()
    plain = "".join(letter for letter in plain if letter.isprintable())
    place, ink = (left, _TEXT_ROWS - 7), (_INK, _INK, _INK)
    cv2.putText(band, plain, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, ink, 1, cv2.LINE_AA)
