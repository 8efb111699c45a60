"""The manifest of a copy: what was found, a line per pair."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, fields

from rainbench.core.escape import escape_formula


@dataclass(frozen=True, slots=True)
class PairInfo:
    """One line of a manifest: a pair as it was found on disk.

    Attributes:
        id: The pair's id.
        rainy: Path of the rainy file, relative to the copy's folder.
        clean: Path of the clean file, likewise.
        width: Width in pixels.
        height: Height in pixels.
        rainy_sha256: `rainbench.core.images.pixel_hash` of the rainy image.
        clean_sha256: The same of the clean image.
    """

    id: str
    rainy: str
    clean: str
    width: int
    height: int
    rainy_sha256: str
    clean_sha256: str


def manifest_csv(manifest: Iterable[PairInfo]) -> str:
    """Return a manifest as CSV text with a header line."""
    text = io.StringIO()
    names = [field.name for field in fields(PairInfo)]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(
        [escape_formula(str(getattr(info, name))) for name in names] for info in manifest
    )
    return text.getvalue()
