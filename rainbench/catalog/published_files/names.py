"""Which files of other frameworks are read, by their names."""

from __future__ import annotations

import re
from pathlib import Path

DATA = re.compile(r"\.data-(\d{5})-of-(\d{5})$")
"""How the name of the values of a TensorFlow checkpoint ends."""


def data_of(path: Path) -> Path:
    """Return the values of a TensorFlow checkpoint of which either file is given.

    Example:
        >>> data_of(Path("model.index")).name
        'model.data-00000-of-00001'
    """
    return path.with_name(f"{path.stem}.data-00000-of-00001") if path.suffix == ".index" else path


def index_of(data: Path) -> Path:
    """Return the index of a file of values; any other file has none and is returned itself.

    Example:
        >>> index_of(Path("model.data-00000-of-00001")).name, index_of(Path("a.pth")).name
        ('model.index', 'a.pth')
    """
    return data.with_name(DATA.sub(".index", data.name))
