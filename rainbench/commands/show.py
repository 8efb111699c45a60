"""``rainbench show NAME``: one card, entry or protocol in full."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from rainbench.catalog.cards import DatasetCard
from rainbench.catalog.published import load_published
from rainbench.catalog.registry import Entry, Registry
from rainbench.catalog.weights import shipped_weights
from rainbench.commands.list import as_table
from rainbench.commands.options import cards_option, json_option, open_registry
from rainbench.core.errors import RainbenchError
from rainbench.core.progress import show, show_json
from rainbench.core.text import did_you_mean, named, shortened


@click.command(
    "show",
    epilog="""\b
Examples:
  rainbench show rain100h
  rainbench show prenet.rain100l
  rainbench show prenet --bibtex
  rainbench show prenet-y --json""",
)
@click.argument("name")
@click.option("--bibtex", "as_bibtex", is_flag=True, help="Print the reference alone, as BibTeX.")
@cards_option
@json_option
def command(name: str, card_folders: tuple[Path, ...], as_bibtex: bool, as_json: bool) -> None:
    """Show the data set, baseline, entry or protocol called NAME."""
    registry = open_registry(card_folders)
    content = describe(name, registry)
    if as_bibtex:
        from rainbench.catalog.bibtex import bibtex

        show(bibtex(str(content.get("paper") or content.get("citation") or f"{name}, a protocol")))
    elif as_json:
        show_json(content)
    else:
        show("\n".join(_page(content)))


def describe(name: str, registry: Registry) -> dict[str, object]:
    """Return everything known of a name, as plain types.

    Raises:
        RainbenchError: Nothing bears this name.
    """
    from rainbench.metrics import PROTOCOLS

    spellings: dict[str, tuple[str, ...]] = {
        each.name: (each.title,) for each in PROTOCOLS.values()
    }
    known = registry.spellings
    found = named(name, known | spellings)
    if len(found) == 1 and found[0] in spellings:
        return {"kind": "protocol", **as_table(PROTOCOLS[found[0]])}
    if not found:
        registry.raise_if_broken(name.partition(".")[0])
        raise _nothing(name, registry, known | spellings)
    meant = registry.meaning(name)
    if isinstance(meant, Entry):
        return _entry(meant)
    kind = "data set" if isinstance(meant, DatasetCard) else "baseline"
    return {"kind": kind, **as_table(meant)}


def _nothing(
    name: str, registry: Registry, spellings: Mapping[str, tuple[str, ...]]
) -> RainbenchError:
    papers = {cell.paper: () for cell in load_published(registry.folders)}
    if paper := named(name, papers):
        hint = f"It is a paper: `rainbench report --paper {paper[0]}` lists its tables."
    else:
        hint = did_you_mean(name, {*spellings, *papers}, spellings)
    return RainbenchError(f"nothing is called {shortened(name, 100)}", hint=hint)


def _entry(entry: Entry) -> dict[str, object]:
    baseline = as_table(entry.baseline)
    del baseline["weights"]
    weights = as_table(entry.weights) if entry.weights else {}
    for key in ("arguments", "parameters", "macs_per_pixel"):  # shown once, as they are in force
        weights.pop(key, None)
    return {
        "kind": "entry",
        "entry": entry.name,
        **baseline,
        "arguments": entry.arguments,
        "parameters": entry.parameters,
        "macs_per_pixel": entry.macs_per_pixel,
        "weights": {**weights, "shipped": shipped_weights(entry) is not None} if weights else {},
    }


_HEADS = {
    "macs_per_pixel": "multiply-adds per pixel",
    "sha256": "SHA-256",
    "git_sha1": "git's SHA-1",
    "own_paper": "paper in reports/papers",
    "file": "card",
    "state_dict": "state dict",
}
"""What fields are called where their name does not say it."""

_WIDE = 100
"""Columns that lines are broken at."""


def _page(content: Mapping[str, object]) -> list[str]:
    """Return what a person reads of a card: its title, a line per field, weights as a table."""
    fields = dict(content)
    names = [str(fields.pop(key)) for key in ("kind", "entry", "name") if key in fields]
    title = fields.pop("title", "")
    lines = [f"{title} ({', '.join(reversed(names))})" if title else ", ".join(reversed(names))]
    tables = {
        key: fields.pop(key)
        for key in list(fields)
        if isinstance(fields[key], list) and fields[key] and isinstance(fields[key][0], dict)  # type: ignore[index]
    }
    lines += _fields(fields)
    for name, members in tables.items():
        lines += ["", f"{name} ({len(members)}):", *_table(members)]  # type: ignore[arg-type]
    return lines


def _fields(content: Mapping[str, object], indent: str = "  ") -> list[str]:
    present = {key: value for key, value in content.items() if value not in ("", (), [], {}, None)}
    heads = {key: _HEADS.get(key, key.replace("_", " ")) for key in present}
    width = max(map(len, heads.values()), default=0)
    lines = []
    for key, value in present.items():
        if isinstance(value, Mapping):
            lines += [f"{indent}{heads[key]}:", *_fields(value, indent + "  ")]
        else:
            wrapped = textwrap.wrap(
                " ".join(_text(value).split()), max(40, _WIDE - len(indent) - width - 2),
                break_long_words=False, break_on_hyphens=False,
            )  # fmt: skip
            head = f"{indent}{heads[key]:{width}}  "
            lines += [(" " * len(head) if n else head) + line for n, line in enumerate(wrapped)]
    return lines


_COLUMNS = ("tag", "name", "parameters", "trained_on", "rainy", "clean", "combined", "list_file",
            "sizes", "comparable", "licence")  # fmt: skip
"""What a table shows of weights, layouts and altered copies; --json has all."""


def _table(members: Sequence[Mapping[str, object]]) -> list[str]:
    columns = [key for key in _COLUMNS if any(member.get(key) for member in members)]
    cells = [[_HEADS.get(key, key.replace("_", " ")) for key in columns]]
    cells += [
        [_text(member[key]) if member.get(key) else "" for key in columns] for member in members
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(len(columns))]
    return [
        "  "
        + "  ".join(f"{text:{width}}" for text, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]


def _text(value: object) -> str:
    if isinstance(value, (tuple, list)):
        if value and isinstance(value[0], Mapping):
            return "; ".join(
                ", ".join(f"{key} {text}" for key, text in member.items()) for member in value
            )
        if value and isinstance(value[0], tuple):
            return ", ".join("x".join(map(str, member)) for member in value)
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
