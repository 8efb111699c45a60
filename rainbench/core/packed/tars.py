"""Tar archives, plain or within gzip: gone through once, then each member read where it lies."""

from __future__ import annotations

import errno
import tarfile
import zlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, NamedTuple, Protocol, cast

from rainbench.core.errors import PairError
from rainbench.core.packed.kinds import check_ratio, no_plain_file, plain_name, twice

_READ, _UNPACKED = 1 << 16, 1 << 20
_APART, _MOST_POINTS = 4 << 20, 512
"""How many bytes lie between two points at least, and how many points a file has at most; each
holds some 50 kB."""

_GZIP = b"\x1f\x8b"
_WITH_HEADER = zlib.MAX_WBITS + 16
_AGAIN = "The copy or download was incomplete: fetch it again."


class _Engine(Protocol):
    """What `zlib.decompressobj` returns."""

    eof: bool
    unconsumed_tail: bytes
    unused_data: bytes

    def decompress(self, data: bytes, max_length: int = ...) -> bytes: ...
    def copy(self) -> _Engine: ...


class _Point(NamedTuple):
    """Where unpacking can go on.

    Attributes:
        position: In what is unpacked.
        place: In the file.
        engine: The state there; it is copied before it is used.
    """

    position: int
    place: int
    engine: _Engine


class _Plain:
    """The bytes of a file that is not compressed."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def pieces(self, start: int, *, first_time: bool = False) -> Iterator[bytes]:  # noqa: ARG002
        """Yield what lies from a position on."""
        with self._file.open("rb") as file:
            file.seek(start)
            while data := file.read(_UNPACKED):
                yield data


class _Gzip:
    """The bytes within a gzip file; wherever they are wanted, no more than a few MB are unpacked.

    While it is gone through for the first time, the state of the unpacking is kept here and there.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._size = file.stat().st_size
        self._points = [_Point(0, 0, _new_engine())]

    def pieces(self, start: int, *, first_time: bool = False) -> Iterator[bytes]:
        """Yield what lies from a position on, see `_Plain.pieces`."""
        found = bisect_right(self._points, start, key=lambda point: point.position) - 1
        position, place, engine = self._points[found]
        engine = engine.copy()
        with self._file.open("rb") as file:
            file.seek(place)
            while True:
                data = file.read(_READ)
                if not data and not engine.eof:
                    raise PairError(f"{self._file}: is cut short", hint=_AGAIN)
                if engine.eof:
                    if not data.strip(b"\0"):
                        return
                    engine = _new_engine()  # files that were joined
                place += len(data)
                full = True
                while data or full:
                    unpacked = self._unpacked(engine, data)
                    full = len(unpacked) == _UNPACKED
                    data = engine.unused_data if engine.eof else engine.unconsumed_tail
                    if unpacked:
                        yield unpacked[max(0, start - position) :]
                    position += len(unpacked)
                    if engine.eof:
                        full = False
                        if not data.strip(b"\0"):
                            break
                        engine = _new_engine()
                    elif first_time:
                        check_ratio(self._file, position, self._size)
                        self._keep(_Point(position, place - len(data), engine))

    def _unpacked(self, engine: _Engine, data: bytes) -> bytes:
        try:
            return engine.decompress(data, _UNPACKED)
        except zlib.error as error:
            raise PairError(f"{self._file}: is damaged ({error})", hint=_AGAIN) from None

    def _keep(self, point: _Point) -> None:
        packed = point.place - self._points[-1].place
        unpacked = point.position - self._points[-1].position
        if unpacked >= _APART and packed >= self._size // _MOST_POINTS:
            self._points.append(point._replace(engine=point.engine.copy()))


def _new_engine() -> _Engine:
    return cast(_Engine, zlib.decompressobj(_WITH_HEADER))


class _Reader:
    """Pieces as the file that `tarfile` wants."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest = pieces, b""

    def read(self, size: int) -> bytes:
        while len(self._rest) < size:
            piece = next(self._pieces, b"")
            if not piece:
                break
            self._rest += piece
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


class Tar:
    """A tar archive.

    Args:
        file: The archive.

    Raises:
        PairError: It is none, is damaged, or holds what is no plain file.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._places: dict[str, tuple[int, int]] = {}
        try:
            with file.open("rb") as opened:
                packed = opened.read(2) == _GZIP
            self._bytes = _Gzip(file) if packed else _Plain(file)
            pieces = self._bytes.pieces(0, first_time=True)
            end = self._go_through(_Reader(pieces))
            for _ in pieces:  # the sum at the end of a gzip file is checked there
                pass
            self._check_end(end)
        except PairError:
            raise
        except OSError as error:
            raise PairError(f"{file}: cannot be read: {error.strerror or error}") from None
        except Exception as error:  # its parser raises whatever a damaged file makes it
            raise PairError(
                f"{file}: is no tar archive, or is damaged ({error})", hint=_AGAIN
            ) from None

    def _go_through(self, reader: _Reader) -> int:
        """Note where each member lies; return where the last one ends."""
        with tarfile.open(fileobj=cast("IO[bytes]", reader), mode="r|") as opened:
            for member in opened:
                name = plain_name(member.name, self._file)
                if member.isdir():
                    continue
                if member.issparse() or not member.isreg():
                    kinds = ((member.issym() or member.islnk(), "a link"), (True, "special"))
                    raise no_plain_file(
                        self._file, member.name, next(what for is_it, what in kinds if is_it)
                    )
                if name in self._places:
                    raise twice(self._file, name)
                self._places[name] = member.offset_data, member.size
            return opened.offset

    def _check_end(self, end: int) -> None:
        """Refuse an archive without its end, or with more behind it; `tarfile` minds neither."""
        found = False
        for piece in self._bytes.pieces(end):
            if piece.strip(b"\0"):
                raise PairError(
                    f"{self._file}: is damaged, or several archives joined",
                    hint="Fetch it again; give archives one by one.",
                )
            found = True
        if not found:
            raise PairError(f"{self._file}: is cut short", hint=_AGAIN)

    @property
    def names(self) -> Iterable[str]:
        """Every file."""
        return self._places

    def read(self, name: str, most: int) -> bytes:
        """Return a member's bytes; see `rainbench.core.packed.kinds.Packed`."""
        start, size = self._places[name]
        if size > most:
            path = str(self._file / name)
            raise OSError(errno.EFBIG, f"it is larger than {most:,} bytes", path)
        data = bytearray()
        for piece in self._bytes.pieces(start):
            data += piece[: size - len(data)]
            if len(data) == size:
                break
        return bytes(data)
