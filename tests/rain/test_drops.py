"""Drops on glass: optics against Snell's law by angles, exact blending, the same bytes always."""

import dataclasses
import hashlib
import math
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from rain_checks import drop_statistics

from rainbench.core.errors import RainbenchError
from rainbench.core.images import read_image
from rainbench.rain.drop_kernels import WATER, block_means, convolve, raise_caps, refract, smooth
from rainbench.rain.drop_table import draw_drops
from rainbench.rain.drops import (
    DropParameters,
    DropRanges,
    draw_drop_parameters,
    lay_glass,
    render_drops,
)
from rainbench.rain.linear_light import linear_table


def photograph(height=96, width=144, seed=0):
    """A picture with structure at all scales, bright at the top."""
    rng = np.random.default_rng(seed)
    noise = sum(
        np.kron(rng.integers(0, 50, (height // n, width // n, 3)), np.ones((n, n, 1)))
        for n in (1, 4, 16, 48)
    )
    ramp = np.linspace(60, 0, height)[:, None, None]
    return np.clip(noise * 0.8 + ramp, 0, 255).astype(np.uint8)


# --- blending -----------------------------------------------------------------------------------


def test_nothing_changes_where_there_is_no_drop():
    clean = photograph()
    wet = render_drops(clean, DropParameters(300), "blend")
    dry = wet.alpha == 0
    assert 0.1 < dry.mean() < 0.95
    assert (wet.image[dry] == clean[dry]).all()
    assert (wet.image[wet.alpha > 200] != clean[wet.alpha > 200]).mean() > 0.9
    assert not wet.light[dry].any()


def test_the_picture_is_made_again_from_the_glass():
    clean = photograph()
    wet = render_drops(clean, DropParameters(300), "blend")
    assert (lay_glass(clean, wet.alpha, wet.light) == wet.image).all()


@pytest.mark.parametrize("wrong", ["shifted", "clipped", "gamma"])
def test_a_wrong_blend_is_noticed(wrong):
    """A mask a pixel aside, a light clipped early, a sum in sRGB: each differs from the picture."""
    clean = photograph()
    wet = render_drops(clean, DropParameters(300), "blend")
    alpha, light = wet.alpha, wet.light
    if wrong == "shifted":
        image = lay_glass(clean, np.roll(alpha, 1, axis=1), light)
    elif wrong == "clipped":
        image = lay_glass(clean, alpha, np.minimum(light, 8000))
    else:
        share = wet.soft_mask[..., None]
        lit = np.interp(light, linear_table(), np.arange(256))
        image = np.rint(clean * (1 - share) + lit).astype(np.uint8)
    assert (image != wet.image).mean() > 0.01


def test_masks_and_coverage():
    wet = render_drops(photograph(), DropParameters(300), "masks")
    assert wet.soft_mask.min() == 0
    assert wet.soft_mask.max() == 1
    assert (wet.mask == (wet.soft_mask > 0.5)).all()
    assert wet.coverage == wet.mask.mean()
    # premultiplied light is never more than the share of white
    assert (wet.light <= (wet.alpha.astype(int)[..., None] + 1) * 257).all()


def test_coverage_is_in_the_range_of_wet_panes():
    """The study's renders of 480 drops cover 12 %; ours have 500 to 1200."""
    clean = np.full((240, 360, 3), 100, np.uint8)
    covered = [
        render_drops(clean, draw_drop_parameters("coverage", n), "coverage", n).coverage
        for n in range(20)
    ]
    assert min(covered) > 0.05 and max(covered) < 0.35
    assert 0.1 < np.median(covered) < 0.25


@pytest.mark.data
def test_drops_are_as_many_large_sharp_and_bright_as_photographed_ones(shared):
    """The study's means over five photographs, within a quarter; ours over four clean images."""
    found = []
    for number in range(4):
        clean = read_image(shared / f"data/raindrop/gt/{number}_clean.png")
        for version in range(3):
            key = "photographed", number, version
            wet = render_drops(clean, draw_drop_parameters(*key), *key)
            found.append(drop_statistics(wet.image, clean))
    real = (372, 5.0, 10.9, 20.4, 0.85, 0.24)
    np.testing.assert_allclose(np.mean(found, axis=0), real, rtol=0.25)


# --- optics -------------------------------------------------------------------------------------


def look_through_prism(slope_x, slope_y, x=0.0, y=0.0, focal=300.0):
    """Look through a wedge of water at a chart whose colour is the place; return that place."""
    size, step = 3, 1.0
    grid = np.arange(size, dtype=float)
    heights = 100 + slope_x * grid[None, :] + slope_y * grid[:, None]
    cover = np.full((size, size), 255, np.int32)
    chart = np.zeros((401, 401, 3), np.int32)
    chart[..., 0] = 100 * np.arange(401)[None, :]
    chart[..., 1] = 100 * np.arange(401)[:, None]
    chart[..., 2] = 60000
    # the middle cell lies at (x, y) from the optical axis
    frame = np.array([1.5 - x, 1.5 - y, focal])
    origin = frame[:2] - 200.5 * 4
    mean = np.zeros(3, np.int32)
    seen = refract(heights, cover, chart, mean, step, 0.0, frame, 4.0, origin)[:, 1, 1]
    passed = seen[2] / 60000
    if not passed:
        return 0.0, None, None
    return passed, *((seen[:2] / passed / 100 - 200) * 4)


def by_angles(slope, height, focal):
    """Snell's law with arcsines, in one plane: where a ray through a wedge meets the scene."""
    inside = math.asin(math.sin(math.atan2(height, focal)) / WATER)
    tilt = math.atan(-slope)
    sine = WATER * math.sin(inside - tilt)
    if abs(sine) > 1:
        return None
    return focal * math.tan(math.asin(sine) + tilt)


@pytest.mark.parametrize("slope", [-0.7, -0.3, 0.0, 0.2, 0.55])
@pytest.mark.parametrize("place", [-120.0, 0.0, 60.0])
@pytest.mark.parametrize("axis", [0, 1])
def test_refraction_is_snells_law(slope, place, axis):
    wanted = by_angles(slope, place, 300)
    arguments = (slope, 0.0, place, 0.0) if axis == 0 else (0.0, slope, 0.0, place)
    passed, *seen = look_through_prism(*arguments)
    if wanted is None:  # beyond the critical angle
        assert passed == 0
        return
    assert passed > 0.7
    # the chart is 100 levels a block of 4 pixels: a level is 0.04 pixel
    assert seen[axis] == pytest.approx(wanted, abs=0.2)
    assert seen[1 - axis] == pytest.approx(0, abs=0.2)


def test_a_turned_normal_is_noticed():
    """The sign of the slope matters: the mirrored wedge looks the other way."""
    _, seen, _ = look_through_prism(0.5, 0.0)
    assert abs(seen - by_angles(-0.5, 0, 300)) > 50


def test_light_is_trapped_beyond_the_critical_angle():
    """From straight ahead, at slopes beyond 48.6 degrees: asin(1 / 1.333)."""
    critical = math.tan(math.asin(1 / WATER))
    assert look_through_prism(critical * 0.99, 0.0)[0] > 0
    assert look_through_prism(critical * 1.01, 0.0)[0] == 0


def test_straight_through_fresnel_passes_98_percent():
    """((n - 1) / (n + 1))^2 is reflected: 2.04 % for water."""
    assert look_through_prism(0.0, 0.0)[0] == pytest.approx(1 - (0.333 / 2.333) ** 2, abs=1e-4)


def one_drop(radius=30.0, **shape):
    row = {"x": 40.0, "y": 40.0, "radius": radius, "sag": 0.0, "oc": 0, "os": 0, "bc": 0, "bs": 0}
    row["cotangent"] = 1.0
    row.update(shape)
    return np.array([list(row.values())], float)


def test_a_drop_is_a_spherical_cap():
    """Height, volume and contact angle of the cap over a circle."""
    heights, cover = np.zeros((80, 80)), np.zeros((80, 80), np.int32)
    raise_caps(heights, cover, one_drop(), 1.0, 0.0)
    sphere = 30 * math.sqrt(2)
    cap = sphere - 30
    assert heights.max() == pytest.approx(cap, abs=0.02)
    assert heights.sum() == pytest.approx(math.pi * cap * cap * (sphere - cap / 3), rel=0.003)
    assert cover.sum() / 255 == pytest.approx(math.pi * 900, rel=0.003)


def test_the_outline_turns_with_its_harmonics():
    """The oval's cosine part stretches x, its sine part the falling diagonal; y points down."""
    for shape, longer, shorter in (
        ({"oc": 0.1}, np.s_[40, :], np.s_[:, 40]),
        ({"oc": -0.1}, np.s_[:, 40], np.s_[40, :]),
    ):
        cover = np.zeros((80, 80), np.int32)
        raise_caps(np.zeros((80, 80)), cover, one_drop(**shape), 1.0, 0.0)
        assert cover[longer].sum() > 1.15 * cover[shorter].sum()
    cover = np.zeros((80, 80), np.int32)
    raise_caps(np.zeros((80, 80)), cover, one_drop(os=0.1), 1.0, 0.0)
    assert np.trace(cover) > 1.15 * np.trace(cover[:, ::-1])


def test_a_sagging_drop_is_taller_above_and_narrower_at_its_top():
    cover = np.zeros((90, 80), np.int32)
    raise_caps(np.zeros((90, 80)), cover, one_drop(radius=24.0, sag=0.3, y=45.0), 1.0, 0.0)
    rows = np.flatnonzero(cover.any(axis=1))
    assert 45 - rows[0] == pytest.approx(24 * 1.3, abs=1.5)
    assert rows[-1] - 45 == pytest.approx(24, abs=1.5)
    assert cover[rows[0] + 8].sum() < 0.85 * cover[rows[-1] - 8].sum()


def test_drops_that_overlap_merge():
    """The higher one counts, and the crease between them is smoothed."""
    both = np.vstack([one_drop(x=30.0, radius=20.0), one_drop(x=55.0, radius=20.0)])
    heights, cover = np.zeros((80, 90)), np.zeros((80, 90), np.int32)
    raise_caps(heights, cover, both, 1.0, 0.0)
    parts = []
    for row in both:
        part = np.zeros((80, 90))
        raise_caps(part, cover, row[None], 1.0, 0.0)
        parts.append(part)
    assert (heights == np.maximum(*parts)).all()
    volume = heights.sum()
    bend = np.abs(np.diff(heights[40], 2)[35:50]).max()
    smooth(heights, 2, 0.25)
    assert heights.sum() == pytest.approx(volume)
    assert np.abs(np.diff(heights[40], 2)[35:50]).max() < 0.6 * bend


def large_drop(clean, **changes):
    """A pane whose drops are wide enough to look into."""
    parameters = DropParameters(
        10, defocus=1.0, sky=0.0, smallest=40, largest=40, flattest=58, steepest=58
    )
    return render_drops(clean, dataclasses.replace(parameters, **changes), "large", 1)


def look_into_drops(wet, places):
    """Grey levels at places given in radii (across, down) in every drop that lies alone."""
    height, width = wet.alpha.shape
    table = wet.table
    values = []
    for x, y, radius in zip(table.x, table.y, table.radius, strict=True):
        near = np.hypot(table.x - x, table.y - y) < 2.3 * radius
        inside = 1.2 * radius < y < height - radius and radius < x < width - radius
        if near.sum() == 1 and inside:
            rows = [int(y + down * radius) for _, down in places]
            columns = [int(x + across * radius) for across, _ in places]
            values.append(wet.image[rows, columns, 1].astype(int))
    assert values
    return np.array(values)


CENTRE, UPPER, LOWER = [(0, 0)], [(0, -0.5)], [(0, 0.5)]


def test_a_drop_turns_the_scene_upside_down():
    clean = np.empty((480, 720, 3), np.uint8)
    clean[:] = np.linspace(250, 20, 480)[:, None, None]
    wet = large_drop(clean)
    assert (look_into_drops(wet, LOWER) > look_into_drops(wet, UPPER) + 20).all()
    wet = large_drop(clean[::-1].copy())
    assert (look_into_drops(wet, UPPER) > look_into_drops(wet, LOWER) + 20).all()


def test_the_rim_is_dark():
    """Around most of each drop; slanting rays still get out on the side towards the axis."""
    wet = large_drop(np.full((480, 720, 3), 180, np.uint8), flattest=70, steepest=70)
    centre = look_into_drops(wet, CENTRE)
    dark = []
    for turn in np.linspace(0, 2 * np.pi, 12, endpoint=False):
        ray = [(r * np.cos(turn), r * np.sin(turn)) for r in np.linspace(0.6, 1.2, 60)]
        dark.append(look_into_drops(wet, ray).min(axis=1) < centre[:, 0] - 30)
    assert (np.mean(dark, axis=0) > 0.6).all()


def test_sky_brightens_the_lower_part():
    clean = np.full((480, 720, 3), 100, np.uint8)
    low = [(0, 0.75)]
    dull = look_into_drops(large_drop(clean), low)
    lit = look_into_drops(large_drop(clean, sky=0.9), low)
    assert (lit >= dull).all()
    assert lit.mean() > dull.mean() + 40


@pytest.mark.parametrize("block", [1, 7, 10, 200])
def test_the_surroundings_are_means_of_linear_light(block):
    clean = photograph()
    got = block_means(clean, linear_table(), block)
    light = linear_table()[clean].astype(int)
    for i in range(got.shape[0]):
        for j in range(got.shape[1]):
            part = light[i * block : (i + 1) * block, j * block : (j + 1) * block]
            assert (got[i, j] == part.reshape(-1, 3).sum(axis=0) // (part.size // 3)).all()


def test_the_disk_is_laid_over_every_cell():
    from scipy.ndimage import correlate

    rng = np.random.default_rng(3)
    planes = rng.integers(0, 65536, (2, 20, 30)).astype(np.int32)
    weights = rng.integers(0, 1000, (5, 5)).astype(np.int32)
    weights[2, 2] += (1 << 14) - weights.sum()
    got = convolve(planes, weights, 14)
    for plane, result in zip(planes, got, strict=True):
        wanted = correlate(plane.astype(float), weights.astype(float))[2:-2, 2:-2] / (1 << 14)
        assert (np.floor(wanted + 0.5) == result).all()


# --- the table ----------------------------------------------------------------------------------


def test_radii_follow_the_pareto_distribution():
    table = draw_drops(480, 720, DropParameters(20000, apart=0.05), "radii")
    assert table.radius.min() >= 3
    assert table.radius.max() <= 15
    kept = 1 - 5.0**-2.2
    for share in (0.25, 0.5, 0.9):
        wanted = 3 * (1 - kept * share) ** (-1 / 2.2)
        assert np.quantile(table.radius, share) == pytest.approx(wanted, rel=0.02)
    assert table.contact.min() > 37.9
    assert table.contact.max() < 60.1
    angle = np.radians(table.contact)
    assert np.abs(table.cotangent - 1 / np.tan(angle)).max() < 1e-5


def test_drops_lie_everywhere_and_scale_with_the_image():
    parameters = DropParameters(5000, apart=0.05)
    small, large = (draw_drops(n * 48, n * 72, parameters, "scale") for n in (10, 20))
    assert np.allclose(small.radius * 2, large.radius)
    assert np.allclose(small.x * 2, large.x)
    counts, _, _ = np.histogram2d(small.y, small.x, bins=4, range=[[0, 480], [0, 720]])
    assert counts.sum() == pytest.approx(5000, rel=0.03)
    assert counts.min() > 0.8 * counts.mean()
    portrait = draw_drops(480, 320, parameters, "scale")
    inside = (portrait.x > 0) & (portrait.x < 320) & (portrait.y > 0) & (portrait.y < 480)
    assert inside.sum() == pytest.approx(5000 * 320 / 720, rel=0.06)


def test_drops_keep_their_distance():
    parameters = DropParameters(800, apart=0.75)
    table = draw_drops(480, 720, parameters, "apart")
    distance = np.hypot(*(v[:, None] - v[None, :] for v in (table.x, table.y)))
    least = 0.75 * (table.radius[:, None] + table.radius[None, :])
    np.fill_diagonal(distance, np.inf)
    assert (distance >= least).all()
    assert (distance < least / 0.75).any(axis=1).mean() > 0.05  # some still touch


def test_a_patch_has_the_drops_of_its_whole_image():
    parameters = DropParameters(5000, apart=0.05)
    patch = draw_drops(100, 100, parameters, "patch", rows=960)
    inside = (patch.x > 0) & (patch.x < 100) & (patch.y > 0) & (patch.y < 100)
    assert inside.sum() == pytest.approx(5000 * 100 * 100 / (960 * 1440), abs=4 * 6)
    assert patch.radius.min() >= 6
    assert render_drops(photograph(), DropParameters(800), "patch", rows=960).mask.any()


def test_ranges_are_what_is_drawn_from():
    ranges = DropRanges(count=(10, 20), defocus=(2, 3), radius=(4, 6), contact=(40, 50))
    for number in range(20):
        drawn = draw_drop_parameters("ranges", number, ranges=ranges)
        assert 10 <= drawn.count <= 20
        assert 2 <= drawn.defocus <= 3
        assert 0.85 <= drawn.sky <= 1
        assert (drawn.smallest, drawn.largest, drawn.flattest, drawn.steepest) == (4, 6, 40, 50)
    counts = [draw_drop_parameters("counts", n, ranges=DropRanges()).count for n in range(300)]
    assert np.median(counts) == pytest.approx(np.sqrt(500 * 1200), rel=0.1)
    assert draw_drop_parameters(1, ranges=DropRanges(count=(0, 0))).count == 0


# --- keys and bytes -----------------------------------------------------------------------------


def test_the_key_alone_decides():
    clean = photograph()
    parameters = draw_drop_parameters("key", 1)
    first = render_drops(clean, parameters, "key", 1)
    render_drops(clean, parameters, "key", 2)
    again = render_drops(clean, parameters, "key", 1)
    other = render_drops(clean, parameters, "key", 2)
    assert (first.image == again.image).all()
    assert (first.alpha == again.alpha).all()
    assert (first.alpha != other.alpha).mean() > 0.1
    assert draw_drop_parameters("key", 1) == parameters != draw_drop_parameters("key", 2)


GOLDEN = {
    (48, 72): "7d3336b4d923f4820e7aedf2b5d0c056391eca195af5a916f5d2c9f725571ffa",
    (31, 90): "42bdff165ea5c40c3a8c7e9c1b4d34f0e16c677422b6ba11d64ebdda7a6f467c",
    (60, 40): "4ff614342f4600f1ff988d0d73d7ade11775b83394770a57cbb5be978422b85c",
    (480, 96): "21eace1e84058ca9535d206cfb18aaa2e2ec3e4b222acd5deb410d5a8cb1cd89",
}
"""Hashes of whole renders; the same with every NumPy and numba and on every processor."""


def hash_of_render(size):
    height, width = size
    grid = np.arange(height * width * 3).reshape(height, width, 3)
    clean = (grid * 2654435761 >> 7 & 127).astype(np.uint8) + (grid // (3 * width)).astype(np.uint8)
    key = "golden", height
    wet = render_drops(clean, draw_drop_parameters(*key), *key)
    digest = hashlib.sha256(wet.image.tobytes() + wet.alpha.tobytes())
    digest.update(wet.light.astype("<u2").tobytes() + repr(wet.table.as_rows()).encode())
    return digest.hexdigest()


@pytest.mark.parametrize("size", GOLDEN, ids=str)
def test_the_bytes_never_change(size):
    assert hash_of_render(size) == GOLDEN[size]


def test_the_bytes_are_the_same_in_other_processes_and_orders():
    sizes = list(GOLDEN)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        turned = list(pool.map(hash_of_render, sizes[::-1]))
    assert turned[::-1] == list(GOLDEN.values())


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3), (5, 200), (200, 5), (7, 9)])
def test_images_smaller_than_a_drop(size):
    clean = np.full((*size, 3), 90, np.uint8)
    wet = render_drops(clean, DropParameters(800, smallest=15, largest=15), "tiny")
    assert wet.image.shape == clean.shape
    assert wet.alpha.shape == size


def test_a_dry_pane():
    clean = photograph()
    wet = render_drops(clean, DropParameters(0), "dry")
    assert (wet.image == clean).all()
    assert not wet.alpha.any()
    assert not wet.mask.any()
    assert wet.coverage == 0
    assert len(wet.table) == 0
    assert wet.table.as_rows() == []


def test_a_pane_full_of_water():
    wet = render_drops(photograph(), DropParameters(20000, apart=0.1), "flood")
    assert wet.coverage > 0.9


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((5, 5), np.uint8),
        np.zeros((5, 5, 4), np.uint8),
        np.zeros((5, 5, 3), np.float32),
        np.zeros((0, 5, 3), np.uint8),
    ],
)
def test_what_is_not_an_rgb_image_is_refused(array):
    with pytest.raises(RainbenchError, match="8-bit RGB"):
        render_drops(array, DropParameters(10), "bad")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"count": -1}, "count of drops is -1"),
        ({"sky": 1.5}, "sky of drops is 1.5"),
        ({"defocus": float("nan")}, "defocus of drops is nan"),
        ({"smallest": 20.0}, "smallest of drops is 20.0, more than largest"),
        ({"flattest": 70.0}, "flattest of drops is 70.0, more than steepest"),
    ],
)
def test_parameters_out_of_range_are_refused(change, text):
    with pytest.raises(RainbenchError, match=text):
        dataclasses.replace(DropParameters(100), **change)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"count": (900, 100)}, "count of drops is 900 to 100"),
        ({"sky": (0.5, 1.5)}, "sky of drops is 0.5 to 1.5"),
        ({"radius": (9.0, 3.0)}, "smallest of drops is 9.0, more than largest"),
        ({"contact": (1.0, 3.0)}, "flattest of drops is 1.0"),
    ],
)
def test_ranges_that_cannot_be_are_refused(change, text):
    with pytest.raises(RainbenchError, match=text):
        DropRanges(**change)
