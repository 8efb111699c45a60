"""Physical streaks: sizes, speeds, lengths, opacities against the formulas they come from."""

import csv

import numpy as np
import pytest
from click.testing import CliRunner

from rainbench.commands import synth, synth_jrsrd
from rainbench.core.errors import RainbenchError
from rainbench.core.images import read_image, write_png
from rainbench.core.random import NORMAL_ONE, normal_table
from rainbench.rain import streak_kernels
from rainbench.rain.drops import DROP_RANGES
from rainbench.rain.mist import MistRanges
from rainbench.rain.physical_streaks import (
    THINNEST,
    PhysicalParameters,
    PhysicalRanges,
    draw_physical_parameters,
    drawn_shells,
    drop_light,
    make_physical_streaks,
)
from rainbench.rain.rainfall import (
    LARGEST,
    QUANTILE_ONE,
    SMALLEST,
    drop_sizes,
    exponential_table,
    extinction,
    fall_speeds,
)
from rainbench.rain.streaks import StreakRanges, screen
from rainbench.rain.strength import input_psnr


def integrate(rate, power):
    """The moment of Marshall and Palmer's drops from 0.5 mm on, by a plain sum over diameters."""
    sizes = np.arange(SMALLEST, 40, 1e-4) + 0.5e-4
    return (8000 * np.exp(-4.1 * rate**-0.21 * sizes) * sizes**power).sum() * 1e-4


@pytest.mark.parametrize("rate", [1, 10, 50, 150])
def test_sizes_have_the_moments_of_marshall_and_palmer(rate):
    sizes = drop_sizes(rate)
    assert sizes.density == pytest.approx(integrate(rate, 0), rel=1e-4)
    drawn = SMALLEST + sizes.excess * exponential_table() / QUANTILE_ONE
    for power in (1, 2, 3):  # diameter, area, water
        wanted = integrate(rate, power) / integrate(rate, 0)
        assert (drawn**power).mean() == pytest.approx(wanted, rel=0.005)


def test_the_rain_that_falls_is_the_rain_rate():
    """Marshall and Palmer fitted drops on the ground: water times speed is near the rain rate."""
    for rate in (10, 50):
        sizes = np.arange(SMALLEST, LARGEST, 1e-2)
        number = 8000 * np.exp(-drop_sizes(rate).slope * sizes) * 1e-2
        speed = fall_speeds()[np.rint(100 * sizes).astype(int)]
        fallen = (number * np.pi / 6 * (sizes * 1e-3) ** 3 * speed).sum() * 1000 * 3600
        assert fallen == pytest.approx(rate, rel=0.25)


def test_speeds_are_those_measured():
    """Gunn and Kinzer (1949), which the formula is a fit of: within 5 % from 1 mm on."""
    measured = {1.0: 4.03, 1.4: 5.17, 2.0: 6.49, 2.6: 7.57, 3.0: 8.06, 4.0: 8.83, 5.0: 9.09}
    for size, speed in measured.items():
        assert fall_speeds()[round(100 * size)] == pytest.approx(speed, rel=0.05)
    assert (np.diff(fall_speeds()) >= 0).all() and fall_speeds()[0] == 0


def one_drop(size=2.0, metres=2.0, *, exposure=1 / 120, wind=0.0, exaggerate=1.0, blur=0.0, at=0):
    """Draw one drop in the middle of 400x300 pixels; return the share of light that it takes."""
    words = np.zeros((2, 5), np.uint16)
    words[0] = 32768 + at, 7, 0, 0, 0
    words[1, 1] = 7
    quantile = np.full(65536, round((size - SMALLEST) * QUANTILE_ONE))
    rain = np.array([1 / QUANTILE_ONE, exposure, wind, 0.0, exaggerate])
    scales, blurs = np.full(256, 720 / metres), np.full(256, blur)
    window = np.array([0.0, 0.37 * at % 1, 300.0, 400.0])
    clear = np.ones((400, 300), np.float32)
    streak_kernels.draw_falling(
        words, (quantile, normal_table()), fall_speeds(), rain, scales, blurs, window, clear
    )
    return 1 - clear.astype(float)


