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


def pictures_of(text: str) -> dict[str, tuple[str, str]]:
    """Return the hashes of the rainy and the clean picture by id, of what `manifest_csv` returned.

    Ids are those of the text, see `rainbench.core.escape.escape_formula`.

    Raises:
        ValueError: It is no such text.

    Example:
        >>> info = PairInfo("1", "a/1.png", "b/1.png", 3, 2, "12ab", "34cd")
        >>> pictures_of(manifest_csv([info]))
        {'1': ('12ab', '34cd')}
    """
    names = [field.name for field in fields(PairInfo)]
    rows = list(csv.DictReader(io.StringIO(text), strict=True))
    if any(list(row) != names or None in row.values() for row in rows):
        raise ValueError("no manifest")
    return {row["id"]: (row["rainy_sha256"], row["clean_sha256"]) for row in rows}
