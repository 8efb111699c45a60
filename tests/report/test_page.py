"""The page of a run: in a real browser where there is one, with names that try to break it."""

import contextlib
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import toynets
from embedded import mini_pairs
from webdriver import find_browser

from rainbench.catalog.registry import load_registry
from rainbench.commands.report import _write_page
from rainbench.core.errors import RainbenchError
from rainbench.core.images import read_image, write_png
from rainbench.core.resume import file_hash, key_of
from rainbench.metrics import PROTOCOLS, Score
from rainbench.report.grid import number
from rainbench.report.page import make
from rainbench.report.page.gallery import _map_range, error_map
from rainbench.report.page.make import make_report
from rainbench.report.page.numbers import plain
from rainbench.report.rows import build_rows
from rainbench.run.documents import write_json
from rainbench.run.evaluate import run_plan
from rainbench.run.options import RunOptions
from rainbench.run.plan import make_plan
from rainbench.run.results import FOLDER_KIND, RunResults
from rainbench.run.scores import format_rows, means_of, read_images_csv

HOSTILE = "</script><script>window.hacked = 1</script>"
HOSTILE_IMAGE = "<img src=x onerror='window.hacked = 2'> \"quoted\" & ünï"
HOSTILE_IMAGES = (
    "a",
    "=cmd|' calc'!a0",
    "{{ 7 * 7 }} ${window.hacked = 3} ..\\..",
    HOSTILE_IMAGE,
)
HOSTILE_ENTRY = "<svg onload='window.hacked = 4'>.javascript:hacked=5"
CARD = f"""
name = "toy"
title = '{HOSTILE}'
revision = "1"
degradation = ["streaks"]
origin = "synthetic"
split = "test"
count = 4
protocol = "prenet-y"
licence = '<b>none'
sources = ["made in the tests"]
citation = "nobody"

[[layouts]]
name = "input-target"
rainy = "input/{{id}}.png"
clean = "target/{{id}}.png"
"""
in_browser = pytest.mark.skipif(
    find_browser() is None, reason="no chromium with chromedriver is installed"
)


