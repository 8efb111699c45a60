"""Text of others in every output: a card or a file name commands nothing that shows it."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rainbench.core.escape import escape_formula, markdown, unescape_formula, visible, visible_json

ESCAPES = [
    "\x1b[31mred", "\x1b]0;title\x07", "\x9b31m", "a\rb", "\x08\x08", "\x7f", "\x00",
    "a\u202egnp.exe", "\u2066", "\u2028", "\udcff",
]  # fmt: skip
FORMULAS = ["=cmd|' /C calc'!A0", "+1+cmd()", "-2+3+cmd", "@SUM(A1)", "\t=1+x", "\r=x", "＝cmd()"]


@pytest.mark.parametrize("text", ESCAPES)
def test_a_terminal_is_not_commanded(text):
    shown = visible(text)
    assert all(letter.isprintable() for letter in shown) and shown.encode()
    assert visible(shown) == shown
    assert json.loads(visible_json(json.dumps(text, ensure_ascii=False))) == text
    assert all(
        letter.isprintable() for letter in visible_json(json.dumps(text, ensure_ascii=False))
    )


@pytest.mark.parametrize("text", ["plain", "Regen über dem Hof", "雨", "a\n\tb", "👩‍🔬", "[bold]"])
def test_plain_text_stays(text):
    assert visible(text) == text and visible_json(text) == text


@pytest.mark.parametrize("text", FORMULAS)
def test_a_spreadsheet_sees_text(text):
    assert escape_formula(text) == f"'{text}" and unescape_formula(escape_formula(text)) == text


@pytest.mark.parametrize("text", ["-1.5", "+0.02", "-0.01 / +0.3", "", "7", "x=1", "'quoted'"])
def test_numbers_and_names_stay(text):
    assert escape_formula(text) == text == unescape_formula(text)


@given(st.text(alphabet="'=+-@1a \t\r\n"))
def test_what_was_made_inert_is_read_back(text):
    assert unescape_formula(escape_formula(text)) == text
    line = io.StringIO()
    csv.writer(line).writerow([escape_formula(text)])
    (row,) = csv.reader(io.StringIO(line.getvalue(), newline=""))
    assert unescape_formula(row[0]) == text


@pytest.mark.parametrize(
    "text", ["<img src=x onerror=alert(1)>", "[a](javascript:b)", "`x`", "a\n# b"]
)
def test_markdown_is_text(text):
    written = markdown(text)
    assert "<" not in written and "\n" not in written
    assert not any(f"{mark}" in written.replace(f"\\{mark}", "") for mark in "[]`*|")


EVIL = "\x1b[2J<b>=cmd()|[x](y)\u202e [bold]"


@pytest.fixture
def evil_card(cards):
    """The toy data set and a method, with titles and notes that attack what shows them."""
    text = (cards / "toy.toml").read_text()
    toml = json.dumps(EVIL)
    (cards / "toy.toml").write_text(
        text.replace('title = "Toy"', f"title = {toml}\nnotes = {toml}")
    )
    (cards / "evil.toml").write_text(
        f'name = "evil"\ntitle = {toml}\nnetwork = "rainbench.networks.plain:Identity"\n'
        f"parameters = 0\nmacs_per_pixel = 0\npaper = {toml}\nsource = {toml}\nlicence = {toml}\n"
    )
    return cards


@pytest.mark.parametrize(
    "call",
    [("list",), ("list", "--json"), ("show", "toy"), ("show", "evil", "--json"), ("check", "toy"),
     ("show", EVIL), ("check", EVIL + "x"), ("run", "-d", EVIL + "x", "-b", "identity"),
     ("fetch", "evil"), ("check", "--layout", EVIL, "toy"), ("nothing" + EVIL,)],
    ids=lambda call: call[0][:9],
)  # fmt: skip
def test_no_command_passes_a_cards_escapes_on(rainbench, evil_card, call):
    done = rainbench(*call)
    assert done.returncode in (0, 1, 2)
    for text in (done.stdout, done.stderr):
        assert not {"\x1b", "\u202e", "\x9b"} & set(text)
        assert "Traceback" not in text


def test_a_run_and_its_report_pass_nothing_on(rainbench, evil_card, toy, tmp_path):
    out = tmp_path / "out"
    run = rainbench("run", "-b", "evil", "-d", "toy", "--data", toy, "--out", out)
    assert run.returncode == 0, run.stderr
    assert rainbench("report", out, "--pictures", "0").returncode == 0
    for name in ("table.md", "timing.md"):
        text = (out / name).read_text()
        assert "<b>" not in text and "\x1b" not in text and "[x](y)" not in text, name
    page = (out / "report.html").read_text()
    assert "<b>=cmd()" not in page and "\x1b" not in page
    with (out / "table.csv").open(newline="") as file:
        assert not [cell for row in csv.reader(file) for cell in row if cell[:1] in tuple("=@")]
    assert "\\input" not in (out / "table.tex").read_text()


def test_image_names_that_are_formulas_are_scored_and_resumed(rainbench, cards, toy, tmp_path):
    """The id keeps its value in what we read back; the file opens as text in a spreadsheet."""
    card = (cards / "toy.toml").read_text().replace("{id:d}", "{id}")
    (cards / "toy.toml").write_text(card)
    for half in ("input", "target"):
        (toy / "toy" / half / "1.png").rename(toy / "toy" / half / "=cmd().png")
    out = tmp_path / "out"
    call = ("run", "-b", "identity", "-d", "toy", "--data", toy, "--out", out)
    assert rainbench(*call).returncode == 0
    images = out / "cells/toy/identity/images.csv"
    first = images.read_text()
    assert "\n'=cmd(),prenet-y" in first and "\n=cmd()" not in first
    done = rainbench(*call)
    assert done.returncode == 0 and "1 kept" in done.stderr + done.stdout, done.stderr
    golden = tmp_path / "golden"
    assert rainbench("accept", out, "--golden", golden).returncode == 0
    assert "'=cmd()," in (golden / "toy/identity.csv").read_text()
    assert rainbench("compare", out, "--golden", golden, "--guarded", "1").returncode == 0
