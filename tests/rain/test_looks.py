"""The natural look: streaks as faint as real ones, drops with real rims and highlights."""

import hashlib

import cv2
import numpy as np
import pytest
from rain_checks import (
    DROP_PARTS,
    check_angle,
    check_blend,
    check_mask,
    drop_statistics,
    rims_and_highlights,
    without_drops,
)

from rainbench.core.errors import RainbenchError
from rainbench.core.images import read_image
from rainbench.rain.drops import DROP_RANGES, draw_drop_parameters, lay_glass, render_drops
from rainbench.rain.streaks import StreakParameters, draw_parameters, make_streaks, screen
from rainbench.rain.transform import Synthesis


def layer(amount, look, number=0, size=(240, 360)):
    drawn = draw_parameters(amount, "looks", number)
    return make_streaks(*size, drawn, "looks", number, rows=480, look=look).layer


def pane(clean, look, *key):
    drawn = draw_drop_parameters("statistics", *key, ranges=DROP_RANGES[look])
    return render_drops(clean, drawn, "statistics", *key, look=look)


def scene(height=240, width=360):
    """Dark leaves below a sky that is just in the picture."""
    leaves = np.random.default_rng(1).normal(0, 10, (height // 2, width // 2, 3))
    smooth = cv2.resize(leaves, (width, height))
    sky = np.clip(1 - np.arange(height) / (0.15 * height), 0, 1)[:, None, None] * 170
    return np.clip(45 + smooth + sky, 0, 255).astype(np.uint8)


# --- streaks ------------------------------------------------------------------------------------


def strengths(amount, look):
    """Shares of white of the visible streaks, and the share of the picture that they cover."""
    share = np.concatenate([layer(amount, look, n).ravel() for n in range(4)]) / 255
    visible = share * 165 > 10  # over a grey level of 90
    return np.percentile(share[visible], [50, 90, 99]), visible.mean(), share


def test_heavy_streaks_are_as_faint_as_real_ones():
    """Real: 0.09 to 0.21, 0.19 to 0.43 and 0.37 to 0.73 in films and pairs of heavy rain."""
    (middle, high, highest), covered, share = strengths(0.6, "natural")
    assert 0.1 < middle < 0.21 and 0.3 < high < 0.43 and 0.45 < highest < 0.75
    assert 0.1 < covered < 0.3 and (share > 0.8).mean() < 0.001
    (middle, high, _), covered, share = strengths(0.6, "painted")
    assert middle > 0.35 and high > 0.8 and covered > 0.33 and (share > 0.8).mean() > 0.04


def test_no_natural_streak_is_white_over_a_gray_scene():
    clean = np.full((240, 360, 3), 128, np.uint8)
    assert (screen(clean, layer(0.6, "natural")) < 245).all()


def test_natural_streaks_grow_with_the_level_and_are_fainter_than_painted_ones():
    natural, painted = (
        [layer(amount, look).mean() for amount in (0.2, 1 / 3, 7 / 15, 0.6)]
        for look in ("natural", "painted")
    )
    assert (np.diff(natural) > 0.5).all() and (np.array(natural) < painted).all()


def test_natural_streaks_pass_the_checks_of_painted_ones():
    told = StreakParameters(0.6, 12, 35, 1.6)
    made = make_streaks(480, 720, told, "natural", look="natural")
    check_angle(made.layer, 12)
    clean = np.random.default_rng(5).integers(0, 256, (120, 180, 3), dtype=np.uint8)
    pair = Synthesis(kind="streaks", rows=480, look="natural")(clean, "blend")
    check_blend(clean, pair.streaks, pair.rainy)
    check_mask(pair.streaks, pair.streaks > 10, pair.rainy, clean)
    assert pair.parameters["look"] == "natural"
    assert "look" not in Synthesis(kind="streaks", rows=480)(clean, "blend").parameters


# --- drops --------------------------------------------------------------------------------------


def measured(look, blur=0.0):
    pictures = []
    for version in range(3):
        wet = pane(scene(480, 720), look, version).image
        wet = cv2.GaussianBlur(wet, (0, 0), blur) if blur else wet
        pictures.append((wet, np.s_[100:400, :]))
    return rims_and_highlights(pictures)


def test_natural_drops_have_sharper_rims_and_more_highlights():
    natural, painted = measured("natural"), measured("painted")
    assert natural[0] > 1.1 * painted[0] and natural[1] > 2 * painted[1]


def test_blurred_rims_and_dull_highlights_are_noticed():
    natural, blurred = measured("natural"), measured("natural", 2.0)
    assert blurred[0] < 0.85 * natural[0] and blurred[1] < 0.85 * natural[1]


def test_the_picture_is_made_again_from_the_glass_though_the_sky_is_beyond_white():
    bright = np.full((120, 180, 3), 235, np.uint8)
    for clean in (scene(120, 180), bright):
        wet = render_drops(clean, draw_drop_parameters(1, ranges=DROP_RANGES["natural"]), 1,
                           rows=480, look="natural")  # fmt: skip
        assert wet.mask.any() and (lay_glass(clean, wet.alpha, wet.light) == wet.image).all()
        assert (wet.image[wet.alpha == 0] == clean[wet.alpha == 0]).all()


@pytest.mark.data
def test_rims_and_highlights_are_those_of_photographs(shared):
    real, ours = [], {"natural": [], "painted": []}
    for name, part in DROP_PARTS.items():
        photograph = read_image(shared / "data/raindrop/real" / name)
        behind = without_drops(photograph)
        real.append((photograph, part))
        for look, pictures in ours.items():
            pictures += [(pane(behind, look, name, n).image, part) for n in range(4)]
    wanted = rims_and_highlights(real)
    np.testing.assert_allclose(rims_and_highlights(ours["natural"]), wanted, rtol=0.15)
    assert (rims_and_highlights(ours["painted"]) < 0.8 * wanted).all()


@pytest.mark.data
def test_the_other_statistics_stay_within_a_quarter(shared):
    found = []
    for number in range(4):
        clean = read_image(shared / f"data/raindrop/gt/{number}_clean.png")
        found += [drop_statistics(pane(clean, "natural", number, n).image, clean) for n in range(4)]
    real = (372, 5.0, 10.9, 20.4, 0.85, 0.24)
    np.testing.assert_allclose(np.mean(found, axis=0), real, rtol=0.25)


# --- bytes and bad input ------------------------------------------------------------------------

GOLDEN = {
    "streaks": "df88bfcce61a2db8c2d047e5b7f438ed487ed2387e0c68ac9128c9b677f8165c",
    "drops": "756d62211c6abc099c338d7b1b3a7a071e21db497b97519ffb77a50b04a12f62",
}
"""Hashes of natural layers and renders; the same with every NumPy and numba."""


def hash_of(what):
    grid = np.arange(48 * 72 * 3).reshape(48, 72, 3)
    clean = (grid * 2654435761 >> 7 & 127).astype(np.uint8)
    if what == "streaks":
        data = layer(0.6, "natural", size=(48, 72)).tobytes()
    else:
        drawn = draw_drop_parameters("golden", ranges=DROP_RANGES["natural"])
        wet = render_drops(clean, drawn, "golden", rows=480, look="natural")
        assert wet.mask.any()
        data = wet.image.tobytes() + wet.alpha.tobytes() + wet.light.astype("<u2").tobytes()
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("what", GOLDEN)
def test_the_bytes_never_change(what):
    assert hash_of(what) == GOLDEN[what]


def test_an_unknown_look_is_refused():
    with pytest.raises(RainbenchError, match="look 'glossy': it must be painted, natural"):
        Synthesis(look="glossy")
