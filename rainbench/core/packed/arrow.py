"""Data sets of Hugging Face's ``datasets`` that were saved to disk: a picture a row and column."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rainbench.core.errors import PairError, needed, told

_STATES = ("dataset_dict.json", "state.json")


def is_arrow(folder: Path) -> bool:
    """Return whether a folder was written by ``save_to_disk``."""
    return (folder / _STATES[0]).is_file() or all(
        (folder / name).is_file() for name in (_STATES[1], "dataset_info.json")
    )


def state_of(folder: Path) -> Path:
    """Return the file that is another one whenever the data set is."""
    return next(folder / name for name in _STATES if (folder / name).is_file())


class Arrow:
    """A saved data set: ``rainy/0.png`` is the picture of the row 0 in the column ``rainy``.

    Of several splits each is a folder. What is no picture is passed over.

    Args:
        folder: Where it was saved.

    Raises:
        PairError: It cannot be read, or has no pictures.
    """

    def __init__(self, folder: Path) -> None:
        datasets = needed("datasets", "datasets", str(folder))
        try:
            found = datasets.load_from_disk(str(folder))
            splits = dict(found) if isinstance(found, dict) else {"": found}
            self._columns: dict[str, tuple[Any, str]] = {}
            for split, rows in splits.items():
                names = [
                    name for name, kind in rows.features.items() if isinstance(kind, datasets.Image)
                ]
                pictures = rows.select_columns(names)
                for name in names:
                    pictures = pictures.cast_column(name, datasets.Image(decode=False))
                for name in names:
                    self._columns[f"{split}/{name}".lstrip("/")] = pictures, name
        except Exception as error:  # of a library that is not ours
            raise PairError(f"{folder}: is no data set that can be read: {told(error)}") from None
        if not self._columns:
            raise PairError(f"{folder}: has no column of pictures")
        self._folder = folder
        self._rows = {
            f"{column}/{row}.png": (column, row)
            for column, (pictures, _) in self._columns.items()
            for row in range(len(pictures))
        }

    @property
    def names(self) -> Iterable[str]:
        """Every picture."""
        return self._rows

    def read(self, name: str, most: int) -> bytes:
        """Return a picture as it was stored; see `rainbench.core.packed.kinds.Packed`."""
        column, row = self._rows[name]
        pictures, key = self._columns[column]
        path = str(self._folder / name)
        try:
            stored = pictures[row][key] or {}
        except Exception as error:  # of a library that is not ours
            raise OSError(errno.EIO, told(error), path) from None
        data = stored.get("bytes")
        if not isinstance(data, bytes):
            what = "its file lies elsewhere" if stored.get("path") else "the row has no picture"
            raise OSError(errno.ENODATA, what, path)
        if len(data) > most:
            raise OSError(errno.EFBIG, f"it is larger than {most:,} bytes", path)
        return data
