"""Patterns of layouts: read as the regular expressions they stand for, but in linear time."""

import random
import re
import time

import pytest

from rainbench.catalog.patterns import folded, parse_pattern, path_problem
from rainbench.catalog.registry import load_registry
from rainbench.catalog.schema import read_card
from rainbench.core.errors import CardError


def as_regex(pattern):
    """The plain, exponential form: texts as short as can be, numbers as long as can be."""
    expression, at, seen = "", 0, set()
    for field in re.finditer(r"\{(\w+)(:[d?])?\}", pattern):
        expression += re.escape(pattern[at : field.start()])
        name, kind = field.groups()
        new = {":d": rf"(?P<{name}>\d+)", ":?": f"(?P<{name}>[^/]*?)"}.get(
            kind, f"(?P<{name}>[^/]+?)"
        )
        expression += f"(?P={name})" if name in seen else new
        seen.add(name)
        at = field.end()
    return re.compile(expression + re.escape(pattern[at:]))


OWN = [
    "{a:?}rain-{id:d}.png",
    "{a:?}_{b:?}.png",
    "r/{a:?}",
    "{a}_{b}.png",
    "{a}-{a}.png",
    "{a}_{b:d}",
    "r/{id}",
    "{a:d}1{b:d}.png",
    "{a}/{b}_{a}.png",
    "{a}_{b}_{c:d}/{a}_{d}.png",
    "{a}_a{b}_{c:d}/{d}_1{e:d}x",
]


def shipped():
    return {
        text
        for card in load_registry().datasets.values()
        for layout in card.layouts
        for text in (layout.rainy, layout.clean, layout.combined)
        if text
    }


def test_every_pattern_is_read_as_before():
    chance = random.Random(1)
    matched = 0
    for text in sorted(shipped() | set(OWN)):
        pattern, regex = parse_pattern(text), as_regex(folded(text))
        numbers = {field.name for field in pattern.fields if field.number}
        for _ in range(150):
            name = re.sub(
                r"\{(\w+)(:[d?])?\}",
                lambda field: "".join(
                    chance.choices(
                        "0123" if field[2] == ":d" else "a_-1/",
                        k=chance.randint(field[2] != ":?", 4),
                    )
                ),
                folded(text),
            )
            found = regex.fullmatch(name)
            wanted = found and tuple(
                (key, int(value) if key in numbers else value)
                for key, value in found.groupdict().items()
            )
            assert pattern.read(name)[:1] == ([wanted] if found else []), (text, name)
            matched += found is not None
    assert matched > 5000


@pytest.mark.parametrize(
    "text",
    [
        "{a}_{b}_{c}_{d}_{e}_{f}_{g}_{h}_{i}_{j}_{k}_{l:d}x.png",
        "{a}_{b}_{c}_{d}_{e}_{f}_{g}_{h}-{i}x.png",
        "{a}a{b}a{c}a{d}a{e}a{f}a{g}q{h}x.png",
        "{a}_{a}_{b}_{b}_{c}_{c}-{d}x.png",
        "{a:d}1{b:d}1{c:d}1{d:d}1{e:d}1{f:d}1{g:d}1{h:d}x.png",
    ],
)
def test_twelve_fields_take_no_time(text):
    names = ["a_" * 120 + "ax.png", "a" * 250 + "x.png", "1" * 250 + "x.png", "a_/" * 900 + "x.png"]
    started = time.process_time()
    for name in names:
        parse_pattern(text).read(name)
    assert time.process_time() - started < 1  # 0.02 s; hours with backtracking


CARD = """
name = "odd"
title = "Odd"
revision = "1"
degradation = ["streaks"]
origin = "synthetic"
split = "test"
count = 0
protocol = "prenet-y"
licence = "none"
sources = ["x"]
citation = "x"
"""


def layout(rainy="r/{id}.png", clean="c/{id}.png", **others):
    keys = {"name": "a", "rainy": rainy, "clean": clean, **others}
    lines = [f"{key} = {value!r}" for key, value in keys.items() if value]
    return "\n".join(["[[layouts]]", *lines, ""])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (layout("r/{1}.png"), r"\{1\} is not a field"),
        (layout("r/{}.png"), r"\{\} is not a field"),
        (layout("r/{id:x}.png"), r"\{id:x\} is not a field"),
        (layout("r/{id.png"), "a brace has no partner"),
        (layout("r/id}.png"), "a brace has no partner"),
        (layout("r/{a}{id}.png"), "nothing stands between {a} and {id}"),
        (layout("r/{id}_{id:d}.png"), "once a number"),
        (layout("r/" + "_".join(f"{{f{n}}}" for n in range(40)) + ".png"), "has 40 fields"),
        (layout("r/{id:d}.png"), r"field \{id\} in clean, but not the same"),
        (layout("r/a.png"), r"field \{id\} in clean"),
        (layout("../r/{id}.png"), "climbs out"),
        (layout(clean="c/../../{id}.png"), "climbs out"),
        (layout("/r/{id}.png"), "not relative"),
        (layout("C:/r/{id}.png"), "not relative"),
        (layout(r"r\{id}.png"), "backslash"),
        (layout("r//{id}.png"), "empty name"),
        (layout("", "", combined="../{id}.png"), "climbs out"),
        (layout("", "", list_file="../list.txt"), "climbs out"),
        (layout("", "", list_file="/etc/passwd"), "not relative"),
        (layout() + layout(), "two layouts are called"),
        ('folders = ["../.."]\n' + layout(), "stays below"),
        ('embedded = "../../etc"\n' + layout(), "stays below"),
    ],
)
def test_what_cannot_be_right_is_said_of_the_card(text, message, tmp_path):
    file = tmp_path / "odd.toml"
    file.write_text(CARD + text)
    with pytest.raises(CardError, match=message):
        read_card(file)


def test_every_shipped_card_is_right():
    assert not load_registry().problems
    assert all(not path_problem(text) for text in shipped())
