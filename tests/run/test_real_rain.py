"""Real rain without truth: a table and a gallery, resumed, told of what cannot be measured."""

import json
import os
import re

import numpy as np
import pytest
from embedded import mini_pairs

from rainbench.catalog.registry import load_registry
from rainbench.core.errors import RainbenchError
from rainbench.core.images import read_image, write_png
from rainbench.metrics.quality.registry import open_metrics
from rainbench.report.page.real_rain import real_rain_grid, write_real_rain
from rainbench.run.metrics.real_rain import INPUT, find_pictures, restore_all
from rainbench.run.options import RunOptions


def test_pictures_whose_kind_is_not_read_are_left_out_and_told(folder):
    (folder / "4.avif").write_bytes(b"a picture")
    found = find_pictures(folder)
    assert len(found.files) == 3
    assert [problem.partition(": ")[2] for problem in found.problems] == [
        "files that end with .avif are not read: convert them to PNG"
    ]


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "My photographs"
    (folder / "sub").mkdir(parents=True)
    for number, rainy, _ in mini_pairs():
        if number <= 3:
            name = f"{number}.png" if number < 3 else "sub/3.png"
            write_png(folder / name, np.ascontiguousarray(rainy[:96, :200]))
    (folder / "readme.txt").write_text("no picture")
    return folder


@pytest.fixture
def run(folder, cards, tmp_path):
    def run(*entries, metrics=("streaks-left",), shown=1):
        registry = load_registry([cards])
        pictures = find_pictures(folder)
        chosen = [(registry.entries([name])[0], None) for name in (INPUT, *entries)]
        opened = open_metrics(metrics).ready
        names = list(pictures.files)[:shown]
        rows = list(restore_all(pictures, chosen, tmp_path / "out", RunOptions(), opened, names))
        return pictures, rows, write_real_rain(tmp_path / "out", pictures, rows, names)

    return run


def test_the_table_has_the_rainy_input_first_and_no_psnr(run, tmp_path):
    pictures, rows, grid = run("median", metrics=("streaks-left", "niqe-rainbench"))
    assert list(pictures.files) == ["1.png", "2.png", "sub/3.png"]
    assert [row[0].text for row in grid.rows] == ["rainy input", "median"]
    heads = [column.title for column in grid.columns]
    assert heads == ["entry", "niqe-rainbench ↓", "streaks-left ↓"]
    place = tmp_path / "out" / "real-rain" / "my-photographs"
    text = (place / "table.md").read_text()
    assert "3 pictures of real rain" in text and "PSNR" in text and "dB" not in text
    assert {"table.csv", "table.json", "gallery.html"} <= {file.name for file in place.iterdir()}
    # 96 rows hold two blocks of NIQE.
    assert rows[0].columns["niqe-rainbench"].mean > 0
    assert rows[0].columns["streaks-left"].mean != rows[1].columns["streaks-left"].mean


def test_the_gallery_shows_each_entry(run, tmp_path):
    run("median", shown=2)
    place = tmp_path / "out" / "real-rain" / "my-photographs"
    page = (place / "gallery.html").read_text()
    files = re.findall(r'<img [^>]*src="([^"]+)"', page)
    assert len(files) == 4 and all((place / file).is_file() for file in files)
    assert (read_image(place / files[0]) == read_image(tmp_path / "My photographs" / "1.png")).all()


def test_nothing_is_restored_twice(run, folder, monkeypatch):
    _, first, _ = run("median")
    made = []
    real = read_image
    monkeypatch.setattr(
        "rainbench.run.metrics.real_rain.Predictor",
        lambda *_given: made.append(1) or pytest.fail("restored again"),
    )
    _, again, _ = run("median")
    assert [row.columns for row in again] == [row.columns for row in first]
    write_png(folder / "2.png", 255 - real(folder / "2.png"))
    with pytest.raises(BaseException, match="restored again"):
        run("median")


def test_a_picture_of_the_gallery_that_was_altered_is_made_again(run):
    _, rows, _ = run("median")
    (file,) = rows[1].shown.values()
    before = file.read_bytes()
    file.write_bytes(b"")
    run("median")
    assert file.read_bytes() == before


def test_an_entry_that_fails_is_a_row(run, add_network):
    add_network("broken", "NotFinite")
    _, rows, grid = run("broken")
    assert rows[0].columns and not rows[1].columns and rows[1].failure
    assert grid.rows[1][1].text == "–" and grid.rows[1][0].note == rows[1].failure


def test_folders_without_pictures_are_refused(tmp_path):
    with pytest.raises(RainbenchError, match="there is no such folder"):
        find_pictures(tmp_path / "none")
    (tmp_path / "x.png").write_bytes(b"no picture")
    with pytest.raises(RainbenchError, match="holds no picture"):
        find_pictures(tmp_path)


def test_a_broken_picture_is_left_out_and_told(folder):
    (folder / "4.png").write_bytes(b"no picture")
    found = find_pictures(folder)
    assert len(found.files) == 3 and "4.png" in found.problems[0]
    assert "4.png" in " ".join(real_rain_grid(found, []).remarks)


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
@pytest.mark.timeout(60)
def test_what_only_looks_like_a_picture_is_left_out_and_told(folder):
    os.mkfifo(folder / "pipe.png")
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    (folder / "folder.png").mkdir()
    gone, pipe = sorted(find_pictures(folder).problems)
    assert "gone.png: is a link to a file that is not there" in gone
    assert "pipe.png: cannot be read: it is a device, a pipe" in pipe


def test_the_command_measures_a_folder(rainbench, folder, tmp_path):
    run = ("run", "--rainy", folder, "-b", "median", "--out", "r")
    done = rainbench(*run, "--metrics", "streaks-left,lpips,niqe", "--json")
    assert done.returncode == 1  # lpips and niqe have what they need neither here nor there
    content = json.loads(done.stdout)
    assert [row[0]["text"] for row in content["rows"]] == ["rainy input", "median"]
    assert "cannot measure niqe: needs niqe_pris_params.npz" in done.stderr
    plain = rainbench(*run)
    assert plain.returncode == 0, plain.stderr
    assert "rainy input" in plain.stdout and "streaks-left" in plain.stdout
    assert not (tmp_path / "r" / "table.md").exists()
    (tmp_path / "full.py").write_text("def f(restored, clean): return 1")
    none = rainbench("run", "--rainy", folder, "--out", "r3", "--metrics", "full.py:f")
    assert none.returncode == 2 and "needs clean pictures" in none.stderr
    assert not (tmp_path / "r3").exists()
