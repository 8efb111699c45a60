"""What a source file imports, and the files that modules lie in; none of them is run."""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

_FILE_NAME = re.compile(r"[^\n\0]*\w\.\w{1,16}")
_LONGEST = 1024


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


def texts_of(file: Path) -> frozenset[str]:
    """Return the texts in a source file that may be names of files: one line, with a suffix.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     file = Path(folder, "net.py")
        ...     _ = file.write_text("NET, KIND = load('../kept/net.onnx'), 'onnx'")
        ...     print(*texts_of(file))
        ../kept/net.onnx
    """
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return frozenset()
    texts = (each.value for each in ast.walk(tree) if isinstance(each, ast.Constant))
    return frozenset(
        text
        for text in texts
        if isinstance(text, str) and len(text) <= _LONGEST and _FILE_NAME.fullmatch(text)
    )