@pytest.mark.parametrize("size", [1.0, 3.0])
@pytest.mark.parametrize("exposure", [1 / 60, 1 / 500])
@pytest.mark.parametrize("metres", [1.0, 3.0])
def test_a_streak_is_as_long_as_the_drop_falls(size, exposure, metres):
    taken = one_drop(size, metres, exposure=exposure)
    along = taken.sum(axis=1)
    wide = size * 1e-3 * 720 / metres
    length = float(fall_speeds()[round(100 * size)]) * exposure * 720 / metres
    # half of the most, at both ends: the width of a trapezoid is that of its wider box
    half = (along > along.max() / 2).sum()
    assert half == pytest.approx(max(length, np.hypot(wide, 1)), abs=1.1)


@pytest.mark.parametrize("size", [0.6, 2.0, 5.0])
@pytest.mark.parametrize("exposure", [1 / 60, 1 / 1000, 1e-5])
@pytest.mark.parametrize("wind", [0.0, 1.5])
@pytest.mark.parametrize("blur", [0.0, 6.0])
def test_the_opacities_sum_up_to_the_drops_width_squared(size, exposure, wind, blur):
    """Its opacity, (D / v) / T, times its path, v T, times its width, D: however it is spread."""
    sums = []
    for at in range(0, 218, 10):  # places between two pixels, 218 / 65536 of the window
        taken = one_drop(size, 2.0, exposure=exposure, wind=wind, blur=blur, at=at)
        assert taken.min() >= 0 and taken.max() <= 1
        sums.append(taken.sum())
    assert np.mean(sums) == pytest.approx((size * 1e-3 * 720 / 2) ** 2, rel=0.02)


def test_opacity_is_the_time_that_a_drop_hides_a_point():
    """A wide streak in focus: (D / v) / T, Garg and Nayar; thin ones by their share of a pixel."""
    speed = float(fall_speeds()[500])
    wide = one_drop(5.0, 0.5, exposure=1 / 60)
    assert wide.max() == pytest.approx(5e-3 / speed * 60, rel=0.01)
    thin = one_drop(5.0, 36.0, exposure=1 / 4)
    assert thin.sum(axis=1).max() == pytest.approx(5e-3 / speed * 4 * 0.1, rel=0.01)
    assert one_drop(5.0, 0.5, exposure=1e-5).max() == pytest.approx(1, abs=0.01)
    assert one_drop(5.0, 0.5, exaggerate=50).max() == 1


@pytest.mark.parametrize("wind", [-3.0, 1.0, 4.0])
def test_wind_blows_streaks_aside(wind):
    taken = one_drop(2.0, 1.0, wind=wind, exposure=1 / 60)
    y, x = np.nonzero(taken > taken.max() / 2)
    slope = np.polyfit(y, x, 1)[0]
    assert slope == pytest.approx(wind / float(fall_speeds()[200]), abs=0.01)
    assert np.sign(PhysicalParameters(50, wind).angle) == np.sign(wind)


def test_defocus_is_the_thin_lens_formula():
    """A drop at 1 m, focus at 8 m, 36 mm at f/4 on 36 mm of sensor, 720 pixels: 5.7 pixels."""
    blur = 0.036**2 / 4 * abs(1 - 1 / 8) / 0.036 * 720
    across = one_drop(0.6, 1.0, blur=blur).sum(axis=0)
    assert (across > across.max() / 2).sum() == pytest.approx(5.67, abs=1)
    thin = {"exposure": 1e-5, "nearest": 1.0, "farthest": 1.02, "shells": 1, "turbulence": 0.0}
    sharp, blurred = (
        make_physical_streaks(480, 720, PhysicalParameters(5, **thin, focus=metres), "blur").layer
        for metres in (1.0, 8.0)
    )
    assert sharp.max() > 6 * int(blurred.max()) > 0


def test_as_many_drops_as_the_air_holds():
    """The light taken from the picture is that of the drops in the pyramid before the camera."""
    parameters = PhysicalParameters(50, exposure=1e-5, nearest=1, farthest=3, shells=3)
    light = np.mean([
        make_physical_streaks(480, 720, parameters, "count", n).layer.mean() for n in range(3)
    ]) / 255  # fmt: skip
    # per pixel: the integral over z of number times width squared times the pixel's area there
    wanted = integrate(50, 2) * 1e-6 * (3 - 1) * parameters.light
    # faint edges are rounded to black
    assert 0.75 * wanted < light < 1.02 * wanted


