"""The site to publish: complete, harmless, without a network."""

import json
import re
from pathlib import Path

import pytest

import rainbench as rb
from rainbench.report.page.render import embed_json, templates


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A site of two runs, one entry of which is in both."""
    from rainbench.catalog.registry import load_registry
    from rainbench.report.site.make import make_site

    folder = tmp_path_factory.mktemp("site")
    rb.evaluate(["identity", "median"], "mini-streaks", out=folder / "one", limit=2)
    rb.evaluate(["identity"], ["mini-streaks", "mini-mist"], out=folder / "two", limit=2)
    index, problems = make_site(
        [folder / "one", folder / "two"], folder / "site", load_registry(), title="A <b>site</b>"
    )
    assert problems == []
    return index


def pages(site):
    return [site, *sorted((site.parent / "models").glob("*.html"))]


def test_it_holds_every_result_once(site):
    rows = json.loads((site.parent / "results.json").read_text())["rows"]
    assert [(row["dataset"], row["entry"], row["rank"]) for row in rows] == [
        ("mini-mist", "identity", 1),
        ("mini-streaks", "median", 1),
        ("mini-streaks", "identity", 2),
    ]
    text = site.read_text()
    assert all(f"{row['psnr']:.2f}" in text for row in rows)
    assert len(pages(site)) == 3


def test_every_link_and_picture_is_there(site):
    for page in pages(site):
        places = re.findall(r'(?:href|src)="([^"#]+)"', page.read_text())
        assert places
        for place in places:
            assert not re.match(r"\w+:|//", place), "from elsewhere"
            assert (page.parent / place).is_file(), place
    text = (site.parent / "models/identity.html").read_text()
    assert len(re.findall(r"restored<span>\d\d\.\d\d dB / 0\.\d{4}</span>", text)) == 4
    pictures = re.findall(r"<img ", text)
    assert len(pictures) == 3 * 4  # rainy, restored, clean, of two images of two data sets


def test_names_become_no_markup(site):
    for page in pages(site):
        assert "<b>site" not in page.read_text() and "A &lt;b&gt;site" in page.read_text()


def test_a_published_network_has_its_reference_and_notes(tmp_path):
    from rainbench.catalog.registry import load_registry
    from rainbench.report.site.make import make_site

    rb.evaluate("sian.streaks-w12", "mini-streaks", out=tmp_path / "run", limit=1)
    make_site([tmp_path / "run"], tmp_path / "site", load_registry(), pictures=0)
    text = (tmp_path / "site/models/sian.streaks-w12.html").read_text()
    assert "@inproceedings{pang2020single," in text and "72,615" in text


def test_what_cannot_be_shown_is_said(rainbench, tmp_path):
    (tmp_path / "empty").mkdir()
    done = rainbench("leaderboard", tmp_path / "empty", "--out", tmp_path / "site")
    assert done.returncode == 2 and "holds no results" in done.stderr
    assert not (tmp_path / "site/index.html").exists()
    rb.evaluate("identity", "mini-streaks", out=tmp_path / "run", limit=1)
    done = rainbench("leaderboard", tmp_path / "run", "--out", tmp_path / "run" / "site")
    assert done.returncode == 2 and "site" in done.stderr
    done = rainbench("leaderboard", "run", "--out", "site", "--pictures", "0")
    assert done.returncode == 0 and Path(tmp_path / "site/index.html").is_file()


def test_what_a_browser_obeys_is_spelt_out(tmp_path):
    """Turns of the direction of writing, in a title of somebody else's card."""
    (tmp_path / "a.html").write_text("{{ title }} {{ own | safe }} {{ number }}")
    title = "<b>\x1b[31m" + chr(0x202E) + "evil"
    page = templates(tmp_path).get_template("a.html").render(title=title, own="<i>", number=3)
    assert page == "&lt;b&gt;\\x1b[31m\\u202eevil <i> 3"
    data = json.loads(embed_json({"sets": ({"title": title, title: 1.5},), "none": None}))
    spelt = "<b>\\x1b[31m\\u202eevil"
    assert data == {"sets": [{"title": spelt, spelt: 1.5}], "none": None}
