"""Files that are no video that is read, and which somebody may well take for one."""

from __future__ import annotations

from pathlib import Path

from rainbench.core.images import IMAGE_SUFFIXES
from rainbench.video.read import VIDEO_SUFFIXES

_UNREAD = frozenset(
    {".rm", ".rmvb", ".swf", ".divx", ".qt", ".m1v", ".mpe", ".ogm", ".ogg", ".wtv", ".dvr-ms"}
    | {".braw", ".r3d", ".yuv", ".rgb", ".nv12", ".amv", ".lrv", ".insv", ".360", ".av1", ".vp9"}
    | {".trp", ".tp", ".m2t", ".mod", ".tod", ".3gpp", ".webmv", ".xvid", ".h265", ".avc"}
)
"""Endings of videos that are not read: by another name, or of formats of few programs."""

_STARTS = (
    b"\x1aE\xdf\xa3", b"YUV4MPEG2 ", b"FLV\x01", b"DKIF", b"OggS", b"\0\0\x01\xba", b"\0\0\x01\xb3",
    b"0&\xb2u\x8ef\xcf\x11", b".RMF", b"\x06\x0e+4\x02\x05\x01\x01\x0d\x01\x02",
)  # fmt: skip
"""First bytes: Matroska and WebM, Y4M, FLV, IVF, Ogg, MPEG twice, ASF, RealMedia, MXF."""

_SOUND = frozenset({".oga", ".opus", ".spx", ".wma", ".mka", ".m4a", ".m4b", ".aac", ".ra"})
"""Endings of files of the same forms that hold sound alone."""

_STILLS = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1", b"crx ", b"jxl ", b"jp2 ")
"""What is written behind ``ftyp`` by formats of pictures."""


def looks_like_a_video(file: Path) -> str:
    r"""Return why a file that is not read as a video may be taken for one; empty for all others.

    Told by its ending and its first bytes, whatever it is called. A file that cannot be read is
    taken for nothing.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "a.gif").write_bytes(b"GIF89a" + bytes(39))
        >>> _ = (folder / "b.part").write_bytes(b"YUV4MPEG2 W4 H4")
        >>> looks_like_a_video(folder / "a.gif")
        'a GIF; convert an animation to a folder of PNG images'
        >>> looks_like_a_video(folder / "b.part")
        'a video by its first bytes; its name has to end as one, such as with .mp4'
    """
    suffix = file.suffix.lower()
    if suffix in VIDEO_SUFFIXES:
        return ""
    try:
        with file.open("rb") as opened:
            start = opened.read(4096)
    except OSError:
        start = b""
    if animation := _animation(start):
        return f"{animation}; convert an animation to a folder of PNG images"
    if suffix in IMAGE_SUFFIXES:
        return ""
    if suffix == ".apng":
        return "an animated PNG; convert an animation to a folder of PNG images"
    if suffix not in _SOUND and _is_video(start):
        return "a video by its first bytes; its name has to end as one, such as with .mp4"
    if suffix in _UNREAD:
        return f"files that end with {suffix} are not read; convert it to MP4 or MKV"
    return ""


def _animation(start: bytes) -> str:
    if start.startswith(b"GIF8"):
        return "a GIF"
    if start[8:12] == b"WEBP" and b"ANIM" in start[:64]:
        return "an animated WebP"
    if start.startswith(b"\x89PNG") and b"acTL" in start:
        return "an animated PNG"
    return ""


def _is_video(start: bytes) -> bool:
    if start.startswith(_STARTS):
        return True
    if start[:4] == b"RIFF" and start[8:12] == b"AVI ":
        return True
    if start[4:8] == b"ftyp":
        return start[8:12] not in _STILLS and start[8:11] != b"M4A"
    return start[:1] == b"G" and start[188:189] == b"G" and start[376:377] == b"G"
