"""Zip archives: the directory at the end read once, members found by it and read on their own."""

from __future__ import annotations

import errno
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

from rainbench.core.errors import PairError
from rainbench.core.packed.kinds import check_ratio, no_plain_file, plain_name, twice

_LOCAL_HEADER = 30
_ENCRYPTED = 1
_AGAIN = "The copy or download was incomplete: fetch it again."


class Zip:
    """A zip archive; it is opened anew for each member, so that threads and processes may share it.

    Args:
        file: The archive.

    Raises:
        PairError: It is none, is damaged or encrypted, or holds what is no plain file.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._members: dict[str, zipfile.ZipInfo] = {}
        try:
            with zipfile.ZipFile(file) as opened:
                members = opened.infolist()
        except OSError as error:
            raise PairError(f"{file}: cannot be read: {error.strerror or error}") from None
        except Exception as error:  # its parser raises whatever a damaged file makes it
            raise PairError(
                f"{file}: is no zip archive, or is cut short or damaged ({error})", hint=_AGAIN
            ) from None
        for info in members:
            name = plain_name(info.filename, file)
            if info.is_dir() or info.filename.endswith("\\"):
                continue
            self._check(info)
            if name in self._members:
                raise twice(file, name)
            self._members[name] = info
        self._check_places()

    @property
    def names(self) -> Iterable[str]:
        """Every file."""
        return self._members

    def _check(self, info: zipfile.ZipInfo) -> None:
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise no_plain_file(self._file, info.filename, "a link or a device")
        if info.flag_bits & _ENCRYPTED:
            raise PairError(
                f"{self._file}: {info.filename} is encrypted",
                hint="Unpack it with its password and give the folder.",
            )
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise PairError(
                f"{self._file}: {info.filename} is compressed in a way that is not read (number "
                f"{info.compress_type})",
                hint="Pack it again with `zip -r`, or unpack it and give the folder.",
            )

    def _check_places(self) -> None:
        """Refuse members that share their bytes, by which a small file holds any number of them."""
        infos = sorted(self._members.values(), key=lambda info: info.header_offset)
        end = 0
        for info in infos:
            if info.header_offset < end:
                raise PairError(
                    f"{self._file}: is damaged: {info.filename} begins within another member",
                    hint=_AGAIN,
                )
            end = info.header_offset + _LOCAL_HEADER + info.compress_size
        size = self._file.stat().st_size
        if end > size:
            raise PairError(f"{self._file}: is cut short", hint=_AGAIN)
        check_ratio(self._file, sum(info.file_size for info in infos), size)

    def read(self, name: str, most: int) -> bytes:
        """Return a member's bytes; see `rainbench.core.packed.kinds.Packed`."""
        info, path = self._members[name], str(self._file / name)
        if info.file_size > most:
            raise OSError(errno.EFBIG, f"it is larger than {most:,} bytes", path)
        damaged = OSError(errno.EIO, "it is damaged in the archive: fetch that again", path)
        with self._file.open("rb") as file:
            file.seek(info.header_offset)
            header = file.read(_LOCAL_HEADER)
            if len(header) < _LOCAL_HEADER or not header.startswith(b"PK\3\4"):
                raise damaged
            file.seek(sum(struct.unpack("<HH", header[26:30])), 1)
            data = file.read(info.compress_size)
        if info.compress_type == zipfile.ZIP_DEFLATED:
            engine = zlib.decompressobj(-zlib.MAX_WBITS)
            try:
                data = engine.decompress(data, info.file_size + 1)
            except zlib.error:
                raise damaged from None
        if len(data) != info.file_size or zlib.crc32(data) != info.CRC:
            raise damaged
        return data
