"""The page in a real browser: keys, buttons, pictures, preferences, hostile names."""

import json
import time

import pytest
from example_runs import HOSTILE_NAMES, add_sequence
from webdriver import find_browser

pytestmark = pytest.mark.skipif(
    find_browser() is None, reason="no chromium with chromedriver is installed"
)

NAME = "document.querySelector('h2')?.innerText"
PATCHES = "document.querySelectorAll('.patch').length"


@pytest.fixture
def page(browser, serve, run_folder):
    """The browser with the run of three sequences open, the first one shown."""
    browser.emulate(1280, 900)
    browser.open(serve(run_folder).server.gate.address)
    browser.wait(f"{NAME} == 'one'")
    yield browser
    assert browser.complaints() == []


def decision(run, name):
    file = run / "sequences" / name / "decision.json"
    return json.loads(file.read_text())["decision"] if file.exists() else None


def leave(browser):
    """Forget the page and the errors that were meant to be in its console."""
    browser.open("about:blank")
    browser.complaints()


def stage(page):
    return page.run("return document.querySelector('.stage').className")


def test_decide_by_keys(page, run_folder):
    page.press("a")
    page.wait(f"{NAME} == 'three'")
    assert decision(run_folder, "one") == "accept"
    page.press("R")
    page.wait(f"{NAME} == 'two'")
    page.press("m")
    page.wait("document.getElementById('message').innerText.includes('Nothing is left')")
    assert [decision(run_folder, name) for name in ("three", "two")] == ["reject", "more"]
    assert page.text("#count") == "3 of 3 decided"
    page.press("u")
    page.wait("document.querySelector('.badge').innerText == 'undecided'")
    assert decision(run_folder, "two") is None
    page.press("u")
    page.wait(f"{NAME} == 'three' && document.querySelector('.badge').innerText == 'undecided'")
    assert decision(run_folder, "three") is None and decision(run_folder, "one") == "accept"


def test_decisions_survive_a_reload(page, run_folder):
    page.click("[data-action=accept]")
    page.wait(f"{NAME} == 'three'")
    assert "token" not in page.address()
    page.open(page.address())
    page.run("location.reload()")
    page.wait(f"{NAME} == 'three' && document.getElementById('count').innerText[0] == '1'")
    page.press("left")
    page.wait(f"{NAME} == 'one'")
    assert page.text(".badge") == "accepted"
    assert page.run(
        "return document.querySelector('.accept').getAttribute('aria-pressed')"
    ) == "true"  # fmt: skip


def test_arrows_walk_and_stop_at_the_ends(page):
    page.press("right")
    page.wait(f"{NAME} == 'three'")
    page.press("right")
    page.wait(f"{NAME} == 'two'")
    page.press("right")
    page.wait("document.getElementById('message').innerText.includes('last sequence')")
    page.click(".item")
    page.wait(f"{NAME} == 'one'")


def test_flicker_blinks_about_twice_a_second(page):
    page.press("space")
    page.wait("document.querySelector('.flicker').getAttribute('aria-pressed') == 'true'")
    page.run("""window.times = []; new MutationObserver(() => times.push(performance.now()))
             .observe(document.querySelector('.stage'), {attributeFilter: ['class']})""")
    page.wait("times.length >= 6")
    gap = page.run("return (times.at(-1) - times[0]) / (times.length - 1)")
    assert 200 < gap < 500
    page.press("space")
    page.wait("!document.querySelector('.stage').classList.contains('flickering')")
    assert "show-rainy" not in stage(page)


def test_nothing_blinks_by_itself_where_motion_is_unwelcome(page):
    page.emulate(1280, 900, motion="reduce")
    page.run("location.reload()")
    page.wait("document.querySelector('.patch') && matchMedia('(prefers-reduced-motion)').matches")
    seen = []
    for _press in range(3):
        page.press("space")
        before = stage(page)
        time.sleep(0.6)
        assert stage(page) == before
        seen.append(("flickering" in before, "show-rainy" in before))
    assert seen == [(True, False), (True, True), (False, False)]


def test_space_after_a_click_flickers_and_does_not_decide_again(page, run_folder):
    page.click("[data-action=next]")
    page.wait(f"{NAME} == 'three'")
    page.press("space")
    page.wait("document.querySelector('.stage').classList.contains('flickering')")
    assert page.text("h2") == "three"
    page.press("space")


def test_sample_frames_by_number(page):
    page.press("3")
    page.wait("document.querySelector('img.rainy').src.includes('rainy/002.png')")
    assert page.run("return document.querySelector('img.rainy').alt") == "Rainy frame 002 of one"
    page.press("9")
    page.click(".sample")
    page.wait("document.querySelector('img.rainy').src.includes('rainy/000.png')")


def test_divider_follows_slider_and_pointer(page):
    page.run("document.querySelector('input[type=range]').focus()")
    page.press("left")
    split = "document.querySelector('.stage').style.getPropertyValue('--split')"
    page.wait(f"{split} == '49%'")
    assert page.text("h2") == "one"
    page.run("document.activeElement.blur()")
    page.click(".stage")
    page.wait(f"Math.abs(parseFloat({split}) - 50) < 0.5")


def test_patches_show_the_pictures_and_zoom(page):
    page.wait(PATCHES)
    page.run("window.patch = document.querySelector('.patch canvas').getContext('2d')")
    page.wait("Math.max(...patch.getImageData(0, 0, 4, 4).data.slice(0, 3))")
    page.press("z")
    zoom = "document.querySelector('.stage').style.getPropertyValue('--zoom')"
    page.wait(f"{zoom}.includes('scale')")
    page.wait("document.querySelector('.patch').getAttribute('aria-pressed') == 'true'")
    page.press("escape")
    page.wait(f"{zoom} == ''")
    page.click(".patch")
    page.wait(f"{zoom}.includes('scale')")
    page.click(".whole")
    page.wait(f"{zoom} == ''")


