"""``rainbench show NAME``: one card, entry or protocol in full."""

from __future__ import annotations

from collections.abc import Mapping
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
  rainbench show prenet-y --json""",
)
@click.argument("name")
@cards_option
@json_option
def command(name: str, card_folders: tuple[Path, ...], as_json: bool) -> None:
    """Show the data set, baseline, entry or protocol called NAME."""
    content = describe(name, open_registry(card_folders))
    if as_json:
        show_json(content)
    else:
        show("\n".join(_lines(content)))


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


def _lines(content: object, indent: str = "") -> list[str]:
    lines = []
    assert isinstance(content, dict)
    for key, value in content.items():
        if value in ("", (), [], {}, None):
            continue
        if isinstance(value, dict):
            lines += [f"{indent}{key}:", *_lines(value, indent + "  ")]
        elif isinstance(value, list) and isinstance(value[0], dict):
            for member in value:
                lines += [f"{indent}{key}:", *_lines(member, indent + "  ")]
        elif isinstance(value, str) and "\n" in value:
            lines.append(f"{indent}{key}:")
            lines += [f"{indent}  {line}" for line in value.strip().splitlines()]
        else:
            lines.append(f"{indent}{key}: {_text(value)}")
    return lines


def _text(value: object) -> str:
    if isinstance(value, (tuple, list)):
        if value and isinstance(value[0], tuple):
            return ", ".join("x".join(map(str, member)) for member in value)
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
