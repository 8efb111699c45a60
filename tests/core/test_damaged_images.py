"""Image files as people have them: holes, tails, devices, pipes, and sizes that are claimed."""

import io
import os
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from rainbench.catalog.registry import load_registry
from rainbench.core.errors import ImageError, StoreError
from rainbench.core.files import lock_folder
from rainbench.core.images import decode_image, read_image
from rainbench.pairs.layouts import match_layouts

RANDOM = np.random.default_rng(5)
PICTURE = cv2.GaussianBlur(RANDOM.integers(0, 255, (300, 400, 3), np.uint8), (0, 0), 3)


def encoded(form, **options):
    data = io.BytesIO()
    Pillow.fromarray(PICTURE).save(data, form, **options)
    return data.getvalue()


FILES = {
    "baseline.jpg": encoded("JPEG", quality=90),
    "progressive.jpg": encoded("JPEG", progressive=True),
    "full-colour.jpg": encoded("JPEG", quality=97, subsampling=0),
    "restarts.jpg": encoded("JPEG", restart_marker_blocks=7),
    "deflate.tif": encoded("TIFF", compression="tiff_deflate"),
    "lzw.tif": encoded("TIFF", compression="tiff_lzw"),
    "packbits.tif": encoded("TIFF", compression="packbits"),
    "raw.tif": encoded("TIFF"),
    "image.png": encoded("PNG"),
    "image.bmp": encoded("BMP"),
    "image.webp": encoded("WEBP", lossless=True),
}
CHECKED = [name for name in FILES if name not in ("raw.tif", "image.bmp", "image.webp")]
"""Those whose format lets a hole be told from a picture."""


@pytest.mark.parametrize("name", FILES)
def test_whole_files_are_read(name, tmp_path):
    (tmp_path / name).write_bytes(FILES[name])
    assert read_image(tmp_path / name).shape == PICTURE.shape


@pytest.mark.parametrize("filling", ["zeros", "ones", "noise"])
@pytest.mark.parametrize("place", [0.3, 0.5, 0.8])
@pytest.mark.parametrize("name", CHECKED)
def test_a_hole_is_refused(name, place, filling, tmp_path):
    data = FILES[name]
    start = int(len(data) * place)
    length = min(2048, (len(data) - start) // 2)
    hole = {
        "zeros": bytes(length),
        "ones": b"\xff" * length,
        "noise": RANDOM.integers(0, 256, length, np.uint8).tobytes(),
    }[filling]
    with pytest.raises(ImageError, match=name):
        decode_image(data[:start] + hole + data[start + length :], tmp_path / name)


@pytest.mark.parametrize("name", FILES)
def test_a_cut_file_is_refused(name, tmp_path):
    data = FILES[name]
    with pytest.raises(ImageError):
        decode_image(data[: len(data) * 2 // 3], tmp_path / name)


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith("jpg")])
@pytest.mark.parametrize(
    "tail",
    [bytes(5000), b"\0\0\0\x18ftypmp42" + RANDOM.integers(0, 256, 90_000, np.uint8).tobytes()],
    ids=["padding", "video"],
)
def test_what_lies_behind_the_end_of_a_jpeg_does_not_matter(name, tail, tmp_path):
    """Phones put a video there."""
    whole = decode_image(FILES[name], tmp_path / name)
    assert (decode_image(FILES[name] + tail, tmp_path / name) == whole).all()


def header_of(form, width, height):
    """A file that claims a size, a few hundred bytes long."""
    if form == "png":
        body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        end = struct.pack(">I4sI", 0, b"IEND", zlib.crc32(b"IEND"))
        sum_ = struct.pack(">I", zlib.crc32(body))
        return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + sum_ + end
    if form == "ppm":
        return b"P6\n%d %d\n255\n" % (width, height) + bytes(100)
    if form == "bmp":
        data = bytearray(FILES["image.bmp"][:2000])
        data[18:26] = struct.pack("<ii", width, height)
        return bytes(data)
    data = bytearray(FILES["baseline.jpg"])
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


@pytest.mark.parametrize("form", ["png", "jpg", "bmp", "ppm"])
def test_a_claimed_size_is_refused_before_it_is_decoded(form, tmp_path):
    with pytest.raises(ImageError, match=r"20000x20000 by its header|claims too large"):
        decode_image(header_of(form, 20_000, 20_000), tmp_path / f"x.{form}")


def test_the_limit_can_be_moved(tmp_path, monkeypatch):
    monkeypatch.setenv("RAINBENCH_MAX_PIXELS", "119999")
    with pytest.raises(ImageError, match="400x300"):
        decode_image(FILES["image.png"], tmp_path / "x.png")
    monkeypatch.setenv("RAINBENCH_MAX_PIXELS", "120000")
    assert decode_image(FILES["image.png"], tmp_path / "x.png").shape == PICTURE.shape


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
@pytest.mark.timeout(20)
def test_pipes_devices_and_links_to_nowhere_are_named(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "none.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "folder.png").mkdir()
    for name in ("pipe.png", "zero.png", "folder.png"):
        with pytest.raises(ImageError, match=f"{name}: cannot be read: it is a device, a pipe"):
            read_image(tmp_path / name)
    with pytest.raises(ImageError, match=r"none\.png: is a link to a file that is not there"):
        read_image(tmp_path / "none.png")
    with pytest.raises(ImageError, match=r"loop\.png: cannot be read"):
        read_image(tmp_path / "loop.png")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
@pytest.mark.timeout(20)
def test_a_pipe_among_the_pairs_is_not_waited_for(toy):
    card = load_registry().datasets["rain100l"]
    before = match_layouts(card, toy / "toy")
    os.mkfifo(toy / "toy/pipe")
    assert match_layouts(card, toy / "toy") == before


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="links")
def test_a_lock_that_is_a_link_harms_no_other_file(tmp_path):
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/.lock").symlink_to(tmp_path / "precious")
    with (
        pytest.raises(StoreError, match=r"\.lock: is a link"),
        lock_folder(tmp_path / "out", "run"),
    ):
        pass
    assert (tmp_path / "precious").read_text() == "precious"


PIXELS = bytes(range(2 * 4 * 3))


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (b"P6\n4x 2\n255\n", "header"),  # OpenCV takes what it understands
        (b"P6\n4\xb0 2\n255\n", "header"),
        (b"P6\n-4 2\n255\n", "header"),
        (b"P6\n4 2\n25\x005\n", "header"),
        (b"P6\n4 2\n100\n", "levels up to 100"),
        (b"P6\n4 2\n0\n", "levels up to 0"),
        (b"P6\n4 2\n65535\n", "16 bits"),
        (b"P6\n4 3\n255\n", "cut short"),
        (b"P3\n4 \n", "header"),
    ],
)
def test_ppm_header_is_read_strictly(header, words, tmp_path):
    with pytest.raises(ImageError, match=words):
        decode_image(header + PIXELS, tmp_path / "x.ppm")