def test_help_and_switching_the_keys_off(page, run_folder):
    page.press("?")
    page.wait("document.getElementById('help').open")
    page.press("a")
    page.click("#shortcuts")
    page.press("escape")
    page.wait("!document.getElementById('help').open")
    page.press("a")
    page.press("right")
    time.sleep(0.2)
    assert page.text("h2") == "one" and decision(run_folder, "one") is None
    page.click("[data-action=accept]")
    page.wait(f"{NAME} == 'three'")


def test_the_message_when_the_server_has_gone(browser, started, run_folder):
    process, address = started(run_folder)
    browser.open(address)
    browser.wait(f"{NAME} == 'one' && {PATCHES}")
    process.kill()
    process.wait(10)
    browser.press("a")
    said = browser.wait("document.querySelector('#message.wrong')?.innerText")
    assert "Nothing was written" in said and "does not answer" in said
    assert decision(run_folder, "one") is None
    leave(browser)


def test_a_newer_candidate_is_not_decided_unseen(browser, serve, run_folder):
    browser.open(serve(run_folder).server.gate.address)
    browser.wait(f"{NAME} == 'one'")
    file = run_folder / "sequences/one/candidate.json"
    file.write_text(file.read_text().replace('"round": 1', '"round": 2'))
    browser.press("a")
    browser.wait("document.querySelector('#message.wrong')?.innerText.includes('newer candidate')")
    assert decision(run_folder, "one") is None
    leave(browser)


def test_hostile_names_neither_run_nor_break(browser, serve, tmp_path):
    for name in HOSTILE_NAMES:
        add_sequence(tmp_path / "hostile", name, reason=name, video=name, method=name)
    broken = add_sequence(tmp_path / "hostile", "zz-broken")
    (broken / "candidate.json").write_text("{")
    browser.open(serve(tmp_path / "hostile").server.gate.address)
    for done in range(len(HOSTILE_NAMES)):
        browser.wait(f"document.querySelector('.worst') && {PATCHES}")
        assert browser.run("return document.title").endswith("Review of hostile")
        assert browser.run("return document.querySelectorAll('main img').length") == 2
        browser.press("a")
        browser.wait(f"document.getElementById('count').innerText.startsWith('{done + 1} of')")
        last = "document.getElementById('message').innerText.includes('Nothing is left')"
        browser.wait(f"document.querySelector('.badge').innerText == 'undecided' || {last}")
    assert len(list((tmp_path / "hostile").rglob("decision.json"))) == len(HOSTILE_NAMES)
    browser.run("document.querySelector('.item[data-state=broken]').click()")
    browser.wait(f"{NAME} == 'zz-broken'")
    assert "cannot be shown" in browser.text("main")
    assert browser.run("return document.querySelector('.accept').disabled")
    assert browser.complaints() == []


CONTRAST = """
const shine = (colour) => {
  const parts = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => Number(part) / 255);
  const [r, g, b] = parts.map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = (node) => {
  const colour = getComputedStyle(node).backgroundColor;
  return /^rgba.* 0\\)$/.test(colour) && node.parentElement ? behind(node.parentElement) : colour;
};
const ratio = (node) => {
  const [low, high] = [getComputedStyle(node).color, behind(node)].map(shine).sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
};
const text = (node) => [...node.childNodes].some((part) => part.nodeType === 3 && part.data.trim());
const read = (node) => node.checkVisibility() && !node.disabled && !node.closest("svg, .tag, kbd");
const all = [...document.querySelectorAll("body *")];
window.readable = all.filter((node) => text(node) && read(node));
return readable.filter((node) => ratio(node) < 4.5).map((node) => node.outerHTML.slice(0, 90));
"""
UNNAMED = """
const nodes = [...document.querySelectorAll("button, input, img, svg")];
const named = (node) => node.getAttribute("aria-label") || node.alt || node.textContent.trim()
  || node.closest("label");
return nodes.filter((node) => !named(node)).map((node) => node.outerHTML.slice(0, 90));
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_readable_and_labelled(page, scheme):
    page.wait(PATCHES)
    page.press("z")
    page.emulate(1280, 900, scheme=scheme)
    assert page.run(CONTRAST) == []
    assert page.run("return readable.length") > 40
    assert page.run(UNNAMED) == []
    back = page.run("return getComputedStyle(document.body).backgroundColor")
    assert (back == "rgb(22, 24, 27)") == (scheme == "dark")


def test_narrow_screen(page):
    page.emulate(400, 800)
    page.wait(PATCHES)
    assert page.run("return document.documentElement.scrollWidth <= innerWidth")
    wide = "return [...document.querySelectorAll('.buttons button, .stage, .curve')]" \
           ".every((node) => node.getBoundingClientRect().right <= innerWidth)"  # fmt: skip
    assert page.run(wide)


def test_a_large_picture_stays_usable(browser, serve, tmp_path):
    add_sequence(tmp_path / "large", "large", size=(480, 270), enlarge=8, samples=2)
    browser.open(serve(tmp_path / "large").server.gate.address)
    browser.wait(f"document.querySelector('.worst') && {PATCHES}", seconds=40)
    box = browser.run("const b = document.querySelector('.stage').getBoundingClientRect();"
                      "return [b.width, b.height, innerWidth, innerHeight]")  # fmt: skip
    assert box[0] <= box[2] and box[1] <= box[3]
    assert browser.run("return document.querySelector('.patch canvas').width") == 128
    assert browser.complaints() == []
