"""``rainbench figures`` end to end: the pixels of the crops, the numbers under the pictures."""

import csv
import shutil

import numpy as np
import pytest
import scipy.io
import toynets
from click.testing import CliRunner
from embedded import mini_pairs
from matplotlib.patches import Rectangle

from rainbench.catalog.registry import load_registry
from rainbench.clean_frame.extract import extract_clean_frame
from rainbench.cli import cli
from rainbench.commands.figures_alone import draw_attention, draw_video
from rainbench.core.errors import RainbenchError
from rainbench.core.images import quantise, read_image, write_png
from rainbench.report.figures import style as figure_style
from rainbench.run.evaluate import run_plan
from rainbench.run.options import RunOptions
from rainbench.run.plan import make_plan
from rainbench.run.predict import Predictor

CARD = """
name = "toy"
title = "Toy"
revision = "1"
degradation = ["streaks"]
origin = "synthetic"
split = "test"
count = 3
protocol = "prenet-y"
licence = "none"
sources = ["made in the tests"]
citation = "nobody"

[[layouts]]
name = "input-target"
rainy = "input/{id}.png"
clean = "target/{id}.png"
"""
LEFT, TOP, SIDE = 21, 9, 16
ENTRIES = ("blur", "mapped", "median")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run of three entries on three small images."""
    root = tmp_path_factory.mktemp("figures")
    for name in ("data/toy/input", "data/toy/target", "cards"):
        (root / name).mkdir(parents=True)
    for name, (_, rainy, clean) in zip("abc", mini_pairs(), strict=False):
        write_png(root / "data/toy/input" / f"{name}.png", np.ascontiguousarray(rainy[:48, :64]))
        write_png(root / "data/toy/target" / f"{name}.png", np.ascontiguousarray(clean[:48, :64]))
    (root / "cards/toy.toml").write_text(CARD)
    for name in ("mapped", "blur"):
        card = toynets.card(name, name.capitalize(), macs_per_pixel=3)
        (root / f"cards/{name}.toml").write_text(card)
    registry = load_registry([root / "cards"])
    plan = make_plan(
        registry, datasets=["toy"], baselines=list(ENTRIES), data_roots=[root / "data"]
    )
    outcomes = run_plan(plan, root / "run", RunOptions())
    assert [outcome.state for outcome in outcomes] == ["done"] * 3
    return root, plan


def draw(root, run, *options):
    """Call the command; return its files and the figures that it wrote, by name."""
    figures = {}
    save = figure_style.save_figure

    def keep(figure, stem):
        figures[stem.name] = figure
        return save(figure, stem)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figure_style, "save_figure", keep)
        arguments = ["figures", str(run), "--data", str(root / "data")]
        arguments += ["--cards", str(root / "cards"), *options]
        done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, done.output
    files = sorted((run / "figures").iterdir())
    return {file.name: file.read_bytes() for file in files}, figures


def scores_in_file(run, entry, image):
    with (run / "cells/toy" / entry / "images.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if (row["image"], row["protocol"]) == (image, "prenet-y"):
                return float(row["psnr"]), float(row["ssim"])
    raise AssertionError(image)


def expected(root, plan, image):
    """Return what has to be seen: name, picture and text of each panel, the best entry last."""
    cells = {cell.entry.name: cell for cell in plan.runnable}
    rainy = read_image(root / f"data/toy/input/{image}.png")
    panels = []
    for entry in ENTRIES:
        restored = Predictor(cells[entry].entry, cells[entry].weights, RunOptions())(rainy)
        panels.append(
            (entry, quantise(restored, "round"), scores_in_file(root / "run", entry, image))
        )
    return rainy, panels


def means(run, entry):
    return np.mean([scores_in_file(run, entry, image)[0] for image in "abc"])


def texts_of(figure):
    """Return every text of a figure with its place, top to bottom and left to right."""
    from matplotlib.text import Text

    figure.canvas.draw()
    found = []
    for text in figure.findobj(Text):
        box = text.get_window_extent()
        if text.get_text() and text.get_visible():
            found.append((text.get_text(), (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2, text))
    return found


def test_strip_shows_the_crops_and_the_numbers_of_the_run(made):
    root, plan = made
    crop = f"{LEFT},{TOP},{SIDE}"
    _, figures = draw(root, root / "run", "-d", "toy", "--image", "b", "--crop", crop)
    figure = figures["toy-strip"]
    rainy, panels = expected(root, plan, "b")
    panels.sort(key=lambda panel: means(root / "run", panel[0]))
    clean = read_image(root / "data/toy/target/b.png")
    pictures = [rainy, *(picture for _, picture, _ in panels), clean]
    wholes = [axes for axes in figure.axes if axes.images[0].get_array().shape == clean.shape]
    zooms = [axes for axes in figure.axes if axes not in wholes]
    texts = texts_of(figure)
    psnrs = [score[0] for _, _, score in panels]
    names = ["rainy", *(name for name, _, _ in panels), "clean"]
    assert len(wholes) == len(zooms) == len(pictures)
    for index, (whole, zoom, picture) in enumerate(zip(wholes, zooms, pictures, strict=True)):
        assert np.array_equal(whole.images[0].get_array(), picture)
        wanted = picture[TOP : TOP + SIDE, LEFT : LEFT + SIDE]
        assert np.array_equal(zoom.images[0].get_array(), wanted)
        (frame,) = [patch for patch in whole.patches if isinstance(patch, Rectangle)]
        assert frame.get_bbox().bounds == (LEFT - 0.5, TOP - 0.5, SIDE, SIDE)
        place = whole.get_window_extent()
        under = {
            text: each.get_weight()
            for text, x, y, each in texts
            if place.x0 <= x <= place.x1 and y < zoom.get_window_extent().y0
            and zoom.get_window_extent().y0 - y < 30 * figure.dpi / 72
        }  # fmt: skip
        assert names[index] in under
        if 0 < index < len(pictures) - 1:
            psnr, ssim = panels[index - 1][2]
            assert under[f"{psnr:.2f}"] == ("bold" if psnr == max(psnrs) else "normal")
            assert f"{ssim:.4f}" in under
    for name, wanted in (("a", 0), ("c", 0), ("b", 1)):  # the numbers are of this image alone
        shown = {text for text, *_ in texts}
        assert (f"{scores_in_file(root / 'run', 'blur', name)[0]:.2f}" in shown) == bool(wanted)


def test_pixels_of_the_written_picture(made, tmp_path):
    """What stands in the PNG where a crop is enlarged, pixel by pixel."""
    root, plan = made
    shutil.copytree(root / "run", tmp_path / "run")
    options = ("-d", "toy", "--image", "c", "--crop", f"{LEFT},{TOP},{SIDE}", "-b", "blur")
    _, figures = draw(root, tmp_path / "run", *options)
    drawn = read_image(tmp_path / "run/figures/toy-strip.png")
    height, width = drawn.shape[:2]
    _, panels = expected(root, plan, "c")
    zoom = [
        axes
        for axes in figures["toy-strip"].axes
        if len(axes.spines) and axes.spines["left"].get_visible()
    ][1]
    box = zoom.get_position()
    steps = (np.arange(SIDE) + 0.5) / SIDE
    rows = ((1 - (box.y1 - steps * box.height)) * height).astype(int)
    columns = ((box.x0 + steps * box.width) * width).astype(int)
    wanted = panels[0][1][TOP : TOP + SIDE, LEFT : LEFT + SIDE]
    inside = slice(1, -1)  # the frame covers half of the pixels at the border
    assert np.array_equal(drawn[np.ix_(rows, columns)][inside, inside], wanted[inside, inside])


def test_the_same_bytes_again_from_what_was_kept(made, monkeypatch):
    root, _ = made
    options = ("-d", "toy", "--image", "a", "--image", "b")
    before, _ = draw(root, root / "run", *options)
    monkeypatch.setattr("rainbench.report.restored.Predictor", None)  # cannot be called
    after, _ = draw(root, root / "run", *options)
    assert before == after
    kinds = {f"toy-{kind}.{suffix}" for kind in ("strip", "errors", "distribution")
             for suffix in ("png", "pdf")}  # fmt: skip
    assert kinds <= set(before) and "toy-strip1.png" in before


def test_maps_stages_and_what_was_taken_away(made, tmp_path):
    root, plan = made
    shutil.copytree(root / "run", tmp_path / "run", ignore=shutil.ignore_patterns("figures"))
    kinds = [part for kind in ("maps", "stages", "differences") for part in ("--kind", kind)]
    files, figures = draw(root, tmp_path / "run", "-d", "toy", "--image", "b", *kinds)
    assert {name for name in files if name.endswith(".png")} == {
        "toy-differences.png", "toy-maps-mapped.png", "toy-stages-mapped.png",
    }  # fmt: skip
    rainy, panels = expected(root, plan, "b")
    first, map_ = (axes.images[0] for axes in figures["toy-maps-mapped"].axes)
    assert np.array_equal(first.get_array(), rainy) and map_.get_clim() == (0, 1)
    assert np.allclose(map_.get_array(), rainy.mean(2) / 255, atol=1e-3)
    stages = [axes.images[0].get_array() for axes in figures["toy-stages-mapped"].axes]
    clean = read_image(root / "data/toy/target/b.png")
    half = quantise(rainy.astype(np.float32) / 510, "round")
    for seen, wanted in zip(stages, (rainy, half, rainy, clean), strict=True):
        assert np.array_equal(seen, wanted)
    texts = [text for text, *_ in texts_of(figures["toy-stages-mapped"])]
    psnr = scores_in_file(root / "run", "mapped", "b")[0]
    assert texts.count(f"{psnr:.2f}") == 2  # of the rainy picture and of the last stage
    changed = [axes.images[0] for axes in figures["toy-differences"].axes if axes.images]
    order = sorted(panels, key=lambda panel: means(root / "run", panel[0]))
    for seen, (_, picture, _) in zip(changed[1:], order, strict=False):
        wanted = np.abs(picture.astype(int) - rainy).mean(2)
        assert np.allclose(seen.get_array(), wanted)


def test_figures_of_a_video(tmp_path):
    """One pixel over time, and the curve that the vote chooses from."""
    frames = np.full((24, 6, 8, 3), 60, np.uint8)
    frames[::4, 2, 3] = 200
    scipy.io.savemat(tmp_path / "rain.mat", {"input": frames.transpose(1, 2, 3, 0)})
    arguments = ["figures", "--video", str(tmp_path / "rain.mat"), "--pixel", "3,2", "--out"]
    done = CliRunner().invoke(cli, [*arguments, str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    names = {file.name for file in (tmp_path / "out").iterdir()}
    assert names == {f"rain-{kind}.{end}" for kind in ("votes", "pixel") for end in ("png", "pdf")}
    figures = draw_video(tmp_path / "rain.mat", "3,2")
    over_time, spread = figures["rain-pixel"].axes
    assert over_time.lines[0].get_ydata().tolist() == [200 if n % 4 == 0 else 60 for n in range(24)]
    assert [round(bar.get_width()) for bar in spread.patches] == [18, 6]
    curve = extract_clean_frame(frames, "exact").vote_curve
    (votes,) = (axes for axes in figures["rain-votes"].axes)
    assert votes.lines[0].get_ydata().tolist() == curve.tolist()
    for wrong in ("8,0", "0,6", "-1,0", "one", "1"):
        with pytest.raises(RainbenchError, match="Give X,Y from 0,0 to 7,5"):
            draw_video(tmp_path / "rain.mat", wrong)


def test_parameters_of_attention():
    """NASNet, Figure 5: 64 feature maps; the paper's own NA has 4,800 (Table 6)."""
    figure = draw_attention()["attention-parameters"]
    bars = [[round(bar.get_height()) for bar in axes.patches] for axes in figure.axes]
    assert bars[0] == [64 * k * k + 64 + 64 * 64 + 64 for k in (1, 3, 5, 7, 9)]
    assert bars[1] == [2 * 64 * 64 // r + 64 // r + 64 for r in (1, 2, 4, 8, 16)]
    assert bars[0][1] == (6_508_931 - 6_244_931) / 55


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--crop", "1,2"), "Give X,Y,SIDE"),
        (("--pixel", "1,2"), "--pixel needs --video"),
        (("--crop", "60,0,16"), "image b is 64x48"),
        (("--image", "z"), "toy has no image z"),
        (("-b", "nasnet*"), "nothing to draw"),
    ],
)
def test_wrong_calls_say_what_is_wrong(made, options, message):
    root, _ = made
    both = options if "--image" in options else (*options, "--image", "b")
    arguments = ["figures", str(root / "run"), "--data", str(root / "data")]
    done = CliRunner().invoke(cli, [*arguments, "--cards", str(root / "cards"), "-d", "toy", *both])
    assert (
        done.exit_code != 0
        and message in f"{done.output} {done.exception} {getattr(done.exception, 'hint', '')}"
    )
