"""Somebody's source file as a module, with the files beside it, apart from all other modules.

Two folders may both have a ``model.py``. So the folder is on the path, and its modules are among
the loaded ones, only while its code is imported or called. The same holds of folders that the code
itself puts on the path, as test scripts of repositories do.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import os
import sys
import sysconfig
import threading
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from rainbench.core.errors import RainbenchError, told
from rainbench.core.own_code.imports import file_of_module, imports_of, texts_of
from rainbench.core.resume import file_hash

_NEVER_HIDDEN = frozenset({"rainbench", "torch", "numpy", "__main__", *sys.stdlib_module_names})
"""Modules that a file of the same name beside a network does not take the place of."""

_INSTALLED = frozenset({"site-packages", "dist-packages"})

_OF_PYTHON = tuple({Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")})

_OF_RAINBENCH = Path(__file__).resolve().parents[2]

_OF_THE_SYSTEM = tuple(map(Path, ("/proc", "/sys", "/dev", "/etc", "/usr", "/lib", "/lib64")))
"""Where no file lies that somebody's numbers are told apart by."""

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


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
        self._written: set[Path] = set()
        self._imported: set[Path] = set()

    def load(self) -> types.ModuleType:
        """Import the file; a second call returns what the first one did.

        Raises:
            RainbenchError: It cannot be imported.
        """
        root, folder = self._places[:2]
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
            read, written = opened()
            self._read |= {file for file in read if self._is_data(file)}
            self._written |= written
            self._adopt(place for place in sys.path if place not in path)
            sys.dont_write_bytecode = no_bytecode
            sys.path[:] = path
            for name, module in list(sys.modules.items()):
                if name not in before and (name in self._own or self._is_own(module)):
                    self._own[name] = sys.modules.pop(name)
                    if file := getattr(module, "__file__", None):
                        self._imported.add(Path(file).resolve())
            sys.modules.update(hidden)

    def forget(self) -> None:
        """Let the next import run the code anew, so that nothing is left of what it did."""
        self._own.clear()

    def _adopt(self, added: Iterable[str]) -> None:
        """Take folders that its code put on the path for its own."""
        for place in (Path(each).resolve() for each in added):
            if place not in self._places and place.is_dir() and not _is_installed(place):
                self._places.append(place)

    def _is_data(self, file: Path) -> bool:
        """Return whether a file that was opened is somebody's, and no code."""
        if file.suffix in (".py", ".pyc") or "__pycache__" in file.parts:
            return False
        own = any(file.is_relative_to(place) for place in self._places)
        return own or not (_is_installed(file) or _is_below(file, _OF_THE_SYSTEM))

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
        """Return the file and those that it imports, and has read; none is run.

        What is installed is left out, but not what is installed to be worked on.
        """
        waiting, found = [(self.file, self._package(self.file))], set[Path]()
        while waiting:
            file, package = waiting.pop()
            if file in found:
                continue
            found.add(file)
            for name in imports_of(file, package):
                waiting += self._resolved(name.strip("."))
        found |= self._imported
        named = {each for file in found for each in self._named_in(file)}
        found |= (self._read | named) - self._written
        return sorted(file for file in found if file.is_file())

    def _named_in(self, file: Path) -> Iterator[Path]:
        """Yield the files that texts of a source file name: libraries open some without a word."""
        if file.suffix != ".py":
            return
        for text in texts_of(file):
            for place in (Path(), file.parent, *self._places):
                with contextlib.suppress(OSError, ValueError):  # a text that no file can be called
                    # In f"{folder}/net.onnx" the slash does not mean the root.
                    for named in (place / text, place / text.lstrip("/\\")):
                        if named.is_file() and self._is_data(named.resolve()):
                            yield named.resolve()

    def _package(self, file: Path) -> str:
        """Return the package that a file's relative imports begin at."""
        root = self._places[0] if file.is_relative_to(self._places[0]) else file.parent
        package = _dotted(file, root)
        return package if file.name == "__init__.py" else package.rpartition(".")[0]

    def _resolved(self, module: str) -> Iterator[tuple[Path, str]]:
        """Yield the files that an import runs, each with the package that it lies in."""
        parts = module.split(".")
        for place in self._places:
            for count in range(1, len(parts) + 1):  # the packages around a module are run, too
                path = place.joinpath(*parts[:count])
                for file in (path / "__init__.py", path.with_name(f"{path.name}.py")):
                    if parts[0] and file.is_file():
                        package = self._package(file)
                        if place not in self._places[:2]:
                            package = _package_of(parts[:count], file)
                        yield file.resolve(), package
        if not parts[0] or parts[0] in _NEVER_HIDDEN:
            return
        for count in range(1, len(parts) + 1):
            named = file_of_module(".".join(parts[:count]))
            if named is not None and not _is_installed(file := named.resolve()):
                yield file, _package_of(parts[:count], file)

    def code(self) -> str:
        """Return a hash of the files, wherever they lie."""
        digest = hashlib.sha256()
        for file in self.files():
            with contextlib.suppress(OSError):
                if file.suffix == ".py":
                    content = file.read_bytes().replace(b"\r\n", b"\n")
                    digest.update(f"{file.name}\0{len(content)}\0".encode() + content)
                else:
                    digest.update(f"{file.name}\0{file_hash(file)}\0".encode())
        return digest.hexdigest()[:16]


_OPENED: list[tuple[int, dict[str, bool]]] = []
"""Who listens: the thread, and what it opened, with whether that was for writing, too."""


@functools.cache
def _listen() -> None:
    """Hear of every file that is opened; a hook cannot be taken away again."""

    def hear(event: str, arguments: tuple[object, ...]) -> None:
        if _OPENED and event == "open" and isinstance(arguments[0], str | bytes):
            name, flags = os.fsdecode(arguments[0]), arguments[2]
            writing = isinstance(flags, int) and bool(flags & _WRITING)
            for thread, heard in _OPENED:
                if thread == threading.get_ident():  # others read the pictures of data sets
                    heard[name] = heard.get(name, False) or writing

    sys.addaudithook(hear)


def _note_opened() -> Callable[[], tuple[set[Path], set[Path]]]:
    """Begin to note which files are opened; the result ends it and returns them.

    They are those that were read only, and those that were written.
    """
    _listen()
    heard: dict[str, bool] = {}
    listener = threading.get_ident(), heard
    _OPENED.append(listener)

    def opened() -> tuple[set[Path], set[Path]]:
        _OPENED[:] = [each for each in _OPENED if each is not listener]
        written = {Path(name).resolve() for name, writing in heard.items() if writing}
        return {Path(name).resolve() for name in heard} - written, written

    return opened


def _is_below(file: Path, places: Iterable[Path]) -> bool:
    return any(file.is_relative_to(place) for place in places)


def _is_installed(file: Path) -> bool:
    """Return whether a file or folder is a part of Python, of rainbench or of a package."""
    return bool(_INSTALLED & set(file.parts)) or _is_below(file, (*_OF_PYTHON, _OF_RAINBENCH))


def _package_of(parts: Sequence[str], file: Path) -> str:
    return ".".join(parts if file.name == "__init__.py" else parts[:-1])


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
