"""The luma planes (section 1 of the conventions), on all colours where that is affordable."""

import cv2
import metric_reference as reference
import numpy as np
import pytest

from rainbench.metrics.colour import OCTAVE_ROUNDS_DOWN, luma_plane


def all_colours():
    """The 2^24 colours, as 256 pictures of 256x256 with one R each."""
    green, blue = np.meshgrid(np.arange(256), np.arange(256), indexing="ij")
    for red in range(256):
        yield np.stack([np.full_like(green, red), green, blue], axis=2).astype(np.uint8)


def numerators(image):
    return image.astype(np.int64) @ np.array([65481, 128553, 24966])


@pytest.fixture(scope="module")
def halves():
    """The colours whose MATLAB luma lies half-way between two levels, by the integer test."""
    found = [image[numerators(image) % 255000 == 127500] for image in all_colours()]
    return np.concatenate(found)[None]


def octave(image):
    """Octave's rgb2ycbcr on 8-bit pictures: its matrix times R, G, B / 255, in this order."""
    red, green, blue = np.moveaxis(image / 255.0, 2, 0)
    weighed = 0.299 * red + (1 - 0.299 - 0.114) * green + 0.114 * blue
    return np.floor((weighed * 219 / 255 + 16 / 255) * 255 + 0.5)


def test_y601_is_real_valued():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    plane, unit = luma_plane(image, "y601")
    np.testing.assert_allclose(plane / unit, reference.luma_601(image), rtol=0, atol=1e-13)
    ends, unit = luma_plane(np.array([[[0] * 3, [255] * 3]], np.uint8), "y601")
    assert (ends / unit).tolist() == [[16.0, 235.0]]


def test_194_colours_lie_half_way(halves):
    """Section 1: Octave rounds 188 of them up and 6 down."""
    assert halves.shape == (1, 194, 3)
    up = (numerators(halves) + 127500) // 255000 + 16
    plane, _ = luma_plane(halves, "y601-octave")
    assert ((plane == up).sum(), (plane == up - 1).sum()) == (188, 6)
    np.testing.assert_array_equal(plane, octave(halves))
    down = {tuple(map(int, colour)) for colour in halves[plane == up - 1]}
    assert down == set(OCTAVE_ROUNDS_DOWN)
    even, _ = luma_plane(halves, "y601-even")
    assert (even % 2 == 0).all()
    assert (np.abs(even - up + 0.5) == 0.5).all()


def test_y601_in_8_bits_on_all_colours():
    for image in all_colours():
        np.testing.assert_array_equal(luma_plane(image, "y601-octave")[0], octave(image))


def test_ycv_of_some_colours():
    rng = np.random.default_rng(1)
    check_ycv(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))


def test_ycv_on_all_colours():
    """Section 1: no mismatch with OpenCV on any of the 2^24."""
    for image in all_colours():
        check_ycv(image)


def check_ycv(image):
    plane, unit = luma_plane(image, "ycv")
    assert unit == 1.0
    shifted = (image.astype(np.int64) @ np.array([4899, 9617, 1868]) + 8192) >> 14
    np.testing.assert_array_equal(plane, shifted)
    opencv = cv2.cvtColor(np.ascontiguousarray(image[..., ::-1]), cv2.COLOR_BGR2YCR_CB)
    np.testing.assert_array_equal(plane, opencv[..., 0])


def test_yiq():
    """Full range; rounded by a float32 sum on pictures in 0..1, halves included."""
    rng = np.random.default_rng(2)
    image = rng.integers(0, 256, (200, 300, 3), dtype=np.uint8)
    plane, unit = luma_plane(image, "yiq")
    np.testing.assert_allclose(plane / unit, image @ np.array([0.299, 0.587, 0.114]), atol=1e-12)
    rounded, _ = luma_plane(image, "yiq-float32")
    red, green, blue = np.moveaxis(image.astype(np.float32) / np.float32(255), 2, 0)
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    in_float32 = weights[0] * red + weights[1] * green + weights[2] * blue
    assert (plane % 1000 == 500).any()
    np.testing.assert_array_equal(rounded, np.rint(in_float32 * np.float32(255)))
