"""Finding files of weights and reading them safely: tensors only, hash checked, no code run."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rainbench.catalog.cards import WeightsCard
from rainbench.catalog.checkpoints import (
    find_state_dicts,
    load_checkpoint,
    overlapping,
    room_of,
    spellings,
    unreadable,
)
from rainbench.catalog.file_kinds import what_is_wrong
from rainbench.catalog.published_files.names import index_of
from rainbench.catalog.registry import Entry
from rainbench.core import resume
from rainbench.core.errors import WeightsError
from rainbench.core.files import is_file
from rainbench.core.resume import GIT_DIGITS, short_hash

if TYPE_CHECKING:
    from torch import Tensor

_LOG = logging.getLogger(__name__)


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
    right = next((path for path in at_their_place if _is_right(path, card)), None)
    anywhere: list[Path] = []
    if right is None:
        names = {Path(name).name for name in card.files}
        anywhere = _existing(
            path for root in roots for path in sorted(root.rglob("*")) if path.name in names
        )
        right = next((path for path in anywhere if _is_right(path, card)), None)
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
    return list(dict.fromkeys(path.resolve() for path in paths if is_file(path)))


def _is_right(path: Path, card: WeightsCard) -> bool:
    """Return whether a file is the card's, its index beside it included."""
    try:
        index = index_of(path)
        wanted = card.hash_of(path)
        return _hash_like(path, wanted) == wanted and (
            index == path or (is_file(index) and file_hash(index) == card.index_sha256)
        )
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
    return next((file for file in files if is_file(file)), None)


def how_to_get_weights(entry: Entry) -> str:
    """Return the sentence that tells where an entry's weights come from; empty for none needed."""
    if entry.untrained and entry.baseline.maker is not None:
        return (
            "its parameters are random: give its weights with --weights FILE, or name a function "
            "that returns the network with its weights loaded"
        )
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


def _hash_like(path: Path, other: str) -> str:
    """Return the hash of a file that is of the kind of another one, see `resume.hash_like`."""
    return file_hash(path) if len(other) != GIT_DIGITS else resume.git_hash(path)


def read_state_dicts(
    path: Path, sha256: str = "", index_sha256: str = ""
) -> dict[str, dict[str, Tensor]]:
    """Read the state dicts of a checkpoint, without ever running code from it.

    Args:
        path: As `rainbench.catalog.checkpoints.load_checkpoint` takes it.
        sha256: What the card says, or git's name for the content; an empty text checks nothing.
        index_sha256: The same of the index of a TensorFlow checkpoint.

    Returns:
        Each by its place in the file, see `rainbench.catalog.checkpoints.find_state_dicts`.

    Raises:
        WeightsError: The file cannot be read, is of another kind, is not what the card says, or
            holds no tensors or more than that.
    """
    try:
        wrong = what_is_wrong(path)
        if wrong is not None:
            raise WeightsError(f"{path}: {wrong[0]}", hint=wrong[1])
        _check_hash(path, sha256)
        index = index_of(path)
        if index_sha256 and index != path and is_file(index):
            _check_hash(index, index_sha256)
        state_dicts = find_state_dicts(load_checkpoint(path))
        room = room_of(path)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {error.strerror}") from None
    if not state_dicts:
        raise WeightsError(
            f"{path}: holds no state dict: no names with tensors",
            hint="Save one with torch.save(network.state_dict(), FILE).",
        )
    for state in state_dicts.values():
        if why := unreadable(state, room):
            raise WeightsError(f"{path}: {why}", hint="It is no checkpoint of a network's weights.")
        if name := overlapping(state):
            raise WeightsError(
                f"{path}: is damaged: values of {name} lie over each other", hint="Fetch it again."
            )
    return state_dicts


def _check_hash(path: Path, wanted: str) -> None:
    found = _hash_like(path, wanted)
    if wanted and found != wanted:
        raise WeightsError(
            f"{path}: is not the file its card describes ({short_hash(found)}, the card says "
            f"{wanted[:12]}...)",
            hint="It is another release or a damaged copy: fetch it again from its source.",
        )


def read_state_dict(path: Path, sha256: str = "") -> dict[str, Tensor]:
    """Read the only state dict of a checkpoint, as `read_state_dicts` does.

    Returns:
        Its tensors, a leading ``module.`` removed from every key.

    Raises:
        WeightsError: As there, or the file holds several.
    """
    state_dicts = read_state_dicts(path, sha256)
    if len(state_dicts) > 1:
        places = ", ".join(place or "the whole" for place in state_dicts)
        raise WeightsError(f"{path}: holds several state dicts: {places}")
    (state,) = state_dicts.values()
    return next(spellings(state))
