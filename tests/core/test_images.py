"""Reading images: what decoders pass silently has to be refused with a reason."""

import struct
import zlib

import cv2
import numpy as np
import pytest

from rainbench.core.errors import ImageError
from rainbench.core.images import decode_image, pixel_hash, quantise, read_image, write_png


@pytest.fixture
def png(tmp_path):
    file = tmp_path / "a.png"
    image = np.random.default_rng(0).integers(0, 256, (21, 34, 3), dtype=np.uint8)
    write_png(file, image)
    return file, image


def test_round_trip_keeps_channel_order(png):
    file, image = png
    assert np.array_equal(read_image(file), image)
    assert np.array_equal(cv2.imread(str(file))[..., ::-1], image)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.95, 0.999])
def test_a_png_cut_short_anywhere_is_refused(png, tmp_path, share):
    data = png[0].read_bytes()
    cut = tmp_path / "cut.png"
    cut.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ImageError, match=r"cut\.png: is (empty|a PNG that is cut short)"):
        read_image(cut)


def test_a_flipped_byte_is_noticed(png, tmp_path):
    data = bytearray(png[0].read_bytes())
    data[len(data) // 2] ^= 1
    with pytest.raises(ImageError, match="damaged PNG: the checksum"):
        decode_image(bytes(data), tmp_path / "x.png")


def test_a_jpeg_cut_short_is_refused(png, tmp_path):
    data = cv2.imencode(".jpg", png[1])[1].tobytes()
    assert decode_image(data, tmp_path / "x.jpg").shape == png[1].shape
    with pytest.raises(ImageError, match="JPEG that is cut short"):
        decode_image(data[:-200], tmp_path / "x.jpg")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"hello, this is text", "not an image that can be decoded"),
        (b"<!DOCTYPE html><html>", "HTML"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS pointer"),
        (b"PK\x03\x04....", "zip archive"),
    ],
)
def test_other_files_named_png(tmp_path, content, message):
    file = tmp_path / "fake.png"
    file.write_bytes(content)
    with pytest.raises(ImageError, match=message):
        read_image(file)


def test_sixteen_bits_and_transparent_are_refused(png, tmp_path):
    deep = cv2.imencode(".png", png[1].astype(np.uint16) * 257)[1].tobytes()
    with pytest.raises(ImageError, match="16 bits a channel"):
        decode_image(deep, tmp_path / "deep.png")
    gray = cv2.imencode(".png", png[1][..., 0].astype(np.uint16) * 257)[1].tobytes()
    with pytest.raises(ImageError, match="16 bits a channel"):
        decode_image(gray, tmp_path / "gray.png")
    clear = np.dstack([png[1], np.full(png[1].shape[:2], 200, np.uint8)])
    with pytest.raises(ImageError, match="transparent"):
        decode_image(cv2.imencode(".png", clear)[1].tobytes(), tmp_path / "clear.png")
    clear[..., 3] = 255
    opaque = decode_image(cv2.imencode(".png", clear)[1].tobytes(), tmp_path / "opaque.png")
    assert np.array_equal(opaque[..., ::-1], png[1])


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path):
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    chunk = (
        struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    )
    with pytest.raises(ImageError, match="100000x100000"):
        decode_image(b"\x89PNG\r\n\x1a\n" + chunk, tmp_path / "bomb.png")


def test_missing_and_unreadable(tmp_path):
    with pytest.raises(ImageError, match="does not exist"):
        read_image(tmp_path / "none.png")
    with pytest.raises(ImageError, match="cannot be read"):
        read_image(tmp_path)


def test_identity_survives_both_quantising_rules():
    """v / 255 * 255 in float32 gives v back for every level, so `identity` loses nothing."""
    levels = np.arange(256, dtype=np.uint8)
    unit = levels.astype(np.float32) / np.float32(255)
    assert np.array_equal(quantise(unit, "truncate"), levels)
    assert np.array_equal(quantise(unit, "round"), levels)


def test_pixel_hash_sees_pixels_and_shape_only(png):
    _, image = png
    assert pixel_hash(image) == pixel_hash(np.asfortranarray(image))
    assert pixel_hash(image) != pixel_hash(image.reshape(34, 21, 3))
    assert pixel_hash(image) != pixel_hash(image[..., ::-1])
