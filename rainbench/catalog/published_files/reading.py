"""One way to read weights from the files of other frameworks, whichever it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rainbench.catalog.published_files.names import DATA, data_of
from rainbench.core.errors import WeightsError, told

if TYPE_CHECKING:
    from torch import Tensor

_ENDINGS = (".caffemodel", ".mat")


def is_read_here(path: Path) -> bool:
    """Return whether a file's name is that of another framework's weights that are read.

    Example:
        >>> is_read_here(Path("model.index")), is_read_here(Path("model.meta"))
        (True, False)
    """
    return path.suffix.lower() in _ENDINGS or bool(DATA.search(data_of(path).name))


def read_published_file(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a file of another framework, by the names that it gives them.

    Args:
        path: One that `is_read_here`; of a TensorFlow checkpoint either of its files.

    Raises:
        WeightsError: It is damaged, or of a form that is not read.
    """
    try:
        return _reader(path.suffix.lower())(data_of(path))
    except FileNotFoundError as error:
        raise WeightsError(
            f"{path}: is one half of a TensorFlow checkpoint, and {Path(error.filename).name} is "
            "not beside it",
            hint="Both belong into one folder.",
        ) from None
    except OSError:
        raise
    except Exception as error:  # readers raise whatever a damaged file makes them
        reason = str(error) if isinstance(error, ValueError) else told(error)
        raise WeightsError(
            f"{path}: cannot be read as weights: {reason[:200]}",
            hint="The file is cut short, damaged or of another kind: fetch it again.",
        ) from None


def _reader(ending: str) -> Callable[[Path], dict[str, Tensor]]:
    """Return what reads such files, imported with its libraries when there is one to read."""
    if ending == ".caffemodel":
        from rainbench.catalog.published_files.caffe import read_caffe

        return read_caffe
    if ending == ".mat":
        from rainbench.catalog.published_files.matlab import read_matlab

        return read_matlab
    from rainbench.catalog.published_files.tensorflow import read_tensorflow

    return read_tensorflow
