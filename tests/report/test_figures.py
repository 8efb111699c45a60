"""Figures: the same bytes every time, any name, crops where entries differ, honest scales."""

import matplotlib
import numpy as np
import pytest
import skimage.color

from rainbench.core.errors import RainbenchError
from rainbench.metrics import PROTOCOLS, Score
from rainbench.report.figures.draw import (
    BOX_COLOURS,
    ERROR_PALETTE,
    Box,
    Panel,
    draw_error_maps,
    draw_strip,
)
from rainbench.report.figures.inputs import choose_boxes, costs_of, typical_image
from rainbench.report.figures.plots import MARKERS, Cost, draw_costs, draw_distributions
from rainbench.report.figures.style import COLOURS, save_figure
from rainbench.report.rows import Row
from rainbench.run.scores import format_rows

HOSTILE = 'a $x_{$ <b>"\\\n../../é\x00'


@pytest.fixture
def pictures():
    random = np.random.default_rng(0)
    clean = random.integers(0, 256, (60, 90, 3), dtype=np.uint8)
    wrong = clean.copy()
    wrong[10:25, 50:65] //= 2
    wrong[40:50, 5:15] //= 2
    panels = [
        Panel("rainy", 255 - clean, 10.0, 0.93),
        Panel(HOSTILE, wrong, 30.25, 0.91),
        Panel("net", clean, None, None),
    ]
    return panels, clean


def test_crops_lie_where_entries_differ_and_apart(pictures):
    panels, clean = pictures
    second, first = choose_boxes(panels[1:], clean)
    assert first == Box(50, 10, 15)
    assert 0 <= second.left <= 5 and 35 <= second.top <= 40 and second.side == 15
    assert first.cut(clean).shape == (15, 15, 3)
    assert choose_boxes(panels[1:2], clean) == []


def test_error_maps_share_a_scale_that_the_rainy_image_does_not_set(pictures):
    panels, clean = pictures
    figure = draw_error_maps(panels, clean, "title")
    limits = {axes.images[0].get_clim() for axes in figure.axes if axes.images}
    assert len(limits) == 1
    (limit,) = limits
    error = np.abs(panels[1].image.astype(int) - clean).mean(-1)
    assert limit == (0, np.ceil(np.percentile(np.stack([error, 0 * error]), 99.5)))


def test_strip_shows_every_score_and_sets_off_the_best(pictures):
    panels, clean = pictures
    figure = draw_strip(panels, clean, [Box(0, 0, 9), Box(9, 9, 9)], HOSTILE)
    texts = {text.get_text(): text.get_weight() for text in figure.findobj(matplotlib.text.Text)}
    assert [texts[each] for each in ("30.25", "0.9100", "10.00", "0.9300")] == [
        "bold", "normal", "normal", "bold",
    ]  # fmt: skip
    assert 'a $x_{$ <b>"\\ ../../é' in texts and "clean" in texts
    assert len(figure.axes) == 4 * 3


def figures(pictures):
    panels, clean = pictures
    yield draw_strip(panels, clean, [Box(3, 4, 9)], HOSTILE)
    yield draw_error_maps(panels, clean, HOSTILE)
    yield draw_distributions(
        {HOSTILE: np.arange(9.0), "b": np.arange(5.0) + 3}, "PSNR in dB", HOSTILE
    )
    costs = [Cost("identity", 20, 0, 0.0, None), Cost(HOSTILE, 30, 10**5, 50.0, 0.2)]
    yield draw_costs([*costs, Cost("b", 31, 10**6, 900.0, None)], 512, "one machine", "title")


def test_the_same_bytes_whatever_the_users_settings(pictures, tmp_path, monkeypatch):
    before = [
        file.read_bytes()
        for index, figure in enumerate(figures(pictures))
        for file in save_figure(figure, tmp_path / "a" / str(index))
    ]
    monkeypatch.setitem(matplotlib.rcParams, "font.size", 30)
    monkeypatch.setitem(matplotlib.rcParams, "font.family", ["serif"])
    monkeypatch.setitem(matplotlib.rcParams, "savefig.bbox", "tight")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    after = [
        file.read_bytes()
        for index, figure in enumerate(figures(pictures))
        for file in save_figure(figure, tmp_path / "b" / str(index))
    ]
    assert before == after
    assert len(before) == 8 and all(b"CreationDate" not in data for data in before)
    assert before[0].startswith(b"\x89PNG") and before[1].startswith(b"%PDF")


SEEN_BY = {  # Machado et al. 2009, severity 1, on linear RGB
    "protanope": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                  [-0.003882, -0.048116, 1.051998]],
    "deuteranope": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                    [-0.011820, 0.042940, 0.968881]],
    "tritanope": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                  [0.004733, 0.691367, 0.303900]],
}  # fmt: skip


def least_distance(colours, matrix):
    """Return the smallest distance in CIE L*a*b* between colours that a colour-blind eye sees."""
    rgb = np.array([[int(name[at : at + 2], 16) / 255 for at in (1, 3, 5)] for name in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(matrix), 0, 1)
    shown = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    lab = skimage.color.rgb2lab(shown[None])[0]
    return min(np.linalg.norm(a - b) for i, a in enumerate(lab) for b in lab[:i])


@pytest.mark.parametrize("eye", SEEN_BY)
def test_colours_can_be_told_apart_by_colour_blind_people(eye):
    assert least_distance(COLOURS, SEEN_BY[eye]) > 15
    assert least_distance(BOX_COLOURS, SEEN_BY[eye]) > 50
    usual = ["#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd"]  # Matplotlib's own fail
    assert eye == "tritanope" or least_distance(usual, SEEN_BY[eye]) < 10


def test_no_two_networks_share_mark_and_colour():
    looks = {(MARKERS[n % len(MARKERS)], COLOURS[n % len(COLOURS)]) for n in range(40)}
    assert len(looks) == 40
    shades = matplotlib.colormaps[ERROR_PALETTE](np.linspace(0, 1, 64))[None, :, :3]
    assert (np.diff(skimage.color.rgb2lab(shades)[0, :, 0]) > 0).all()  # told by lightness alone


def row(entry, **values):
    plain = dict(  # noqa: C408
        dataset="toy", variant="", entry=entry, protocol="prenet-y", is_default=True,
        trained_for=True, images=3, psnr=30.0, ssim=0.9, published=None, state="measured",
        note="", parameters=1000, seconds_per_image=0.5, macs_per_pixel=10,
    )  # fmt: skip
    return Row(**{**plain, **values})


def test_the_typical_image_is_the_middle_one(tmp_path):
    for entry, shift in (("a", 0.0), ("b", 2.0)):
        folder = tmp_path / "cells" / "toy" / entry
        folder.mkdir(parents=True)
        scores = {
            str(index): {name: Score(30.0 + index * 3 % 7 + shift, 0.9) for name in PROTOCOLS}
            for index in range(5)
        }
        (folder / "images.csv").write_text(format_rows(scores))
    assert typical_image(tmp_path, [row("a"), row("b")], "prenet-y") == "1"
    with pytest.raises(RainbenchError, match="no image was scored by all"):
        typical_image(tmp_path, [row("a"), row("missing")], "prenet-y")


def test_costs_of_several_machines_show_no_time(tmp_path):
    costs, machine = costs_of(tmp_path, [row("a"), row("b", psnr=float("inf"))], 100)
    assert machine == ""
    assert costs == [Cost("a", 30.0, 1000, 2 * 10 * 100**2 / 1e9, 0.5)]
