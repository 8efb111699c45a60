"""The checks of streak layers, each of which is shown to fail when something is wrong."""

import hashlib
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from math import ceil, cos, radians, tan

import numpy as np
import pytest
from rain_checks import (
    check_angle,
    check_blend,
    check_borders,
    check_independent,
    check_mask,
    check_widths,
    structure,
)

from rainbench.core.random import NORMAL_ONE, normal_table, philox, words16
from rainbench.rain import streak_kernels, streaks, transform
from rainbench.rain.physical_streaks import (
    PhysicalParameters,
    PhysicalRanges,
    make_physical_streaks,
)
from rainbench.rain.rainfall import exponential_table, fall_speeds
from rainbench.rain.streaks import StreakLayer, StreakParameters, draw_parameters, make_streaks
from rainbench.rain.transform import BLENDS, Synthesis

ANGLES = (-25, -11, 0, 8, 25)


@pytest.fixture(scope="module")
def scene():
    """A picture with structure and all grey levels."""
    return np.random.default_rng(5).integers(0, 256, (120, 180, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def layers():
    """Layers of one set of parameters and different keys."""
    return [make_streaks(480, 720, drawn(n), "checks", n).layer for n in range(8)]


def drawn(number):
    return draw_parameters((0.2, 1 / 3, 7 / 15, 0.6)[number % 4], "checks", number)


# --- the checks hold ----------------------------------------------------------------------------


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize("amount", [0.2, 0.6])
def test_angle(angle, amount):
    check_angle(
        make_streaks(480, 720, StreakParameters(amount, angle, 35, 1.6), angle).layer, angle
    )


def test_widths():
    check_widths([make_streaks(480, 720, drawn(n), "widths", n) for n in range(12)])


def test_borders(layers):
    check_borders(layers)


@pytest.mark.parametrize("model", ["photoshop", "physical"])
def test_scenes_levels_and_seeds_are_independent(model):
    scene = np.full((480, 720, 3), 90, np.uint8)
    ranges = PhysicalRanges(exposure=(1 / 500, 1 / 500), exaggerate=10)
    strong, weak = (0.6, 1 / 3) if model == "photoshop" else (50.0, 12.5)

    def layer(seed, source, strength, version):
        rain = Synthesis(kind="streaks", model=model, seed=seed, physical_ranges=ranges)
        return rain.prepare(scene, source).rain(strength, version).streaks

    first = layer(0, "a", strong, 1)
    for other in (("b", strong, 1), ("a", weak, 2), ("a", strong, 2)):
        check_independent(first, layer(0, *other))
    check_independent(first, layer(1, "a", strong, 1))
    with pytest.raises(AssertionError, match="alike"):
        check_independent(first, layer(0, "a", strong, 1))
    with pytest.raises(AssertionError, match="shifted"):
        check_independent(first, np.roll(first, (40, 30), (0, 1)))


@pytest.mark.parametrize("model", ["photoshop", "physical"])
@pytest.mark.parametrize("blend", ["screen", "add"])
def test_blend_and_mask(scene, model, blend):
    ranges = PhysicalRanges(exaggerate=10)
    rain = Synthesis(kind="streaks", model=model, blend=blend, rows=480, physical_ranges=ranges)
    pair = rain(scene, "blend")
    check_blend(scene, pair.streaks, pair.rainy, blend)
    check_mask(pair.streaks, pair.streaks > 10, pair.rainy, scene)
    change = np.abs(pair.rainy.astype(int) - scene).mean(axis=2)
    np.testing.assert_allclose(pair.streak_mask, change / change.max(), atol=1e-6)


def test_layers_of_all_keys_have_masks_of_their_own(layers):
    made = make_streaks(480, 720, drawn(0), "checks", 0)
    assert (made.layer == layers[0]).all() and (made.mask == (made.layer > 10)).all()
    assert made.soft_mask.max() <= 1
    np.testing.assert_allclose(made.soft_mask * 0.85 * 255, made.layer, rtol=0.002)


# --- and fail when something is wrong -----------------------------------------------------------


@pytest.mark.parametrize("angle", [-25, -8, 12])
def test_a_wrong_sign_of_the_angle_is_caught(monkeypatch, angle):
    shifts = streaks._row_shifts
    monkeypatch.setattr(
        streaks,
        "_row_shifts",
        lambda height, slope, step: (
            shifts(height, -slope, step) - shifts(height, -slope, step).min()
        ),
    )
    layer = make_streaks(480, 720, StreakParameters(0.4, angle, 35, 1.6), angle).layer
    assert structure(layer)[0] == pytest.approx(-angle, abs=2)
    with pytest.raises(AssertionError, match="the lines fall at"):
        check_angle(layer, angle)


def test_a_shifted_mask_is_caught(monkeypatch):
    monkeypatch.setattr(
        streaks.StreakLayer, "mask", property(lambda made: np.roll(made.layer > 10, 1, axis=1))
    )
    clean = np.full((480, 720, 3), 60, np.uint8)
    made = make_streaks(480, 720, drawn(1), "shifted")
    with pytest.raises(AssertionError, match="mask is not the layer's"):
        check_mask(made.layer, made.mask, streaks.screen(clean, made.layer), clean)


def test_a_shifted_layer_is_caught(scene):
    made = make_streaks(120, 180, drawn(3), "shifted", rows=480)
    rainy = streaks.screen(scene, np.roll(made.layer, 1, axis=1))
    with pytest.raises(AssertionError, match="not the blend"):
        check_blend(scene, made.layer, rainy)


def clipped(image, layer):
    return np.minimum(streaks.screen(image, layer), 240)


def truncated(image, layer):
    product = (255 - image.astype(int)) * layer[..., None] // 255
    return (image + product).astype(np.uint8)


def wrapped(image, layer):
    return image + layer[..., None]


@pytest.mark.parametrize("wrong", [clipped, truncated, wrapped])
def test_a_wrong_blend_is_caught(monkeypatch, scene, wrong):
    monkeypatch.setattr(transform, "BLENDS", {**BLENDS, "screen": wrong})
    pair = Synthesis(kind="streaks", rows=480)(scene, "wrong")
    with pytest.raises(AssertionError, match="picture"):
        check_blend(scene, pair.streaks, pair.rainy)


@pytest.mark.parametrize("wrong", [{"length": 2}, {"length": 0.5}, {"width": 2}])
def test_wrong_widths_are_caught(wrong):
    made = []
    for number in range(4):
        told = drawn(number)
        change = {name: getattr(told, name) * factor for name, factor in wrong.items()}
        layer = make_streaks(480, 720, replace(told, **change), "wrong", number).layer
        made.append(StreakLayer(layer, told))
    with pytest.raises(AssertionError, match="half a correlation"):
        check_widths(made)


def test_a_dark_border_and_a_tiled_layer_are_caught(layers):
    dark = [layer.copy() for layer in layers]
    for layer in dark:
        layer[:8] //= 4
        layer[:, :8] //= 4
    with pytest.raises(AssertionError, match="the frame has"):
        check_borders(dark)
    with pytest.raises(AssertionError, match="repeats"):
        check_borders([np.tile(layers[0][:240, :360], (2, 2))])


# --- compiled loops against plain NumPy ---------------------------------------------------------


def plain_streaks(height, width, parameters, *key):
    """The painted streaks of the specification, in plain NumPy, as a brightness 0 to 1."""
    scale = height / 480
    grain = parameters.width * scale
    slope = tan(radians(parameters.angle))
    taps = max(2, round(parameters.length * scale * cos(radians(parameters.angle)) / grain))
    rows, columns = ceil(height / grain) + 2, ceil((width + abs(slope) * height) / grain) + 3
    words = words16(philox("streak", *key), (rows + taps) * columns).reshape(-1, columns)
    quantile = normal_table() / NORMAL_ONE
    noise = np.clip(parameters.amount * quantile[words], 0, 1)
    field = np.stack([noise[y + 1 : y + taps + 1].mean(axis=0) for y in range(rows)])
    of_all = np.clip(parameters.amount * quantile, 0, 1)
    # 1 - (1 - 0.597) / 3 of the variance was left when the constants were fitted
    spread = of_all.std() / np.sqrt(taps) / np.sqrt(1 - (1 - 0.597) / 3)
    tail = np.quantile(quantile, 1 - (0.8 * parameters.amount - 0.04))
    black = of_all.mean() + tail * spread
    white = black + spread / (0.7 * (parameters.amount / 0.2) ** 0.25)
    step = round(256 / grain) / 256
    y, x = np.mgrid[:height, :width].astype(float)
    place = x * step + np.rint((max(0, slope * height) - slope * y) * step * 256) / 256
    down = y * step
    row, column = np.floor(down).astype(int), np.floor(place).astype(int)
    down, aside = down - row, place - column
    above = field[row, column] * (1 - aside) + field[row, column + 1] * aside
    below = field[row + 1, column] * (1 - aside) + field[row + 1, column + 1] * aside
    share = np.clip((above * (1 - down) + below * down - black) / (white - black), 0, 1)
    return share * parameters.opacity


@pytest.mark.parametrize("number", range(4))
def test_painted_streaks_are_those_of_plain_numpy(number):
    parameters = drawn(number)
    made = make_streaks(240, 200, parameters, "plain", number).layer
    wanted = 255 * plain_streaks(240, 200, parameters, "plain", number)
    assert np.abs(made - wanted).max() < 0.5 + 0.1  # of a grey level, for the rounded constants


def plain_drops(words, rain, scales, blurs, window, shape):
    """The light that passes a shell of drops, by whole pictures for every drop."""
    clear = np.ones(shape)
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    gaps = exponential_table()[words[:, 1]]
    places = window[1] + window[3] * np.cumsum(gaps) / (1 + gaps.sum())
    for (across, _, size, depth, turn), place in zip(words[:-1].tolist(), places, strict=False):
        size = min(0.5 + rain[0] * exponential_table()[size], 6.0)
        speed = fall_speeds()[round(size * 100)]
        scale, blur = scales[depth // 256], blurs[depth // 256]
        slope = rain[2] / speed + rain[3] * normal_table()[turn]
        stretch = np.hypot(1, slope)
        wide, path = size / 1000 * scale, np.hypot(speed, slope * speed) * rain[1] * scale
        down = y - place
        aside = x - (window[0] + window[2] * (across + 0.5) / 65536) - down * slope
        shape, peak = 1.0, rain[4]
        for parts, distance in (
            ((wide, blur, 1, path), abs(down) * stretch),
            ((wide, blur, 1), abs(aside) / stretch),
        ):
            rest = max(np.sqrt(sum(part**2 for part in parts) - max(parts) ** 2), 1e-3)
            long, short = max(*parts, rest), min(max(parts), rest)
            shape = shape * np.clip(((long + short) / 2 - distance) / short, 0, 1)
            peak *= wide / long
        clear *= 1 - min(1.0, peak) * shape
    return clear


def test_falling_drops_are_those_of_plain_numpy():
    words = np.random.default_rng(6).integers(0, 65536, (60, 5)).astype(np.uint16)
    rain = np.array([0.55 / 4096, 1 / 200, 1.5, 8e-6, 9.0])
    scales, blurs = np.linspace(900, 200, 256), np.linspace(8, 0, 256)
    window = np.array([-20.0, -40.0, 160.0, 200.0])
    clear = np.ones((120, 110), np.float32)
    streak_kernels.draw_falling(
        words, (exponential_table(), normal_table()), fall_speeds(), rain, scales, blurs, window,
        clear,
    )  # fmt: skip
    wanted = plain_drops(words, rain, scales, blurs, window, clear.shape)
    assert wanted.min() < 0.9
    np.testing.assert_allclose(clear, wanted, atol=1e-4)


# --- bytes --------------------------------------------------------------------------------------

GOLDEN = {
    ("photoshop", 48, 72): "43d812cd299c0c069f67a4dbdcefde76430dae8153e5c5f81ebcfe2764f4f640",
    ("photoshop", 31, 90): "39bd8560ec6178edc2305a66f7bb1795aa9d26274081d3faf93292956c9c8532",
    ("photoshop", 60, 40): "322ee0111a434279850cce5e230bef44ed8d6b608f0327127c084f2b924f26a4",
    ("photoshop", 96, 144): "4cfd98350eb19aabd630dd10f70d041baf2c25652959054879b687eba9ef80ad",
    ("physical", 48, 72): "20846b46638c36634edd6fa57715a51173f91878203683fbd313305930121e42",
    ("physical", 31, 90): "3db618829582fb33615f1725fd1924e33838d1a5db8e0ce70c6637103891b1f5",
    ("physical", 60, 40): "e5ee506f8fa5726705a3a2c213fbe7a61e58cbac694fef7af4dac18b4782e5f0",
    ("physical", 96, 144): "bd372a24612736eb6ad8dc5e48f1fa4b51c1cf0bb8d3e57dbb2e8dbdc88c22e0",
}
"""Hashes of whole layers; the same with every NumPy and numba and on every processor."""


def hash_of_layer(case):
    model, height, width = case
    if model == "photoshop":
        parameters = StreakParameters(0.2 + height / 300, 40 - height / 2, 35, 1.6)
        layer = make_streaks(height, width, parameters, "golden", height, rows=480).layer
    else:
        rain = PhysicalParameters(20 + height, 2 - height / 30, 0.01, 10)
        layer = make_physical_streaks(height, width, rain, "golden", height, rows=480).layer
    assert layer.any()
    return hashlib.sha256(layer.tobytes()).hexdigest()


@pytest.mark.parametrize("case", GOLDEN, ids=str)
def test_the_bytes_never_change(case):
    assert hash_of_layer(case) == GOLDEN[case]


def test_the_bytes_are_the_same_in_other_processes_and_orders():
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        turned = list(pool.map(hash_of_layer, list(GOLDEN)[::-1]))
    assert turned[::-1] == list(GOLDEN.values())
