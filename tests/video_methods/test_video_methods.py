"""Every video restorer keeps the contract, and takes rain off a clip whose truth is known."""

import inspect

import numpy as np
import pytest
from sequences import Spec, make_sequence

from rainbench.catalog.cards import BaselineCard
from rainbench.catalog.registry import Entry, load_registry
from rainbench.catalog.schema import read_card
from rainbench.core.errors import CardError, RainbenchError
from rainbench.video_methods.load import build_restorer, restore_clip

ENTRIES = {entry.name: entry for entry in load_registry().entries() if entry.is_video}
LEAST_GAIN = {
    "fastderain": (3.0, 5.0),
    "jiang2017": (8.0, 4.0),
    "wei2017": (3.0, 2.5),
    "ms-csc": (3.0, 1.0),
    "spa-clean-frame": (3.0, 10.0),
}
"""How much rain, and dB over the rainy input: each method has rain that it is good for."""


def sequence(amount=8.0):
    brightness = 1.5 if amount > 4 else 1.0
    spec = Spec("x", "chelsea", frames=16, rain=amount, brightness=brightness, angle=0.0, noise=1.0)
    return make_sequence(spec, 40, 36)


SEQUENCE = sequence()


def clip(frames=8):
    return SEQUENCE.frames[:frames]


def made(**arguments):
    words = {"paper": "", "source": "", "licence": "", "title": "X", "restores": "videos"}
    card = BaselineCard(name="x", parameters=0, macs_per_pixel=0, **words, **arguments)
    return Entry(card, None)


@pytest.mark.parametrize("name", ENTRIES)
def test_a_clip_comes_back_in_its_shape_the_same_each_time(name):
    frames = clip()
    before = frames.copy()
    restored = restore_clip(name, build_restorer(ENTRIES[name]), frames)
    assert restored.shape == frames.shape and restored.dtype == np.float32
    assert restored.min() >= 0 and restored.max() <= 1
    assert np.array_equal(frames, before)
    again = restore_clip(name, build_restorer(ENTRIES[name]), frames)
    assert np.array_equal(restored, again)


@pytest.mark.parametrize("name", ENTRIES)
def test_rain_becomes_less(name):
    assert set(LEAST_GAIN) == set(ENTRIES)
    amount, least = LEAST_GAIN[name]
    seen = sequence(amount)
    frames, truth = seen.frames, seen.truth / 255

    def psnr(picture):
        return -10 * np.log10(np.mean((picture - truth) ** 2))

    restored = restore_clip(name, build_restorer(ENTRIES[name]), frames)
    assert psnr(restored) - psnr(frames / 255) > least


@pytest.mark.parametrize("name", ENTRIES)
def test_a_card_names_every_argument_of_its_class(name):
    """So that the card tells with which values its numbers were made."""
    restorer = build_restorer(ENTRIES[name])
    assert set(inspect.signature(type(restorer)).parameters) == set(ENTRIES[name].arguments)
    assert ENTRIES[name].baseline.seconds_per_megapixel > 0


@pytest.mark.parametrize("name", ENTRIES)
def test_a_clip_that_is_too_short_is_refused(name):
    restorer = build_restorer(ENTRIES[name])
    with pytest.raises(RainbenchError, match="needs at least"):
        restore_clip(name, restorer, clip(restorer.least_frames - 1))
    assert restore_clip(name, restorer, clip(restorer.least_frames)).shape[0]


@pytest.mark.parametrize("name", ENTRIES)
def test_the_smallest_frames_are_told(name):
    """A frame of one pixel, and every size about the least: restored, or refused in plain words."""
    restorer = build_restorer(ENTRIES[name])
    rows, columns = getattr(restorer, "least_size", (1, 1))
    for height in {1, rows - 1, rows} - {0}:
        for width in {1, columns - 1, columns} - {0}:
            frames = clip(9)[:, :height, :width]
            if height >= rows and width >= columns:
                assert restore_clip(name, restorer, frames).shape == frames.shape
                continue
            with pytest.raises(
                RainbenchError, match=f"{name} needs at least .*not {width}x{height}"
            ):
                restore_clip(name, restorer, frames)


def test_what_jiang_needs_is_said_in_numbers():
    restorer = build_restorer(ENTRIES["jiang2017"])
    with pytest.raises(RainbenchError) as error:
        restore_clip("jiang2017", restorer, clip(12)[:, :5, :5])
    assert error.value.message == "jiang2017 needs at least 6x5 pixels a frame, not 5x5"


def test_a_frame_without_a_patch_is_no_result_of_weis():
    """It came back as it was, rain and all, and was scored as restored."""
    with pytest.raises(RainbenchError, match="needs at least 2 pixels a side, not 9x1"):
        restore_clip("wei2017", build_restorer(ENTRIES["wei2017"]), clip(4)[:, :1, :9])


@pytest.mark.parametrize(
    "frames",
    [np.zeros((4, 8, 8, 3)), np.zeros((8, 8, 3), np.uint8), np.zeros((4, 8, 8), np.uint8)],
)
def test_what_is_no_clip_is_refused(frames):
    with pytest.raises(RainbenchError, match="restores clips, not"):
        restore_clip("x", build_restorer(ENTRIES["fastderain"]), frames)


class Strange:
    bytes_per_pixel = 1
    least_frames = 1

    def __init__(self, what):
        self.what = what

    def __call__(self, frames):
        if isinstance(self.what, BaseException):
            raise self.what
        return {"short": frames[1:] / 255, "whole": frames, "nan": frames * np.nan}[self.what]


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("short", "returned float64 of shape"),
        ("whole", "returned uint8"),
        ("nan", "not finite"),
        (ValueError("why"), "failed on a clip of 8 frames of 36x40.*why"),
        (MemoryError(), "ran out of memory"),
        (SystemExit(3), "failed on"),
    ],
)
def test_a_wrong_result_is_refused(what, said):
    with pytest.raises(RainbenchError, match=said):
        restore_clip("x", Strange(what), clip())


@pytest.mark.parametrize(
    ("network", "arguments", "said"),
    [
        ("os:system", {}, "trust-cards"),
        ("rainbench.video_methods.none:X", {}, "cannot be found"),
        ("rainbench.video_methods.base:Frames", {}, "no video restorer"),
        ("rainbench.video_methods.fastderain:FastDeRain", {"tme": 1.0}, 'it has no "tme"'),
    ],
)
def test_a_card_that_names_no_restorer_is_refused(network, arguments, said):
    with pytest.raises(CardError, match=said):
        build_restorer(made(network=network, arguments=arguments))


@pytest.mark.parametrize("line", ["size_multiple = 8", 'channel_order = "bgr"', "parameters = 5"])
def test_a_card_of_a_video_method_has_no_conventions_of_networks(tmp_path, line):
    text = ENTRIES["fastderain"].baseline.file.read_text()
    key = line.split()[0]
    lines = [each for each in text.splitlines() if not each.startswith(f"{key} =")]
    file = tmp_path / "fastderain.toml"
    file.write_text("\n".join([line, *lines]))
    with pytest.raises(CardError, match=f"{key} is set"):
        read_card(file)
