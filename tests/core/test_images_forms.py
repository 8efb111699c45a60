"""Forms in which pictures are stored: read exactly, or refused with the reason."""

import io
import logging
import struct
import zlib

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from rainbench.core.errors import ImageError
from rainbench.core.images import _GRAY_TOLD, IMAGE_SUFFIXES, decode_image, read_gray, read_image

COLOUR = cv2.GaussianBlur(
    np.random.default_rng(3).integers(0, 256, (20, 31, 3), np.uint8), (0, 0), 2
)
GRAY = COLOUR[..., 0]
BLACK_AND_WHITE = np.where(GRAY > 128, 255, 0).astype(np.uint8)


def encoded(pixels, form, mode=None, **options):
    data = io.BytesIO()
    image = Pillow.fromarray(pixels)
    (image.convert(mode) if mode else image).save(data, form, **options)
    return data.getvalue()


def tiff(pixels, **options):
    data = io.BytesIO()
    tifffile.imwrite(data, pixels, **options)
    return data.getvalue()


def png(depth, colours, pixels, extra=b"", size=(4, 1)):
    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", *size, depth, colours, 0, 0, 0)
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(b"\0" + pixels))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def trns(body):
    kind = b"tRNS" + body
    return struct.pack(">I", len(body)) + kind + struct.pack(">I", zlib.crc32(kind))


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "TGA", "PPM", "JPEG2000", "GIF"])
def test_gray_gives_three_equal_channels(form, tmp_path):
    image = decode_image(encoded(GRAY, form), tmp_path / f"x.{form.lower()}")
    assert np.array_equal(image, np.dstack([GRAY] * 3))


def test_gray_is_what_cv2_imread_makes_of_it(tmp_path):
    for name in ("x.png", "x.jpg", "x.bmp"):
        cv2.imwrite(str(tmp_path / name), GRAY)
        assert np.array_equal(read_image(tmp_path / name), cv2.imread(str(tmp_path / name)))


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "TGA", "PPM", "GIF"])
def test_one_bit(form, tmp_path):
    data = encoded(BLACK_AND_WHITE, form, "1")
    image = decode_image(data, tmp_path / f"x.{form.lower()}")
    assert np.array_equal(image, np.dstack([BLACK_AND_WHITE] * 3))


def test_two_and_four_bits(tmp_path):
    two = decode_image(png(2, 0, bytes([0b00011011])), tmp_path / "x.png")
    assert two[0, :, 0].tolist() == [0, 85, 170, 255]
    four = decode_image(png(4, 0, b"\x0f", size=(2, 1)), tmp_path / "x.png")
    assert four[0, :, 0].tolist() == [0, 255]


def test_gray_with_alpha(tmp_path):
    alpha = np.full_like(GRAY, 255)
    whole = decode_image(encoded(np.dstack([GRAY, alpha]), "PNG"), tmp_path / "x.png")
    assert np.array_equal(whole, np.dstack([GRAY] * 3))
    alpha[3, 3] = 100
    with pytest.raises(ImageError, match="partly transparent"):
        decode_image(encoded(np.dstack([GRAY, alpha]), "PNG"), tmp_path / "x.png")
    with pytest.raises(ImageError, match="partly transparent"):
        decode_image(png(8, 0, b"\1\2\3\4", trns(b"\0\1")), tmp_path / "x.png")
    with pytest.raises(ImageError, match="colours that are not read exactly"):
        decode_image(
            tiff(np.dstack([GRAY, alpha]), photometric="minisblack", extrasamples=["unassalpha"]),
            tmp_path / "x.tif",
        )


def test_gray_is_said_once_of_the_first_file(tmp_path, caplog):
    _GRAY_TOLD.clear()
    with caplog.at_level(logging.WARNING):
        for name in ("x.png", "x.png", "y.png"):
            decode_image(encoded(GRAY, "PNG"), tmp_path / name)
    assert caplog.text.count("three equal channels") == 1
    assert str(tmp_path / "x.png") in caplog.text
    caplog.clear()
    decode_image(encoded(COLOUR, "PNG"), tmp_path / "x.png")
    assert caplog.text == ""


EXACT = {
    "x.jp2": encoded(COLOUR, "JPEG2000"),
    "x.j2k": encoded(COLOUR, "JPEG2000", no_jp2=True),
    "x.tga": encoded(COLOUR, "TGA"),
    "rle.tga": encoded(COLOUR, "TGA", compression="tga_rle"),
    "x.dib": encoded(COLOUR, "BMP"),
    "x.bmp": encoded(COLOUR, "BMP"),
    "x.webp": encoded(COLOUR, "WEBP", lossless=True, exact=True),
    "x.ppm": encoded(COLOUR, "PPM"),
    "x.pnm": b"P3\n31 20\n255\n" + (" ".join(map(str, COLOUR.ravel())) + "\n").encode(),
    "remark.ppm": b"P6 # made by hand\n31 # wide\n20\n255\n" + COLOUR.tobytes(),
    "png.tga": encoded(COLOUR, "PNG"),
    "big.tif": tiff(COLOUR, bigtiff=True, photometric="rgb"),
    "planar.tif": tiff(
        np.moveaxis(COLOUR, 2, 0).copy(), planarconfig="separate", photometric="rgb"
    ),
    "alpha.tga": encoded(np.dstack([COLOUR, np.full_like(GRAY, 255)]), "TGA"),
}


