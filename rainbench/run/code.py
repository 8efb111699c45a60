"""The fingerprint of code: the bytes of the source files that a number is computed by.

From a module on, everything that it imports is followed, file by file. For a changed comment a
cell is computed again, which costs a while; a change in what a number passes through is never
missed, wherever in these files it lies. What is not followed are the packages of others, PyTorch
and NumPy among them: their versions stand in each cell's provenance, since a run may be begun on
one machine and reported on another.
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from rainbench.core.own_code.imports import file_of_module, imports_of

_OWN = "rainbench"


@functools.cache
def code_hash(*roots: str) -> str:
    """Return a hash of the source files that modules consist of, see `sources`.

    Args:
        roots: Where to begin, such as ``rainbench.networks.prenet``.

    Example:
        >>> len(code_hash("rainbench.networks.prenet"))
        16
    """
    digest = hashlib.sha256()
    for module, file in sorted(sources(*roots).items()):
        content = file.read_bytes().replace(b"\r\n", b"\n")  # as a checkout on Windows has it
        digest.update(f"{module}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def sources(*roots: str) -> dict[str, Path]:
    """Return the file of every module that ``roots`` import, themselves included.

    Modules are followed within rainbench and the packages of the roots, and for a root that is a
    single file into the files beside it. None of them is run.

    Args:
        roots: Where to begin.

    Example:
        >>> sorted(sources("rainbench.core.errors"))
        ['rainbench', 'rainbench.core', 'rainbench.core.errors', 'rainbench.version']
    """
    homes = {_OWN, *(root.partition(".")[0] for root in roots)}
    beside = {file.parent for root in roots if "." not in root and (file := file_of_module(root))}
    waiting, found = list(roots), dict[str, Path]()
    while waiting:
        module = waiting.pop()
        file = None if module in found else file_of_module(module)
        if file is None or not (module.partition(".")[0] in homes or file.parent in beside):
            continue
        found[module] = file
        is_package = file.name == "__init__.py"
        waiting += imports_of(file, module if is_package else module.rpartition(".")[0])
        # Python runs the packages around a module, too.
        waiting += [module.rsplit(".", count)[0] for count in range(1, module.count(".") + 1)]
    return found
