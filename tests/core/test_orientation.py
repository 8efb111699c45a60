"""One rule for the orientation flag of EXIF in all formats: the picture is turned as it asks."""

import io
import struct
import zlib

import cv2
import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
import tifffile

from rainbench.core.images import decode_image, read_gray, read_image, read_oriented, write_png
from rainbench.core.orientation import as_stored, find_orientation, turned

STORED = np.zeros((16, 24, 3), np.uint8)
STORED[:8, :8] = 250, 20, 20
STORED[8:, 16:] = 20, 250, 20
STORED[:8, 16:] = 20, 20, 250

FORMS = {
    "a.jpg": ("JPEG", {"quality": 98, "subsampling": 0}),
    "a.png": ("PNG", {}),
    "a.webp": ("WEBP", {"lossless": True}),
    "a.tif": ("TIFF", {}),
    "lzw.tif": ("TIFF", {"compression": "tiff_lzw"}),
    "jpeg.png": ("JPEG", {"quality": 98, "subsampling": 0}),  # many files have a wrong ending
}


def file_with(flag, name="a.jpg", image=STORED):
    """Return the bytes of an image with an orientation flag."""
    form, options = FORMS[name]
    exif = PIL.Image.Exif()
    exif[0x0112] = flag
    data = io.BytesIO()
    PIL.Image.fromarray(image).save(data, form, exif=exif, **options)
    return data.getvalue()


def shown(data):
    """Return a picture as another library turns it."""
    with PIL.Image.open(io.BytesIO(data)) as image:
        return np.asarray(PIL.ImageOps.exif_transpose(image).convert("RGB"))


def differs(one, other):
    return one.shape != other.shape or bool(np.abs(one.astype(int) - other).mean() > 3)


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("flag", range(1, 9))
def test_every_flag_in_every_format(tmp_path, name, flag):
    data = file_with(flag, name)
    (tmp_path / name).write_bytes(data)
    image, found = read_oriented(tmp_path / name)
    assert found == flag
    assert not differs(image, shown(data))
    assert differs(image, STORED) is (flag != 1)
    assert not differs(as_stored(image, flag), STORED)
    if not name.endswith(".tif"):  # where OpenCV heeds it in its own way
        assert not differs(image, cv2.imread(str(tmp_path / name))[..., ::-1])


@pytest.mark.parametrize("byteorder", "<>")
@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("kind", [3, 4])
def test_flags_of_tiffs_of_all_makes(tmp_path, byteorder, bigtiff, kind):
    for flag in (0, 1, 6, 8, 9):
        file = tmp_path / f"{flag}.tif"
        extra = [(0x0112, kind, 1, flag, True)]
        tifffile.imwrite(file, STORED, byteorder=byteorder, bigtiff=bigtiff, extratags=extra,
                         photometric="rgb")  # fmt: skip
        valid = flag if 1 <= flag <= 8 else 1
        image, found = read_oriented(file)
        assert found == valid and np.array_equal(image, turned(STORED, valid))


def test_gray_pictures_of_eight_and_sixteen_bits_are_turned_as_well(tmp_path):
    depth = np.arange(24, dtype=np.uint16).reshape(4, 6) * 1000
    tifffile.imwrite(tmp_path / "d.tif", depth, extratags=[(0x0112, 3, 1, 6, True)])
    assert np.array_equal(read_gray(tmp_path / "d.tif"), np.rot90(depth, -1))
    (tmp_path / "g.png").write_bytes(file_with(8, "a.png", STORED[..., 0]))
    assert np.array_equal(read_gray(tmp_path / "g.png"), np.rot90(STORED[..., 0]) * np.uint16(257))


def png_with(exif, *, behind=False, kind=b"eXIf"):
    data = cv2.imencode(".png", STORED[..., ::-1])[1].tobytes()
    chunk = struct.pack(">I", len(exif)) + kind + exif
    chunk += struct.pack(">I", zlib.crc32(kind + exif))
    place = data.index(b"IEND") - 4 if behind else 33
    return data[:place] + chunk + data[place:]


def ifd(flag, order=">", kind=3, tag=0x0112):
    value = struct.pack(f"{order}{'HI'[kind == 4]}", flag).ljust(4, b"\0")
    start = b"MM\0*" if order == ">" else b"II*\0"
    return start + struct.pack(f"{order}IHHHI", 8, 1, tag, kind, 1) + value


@pytest.mark.parametrize(
    ("data", "flag"),
    [
        (png_with(ifd(6)), 6),
        (png_with(ifd(6, "<", 4), behind=True), 6),
        (png_with(b"Exif\0\0" + ifd(3)), 3),
        (png_with(ifd(0)), 1),
        (png_with(ifd(9)), 1),
        (png_with(ifd(65535)), 1),
        (png_with(ifd(6, tag=0x0110)), 1),
        (png_with(ifd(6)[:12]), 1),
        (png_with(b""), 1),
        (png_with(b"Exif\0\0"), 1),
        (png_with(b"MM\0*\xff\xff\xff\xff"), 1),
        (png_with(ifd(6), kind=b"exIf"), 1),
    ],
)
def test_exif_of_all_makes_and_damaged_ones(tmp_path, data, flag):
    assert find_orientation(data) == flag
    assert np.array_equal(decode_image(data, tmp_path / "a.png"), turned(STORED, flag))


def test_a_flag_behind_other_segments_of_a_jpeg(tmp_path):
    data = file_with(1)
    segments = b"\xff\xe1\0\x0ahttp://\0" + b"\xff\xff\xff\xe2\0\x04ab"
    exif = b"Exif\0\0" + ifd(6)
    segments += b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    found = data[:2] + segments + data[2:]
    assert find_orientation(found) == 6
    assert not differs(decode_image(found, tmp_path / "a.jpg"), np.rot90(STORED, -1))
    assert find_orientation(data + segments) == 1  # behind its end: another picture's


def test_images_of_ours_have_no_flag(tmp_path):
    write_png(tmp_path / "a.png", STORED)
    assert read_oriented(tmp_path / "a.png")[1] == 1
    assert np.array_equal(read_image(tmp_path / "a.png"), STORED)