@pytest.mark.parametrize("name", EXACT)
def test_what_was_stored_exactly_is_read_exactly(name, tmp_path):
    (tmp_path / name).write_bytes(EXACT[name])
    assert (tmp_path / name).suffix in IMAGE_SUFFIXES
    assert np.array_equal(read_image(tmp_path / name), COLOUR)


def test_a_jfif_is_a_jpeg_and_a_gif_has_a_palette(tmp_path):
    jpeg = encoded(COLOUR, "JPEG", quality=95)
    same = decode_image(jpeg, tmp_path / "x.jpg")
    assert np.array_equal(decode_image(jpeg, tmp_path / "x.jfif"), same)
    palette = Pillow.fromarray(COLOUR).quantize(16)
    data = io.BytesIO()
    palette.save(data, "GIF")
    image = decode_image(data.getvalue(), tmp_path / "x.gif")
    assert np.array_equal(image, np.asarray(palette.convert("RGB")))


OTHER = Pillow.fromarray(COLOUR[::-1].copy())
INEXACT = {
    "x.ppm": (b"P6\n1 1\n100\n\1\2\3", "levels up to 100"),
    "x.pgm": (b"P5\n1 1\n15\n\1", "levels up to 15"),
    "deep.pgm": (b"P5\n1 1\n65535\n\1\2", "16 bits"),
    "x.bmp": (
        struct.pack("<2sIHHI", b"BM", 58, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, 2, 1, 1, 16, 0, 4, 0, 0, 0, 0)
        + b"\xff\x7f\x1f\0",
        "5 bits",
    ),
    "x.tga": (
        struct.pack("<BBBHHBHHHHBB", 0, 0, 2, 0, 0, 0, 0, 0, 1, 1, 16, 0) + b"\1\2",
        "5 bits",
    ),
    "cut.tga": (encoded(COLOUR, "TGA")[:900], "cannot be|can be decoded"),
    "cut.gif": (encoded(GRAY, "GIF")[:500], "can be decoded"),
    "moving.gif": (encoded(COLOUR, "GIF", save_all=True, append_images=[OTHER]), "several images"),
    "moving.png": (encoded(COLOUR, "PNG", save_all=True, append_images=[OTHER]), "several images"),
    "moving.webp": (
        encoded(COLOUR, "WEBP", save_all=True, append_images=[OTHER]),
        "several images",
    ),
    "pages.tif": (encoded(COLOUR, "TIFF", save_all=True, append_images=[OTHER]), "several images"),
    "cmyk.tif": (encoded(COLOUR, "TIFF", "CMYK"), "colours that are not read exactly"),
    "lab.tif": (encoded(COLOUR, "TIFF", "LAB"), "colours that are not read exactly"),
    "clear.tga": (encoded(np.dstack([COLOUR, GRAY]), "TGA"), "partly transparent"),
    "broken.png": (
        b"\x89PNG\r\n\x1a\n\0\0\0\2IHDR\0\0" + struct.pack(">I", zlib.crc32(b"IHDR\0\0")),
        "cut",
    ),
}


@pytest.mark.parametrize("name", INEXACT)
def test_what_cannot_be_read_exactly_is_refused(name, tmp_path):
    data, message = INEXACT[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ImageError, match=message):
        read_image(tmp_path / name)


def test_read_gray_knows_the_same_forms(tmp_path):
    (tmp_path / "x.tga").write_bytes(encoded(GRAY, "TGA"))
    assert np.array_equal(read_gray(tmp_path / "x.tga"), GRAY.astype(np.uint16) * 257)


@pytest.mark.parametrize("number", [1, 5, 8, 32773], ids=["raw", "lzw", "deflate", "packbits"])
def test_compressed_tiffs_of_opencv_are_whole(tmp_path, number):
    """It writes an orientation and a sample format into each, which says nothing of damage."""
    image = np.random.default_rng(number).integers(0, 256, (30, 41, 3), np.uint8)
    file = tmp_path / "a.tif"
    assert cv2.imwrite(str(file), image, [cv2.IMWRITE_TIFF_COMPRESSION, number])
    assert np.array_equal(read_image(file), image[..., ::-1])
