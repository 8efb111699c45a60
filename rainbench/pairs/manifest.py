"""The manifest of a copy: what was found, a line per pair."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
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


Pictures = Mapping[str, tuple[str, str]]
"""The hashes of the rainy and the clean picture by id, as `pictures_of` returns them."""


def are_others(one: Pictures, other: Pictures, *, rainy: bool = True) -> bool:
    """Return whether two lists of one data set are of other pictures than each other.

    Then no number of one may stand beside one of the other. They are if an id that both have is
    another picture, or if they have none in common. A part of the same pictures is told by how
    many there are. Of what is not known, nothing is said.

    Args:
        one: Pictures.
        other: Pictures of the same name.
        rainy: Whether to compare the rainy ones; the clean ones always are.

    Example:
        >>> are_others({"1": ("a", "b"), "2": ("c", "d")}, {"1": ("a", "b")})
        False
        >>> are_others({"1": ("a", "b")}, {"1": ("e", "b")})
        True
        >>> are_others({"1": ("a", "b")}, {"1": ("e", "b")}, rainy=False)
        False
    """
    if not one or not other:
        return False
    shared = one.keys() & other
    pairs = [(one[name], other[name]) for name in shared]
    return not shared or any(a[1] != b[1] or (rainy and a[0] != b[0]) for a, b in pairs)