def test_far_drops_are_mist():
    parameters = PhysicalParameters(50)
    shells = drawn_shells(parameters, 720)
    assert len(shells) == 5 and shells[0][0] == pytest.approx(0.4, abs=0.01)
    mean = 1e-3 * (SMALLEST + drop_sizes(50).excess)
    assert 720 * mean / shells[-1][128] >= THINNEST > 720 * mean / np.sqrt(8 * shells[-1][-1])
    assert len(drawn_shells(parameters, 2000)) == 6
    assert parameters.as_record()["extinction"] == extinction(50) == pytest.approx(4.29, abs=0.01)


def test_true_rain_is_nearly_invisible_and_exaggeration_is_a_factor(photograph):
    """The study's 51, 44 and 39 dB at 1/60 s for 10, 50 and 150 mm/h, within 3 dB."""
    for rate, wanted in ((10, 51), (50, 44), (150, 39)):
        rain = PhysicalParameters(rate, 1.0, 1 / 60, light=drop_light(photograph))
        layer = make_physical_streaks(480, 720, rain, "psnr").layer
        assert input_psnr(screen(photograph, layer), photograph)[0] == pytest.approx(wanted, abs=3)
    few = [make_physical_streaks(480, 720, PhysicalParameters(2, exposure=1e-3, exaggerate=g),
                                 "factor").layer.sum(dtype=float) for g in (10, 20)]  # fmt: skip
    assert few[1] / few[0] == pytest.approx(2, rel=0.15)


@pytest.fixture(scope="module")
def photograph(shared):
    return np.ascontiguousarray(read_image(shared / "data/raindrop/gt/0_clean.png")[:480, :720])


def test_shorter_exposures_make_shorter_and_brighter_streaks():
    layers = [
        make_physical_streaks(480, 720, PhysicalParameters(50, 0, t, 10), "time").layer
        for t in (1 / 60, 1 / 250, 1 / 1000)
    ]
    deviations = [layer.std() for layer in layers]
    assert np.all(np.diff(deviations) > 0)


def test_layer_masks_and_record():
    made = make_physical_streaks(120, 180, PhysicalParameters(100, 1, 1 / 100, 10), "m", rows=480)
    assert made.soft_mask.min() >= 0 and made.soft_mask.max() <= 1
    assert (made.mask == (made.layer > 10)).all() and made.mask.any()
    record = made.as_record()
    assert record["exaggerate"] == 10 and record["rate"] == 100 and record["visible"] > 0


def test_a_drop_shows_the_sky_too():
    """94 % of the mean of a gray scene and a sky five times as bright, in linear light."""
    gray = np.full((4, 4, 3), 100, np.uint8)
    linear = 0.94 * ((100 / 255 + 0.055) / 1.055) ** 2.4 * (1 + 5) / 2
    assert drop_light(gray) == pytest.approx(1.055 * linear ** (1 / 2.4) - 0.055, abs=0.003)
    assert drop_light(np.zeros((4, 4, 3), np.uint8)) == 0
    assert drop_light(np.full((4, 4, 3), 255, np.uint8)) < 1


def test_parameters_come_from_the_ranges():
    ranges = PhysicalRanges(rate=(5, 7), wind=(1, 2), exposure=(0.01, 0.02), exaggerate=9)
    for n in range(30):
        drawn = draw_physical_parameters(None, n, ranges=ranges)
        assert 5 <= drawn.rate <= 7 and 1 <= drawn.wind <= 2 and 0.01 <= drawn.exposure <= 0.02
        assert drawn.exaggerate == 9
    assert draw_physical_parameters(3.0, 1, ranges=ranges).rate == 3


@pytest.mark.parametrize(
    "wrong",
    [{"rate": 0}, {"wind": 99}, {"exposure": 2}, {"exaggerate": 0}, {"nearest": 9}, {"shells": 0},
     {"rate": float("nan")}],
)  # fmt: skip
def test_numbers_out_of_range_are_named(wrong):
    with pytest.raises(RainbenchError, match=next(iter(wrong))):
        PhysicalParameters(**{"rate": 50, **wrong})


