"""Somebody's source file as a module, with the files beside it, apart from all other modules.

Two folders may both have a ``model.py``. So the folder is on the path, and its modules are among
the loaded ones, only while its code is imported or called.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import os
import sys
import threading
import types
from collections.abc import Callable, Iterator
from pathlib import Path

from rainbench.core.errors import RainbenchError, told
from rainbench.run.code import imports_of

_NEVER_HIDDEN = frozenset({"rainbench", "torch", "numpy", "__main__", *sys.stdlib_module_names})
"""Modules that a file of the same name beside a network does not take the place of."""

_INSTALLED = frozenset({"site-packages", "dist-packages"})


class Home:
    """Where a source file is at home.

    Args:
        file: The file.
    """

    def __init__(self, file: Path) -> None:
        self.file = file.resolve()
        self._places = [_root(self.file), self.file.parent]
        self._own: dict[str, types.ModuleType] = {}
        self._read: set[Path] = set()

    def load(self) -> types.ModuleType:
        """Import the file; a second call returns what the first one did.

        Raises:
            RainbenchError: It cannot be imported.
        """
        root, folder = self._places
        name = _dotted(self.file, root)
        with self.entered():
            if root == folder:  # so that `from .blocks import Block` is understood
                package = types.ModuleType(f"_beside_{_short(str(folder))}")
                package.__path__ = [str(folder)]
                sys.modules.setdefault(package.__name__, package)
                name = f"{package.__name__}.{name}"
            try:
                return importlib.import_module(name)
            except (Exception, SystemExit) as error:
                raise RainbenchError(
                    f"{self.file}: cannot be imported: {told(error)}{_where(error, self.file)}"
                ) from error

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Let imports find the files beside this one, within."""
        beside = self._tops()
        hidden = {
            name: module
            for name, module in list(sys.modules.items())
            if name.partition(".")[0] in beside and name not in self._own
        }
        for name in hidden:
            del sys.modules[name]
        path, no_bytecode = list(sys.path), sys.dont_write_bytecode
        before = set(sys.modules)
        sys.modules.update(self._own)
        sys.path[:0] = dict.fromkeys(map(str, reversed(self._places)))
        sys.dont_write_bytecode = True  # nothing is written beside somebody's code
        importlib.invalidate_caches()
        opened = _note_opened()
        try:
            yield
        finally:
            self._read |= {file for file in opened() if self._is_data(file)}
            sys.dont_write_bytecode = no_bytecode
            sys.path[:] = path
            for name, module in list(sys.modules.items()):
                if name not in before and (name in self._own or self._is_own(module)):
                    self._own[name] = sys.modules.pop(name)
            sys.modules.update(hidden)

    def _is_data(self, file: Path) -> bool:
        """Return whether a file that was opened is one of its own that is no code."""
        return file.suffix not in (".py", ".pyc") and any(
            file.is_relative_to(own) for own in self._places
        )

    def _tops(self) -> set[str]:
        """The names by which modules beside the file are imported."""
        names = {file.stem for place in self._places for file in place.glob("*.py")}
        names |= {
            init.parent.name for place in self._places for init in place.glob("*/__init__.py")
        }
        return names - _NEVER_HIDDEN

    def _is_own(self, module: types.ModuleType) -> bool:
        found = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", [])), "")
        place = Path(found or "/")
        return not _INSTALLED & set(place.parts) and any(
            place.is_relative_to(own) for own in self._places
        )

    def files(self) -> list[Path]:
        """Return the file and those beside and below that it imports, and has read; none is run."""
        root = self._places[0]
        waiting, found = [self.file], set[Path]()
        while waiting:
            file = waiting.pop()
            if file in found:
                continue
            found.add(file)
            home = root if file.is_relative_to(root) else self.file.parent
            package = _dotted(file, home)
            if file.name != "__init__.py":
                package = package.rpartition(".")[0]
            for name in imports_of(file, package):
                waiting += self._resolved(name.strip("."))
        loaded = (getattr(each, "__file__", None) for each in self._own.values())
        found |= {Path(each) for each in loaded if each}
        return sorted(file for file in found | self._read if file.is_file())

    def _resolved(self, module: str) -> Iterator[Path]:
        parts = module.split(".")
        for place in self._places:
            for count in range(1, len(parts) + 1):  # the packages around a module are run, too
                path = place.joinpath(*parts[:count])
                for file in (path / "__init__.py", path.with_name(f"{path.name}.py")):
                    if parts[0] and file.is_file():
                        yield file.resolve()

    def code(self) -> str:
        """Return a hash of the files, wherever they lie."""
        digest = hashlib.sha256()
        for file in self.files():
            with contextlib.suppress(OSError):
                content = file.read_bytes().replace(b"\r\n", b"\n")
                digest.update(f"{file.name}\0{len(content)}\0".encode() + content)
        return digest.hexdigest()[:16]


_OPENED: list[tuple[int, set[str]]] = []
"""Who listens: the thread, and what it opened."""


@functools.cache
def _listen() -> None:
    """Hear of every file that is opened; a hook cannot be taken away again."""

    def hear(event: str, arguments: tuple[object, ...]) -> None:
        if _OPENED and event == "open" and isinstance(arguments[0], str | bytes):
            for thread, heard in _OPENED:
                if thread == threading.get_ident():  # others read the pictures of data sets
                    heard.add(os.fsdecode(arguments[0]))

    sys.addaudithook(hear)


def _note_opened() -> Callable[[], set[Path]]:
    """Begin to note which files are opened; the result ends it and returns them."""
    _listen()
    heard: set[str] = set()
    listener = threading.get_ident(), heard
    _OPENED.append(listener)

    def opened() -> set[Path]:
        _OPENED[:] = [each for each in _OPENED if each is not listener]
        return {Path(each).resolve() for each in heard}

    return opened


def _root(file: Path) -> Path:
    """Return the folder that the outermost package around a file lies in."""
    folder = file.parent
    while (folder / "__init__.py").is_file() and folder.parent != folder:
        folder = folder.parent
    return folder


def _dotted(file: Path, root: Path) -> str:
    parts = file.relative_to(root).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def _short(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:12]


def _where(error: BaseException, file: Path) -> str:
    """Return the line of the file at which an error came up."""
    trace, line = error.__traceback__, 0
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename) == file:
            line = trace.tb_lineno
        trace = trace.tb_next
    return f" (line {line})" if line else ""
