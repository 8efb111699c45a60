"""The fingerprint of code: the bytes of the source files that a number is computed by.

From a module on, everything that it imports is followed, file by file. For a changed comment a
cell is computed again, which costs a while; a change in what a number passes through is never
missed, wherever in these files it lies. What is not followed are the packages of others, PyTorch
and NumPy among them: their versions stand in each cell's provenance, since a run may be begun on
one machine and reported on another.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path

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


def imports_of(file: Path, package: str) -> tuple[str, ...]:
    """Return all that a file may import: of ``from a import b`` both ``a`` and ``a.b``."""
    return _imports_in(file.read_bytes(), package)


@functools.lru_cache(maxsize=512)
def _imports_in(source: bytes, package: str) -> tuple[str, ...]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # it cannot be run either, which is said where it is tried
        return ()
    names = []
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level]
            parts = [*(above if node.level else []), *([node.module] if node.module else [])]
            names += [".".join(parts), *(".".join([*parts, alias.name]) for alias in node.names)]
    return tuple(names)


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a syntax tree's statements but those that are there for type checkers only."""
    for block in ("body", "handlers", "orelse", "finalbody", "cases"):
        if block == "body" and isinstance(node, ast.If) and _is_for_type_checkers(node.test):
            continue
        for child in getattr(node, block, ()):
            yield child
            yield from _statements(child)


def _is_for_type_checkers(test: ast.expr) -> bool:
    names = (getattr(each, "id", getattr(each, "attr", "")) for each in ast.walk(test))
    return any("TYPE_CHECKING" in name for name in names)


@functools.cache
def file_of_module(module: str) -> Path | None:
    """Return a module's source file, or None where it has none; no package is imported for it.

    Example:
        >>> file_of_module("rainbench.run.code").name
        'code.py'
    """
    top, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if not rest:
        return Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
    for folder in spec.submodule_search_locations or ():
        path = Path(folder, *rest)
        for file in (path / "__init__.py", path.with_name(f"{path.name}.py")):
            if file.is_file():
                return file
    return None
