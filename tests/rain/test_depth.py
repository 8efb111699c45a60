"""Depth maps from anywhere: right, or refused with the file's name."""

import io
import os

import numpy as np
import pytest

from rainbench.core.errors import ImageError
from rainbench.rain.depth import read_depth

SHAPE = (4, 6)
FAR = np.linspace(0, 9, 24).reshape(SHAPE)


def header_alone(file):
    """A file of a few bytes that says it holds terabytes."""
    head = io.BytesIO()
    fields = {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**6)}
    np.lib.format.write_array_header_1_0(head, fields)
    file.write_bytes(head.getvalue() + bytes(100))


def archive(file):
    np.savez(file.with_suffix(".npz"), depth=FAR)
    os.rename(file.with_suffix(".npz"), file)  # noqa: PTH104


HOSTILE = {
    "empty": (lambda file: file.write_bytes(b""), "is not an array that can be read"),
    "header": (header_alone, "is not an array that can be read"),
    "archive": (archive, "is not one array, but an archive"),
    "objects": (lambda file: np.save(file, np.array([[{}]]), allow_pickle=True), "is not an array"),
    "complex": (lambda file: np.save(file, FAR + 1j), "holds complex128"),
    "axis": (lambda file: np.save(file, FAR[..., None]), "has the shape"),
    "nan": (lambda file: np.save(file, FAR * np.nan), "needs finite values"),
    "flat": (lambda file: np.save(file, FAR * 0), "needs finite values"),
    "denormal": (lambda file: np.save(file, FAR * 1e-310), "needs finite values"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_no_depth_map_is_refused(tmp_path, kind):
    make, message = HOSTILE[kind]
    make(tmp_path / "a.npy")
    with pytest.raises(ImageError, match=message) as told:
        read_depth(tmp_path / "a.npy", SHAPE)
    assert "a.npy" in str(told.value)


@pytest.mark.parametrize("factor", [1, 1e-290, 1e307])
def test_the_unit_of_depth_does_not_matter(tmp_path, factor):
    np.save(tmp_path / "a.npy", FAR * factor)
    np.testing.assert_array_equal(
        read_depth(tmp_path / "a.npy", SHAPE), np.rint(FAR * (65535 / 9)).astype(np.uint16)
    )
