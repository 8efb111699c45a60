"""Reading a file's outer structure: what it is if it is no video, and whether its end is missing.

Decoders pass a file that was cut short without a word when the cut falls between two frames, so the
lengths that MP4, AVI and Matroska files state of themselves are compared with the file's.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

_KNOWN_STARTS = {
    b"<": "it is an HTML or XML page, probably the error page of a failed download",
    b"PK\x03\x04": "it is a zip archive",
    b"\x1f\x8b": "it is a gzip file",
    b"version https://git-lfs": "it is a Git LFS pointer, not the file itself; run `git lfs pull`",
    b"#EXTM3U": "it is a playlist; fetch the video that it points to",
    b"\x89PNG": "it is a single PNG image; give the folder of images instead",
    b"\xff\xd8\xff": "it is a single JPEG image; give the folder of images instead",
    b"\x89HDF": "it is an HDF5 file",
    b"MATLAB 5.0": "it is a MATLAB file; name it .mat",
}
_EBML, _SEGMENT, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
"""Ids of the first two elements of Matroska and WebM files, and of those that hold the frames."""
_TEMPORAL_DELIMITER = b"\x12\0"
"""The first unit of an AV1 stream."""
_Y4M_COLOUR = re.compile(r"(420|422|444|411|mono)(jpeg|mpeg2|paldv|alpha)?p?(\d*)")
_Y4M_CHROMA = {"420": (2, 2, 2), "422": (2, 2, 1), "444": (2, 1, 1), "411": (2, 4, 1)} | {
    "mono": (0, 1, 1)
}
"""Planes of colour in a frame of Y4M, and pixels to a sample of them across and down."""
_SCAN, _LONE = 0xDA, (0x00, 0x01, *range(0xD0, 0xDA))
"""Second bytes of JPEG's markers: of what begins a coded picture, and of those without a length."""


def describe_start(path: Path) -> str:
    """Say what a file looks like that no demuxer takes for a video; empty if that is not known.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "a.mp4"
        >>> _ = file.write_text("not a film")
        >>> describe_start(file)
        'it is a text file'
    """
    with path.open("rb") as file:
        start = file.read(512)
    if start.startswith(b"GIF8") or start[8:12] == b"WEBP" or b"acTL" in start:
        return "it is an image or an animation of images; convert it to a folder of PNG images"
    for known, what in _KNOWN_STARTS.items():
        if start.lstrip().startswith(known):
            return what
    if start and not any(start):
        return "it begins with zeros only, as a download that was set aside but never written"
    try:
        text = start.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    return "it is a text file" if text and "\0" not in text else ""


def is_whole(jpeg: bytes) -> bool:
    """Return whether a JPEG ends as one does; what lacks its end decodes to gray without a word.

    Example:
        >>> is_whole(bytes.fromhex("ffd8 ffd9 00")), is_whole(bytes.fromhex("ffd8"))
        (True, False)
    """
    return jpeg.rstrip(b"\0").endswith(b"\xff\xd9")


def holds_a_scan(jpeg: bytes) -> bool:
    """Return whether a JPEG has any coded picture: without one FFmpeg hands out old memory.

    Example:
        >>> tables = bytes.fromhex("ffd8 ffdb 0004 ffda")
        >>> holds_a_scan(tables), holds_a_scan(tables + bytes.fromhex("ffda 0008"))
        (False, True)
    """
    position = jpeg.find(b"\xff")
    while 0 <= position < len(jpeg) - 3:
        code = jpeg[position + 1]
        if code == _SCAN:
            return True
        if code == 0xFF:  # it fills
            position += 1
        elif code in _LONE:
            position += 2
        else:
            position += 2 + int.from_bytes(jpeg[position + 2 : position + 4], "big")
        position = jpeg.find(b"\xff", position)
    return False


