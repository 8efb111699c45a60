"""What documents, workflows, help and errors tell people to type is there to be typed."""

import re
from functools import cache
from pathlib import Path

import click

from rainbench.cli import COMMANDS, cli

ROOT = Path(__file__).parents[1]

FILES = [
    *ROOT.glob("*.md"),
    *ROOT.glob(".github/**/*.yml"),
    *(
        file
        for folder in ("docs", "reports", "benchmarks", "baselines", "datasets", "rainbench")
        for file in (ROOT / folder).rglob("*")
        if file.suffix in (".md", ".yml", ".py", ".toml")
    ),
]

CALL = re.compile(r"(?<![\w.@+-])rainbench (?:-[vq] )?([a-z][a-z-]*)((?:\\\n|[^`|#;&\n])*)")
OPTION = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")


@cache
def options_of(name):
    """Those that are shown: a former spelling is not what anybody should be told."""
    command = cli.get_command(click.Context(cli), name)
    options = [p for p in command.params if isinstance(p, click.Option) and not p.hidden]
    return {word for p in options for word in (*p.opts, *p.secondary_opts)} | {"--help"}


def unknown(text):
    """Return what text tells to type that does not exist."""
    for call in CALL.finditer(text):
        name, rest = call.groups()
        if name in COMMANDS:
            yield from (f"{name} {o}" for o in OPTION.findall(rest) if o not in options_of(name))
        elif text[: call.start()].endswith(("`", "\n", "\n$ ", "run: ")):  # no prose
            yield name


def test_commands_that_are_written_down_exist():
    told = {file: list(unknown(file.read_text(encoding="utf-8"))) for file in FILES}
    assert {file: calls for file, calls in told.items() if calls} == {}
    assert len(FILES) > 300


def test_what_does_not_exist_is_noticed():
    text = "`rainbench run --all`\nrainbench accept runs/x \\\n  --out y -b z\n`rainbench built x`"
    assert list(unknown(text)) == ["accept --out", "accept -b", "built"]
    assert list(unknown("/bin/rainbench compare --out a && x --b; rainbench is good")) == [
        "compare --out"
    ]


def test_numbers_of_networks_and_tiles_have_their_range_in_the_help():
    unsaid = [
        f"{name} {option.opts[0]}"
        for name in COMMANDS
        for option in cli.get_command(click.Context(cli), name).params
        if isinstance(option, click.Option)
        and option.name in ("batch", "tile", "overlap", "patch", "width", "clip", "learning_rate")
        and option.nargs == 1
        and not isinstance(option.type, click.IntRange | click.FloatRange)
        and not re.search(r"\b\d+ (to|or more)\b", option.help or "")
    ]
    assert unsaid == []


def test_every_place_that_is_asked_for_is_explained():
    silent = [
        f"{name} {option.opts[0]}"
        for name in COMMANDS
        for option in cli.get_command(click.Context(cli), name).params
        if isinstance(option, click.Option)
        and not option.help
        and not option.hidden
        and option.type.name in ("path", "file", "PATH")
    ]
    assert silent == []
