"""Backgrounds of video methods as clean frames, and the clean frame as a video method."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from sequences import Spec, make_sequence, psnr

from rainbench.catalog.registry import Entry, load_registry
from rainbench.clean_frame.by_video import backgrounds
from rainbench.clean_frame.by_video.backgrounds import SECONDS, VideoMethod, restored_background
from rainbench.clean_frame.extract import extract_clean_frame
from rainbench.commands.build_spa import METHODS
from rainbench.core.errors import RainbenchError
from rainbench.frames.sources import as_source
from rainbench.spa.options import SpaOptions, choose_device
from rainbench.video_methods.load import build_restorer, restore_clip

NAMES = get_args(VideoMethod)


LEAST_GAIN = {
    "fastderain": (3.0, 10.0),
    "jiang2017": (8.0, 4.0),
    "wei2017": (3.0, 0.1),
    "ms-csc": (3.0, 10.0),
}
"""How much rain, and dB over the mean of the frames: each method has rain that it is good for."""


def sequence(rain):
    brightness = 1.5 if rain > 4 else 1.0
    spec = Spec("x", "chelsea", frames=12, rain=rain, brightness=brightness, angle=0.0, noise=0.5)
    return make_sequence(spec, 40, 36)


@pytest.fixture(scope="module")
def clip():
    return sequence(3.0)


@pytest.mark.parametrize("method", NAMES)
def test_it_is_the_median_of_what_the_method_restores(method):
    rain, least = LEAST_GAIN[method]
    clip = sequence(rain)
    clean, mean = (extract_clean_frame(clip.frames, each) for each in (method, "mean"))
    assert (clean.method, clean.frames, clean.percentile) == (method, 12, None)
    assert np.abs(clean.image - clean.levels).max() <= 0.5
    assert psnr(clean.levels, clip.truth) > psnr(mean.levels, clip.truth) + least
    card = load_registry().baselines[method]
    still = {"objects": False} if "objects" in card.arguments else {}
    made = build_restorer(Entry(replace(card, arguments={**card.arguments, **still}), None))
    restored = restore_clip(method, made, clip.frames)
    assert np.allclose(clean.levels, np.median(255 * restored, axis=0), atol=1e-3)
    again = restored_background(as_source(list(clip.frames)), method)
    assert np.array_equal(clean.levels, again)


def test_they_are_offered_and_cost_what_their_cards_say():
    assert set(NAMES) < set(METHODS)
    registry = load_registry()
    for name in NAMES:
        assert SECONDS[name] == registry.baselines[name].seconds_per_megapixel
        assert SpaOptions(method=name).candidate_key("x") != SpaOptions().candidate_key("x")
        assert choose_device("auto", name) == "cpu"


def test_light_is_corrected_before(clip):
    light = np.linspace(0.8, 1.1, len(clip.frames))
    darker = np.rint(clip.frames * light[:, None, None, None]).clip(0, 255).astype(np.uint8)
    clean = extract_clean_frame(darker, "fastderain", exposure=light)
    assert psnr(clean.levels, extract_clean_frame(clip.frames, "fastderain").levels) > 35


def test_what_does_not_fit_into_memory_is_refused(clip, monkeypatch):
    monkeypatch.setattr(backgrounds, "free_memory", lambda: 900 * 40 * 36 * 5)
    with pytest.raises(RainbenchError, match=r"ms-csc sees 12 frames of 36x40 .* enough for 5"):
        extract_clean_frame(clip.frames, "ms-csc")


def test_too_few_frames_are_refused(clip):
    with pytest.raises(RainbenchError, match="jiang2017 needs at least 7 frames, not 3"):
        extract_clean_frame(clip.frames[:3], "jiang2017")


def test_the_clean_frame_stands_for_every_frame(clip):
    (entry,) = load_registry().entries(["spa-clean-frame"])
    restored = restore_clip(entry.name, build_restorer(entry), clip.frames)
    clean = extract_clean_frame(clip.frames, "spanet-reference").image
    assert (np.rint(255 * restored) == clean).all() and len(restored) == len(clip.frames)
