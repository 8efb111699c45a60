"""Checkpoints of all makes: read without running anything of them, their state dicts found.

PyTorch's reader for weights alone makes tensors and plain containers and refuses all else. Beside
the tensors, training programs save options, paths and numbers of NumPy: the few kinds of these that
everybody meets are let through as `Unread`, which holds nothing and does nothing.
"""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rainbench.catalog.published_files.reading import is_read_here, read_published_file
from rainbench.core.errors import WeightsError, told
from rainbench.core.text import shortened

if TYPE_CHECKING:
    from torch import Tensor

MOST_NESTS = 6
"""Dictionaries within each other that are looked through; public checkpoints have three at most."""

_GENERATORS = re.compile(
    r"g|gen|generator|net_?g|net|network|model|(model_)?ema|ema_model|params(_ema)?", re.IGNORECASE
)
"""What programs call the network among others in one flat state dict, as ``netG.conv.weight``."""

MOST_GROWTH, LEAST_ROOM = 16, 1 << 26
"""How many times its size a file may hold, as numbers hardly compress but several names may share
some; and bytes that any file may."""

COUNTERS = frozenset({"total_ops", "total_params"})
"""Entries that a counter of operations leaves in a network."""

WRAPPERS = re.compile(r"^(?:module\.|_orig_mod\.)+")
"""What data parallelism and the compiler put before each key, any number of times."""

_NUMPY = ("multiarray.scalar", "multiarray._reconstruct", "numeric._frombuffer")
_HARMLESS = (
    "argparse.Namespace",
    "types.SimpleNamespace",
    "numpy.dtype",
    "numpy.ndarray",
    *(f"numpy.{core}.{name}" for core in ("core", "_core") for name in _NUMPY),
    *(f"pathlib.{name}" for name in ("Path", "PosixPath", "WindowsPath", "PurePosixPath")),
    *(f"datetime.{name}" for name in ("datetime", "date", "timedelta")),
    *(f"builtins.{name}" for name in ("list", "dict", "int", "float", "str", "bool")),
    *(f"__builtin__.{name}" for name in ("list", "dict", "int", "long", "float", "str", "bool")),
)


class Unread:
    """Stands for a value beside the tensors: what it was made of is dropped."""

    def __init__(self, *_values: object) -> None: ...

    def __setstate__(self, _state: object) -> None: ...


def _emptied(*_values: object) -> dict[object, object]:
    """Stand for ``defaultdict``, which may be filled like any dictionary."""
    return {}


def load_checkpoint(path: Path) -> object:
    """Return what a file of weights holds; no code of it is run.

    Args:
        path: A ``.safetensors`` file, a PyTorch checkpoint, or a file of another framework's that
            `rainbench.catalog.published_files` reads.

    Raises:
        WeightsError: It is damaged, or holds objects that a program would have to make.
    """
    import pickle

    import torch

    if is_read_here(path):
        return read_published_file(path)
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        _check_sums(path)
        passed = [(Unread, name) for name in _HARMLESS]
        allowed: list[Any] = [*passed, (_emptied, "collections.defaultdict")]
        with torch.serialization.safe_globals(allowed), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of protocols and old storages: it fails, or it works
            return torch.load(path, map_location="cpu", weights_only=True)
    except WeightsError:
        raise
    except Exception as error:  # readers raise whatever a damaged file makes them
        if isinstance(error, pickle.UnpicklingError) and _is_pickled(path):
            raise _refused(path, str(error)) from None
        said = ""
        if not isinstance(error, pickle.UnpicklingError):  # of which PyTorch says a page
            said = f": {told(error)[:160]}"
        raise WeightsError(
            f"{path}: cannot be read as weights{said}",
            hint="The file is cut short, damaged or of another kind: fetch it again.",
        ) from None