def test_ranges_that_run_backwards_are_refused():
    with pytest.raises(RainbenchError, match="wind of physical streaks is 2 to 1"):
        PhysicalRanges(wind=(2, 1))


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (500, 3), (17, 23)])
def test_pictures_of_any_size(size):
    made = make_physical_streaks(*size, PhysicalParameters(100, 2, 1 / 60, 10), "size", rows=480)
    assert made.layer.shape == size


def test_the_normal_table_is_scaled_as_the_slope_expects():
    """Turbulence of 2 degrees: slopes with a deviation of tan 2 degrees."""
    scale = round(2.0 * 0.01745329 / NORMAL_ONE, 12)
    assert (normal_table() * scale).std() == pytest.approx(np.tan(np.radians(2)), rel=0.002)


def call(tmp_path, *arguments):
    """Run ``rainbench synth`` or ``synth-jrsrd`` in this process."""
    folder = tmp_path / "clean"
    if not folder.is_dir():
        folder.mkdir()
        for n in range(2):
            picture = np.random.default_rng(n).integers(0, 200, (48, 72, 3), dtype=np.uint8)
            write_png(folder / f"{n}.png", picture)
    command = {"synth": synth.command, "synth-jrsrd": synth_jrsrd.command}[arguments[0]]
    return CliRunner().invoke(
        command, [str(each).replace("CLEAN", str(folder)) for each in arguments[1:]]
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("synth", "streaks", "CLEAN", "--rate", 1, 2), "--rate is for physical streaks"),
        (("synth", "streaks", "CLEAN", "--exaggerate", 9), "--exaggerate is for physical streaks"),
        (
            ("synth", "streaks", "CLEAN", "--model", "physical", "--angle", 1, 2),
            "--angle is for painted streaks",
        ),
        (("synth", "mist", "CLEAN", "--wind", 1, 2), "--wind is for physical streaks"),
        (
            ("synth", "streaks", "CLEAN", "--model", "physical", "--exposure", 5, 9),
            "exposure of physical streaks is 5.0",
        ),
        (
            ("synth-jrsrd", "--clean", "CLEAN", "--drops", "lens", "--exaggerate", 9),
            "--exaggerate is for --model physical",
        ),
        (
            ("synth-jrsrd", "--clean", "CLEAN", "--drops", "lens", "--model", "physical",
             "--levels", 0.05),
            "a level is a rain rate",
        ),
    ],
)  # fmt: skip
def test_options_of_the_other_model_are_refused(tmp_path, arguments, text):
    done = call(tmp_path, *arguments, "--out", tmp_path / "out")
    assert isinstance(done.exception, RainbenchError) and text in str(done.exception)
    assert not (tmp_path / "out").exists()


def test_help_names_the_ranges_that_are_drawn_from():
    shown = " ".join(CliRunner().invoke(synth.command, ["--help"]).output.split())
    checked = []
    for ranges in (StreakRanges(), PhysicalRanges(), DROP_RANGES["natural"], MistRanges()):
        for name in ranges.__dataclass_fields__:
            flag = "--drop-count" if name == "count" else f"--{name}"
            if f"{flag} LOW HIGH" in shown:
                text = shown.split(f"{flag} LOW HIGH")[1].split("[default: ")[1].split("]")[0]
                told = [float(each) for each in text.split()]
                assert told == pytest.approx(getattr(ranges, name), rel=0.01), flag
                checked.append(flag)
    assert len(checked) == shown.count("LOW HIGH") == 13


def test_a_physical_set_is_built_and_says_so(tmp_path):
    done = call(
        tmp_path, "synth-jrsrd", "--clean", "CLEAN", "--drops", "lens", "--model", "physical",
        "--exaggerate", 12, "--levels", "20,80", "--workers", 1, "--out", tmp_path / "out",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    card = next((tmp_path / "out").glob("*.toml")).read_text()
    assert "rain of 20, 80 mm/h, opacity exaggerated 12 times" in " ".join(card.split())
    rows = list(csv.DictReader(next((tmp_path / "out").glob("*/metadata.csv")).open()))
    assert {row["streak_rate"] for row in rows} == {"20", "80"}
    assert {(row["model"], row["streak_exaggerate"]) for row in rows} == {("physical", "12")}
