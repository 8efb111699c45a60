"""The fingerprint of code: what a number is computed by, not how that is commented.

From a few functions and classes on, the names that they use are followed through the package,
definition by definition. So a change in how a network is run or scored is noticed wherever it lies,
and one in a function that no number passes through, next to it in the same file, is not.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

_OWN = "rainbench"

Place = tuple[str, str]
"""A module and a name in it; an empty name is the whole module."""


@functools.cache
def code_hash(*roots: str, stop: tuple[str, ...] = ()) -> str:
    """Return a hash of definitions and of all that they use of their own package.

    Comments, docstrings, line breaks, annotations of functions and the sentences of errors do not
    count, so that a result stays valid when only the words change. No module of the code that is
    looked at is run.

    Args:
        roots: Where to begin, such as ``rainbench.networks.prenet:PReNet``.
        stop: What not to follow.

    Example:
        >>> len(code_hash("rainbench.networks.prenet:PReNet"))
        16
    """
    digest = hashlib.sha256()
    for (module, name), text in sorted(reached(*roots, stop=stop).items()):
        digest.update(f"{module}:{name}\0{text}\0".encode())
    return digest.hexdigest()[:16]


def reached(*roots: str, stop: tuple[str, ...] = ()) -> dict[Place, str]:
    """Return the code of every definition that ``roots`` use, themselves included.

    Names are followed within rainbench and the packages of the roots, and for a root that is a
    single file into the files beside it. What a module does besides defining names counts under the
    module and an empty name.

    Args:
        roots: Where to begin, ``module:name``, or a module alone for all of it.
        stop: What not to follow.

    Example:
        >>> sorted(name for _, name in reached("rainbench.core.images:quantise"))
        ['quantise']
    """
    passed_over = {_place(text) for text in stop}
    waiting = [_place(text) for text in roots]
    homes = frozenset(module for module, _ in waiting)
    seen: set[Place] = set()
    found: dict[Place, str] = {}
    while waiting:
        place = waiting.pop()
        if place in seen or place in passed_over or not _is_ours(place[0], homes):
            continue
        seen.add(place)
        module, name = place
        parsed = _parse(module)
        if not name:
            waiting += [(module, each) for each in (*parsed.definitions, *parsed.imports)]
        if name in parsed.imports:
            waiting.append(parsed.imports[name])
        for key, statements in ((name, parsed.definitions.get(name)), ("", parsed.effects)):
            if statements:
                found[module, key] = "\n".join(map(_text, statements))
                waiting += [used for each in statements for used in _used(each, module, parsed)]
    return found


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A module's source, taken apart.

    Attributes:
        package: The package that it lies in.
        definitions: The statements that give a name its meaning.
        imports: What an imported name stands for.
        effects: The statements that do something else.
    """

    package: str
    definitions: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imports: dict[str, Place] = field(default_factory=dict)
    effects: list[ast.stmt] = field(default_factory=list)


def _parse(module: str) -> _Parsed:
    file = _file(module)
    text = file.read_text(encoding="utf-8") if file else ""
    is_package = file is not None and file.name == "__init__.py"
    return _take_apart(text, module if is_package else module.rpartition(".")[0])


@functools.cache
def _take_apart(text: str, package: str) -> _Parsed:
    parsed = _Parsed(package)
    for statement in ast.parse(text).body:
        bare = _Bare().visit(statement)
        if not isinstance(bare, ast.stmt):
            continue
        names = {bare.name} if isinstance(bare, _DEFINITION) else _stored(bare)
        for name in names:
            parsed.definitions.setdefault(name, []).append(bare)
        imports = {} if isinstance(bare, _DEFINITION) else _imported(ast.walk(bare), package)
        parsed.imports.update(imports)
        if not names and not imports:
            parsed.effects.append(bare)
    return parsed


_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
_DEFINITION = (*_FUNCTION, ast.ClassDef)


class _Bare(ast.NodeTransformer):
    """Takes away what no number depends on."""

    def visit(self, node: ast.AST) -> ast.AST | None:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return None  # a docstring, also one of a constant
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return None
        if isinstance(node, ast.Raise):
            node.exc = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            node.cause = None
        if isinstance(node, _FUNCTION):
            node.returns = None
        if isinstance(node, ast.arg):
            node.annotation = None
        if isinstance(node, ast.AnnAssign):  # it makes a field, so its words count
            node.annotation = ast.Constant(ast.unparse(node.annotation))
        return self.generic_visit(node)


_UNSAID = ("ctx", "kind", "type_comment", "type_params")


def _text(node: object) -> str:
    """Return a syntax tree as text that is the same in all versions of Python."""
    if isinstance(node, ast.JoinedStr):  # Python 3.12 puts empty texts into some
        parts = (part for part in node.values if getattr(part, "value", None) != "")
        return f"JoinedStr({','.join(map(_text, parts))})"
    if isinstance(node, ast.AST):
        fields = (
            f"{name}={_text(value)}"
            for name, value in ast.iter_fields(node)
            if name not in _UNSAID and value is not None and value != []
        )
        return f"{type(node).__name__}({','.join(fields)})"
    if isinstance(node, list):
        return f"[{','.join(map(_text, node))}]"
    return repr(node)


def _stored(statement: ast.stmt) -> set[str]:
    """Return the names that a statement of a module gives a meaning to, imports apart."""
    return {
        node.id if isinstance(node, ast.Name) else node.name
        for node in ast.walk(statement)
        if (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
        or isinstance(node, _DEFINITION)
    }


def _used(statement: ast.stmt, module: str, parsed: _Parsed) -> list[Place]:
    """Return the places that a statement names."""
    nodes = list(ast.walk(statement))
    named = {node.id for node in nodes if isinstance(node, ast.Name)}
    known = named & (parsed.definitions.keys() | parsed.imports.keys())
    return [(module, name) for name in known] + [*_imported(nodes, parsed.package).values()]


def _imported(nodes: Iterable[ast.AST], package: str) -> dict[str, Place]:
    """Return what is imported, by the name it gets; of ``import a.b`` all of ``a.b``."""
    found: dict[str, Place] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.asname or alias.name.partition(".")[0]] = (alias.name, "")
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level]
            parts = [*(above if node.level else []), *([node.module] if node.module else [])]
            module = ".".join(parts)
            for alias in node.names:
                submodule = f"{module}.{alias.name}"
                whole = alias.name == "*" or _file(submodule) is not None
                place = (submodule if _file(submodule) else module, "" if whole else alias.name)
                found[alias.asname or alias.name] = place
    return found


def _place(text: str) -> Place:
    module, _, name = text.partition(":")
    return module, name


def _is_ours(module: str, homes: frozenset[str]) -> bool:
    """Return whether a module is of the roots' packages, or a file beside a root of one file."""
    file = _file(module)
    if file is None or module.split(".")[0] in {_OWN, *(home.split(".")[0] for home in homes)}:
        return file is not None
    beside = {home_file.parent for home in homes if "." not in home and (home_file := _file(home))}
    return file.parent in beside and "." not in module and file.name != "__init__.py"


@functools.cache
def _file(module: str) -> Path | None:
    """Return a module's source file, or None where it has none; no package is imported for it."""
    top, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None:
        return None
    if not rest:
        return Path(spec.origin) if spec.origin.endswith(".py") else None
    for folder in spec.submodule_search_locations or ():
        path = Path(folder, *rest)
        for file in (path / "__init__.py", path.with_name(f"{path.name}.py")):
            if file.is_file():
                return file
    return None
