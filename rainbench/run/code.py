"""The fingerprint of a network's code: what it computes, not how it is commented."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import io
import tokenize
from pathlib import Path

_PASSED_OVER = frozenset({tokenize.COMMENT, tokenize.NL, tokenize.ENCODING})
_LINE_STARTS = frozenset({tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT})


@functools.cache
def code_hash(module: str) -> str:
    """Return a hash of a module's code and of what it imports from its own package.

    Comments, docstrings and line breaks inside expressions do not count, so that a result stays
    valid when only the words change. Nothing is imported.

    Args:
        module: Its dotted name, such as ``rainbench.networks.prenet``.

    Example:
        >>> len(code_hash("rainbench.networks.prenet"))
        16
    """
    digest = hashlib.sha256()
    for name in sorted(_with_imports(module, set())):
        digest.update(name.encode())
        digest.update(essence(_source(name)).encode())
    return digest.hexdigest()[:16]


def essence(source: str) -> str:
    r"""Return Python source without comments, docstrings and free line breaks.

    Example:
        >>> essence('"A docstring."\nx = f(1,  # one\n      2)\n') == essence("x = f(1, 2)\n")
        True
    """
    kept: list[str] = []
    at_line_start = True
    skipping = False
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in _PASSED_OVER:
            continue
        if at_line_start and token.type == tokenize.STRING:
            skipping = True
        if token.type in _LINE_STARTS:
            at_line_start = True
            if skipping and token.type == tokenize.NEWLINE:
                skipping = False
                continue
            kept.append(tokenize.tok_name[token.type])
            continue
        at_line_start = False
        if not skipping:
            kept.append(token.string)
    return "\0".join(kept)


def _with_imports(module: str, seen: set[str]) -> set[str]:
    """Collect a module and, through all of them, the modules of its package that it imports."""
    if module in seen or not _source(module):
        return seen
    seen.add(module)
    package = module.rpartition(".")[0]
    for node in ast.walk(ast.parse(_source(module))):
        if isinstance(node, ast.ImportFrom) and node.module and package:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            for name in names:
                if name.startswith(f"{package}."):
                    _with_imports(name, seen)
    return seen


def _source(module: str) -> str:
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return ""
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return ""
    return Path(spec.origin).read_text(encoding="utf-8")