def add_scored_folder(cells, name):
    """Put somebody else's results beside ours, with a name that `rainbench score` would refuse."""
    shutil.copytree(cells / "median", cells / name)
    summary = json.loads((cells / name / "cell.json").read_text())
    summary |= {"entry": name, "title": name, "source": FOLDER_KIND}
    parts = json.loads((cells / name / "key.json").read_text())
    parts |= {"entry": name}
    parts.pop("sha256", None), summary.pop("sha256", None)
    summary["key"] = key_of(parts)
    write_json(cells / name / "key.json", parts)
    write_json(cells / name / "cell.json", summary)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run of three entries on hostile names, its data and registry, and its report."""
    root = tmp_path_factory.mktemp("page")
    for name in ("data/toy/input", "data/toy/target", "cards"):
        (root / name).mkdir(parents=True)
    for name, (_, rainy, clean) in zip(HOSTILE_IMAGES, mini_pairs(), strict=False):
        write_png(root / "data/toy/input" / f"{name}.png", np.ascontiguousarray(rainy[:48, :64]))
        write_png(root / "data/toy/target" / f"{name}.png", np.ascontiguousarray(clean[:48, :64]))
    (root / "cards/toy.toml").write_text(CARD)
    (root / "cards/mapped.toml").write_text(toynets.card("mapped", "Mapped", macs_per_pixel=3))
    registry = load_registry([root / "cards"])
    plan = make_plan(
        registry,
        datasets=["toy"],
        baselines=["identity", "median", "mapped"],
        data_roots=[root / "data"],
    )
    outcomes = run_plan(plan, root / "run", RunOptions())
    assert [outcome.state for outcome in outcomes] == ["done"] * 3
    add_scored_folder(root / "run/cells/toy", HOSTILE_ENTRY)
    report = make_report(root / "run", registry, data_roots=[root / "data"], pictures=4)
    return root, registry, report


def test_page_holds_the_numbers_of_the_run(made):
    root, _, report = made
    text = report.file.read_text(encoding="utf-8")
    data = json.loads(text.split('id="data">')[1].split("</script>")[0])
    cells = {(cell["entry"], cell["protocol"]): cell for cell in data["datasets"][0]["cells"]}
    cell = json.loads((root / "run/cells/toy/median/cell.json").read_text())
    assert cells["median", "rgb"]["psnr"] == pytest.approx(cell["means"]["rgb"]["psnr"], rel=1e-5)
    assert report.pictures == 4
    (problem,) = report.problems  # of the entry that no card knows
    assert "was scored from a folder, whose images are not kept" in problem
    assert "`rainbench run -b NAME -d toy --out" in problem
    assert "://" not in text.replace("http://www.w3.org/2000/svg", "")


def test_pictures_are_the_entries_own(made):
    root, _, report = made
    text = report.file.read_text(encoding="utf-8")
    data = json.loads(text.split('id="data">')[1].split("</script>")[0])
    for item in data["pictures"]["toy"]:
        assert item["entries"]["identity"]["image"].startswith("report-images/d0/i")
        rainy, same = (
            read_image(root / "run" / name)
            for name in (item["rainy"], item["entries"]["identity"]["image"])
        )
        assert np.array_equal(rainy, same)
        assert [map_["name"] for map_ in item["entries"]["mapped"]["maps"]] == ["brightness"]
    assert {item["image"] for item in data["pictures"]["toy"]} == set(HOSTILE_IMAGES)


def test_the_progress_counts_images_that_there_are(made, tmp_path, monkeypatch):
    root, registry, _ = made
    shutil.copytree(root / "run", tmp_path / "run")
    totals = []

    def progress(_title, total):
        totals.append(total)
        return contextlib.nullcontext(lambda _amount, _what: None)

    monkeypatch.setattr("rainbench.commands.report.progress", progress)
    _write_page(tmp_path / "run", registry, 99999999999, (root / "data",), ())
    assert totals == [4 * len(HOSTILE_IMAGES)]


def test_error_maps_share_one_scale():
    clean = np.zeros((1, 3, 3), np.uint8)
    wrong = np.array([[[0] * 3, [26] * 3, [51] * 3]], np.uint8)
    drawn = error_map(wrong, clean).astype(int).sum(axis=-1)[0]
    assert drawn[0] < drawn[1] < drawn[2]
    assert np.array_equal(error_map(wrong, clean), error_map(wrong[:, ::-1], clean)[:, ::-1])


def test_a_map_says_its_range_and_that_of_its_colours():
    flat = _map_range(np.ones((2, 2), np.float16))
    assert flat == {"low": 0, "high": 1, "least": 1, "most": 1}
    signed = _map_range(np.array([[-0.5, 0.25]]))
    assert signed == {"low": -0.5, "high": 0.25, "least": -0.5, "most": 0.25}


def test_pictures_are_made_once_and_have_to_be_the_runs(made, tmp_path, monkeypatch):
    root, registry, _ = made
    shutil.copytree(root / "run", tmp_path / "run")
    kept = sorted((tmp_path / "run/restored").rglob("*.png"))
    assert len(kept) == 3 * 4 and len(list((tmp_path / "run/restored").rglob("*.npz"))) == 4
    monkeypatch.setattr("rainbench.report.restored.Predictor", None)  # cannot be called
    report = make_report(tmp_path / "run", registry, data_roots=[root / "data"])
    assert report.pictures == 4 and len(report.problems) == 1
    monkeypatch.undo()
    for file in (tmp_path / "run/restored/toy/mapped").glob("*.png"):
        file.write_bytes(b"damaged")
    scores = tmp_path / "run/cells/toy/mapped/images.csv"
    lines = scores.read_text(encoding="utf-8").replace(",prenet-y,", ",prenet-y,1")
    scores.write_text(lines, encoding="utf-8")
    report = make_report(tmp_path / "run", registry, data_roots=[root / "data"])
    (problem,) = [row for row in build_rows(tmp_path / "run", registry) if row.state == "failed"]
    assert "mapped/images.csv: is not what cell.json was written for" in problem.note
    summary = json.loads(scores.with_name("cell.json").read_text())
    summary |= {"images_sha256": file_hash(scores), "means": means_of(read_images_csv(scores))}
    del summary["sha256"]
    write_json(scores.with_name("cell.json"), summary)
    report = make_report(tmp_path / "run", registry, data_roots=[root / "data"])
    problem, _ = report.problems  # the other one is of the entry that no card knows
    assert problem.startswith("mapped on toy: mapped: image") and "dB in the run" in problem


def test_missing_data_leaves_out_pictures_only(made, tmp_path):
    root, registry, _ = made
    (tmp_path / "cells").symlink_to(root / "run" / "cells")
    report = make_report(tmp_path, registry)
    assert report.pictures == 0 and "--data" in report.file.read_text(encoding="utf-8")


def test_folder_without_results_is_refused(tmp_path):
    with pytest.raises(RainbenchError, match="no results"):
        make_report(tmp_path, load_registry())


@pytest.fixture
def page(browser, made):
    browser.emulate(1280, 900)
    browser.open(made[2].file.as_uri())
    browser.wait("document.body.dataset.ready == 'true'")
    browser.wait("document.querySelectorAll('table').length == 2")
    yield browser
    assert browser.run("return window.hacked ?? null") is None
    assert browser.complaints() == []


def entries_in_order(page):
    return page.run(
        "return [...document.querySelectorAll('#dataset-0 tbody th')].map(e => e.innerText)"
    )


@in_browser
def test_hostile_names_are_shown_as_text(page):
    assert page.text("#dataset-0 h2") == HOSTILE
    listed = page.run("return document.querySelector('.images').textContent")
    assert all(name in listed for name in HOSTILE_IMAGES)
    assert HOSTILE_ENTRY in entries_in_order(page)
    links = page.run("return [...document.querySelectorAll('a')].map(a => a.getAttribute('href'))")
    assert all(link.startswith("#") for link in links)
    press = (
        "[...document.querySelectorAll('button')].find(b => b.innerText == 'Error maps').click()"
    )
    page.run(press)
    page.wait("[...document.querySelectorAll('.stage img')].every(i => i.naturalWidth == 64)")


@in_browser
def test_tables_sort_and_change_protocol(page):
    by_psnr = entries_in_order(page)
    assert set(by_psnr) == {"identity", "mapped", "median", HOSTILE_ENTRY}
    page.click("#dataset-0 thead th:first-child button")
    by_name = entries_in_order(page)
    assert [name for name in by_name if name != HOSTILE_ENTRY] == ["identity", "mapped", "median"]
    page.click("#dataset-0 thead th:first-child button")
    assert entries_in_order(page) == by_name[::-1]
    before = page.text("#dataset-0 tbody td")
    page.run(
        "const list = document.querySelector('#dataset-0 select'); list.value = 'rgb';"
        "list.dispatchEvent(new Event('change'))"
    )
    assert page.text("#dataset-0 tbody td") != before


@in_browser
def test_gallery_by_mouse_and_keyboard(page):
    zoom = "document.querySelector('.zoom').style.left"
    page.run("document.querySelector('.stage').focus()")
    before = page.run(f"return {zoom}")
    page.press("right")
    assert page.run(f"return {zoom}") != before
    page.run(
        "const slider = document.querySelector('.split input'); slider.value = 25;"
        "slider.dispatchEvent(new Event('input'))"
    )
    split = "return document.querySelector('.stage').style.getPropertyValue('--split')"
    assert page.run(split) == "25%"
    page.click(".thumbs button:nth-child(2)")
    page.wait("[...document.querySelectorAll('.stage img')].every(i => i.naturalWidth == 64)")
    assert page.run("return document.querySelectorAll('.crops figure').length") >= 5


@in_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_fits_a_phone(page, scheme):
    page.emulate(390, 844, scheme=scheme)
    wide = page.run("return [document.documentElement.scrollWidth, window.innerWidth]")
    beyond = page.run(
        "return [...document.querySelectorAll('body *')]"
        ".filter(e => !e.closest('.scroll, nav, .thumbs, .crop'))"
        ".filter(e => e.getBoundingClientRect().right > innerWidth + 1)"
        ".map(e => e.outerHTML.slice(0, 90))"
    )
    assert (wide[0] <= wide[1], beyond) == (True, [])
    nameless = page.run(
        "return [...document.querySelectorAll('img')].filter(i => !i.alt).length +"
        "[...document.querySelectorAll('button, select, input')].filter(e =>"
        " !(e.innerText || e.title || e.ariaLabel || e.labels?.length ||"
        " e.querySelector('img')?.alt)).length"
    )
    assert nameless == 0


@in_browser
def test_numbers_stand_as_in_the_table_and_as_printed(browser, tmp_path):
    """Against values worked out by hand: digits as published, signs, no minus before a zero."""
    folder = RunResults(tmp_path).cell("rain100l", "sian.rain100l").folder
    folder.mkdir(parents=True)
    scores = {str(image): dict.fromkeys(PROTOCOLS, Score(38.797, 0.98214)) for image in range(3)}
    (folder / "images.csv").write_text(format_rows(scores))
    mean = {"psnr": 38.797, "ssim": 0.98214, "identical": 0, "images": 3, "psnr_of_others": 38.797}
    summary = {
        "key": "k", "dataset": "rain100l", "variant": "", "entry": "sian.rain100l", "images": 100,
        "comparable": True, "complete_set": True, "left_out": [], "provenance": {"device": "x"},
        "means": dict.fromkeys(PROTOCOLS, mean), "options": {"tile": 0, "precision": "fp32"},
        "peak_bytes": 123_456_789,
    }  # fmt: skip
    (folder / "cell.json").write_text(json.dumps(summary))
    (folder / "timing.csv").write_text("image,seconds\n0,0.5\n1,0.12345\n2,3\n")
    report = make_report(tmp_path, load_registry(), pictures=0)
    browser.open(report.file.as_uri())
    browser.wait("document.querySelectorAll('table').length == 2")
    row = browser.run(
        "return [...document.querySelectorAll('#dataset-0 tbody tr:first-child > *')]"
        ".map(e => (e.querySelector('span') ?? e).innerText)"
    )
    assert row == [
        "sian.rain100l", "38.80", "0.9821", "38.80 / 0.984", "0.00 / −0.0019", "SIAN T2", "match",
        "510 k", "774 G", "123", "0.500",
    ]  # fmt: skip
    cross = browser.text("#cross tbody td")
    assert cross == "38.80 / 0.9821*"
    assert browser.complaints() == []


VALUES = (0.94864996, 0.948650, 0.94865004, 0.03125, 0.09375, 2.5, 3.5, 0.5, 26.905, 1e-9, 80.0)


def test_the_page_rounds_like_the_tables():
    """The mean 0.94864996 is 0.9486 in Markdown; rounded to six digits first it would be 0.9487."""
    if shutil.which("node") is None:
        pytest.skip("no JavaScript at hand")
    source = (Path(make.__file__).parent / "elements.js").read_text(encoding="utf-8")
    functions = source[source.index("const value") : source.index("function short")]
    asked = [(plain(value), digits) for value in VALUES for digits in (0, 2, 4)]
    script = f"{functions}\nconsole.log({json.dumps(asked)}.map(([v, d]) => text(v, d)).join(' '))"
    done = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [number(value, digits) for value, digits in asked]
