"""What somebody's network holds, as a hash: two that differ in any value have two hashes."""

from __future__ import annotations

import functools
import hashlib
import inspect
import pickle
import uuid
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rainbench.core.own_code.home import Home
from rainbench.run.code import code_hash, sources


def state_hash(network: nn.Module) -> str:
    """Return a hash of all tensors and plain values that a network holds."""
    digest = hashlib.sha256()
    for name, module in network.named_modules():
        digest.update(f"{name}\0{type(module).__qualname__}\0".encode())
        for key, value in sorted(vars(module).items()):
            if key == "training" or key in ("_modules", "_parameters", "_buffers"):
                continue
            digest.update(f"{key}\0".encode() + _plain(value))
        for kind in (module._parameters, module._buffers):
            for key, tensor in sorted(kind.items()):
                digest.update(f"{key}\0".encode() + _plain(tensor))
    return digest.hexdigest()[:16]


def _plain(value: object) -> bytes:
    """Return bytes that tell a value; those of a fresh number for what cannot be told by any."""
    if isinstance(value, torch.Tensor):
        flat = value.detach().cpu().contiguous()
        return (
            f"{flat.dtype}{tuple(flat.shape)}".encode()
            + flat.view(-1).view(torch.uint8).numpy().tobytes()
        )
    if isinstance(value, str | int | float | complex | bytes | type(None)):
        return repr(value).encode()
    if isinstance(value, tuple | list):
        return b"[" + b",".join(map(_plain, value)) + b"]"
    if isinstance(value, dict):
        return b"{" + b",".join(_plain(key) + b":" + _plain(value[key]) for key in value) + b"}"
    if isinstance(value, set | frozenset):
        return b"{" + b",".join(sorted(map(_plain, value))) + b"}"
    if isinstance(value, type) or inspect.isbuiltin(value):
        return f"{value.__module__}.{value.__qualname__}".encode()
    if inspect.isfunction(value):
        code, cells = value.__code__, value.__closure__ or ()
        consts = [each for each in code.co_consts if not inspect.iscode(each)]
        held = [cell.cell_contents for cell in cells]
        return code.co_code + _plain([code.co_names, consts, value.__defaults__, held])
    try:
        return pickle.dumps(value)
    except Exception:
        return uuid.uuid4().bytes


def code_of_object(what: object) -> str:
    """Return a hash of the source of a module's classes, or of a class.

    What a function or an object depends on, values that it reads and holds, cannot be told: its
    results are never taken from an earlier run.

    Of code without a file, typed into a notebook, nothing tells whether it is still the same: its
    results are never taken from an earlier run.
    """
    if not isinstance(what, nn.Module | type):
        return uuid.uuid4().hex
    kinds = {type(each) for each in what.modules()} if isinstance(what, nn.Module) else {what}
    found = sorted(_code_of(kind) for kind in kinds)
    return hashlib.sha256("\0".join(found).encode()).hexdigest()[:16]


def _code_of(kind: Any) -> str:  # noqa: ANN401
    target = kind if inspect.isroutine(kind) or isinstance(kind, type) else type(kind)
    name = f"{target.__module__}.{target.__qualname__}"
    if inspect.isbuiltin(target) or name.partition(".")[0] in ("torch", "builtins"):
        return name
    module = inspect.getmodule(target)
    file = getattr(module, "__file__", None)
    if module is None or not file or getattr(target, "__closure__", None):
        return _fresh(target)
    if sources(module.__name__):
        return f"{target.__qualname__} {code_hash(module.__name__)}"
    return f"{target.__qualname__} {Home(Path(file)).code()}"


@functools.cache
def _fresh(_of: object) -> str:
    return uuid.uuid4().hex