def _check_sums(path: Path) -> None:
    """Refuse an archive with a wrong checksum: PyTorch does not look at them."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > room_of(path):
            raise WeightsError(
                f"{path}: would unpack to {unpacked:,} bytes, which no weights of its size do",
                hint="Fetch it again, from a source that you trust.",
            )
        damaged = archive.testzip()
    if damaged is not None:
        raise WeightsError(
            f"{path}: is damaged: the checksum of {damaged} in it is wrong",
            hint="Fetch it again.",
        )


def _is_pickled(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


def _refused(path: Path, said: str) -> WeightsError:
    named = re.search(r"GLOBAL (\S+)", said)
    what = f"holds more than tensors ({named[1]})" if named else "is no checkpoint of PyTorch's own"
    return WeightsError(
        f"{path}: {what} and was refused; nothing of it was run",
        hint="A pickle can run any code. Ask its author for a .safetensors file, or, if you trust "
        "it, load it in a program of yours and save the state dict alone.",
    )


def find_state_dicts(loaded: object) -> dict[str, dict[str, Tensor]]:
    """Return every state dict of a checkpoint by its place, ``""`` for the whole.

    A place is the path to it, such as ``state_dict/params_ema``. The name that begins keys of a
    flat one (``netG.conv.weight`` beside ``netD.conv.weight``) is a part of a path too. What is not
    a tensor is left out, and so are optimisers and counters.

    Args:
        loaded: What `load_checkpoint` returned. It may hold itself.

    Example:
        >>> import torch
        >>> one = {"conv.bias": torch.zeros(1)}
        >>> list(find_state_dicts({"epoch": 3, "params": one, "ema": {"state_dict": one}}))
        ['params', 'ema/state_dict']
    """
    found: dict[str, dict[str, Tensor]] = {}
    for place, mapping in _mappings(loaded):
        tensors = _tensors(mapping)
        if tensors:
            found[place] = tensors
            for name, part in _generators(tensors).items():
                found.setdefault(f"{place}/{name}".lstrip("/"), part)
    return found


def _mappings(loaded: object) -> Iterator[tuple[str, Mapping[object, object]]]:
    """Yield each dictionary with its place, the outer ones first; each is looked into once."""
    level: list[tuple[str, object]] = [("", loaded)]
    seen: set[int] = set()
    for _ in range(MOST_NESTS):
        inner: list[tuple[str, object]] = []
        for place, value in level:
            if not isinstance(value, Mapping):
                continue
            yield place, value
            if id(value) not in seen:
                seen.add(id(value))
                inner += [
                    (f"{place}/{name}".lstrip("/"), each)
                    for name, each in value.items()
                    if isinstance(name, str) and isinstance(each, Mapping) and "optim" not in name
                ]
        level = inner


def _tensors(mapping: Mapping[object, object]) -> dict[str, Tensor]:
    import torch

    return {
        key: value
        for key, value in mapping.items()
        if isinstance(key, str)
        and isinstance(value, torch.Tensor)
        and key.rpartition(".")[2] not in COUNTERS
    }


def room_of(path: Path) -> int:
    """Return how many bytes the numbers of a file can take."""
    return max(LEAST_ROOM, MOST_GROWTH * path.stat().st_size)


def unreadable(tensors: Mapping[str, Tensor], room: int) -> str:
    """Return why tensors are no weights that can be worked with; empty when they can.

    A value that is repeated (a stride of zero) takes a few bytes in the file, and all there are in
    memory when it is copied.

    Args:
        tensors: A state dict.
        room: See `room_of`.

    Example:
        >>> import torch
        >>> unreadable({"a": torch.zeros(1).expand(10**5, 10**5)}, 1 << 30)
        'its tensors would take 40,000,000,000 bytes, which no file of its size holds'
    """
    for name, tensor in tensors.items():
        if tensor.is_nested:
            return f"{shortened(name, 60)} is a tensor of tensors"
    size = sum(each.numel() * each.element_size() for each in tensors.values() if not each.is_meta)
    if size > room:
        return f"its tensors would take {size:,} bytes, which no file of its size holds"
    return ""


def overlapping(tensors: Mapping[str, Tensor]) -> str:
    """Return the name of a tensor whose values share memory as no program lays them out, or "".

    The old file format has no checksums, and a damaged stride reads other values without a word. A
    stride of zero is right: one value that is repeated.

    Example:
        >>> import torch
        >>> value = torch.arange(6.0)
        >>> good = {"whole": value.view(2, 3).T, "repeated": value[:1].expand(3)}
        >>> overlapping(good | {"bad": value.as_strided((2, 3), (1, 1))})
        'bad'
    """
    import torch

    for name, tensor in tensors.items():
        if tensor.layout == torch.strided:
            reach = 0
            for step, length in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
                if length > 1 and step:
                    if step <= reach:
                        return name
                    reach += step * (length - 1)
    return ""


def _generators(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Return the parts of a flat state dict that bear a network's name, where there are others."""
    parts: dict[str, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        name, _, rest = WRAPPERS.sub("", key).partition(".")
        if _GENERATORS.fullmatch(name) and rest:
            parts.setdefault(name, {})[rest] = value
    return {name: part for name, part in parts.items() if len(part) < len(tensors)}


def spellings(state: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Yield a state dict with its keys as the network may call them, the likeliest first.

    Without the prefixes of wrappers; as they are; without a first name that all keys have.

    Example:
        >>> [list(each) for each in spellings({"module.net.a": 1, "net.b": 2})]
        [['net.a', 'net.b'], ['module.net.a', 'net.b'], ['a', 'b']]
    """
    bare = {WRAPPERS.sub("", key): value for key, value in state.items()}
    if len(bare) < len(state):  # two keys would become one
        bare = dict(state)
    yield bare
    if bare.keys() != state.keys():
        yield dict(state)
    for _ in range(MOST_NESTS):
        firsts = {key.partition(".")[0] for key in bare}
        bare = {WRAPPERS.sub("", key.partition(".")[2]): value for key, value in bare.items()}
        if len(firsts) > 1 or not all(bare) or len(bare) < len(state):
            return
        yield bare