def missing_bytes(path: Path) -> int:
    """Return how many bytes a file lacks of the length that it states; 0 where it states none.

    MP4 and MOV state the length of each box, AVI that of the first chunk, Matroska and WebM that of
    the segment, or live ones of each block; AV1 streams that of each unit. Frames of Y4M and
    packets of MPEG transport streams are all of one length. Raw H.264, HEVC and MPEG-2 state none.

    Example:
        >>> import struct, tempfile
        >>> file = Path(tempfile.mkdtemp()) / "cut.mp4"
        >>> _ = file.write_bytes(struct.pack(">I4s4x", 100, b"ftyp"))
        >>> missing_bytes(file)
        88
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(512)
        if start[:4] == b"RIFF" and start[8:12] == b"AVI ":
            end = 8 + int.from_bytes(start[4:8], "little")
        elif start[:4] == _EBML.to_bytes(4, "big"):
            end = _matroska_end(file, size)
        elif start[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip"):
            end = max(_box_ends(file, size), default=0)
        elif start.startswith(b"YUV4MPEG2 "):
            end = _y4m_end(file, size)
        elif start.startswith(_TEMPORAL_DELIMITER):
            end = _av1_end(file, size)
        else:
            packet = _packet_bytes(start)
            end = -(-size // packet) * packet if packet else 0
    return max(0, end - size)


def _box_ends(file: BinaryIO, size: int) -> Iterator[int]:
    position = 0
    while position + 8 <= size:
        file.seek(position)
        header = file.read(16)
        length = int.from_bytes(header[:4], "big")
        if length == 1 and len(header) == 16:
            length = int.from_bytes(header[8:], "big")
        if length < 8:  # 0: to the end of the file; less: no box
            return
        position += length
        yield position


def _matroska_end(file: BinaryIO, size: int) -> int:
    """Return where the segment ends; of a live one, whose length is not known, its last element."""
    position = 0
    while position < size:
        file.seek(position)
        header = file.read(12)
        octets = 9 - header[0].bit_length()  # of the id, and below of the length
        element, rest = header[:octets], header[octets:]
        if octets > 4 or not rest:
            return position + octets + 1 if octets <= 4 else 0
        octets = 9 - rest[0].bit_length()
        if octets > 8:
            return 0
        length = int.from_bytes(rest[:octets], "big") & ((1 << 7 * octets) - 1)
        position += len(element) + octets
        if length == (1 << 7 * octets) - 1:
            if int.from_bytes(element, "big") not in (_SEGMENT, _CLUSTER):
                return 0
            continue  # what is in it comes next
        position += length
        if int.from_bytes(element, "big") == _SEGMENT:
            return position
    return position


def _y4m_end(file: BinaryIO, size: int) -> int:
    """Return where the last frame that has begun ends; 0 where frames are of an unknown length."""
    file.seek(0)
    words = file.readline(4096).decode("latin-1").split()
    fields = {word[0]: word[1:] for word in words[1:]}
    known = _Y4M_COLOUR.fullmatch(fields.get("C", "420"))
    try:
        width, height = int(fields["W"]), int(fields["H"])
    except (KeyError, ValueError):
        return 0
    if known is None:
        return 0
    kind, siting, bits = known.groups()
    planes, across, down = _Y4M_CHROMA[kind]
    samples = width * height * (2 if siting == "alpha" else 1)
    samples += planes * -(-width // across) * -(-height // down)
    length = samples * (2 if bits and int(bits) > 8 else 1)
    position = file.tell()
    while position < size:
        file.seek(position)
        position += len(file.readline(4096)) + length
    return position


def _av1_end(file: BinaryIO, size: int) -> int:
    """Return where the last unit ends; 0 where one does not state its length."""
    position = 0
    while position < size:
        file.seek(position)
        header = file.read(10)
        if not header[0] & 2:
            return 0
        offset = 2 if header[0] & 4 else 1
        length = shift = 0
        for octet in header[offset : offset + 8]:
            length |= (octet & 127) << shift
            shift, offset = shift + 7, offset + 1
            if octet < 128:
                break
        position += max(offset, 2) + length
    return position


def _packet_bytes(start: bytes) -> int:
    """Return the length of the packets of an MPEG transport stream; 0 where it is none."""
    for length, offset in ((188, 0), (192, 4)):
        if len(start) > offset + length and start[offset::length][:2] == b"GG":
            return length
    return 0


def mpeg4_index_missing(path: Path) -> bool:
    """Return whether an MP4 or MOV file has begun but lacks its index, which is written last."""
    with path.open("rb") as file:
        head = file.read(1 << 16)
    return head[4:8] == b"ftyp" and b"moov" not in head


_COMPRESSED = 15
"""The type of a compressed variable in a MATLAB 5 file."""


def matlab_checksum_wrong(path: Path) -> bool:
    """Return whether a compressed variable of a MATLAB 5 file is damaged or cut.

    SciPy stops reading once it has the values and never compares the checksum behind them.
    """
    with path.open("rb") as file:
        header = file.read(128)
        order: Literal["little", "big"] = "big" if header[126:128] == b"MI" else "little"
        while len(tag := file.read(8)) == 8:
            kind, size = (int.from_bytes(part, order) for part in (tag[:4], tag[4:]))
            if kind != _COMPRESSED:
                file.seek(size, 1)
                continue
            stream = zlib.decompressobj()
            try:
                while size and (part := file.read(min(size, 1 << 20))):
                    size -= len(part)
                    while part:
                        stream.decompress(part, 1 << 22)
                        part = stream.unconsumed_tail
            except zlib.error:
                return True
            if not stream.eof:
                return True
    return False