@pytest.mark.parametrize(
    "header",
    [
        b"P6\n4 2\n255\n",
        b"P6 4 2 255 ",
        b"P6\n# by hand\n4 2\n# white\n255\n",
        b"P6\r\n4 2\r\n255\n",
    ],
)
def test_ppm_as_it_may_be_written(header, tmp_path):
    image = decode_image(header + PIXELS, tmp_path / "x.ppm")
    assert image.tobytes() == PIXELS and image.shape == (2, 4, 3)


def test_webp_whose_second_half_does_not_decode_is_refused(tmp_path):
    """The container is whole, so nothing else tells: OpenCV hands out what it could decode."""
    data = bytearray(FILES["image.webp"])
    refused = 0
    for start in range(200, len(data) - 600, len(data) // 12):
        damaged = bytes(data[:start] + b"\xff" * 512 + data[start + 512 :])
        try:
            decode_image(damaged, tmp_path / "x.webp")
        except ImageError:
            refused += 1
            continue
        with Pillow.open(io.BytesIO(damaged)) as image:
            image.load()  # what is accepted decodes to its end
    assert refused


@pytest.mark.parametrize(
    ("place", "value"),
    [(10, 0), (10, 40), (14, 32768), (14, 39), (14, 0xFFFFFFFF), (28, 8), (28, 1)],
    ids=str,
)
def test_bmp_header_is_read_strictly(place, value, tmp_path):
    """Where the pixels begin, the header's length, the bits of a pixel: OpenCV takes any."""
    data = bytearray(FILES["image.bmp"])
    data[place : place + 2] = struct.pack("<I", value)[:2]
    if value > 65535:
        data[place : place + 4] = struct.pack("<I", value)
    with pytest.raises(ImageError, match=r"damaged BMP|not RGB|cannot be decoded"):
        decode_image(bytes(data), tmp_path / "x.bmp")


@pytest.mark.parametrize("compression", [0, 9, 255, 32896, 50000])
def test_tiff_of_a_compression_that_opencv_leaves_black_is_refused(compression, tmp_path):
    data = FILES["raw.tif"]
    entry = struct.pack("<HHIH", 259, 3, 1, 1)
    assert data.count(entry) == 1
    other = data.replace(entry, struct.pack("<HHIH", 259, 3, 1, compression))
    with pytest.raises(ImageError, match=r"compressed in a way|damaged TIFF"):
        decode_image(other, tmp_path / "x.tif")


@pytest.mark.timeout(10)
@pytest.mark.parametrize("kind", [2, 11, 12])
def test_tiff_whose_strips_begin_at_no_whole_number_is_refused(kind, tmp_path):
    """A damaged byte makes the type of an offset a text or a floating-point number."""
    out = io.BytesIO()
    Pillow.fromarray(np.zeros((8, 8, 3), np.uint8)).save(out, "TIFF", compression="tiff_deflate")
    data = bytearray(out.getvalue())
    first = struct.unpack_from("<I", data, 4)[0]
    for entry in range(first + 2, first + 2 + 12 * data[first], 12):
        if struct.unpack_from("<H", data, entry)[0] == 273:  # StripOffsets
            struct.pack_into("<H", data, entry + 2, kind)
    with pytest.raises(ImageError):
        decode_image(bytes(data), tmp_path / "x.tif")


def test_tiff_that_claims_many_widths_is_refused_at_once(tmp_path):
    data = FILES["raw.tif"]
    for tag, count, value in ((256, 3, 8), (257, 1, 100_000_000)):
        at = data.index(struct.pack("<H", tag), 4)
        data = data[: at + 2] + struct.pack("<HII", 4, count, value) + data[at + 12 :]
    with pytest.raises(ImageError):
        decode_image(data, tmp_path / "x.tif")


def test_a_wrong_checksum_of_a_png_is_told_in_words(tmp_path):
    data = bytearray(cv2.imencode(".png", np.zeros((9, 9, 3), np.uint8))[1].tobytes())
    data[data.index(b"IDAT") + 6] ^= 1
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(ImageError, match="the checksum of its part IDAT is wrong\n  The copy"):
        read_image(tmp_path / "a.png")
