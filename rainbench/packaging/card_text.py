"""A data set's card as text: the counterpart of `rainbench.catalog.schema.read_card`."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import tomlkit

from rainbench.catalog.cards import DatasetCard, Layout, Variant

if TYPE_CHECKING:
    from tomlkit import TOMLDocument
    from tomlkit.items import Table


def card_text(card: DatasetCard) -> str:
    r"""Return the TOML of a card; what equals its default is left out.

    Example:
        >>> from rainbench.catalog.cards import Layout
        >>> layout = Layout(name="pairs", rainy="rainy/{id}.png", clean="clean/{id}.png")
        >>> card = DatasetCard(
        ...     name="mine", title='My "rain"', revision="1", degradation=("streaks",),
        ...     origin="real", split="test", count=3, protocol="prenet-y", layouts=(layout,),
        ...     licence="CC0", sources=(), citation="",
        ... )
        >>> print(card_text(card))
        name = "mine"
        title = "My \"rain\""
        revision = "1"
        degradation = ["streaks"]
        origin = "real"
        split = "test"
        count = 3
        protocol = "prenet-y"
        licence = "CC0"
        sources = []
        citation = ""
        <BLANKLINE>
        [[layouts]]
        name = "pairs"
        rainy = "rainy/{id}.png"
        clean = "clean/{id}.png"
        <BLANKLINE>
    """
    document = tomlkit.document()
    _fill(document, card)
    for name in ("layouts", "variants"):
        tables = tomlkit.aot()
        for member in getattr(card, name):
            table = tomlkit.table()
            _fill(table, member)
            tables.append(table)
        if tables:
            document.add(name, tables)
    return tomlkit.dumps(document)


def _fill(table: Table | TOMLDocument, record: DatasetCard | Layout | Variant) -> None:
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if field.name not in ("layouts", "variants", "file") and value != field.default:
            table.add(field.name, _plain(value))


def _plain(value: object) -> object:
    """Return a value with lists in the place of tuples, which TOML has none of."""
    return [_plain(member) for member in value] if isinstance(value, tuple) else value
