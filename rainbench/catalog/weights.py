"""Finding files of weights and reading them safely: tensors only, hash checked, no code run."""

from __future__ import annotations

import functools
import logging
import pickle
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rainbench.catalog.registry import Entry
from rainbench.core import resume
from rainbench.core.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

_LOG = logging.getLogger(__name__)

NESTS = ("state_dict", "params", "net", "model")
_PREFIX = "module."


def find_weights(entry: Entry, roots: Sequence[Path]) -> Path | None:
    """Return the file of an entry's weights below ``roots`` or among those that are shipped.

    A file is looked for by each of the card's relative paths, then by its bare name anywhere
    below a root; the first one of the right hash is taken. A file at one of the card's paths that
    was passed over is a warning in the log.

    Returns:
        The path. A file of the right name alone where none has the right hash, so that
        `read_state_dict` can say what is wrong with it; None when nothing bears such a name.
    """
    card = entry.weights
    if card is None:
        return None
    expected = [
        root / name
        for root in (*roots, shipped_folder(entry))
        for path in card.files
        for name in (path, Path(path).name)
    ]
    at_their_place = _existing(expected)
    right = next((path for path in at_their_place if _has_hash(path, card.sha256)), None)
    anywhere: list[Path] = []
    if right is None:
        names = {Path(name).name for name in card.files}
        anywhere = _existing(
            path for root in roots for path in sorted(root.rglob("*")) if path.name in names
        )
        right = next((path for path in anywhere if _has_hash(path, card.sha256)), None)
    if right is None:
        return next(iter(at_their_place or anywhere), None)
    _LOG.info("%s: the weights in %s", entry.name, right)
    # Many networks' files share a name such as net_latest.pth: elsewhere they are no mistake.
    for path in at_their_place:
        if path == right:
            break
        _LOG.warning("%s: is not the file of %s, which is %s", path, entry.name, right)
    return right


def _existing(paths: Iterable[Path]) -> list[Path]:
    return list(dict.fromkeys(path.resolve() for path in paths if path.is_file()))


def _has_hash(path: Path, sha256: str) -> bool:
    try:
        return file_hash(path) == sha256
    except OSError as error:
        _LOG.warning("%s: cannot be read: %s", path, error.strerror)
        return False


def shipped_folder(entry: Entry) -> Path:
    """Return the folder beside an entry's card that holds the weights that come with it."""
    return entry.baseline.file.parent / "weights"


def shipped_weights(entry: Entry) -> Path | None:
    """Return the file of an entry's weights if it came with the card, so that nothing is fetched.

    Its hash is checked when it is read, as that of all weights.

    Example:
        >>> from rainbench.catalog.registry import load_registry
        >>> shipped_weights(load_registry().entries(["prenet.rain100l"])[0]) is None
        True
    """
    names = [Path(name).name for name in entry.weights.files] if entry.weights else []
    files = (shipped_folder(entry) / name for name in names)
    return next((file for file in files if file.is_file()), None)


def how_to_get_weights(entry: Entry) -> str:
    """Return the sentence that tells where an entry's weights come from; empty for none needed."""
    if entry.untrained:
        return f"no weights of it are known: `rainbench train {entry.name}` makes some"
    if entry.weights is None:
        return ""
    name = Path(entry.weights.files[0]).name
    if entry.weights.training is not None:
        return (
            f"weights not found: they come with their card as {shipped_folder(entry) / name}: "
            f"install rainbench again, or make them: `{entry.weights.training.command}`"
        )
    return (
        f"weights not found: `rainbench fetch {entry.name} --to DIR` gets them from "
        f"{entry.weights.source}; or give the folder that holds {name} with --weights"
    )


@functools.cache
def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal; read once per process."""
    return resume.file_hash(path)


def read_state_dict(path: Path, sha256: str = "") -> dict[str, Tensor]:
    """Read the tensors of a checkpoint, without ever running code from it.

    Args:
        path: A ``.safetensors`` file, or a PyTorch checkpoint of tensors alone.
        sha256: What the card says; an empty text checks nothing.

    Returns:
        The innermost state dict: the nests ``state_dict``, ``params``, ``net`` and ``model`` are
        opened, and a leading ``module.`` is removed from every key.

    Raises:
        WeightsError: The file cannot be read, is not what the card says, or holds anything but
            tensors.
    """
    try:
        found = file_hash(path)
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {error.strerror}") from None
    if start.lstrip()[:1] == b"<":
        raise WeightsError(
            f"{path}: is an HTML page, not weights",
            hint="The download returned an error page: fetch the file again by hand.",
        )
    if sha256 and found != sha256:
        raise WeightsError(
            f"{path}: is not the file its card describes (sha256 {found[:12]}..., the card says "
            f"{sha256[:12]}...)",
            hint="It is another release or a damaged copy: fetch it again from its source.",
        )
    return _innermost(_load(path), path)


def _load(path: Path) -> object:
    import torch

    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path}: holds more than tensors and was refused; nothing of it was run",
            hint="A pickle can run any code. Ask its author for a .safetensors file. "
            f"({str(error).splitlines()[0][:120]})",
        ) from None
    except Exception as error:  # readers raise whatever a damaged file makes them
        raise WeightsError(
            f"{path}: cannot be read as weights: {type(error).__name__}: {error}",
            hint="The file is damaged or of another kind: fetch it again.",
        ) from None


def _innermost(loaded: object, path: Path) -> dict[str, Tensor]:
    import torch

    state = loaded
    while isinstance(state, Mapping):
        nests = [name for name in NESTS if isinstance(state.get(name), Mapping)]
        if not nests:
            break
        state = state[nests[0]]
    if not isinstance(state, Mapping) or not state:
        raise WeightsError(f"{path}: holds no state dict")
    tensors = {str(key): value for key, value in state.items()}
    strangers = [key for key, value in tensors.items() if not isinstance(value, torch.Tensor)]
    if strangers:
        raise WeightsError(f"{path}: {strangers[0]} is not a tensor, so this is no state dict")
    if all(key.startswith(_PREFIX) for key in tensors):
        tensors = {key.removeprefix(_PREFIX): value for key, value in tensors.items()}
    return tensors
