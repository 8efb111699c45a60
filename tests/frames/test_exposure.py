import numpy as np
import pytest
from sequences import STATIC, Spec, make_sequence

from rainbench.clean_frame.extract import extract_clean_frame
from rainbench.core.errors import RainbenchError
from rainbench.frames.exposure import estimate_exposure, normalise
from rainbench.frames.sources import ListSource


@pytest.mark.parametrize("ramp", [False, True])
@pytest.mark.parametrize("drift", [0.05, 0.15])
def test_drift_is_found_behind_rain(drift, ramp):
    spec = Spec("D", "chelsea", frames=60, rain=2.0, drift=drift, ramp=ramp)
    sequence = make_sequence(spec, 96, 144)
    assert np.abs(estimate_exposure(sequence.frames) - sequence.exposure).max() < 2e-3


def test_flicker_is_found_behind_dense_rain():
    sequence = make_sequence(STATIC[8], 96, 144)
    error = estimate_exposure(sequence.frames) - sequence.exposure
    assert error.std() < 0.5 * sequence.exposure.std()


@pytest.mark.parametrize("bright", [0.85, 0.95, 1.15])
def test_light_that_is_switched_is_usual_in_most_frames(bright):
    frames = make_sequence(Spec("B", "coffee", frames=60, flicker=0), 64, 96).frames
    light = np.where(np.arange(60) % 5 < 2, bright, 1.0)
    lit = np.clip(np.rint(frames * light[:, None, None, None]), 0, 255).astype(np.uint8)
    assert np.abs(estimate_exposure(lit) - light).max() < 5e-3


def _cast(frames, light):
    """Give each frame ``(N, 3)`` another colour."""
    return np.clip(np.rint(frames * light[:, None, None]), 0, 255).astype(np.uint8)


def _wandering(share, count=60):
    """A white balance that wanders, three times to and fro."""
    phase = np.sin(np.arange(count) * 6 * np.pi / count)
    return 1 + share * phase[:, None] * [1, 0, -1]


@pytest.mark.parametrize("share", [0.02, 0.06])
@pytest.mark.parametrize("rain", [1.0, 3.0])
def test_the_colour_of_the_light_is_found_behind_rain(rain, share):
    spec = Spec("W", "coffee", frames=60, rain=rain, flicker=0)
    light = _wandering(share) * np.linspace(0.95, 1.05, 60)[:, None]
    exposure = estimate_exposure(_cast(make_sequence(spec, 96, 144).frames, light))
    assert np.abs(exposure - light).max() < 6e-3


def test_light_of_one_colour_is_one_number():
    frames = make_sequence(Spec("L", "coffee", frames=60, drift=0.1), 96, 144).frames
    assert estimate_exposure(frames).shape == (60,)
    assert estimate_exposure(_cast(frames, _wandering(0.005))).shape == (60,)


def test_a_coloured_lamp_on_a_part_of_the_picture_is_not_corrected():
    frames = make_sequence(Spec("R", "coffee", frames=60, flicker=0), 96, 144).frames
    lit = frames.copy()
    lit[:, :, :60] = _cast(frames[:, :, :60], _wandering(0.1))
    assert (estimate_exposure(lit) == 1).all()


@pytest.mark.parametrize("axis", [1, 2], ids=["top to bottom", "left to right"])
def test_light_that_is_not_one_for_the_whole_picture_is_not_corrected(axis):
    frames = make_sequence(Spec("U", "coffee", frames=60, flicker=0), 64, 96).frames
    shape = [-1 if n == axis else 1 for n in range(4)]
    slope = np.linspace(1.3, 1.0, frames.shape[axis]).reshape(shape)
    lit = np.where(np.arange(60).reshape(-1, 1, 1, 1) % 5 < 2, slope, 1.0)
    lit = np.clip(np.rint(frames * lit), 0, 255).astype(np.uint8)
    assert (estimate_exposure(lit) == 1).all()


def test_steady_light_gives_exactly_one():
    sequence = make_sequence(Spec("P", "coffee", frames=40, flicker=0, noise=0), 64, 96)
    assert (estimate_exposure(sequence.frames) == 1).all()


@pytest.mark.parametrize("level", [0, 3, 255])
def test_frames_without_usable_pixels_count_as_steady(level):
    assert (estimate_exposure(np.full((5, 8, 8, 3), level, np.uint8)) == 1).all()


def test_one_dark_frame_gets_a_low_gain_and_no_other_is_moved():
    frames = np.full((20, 30, 30, 3), 120, np.uint8)
    frames[4] = 60
    exposure = estimate_exposure(frames)
    assert exposure[4] == pytest.approx(0.5, abs=0.005)
    assert np.delete(exposure, 4) == pytest.approx(1, abs=1e-6)


def test_normalised_bands_are_frames_divided_by_their_gains():
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (7, 9, 5, 3), np.uint8)
    exposure = rng.uniform(0.8, 1.2, 7)
    expected = np.clip(np.rint(frames / exposure[:, None, None, None]), 0, 255)
    clipped = (frames == 255) & (exposure > 1.01)[:, None, None, None]
    assert clipped.any()
    expected[clipped] = 255
    assert (normalise(frames, exposure).band(0, 9) == expected).all()
    assert (normalise(ListSource(list(frames)), exposure).band(2, 5) == expected[:, 2:5]).all()


def test_channels_have_gains_of_their_own():
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (7, 9, 5, 3), np.uint8)
    exposure = rng.uniform(0.8, 1.2, (7, 3))
    expected = np.clip(np.rint(frames / exposure[:, None, None]), 0, 255)
    expected[(frames == 255) & (exposure > 1.01)[:, None, None]] = 255
    source = normalise(frames, exposure)
    assert (source.band(0, 9) == expected).all()
    assert (source.take(slice(2, 5)).band(3, 6) == expected[2:5, 3:6]).all()
    assert (normalise(ListSource(list(frames)), exposure).band(2, 5) == expected[:, 2:5]).all()


@pytest.mark.parametrize("method", ["exact", "robust"])
@pytest.mark.parametrize("ramp", [False, True])
def test_highlights_that_clip_in_bright_frames_are_not_darkened(method, ramp):
    scene = np.tile(np.linspace(60, 254, 64), (48, 1))[..., None].repeat(3, axis=2)
    exposure = 1 + 0.15 * (np.linspace(-1, 1, 60) if ramp else np.sin(np.arange(60) / 9.5))
    rng = np.random.default_rng(0)
    rain = 60 * (rng.random((60, 48, 64, 1)) < 0.4)
    lit = (scene + rain) * exposure[:, None, None, None] + rng.normal(0, 1, (60, *scene.shape))
    frames = np.clip(np.rint(lit), 0, 255).astype(np.uint8)
    clean = extract_clean_frame(frames, method, exposure=estimate_exposure(frames))
    assert np.abs(clean.levels - scene).mean(axis=(0, 2)).max() < 3.5


@pytest.mark.parametrize(
    "exposure",
    [np.ones(3), np.array([1, 1, 0, 1.0]), np.array([1, -1, 1, 1.0]), np.ones((4, 2))],
)
def test_an_unfitting_exposure_is_refused(exposure):
    with pytest.raises(RainbenchError, match="exposure of shape"):
        normalise(np.zeros((4, 2, 2, 3), np.uint8), exposure)
