"""``rainbench list``: what there is."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import click

from rainbench.catalog.cards import BaselineCard
from rainbench.catalog.registry import Entry, Registry
from rainbench.catalog.weights import shipped_weights
from rainbench.commands.options import cards_option, json_option, open_registry
from rainbench.core.progress import say, show, show_json

KINDS = ("datasets", "baselines", "protocols", "metrics")


@click.command(
    "list",
    epilog="""\b
Examples:
  rainbench list
  rainbench list baselines
  rainbench list metrics
  rainbench list protocols --json""",
)
@click.argument("kind", type=click.Choice(KINDS), required=False)
@cards_option
@json_option
def command(kind: str | None, card_folders: tuple[Path, ...], as_json: bool) -> None:
    """List data sets, baselines, protocols or metrics; without KIND, all of them."""
    registry = open_registry(card_folders)
    kinds = [kind] if kind else KINDS
    tables = {name: _TABLES[name](registry) for name in kinds}
    if as_json:
        show_json(tables[kind] if kind else tables)
    else:
        show("\n\n".join(_columns(name, table) for name, table in tables.items()))
    for problem in registry.problems:
        say(f"\nLeft out: {problem}")


def _datasets(registry: Registry) -> list[dict[str, str]]:
    return [
        {
            "name": card.name,
            "pairs": str(card.count or "?"),
            "split": card.split,
            "rain": "+".join(card.degradation),
            "protocol": card.protocol,
            "title": card.title,
        }
        for card in registry.datasets.values()
    ]


def _baselines(registry: Registry) -> list[dict[str, str]]:
    return [
        {
            "name": card.name,
            "parameters": f"{card.parameters:,}",
            "tags": " ".join(weights.tag for weights in card.weights) or _without_weights(card),
            "shipped": " ".join(_shipped_tags(card)),
            "title": card.title,
        }
        for card in registry.baselines.values()
    ]


def _shipped_tags(card: BaselineCard) -> list[str]:
    """Return the tags whose weights came with the card: they need no download."""
    return [
        weights.tag for weights in card.weights if shipped_weights(Entry(card, weights)) is not None
    ]


def _without_weights(card: BaselineCard) -> str:
    return "(to be trained)" if card.parameters else "(needs no weights)"


def _protocols(_registry: Registry) -> list[dict[str, str]]:
    from rainbench.metrics import PROTOCOLS

    return [
        {"name": name, "version": str(protocol.version), "title": protocol.title}
        for name, protocol in PROTOCOLS.items()
    ]


def _metrics(_registry: Registry) -> list[dict[str, str]]:
    from rainbench.metrics.quality.own import offered
    from rainbench.metrics.quality.registry import METRICS

    ours = [
        {
            "name": metric.name,
            "version": str(metric.version),
            "needs": " ".join(
                (["clean"] if metric.full_reference else [])
                + [*metric.libraries, *(file.name for file in metric.files)]
            ),
            "better": "higher" if metric.higher_is_better else "lower",
            "title": metric.title,
        }
        for metric in METRICS.values()
    ]
    others = [
        {"name": name, "version": "", "needs": "", "better": "", "title": point.value}
        for name, point in offered().items()
        if name not in METRICS
    ]
    return ours + others


_TABLES = {
    "datasets": _datasets,
    "baselines": _baselines,
    "protocols": _protocols,
    "metrics": _metrics,
}


def _columns(title: str, rows: Sequence[dict[str, str]]) -> str:
    if not rows:
        return f"{title}: none"
    names = list(rows[0])
    widths = [max(len(name), *(len(row[name]) for row in rows)) for name in names]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in [names, *(list(row.values()) for row in rows)]
    ]
    return "\n".join([f"{title} ({len(rows)})", *lines])


def as_table(record: object) -> dict[str, object]:
    """Return a record as plain types for JSON, its file apart."""
    assert dataclasses.is_dataclass(record) and not isinstance(record, type)
    table: dict[str, object] = {}
    for field in dataclasses.fields(record):
        if field.name in ("trusted", "maker"):  # of the call, not of the card
            continue
        value = getattr(record, field.name)
        if isinstance(value, tuple) and value and dataclasses.is_dataclass(value[0]):
            table[field.name] = [as_table(member) for member in value]
        elif dataclasses.is_dataclass(value):
            table[field.name] = as_table(value)
        elif hasattr(value, "keys"):
            table[field.name] = dict(value)
        else:
            table[field.name] = str(value) if isinstance(value, Path) else value
    return table
