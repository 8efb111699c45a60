"""A data set's card as text: the counterpart of `rainbench.catalog.schema.read_card`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator

from rainbench.catalog.cards import DatasetCard


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
    lines = list(_lines(card))
    for table in ("layouts", "variants"):
        for member in getattr(card, table):
            lines += ["", f"[[{table}]]", *_lines(member)]
    return "\n".join(lines) + "\n"


def _lines(record: object) -> Iterator[str]:
    assert dataclasses.is_dataclass(record)
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if field.name not in ("layouts", "variants", "file") and value != field.default:
            yield f"{field.name} = {_value(value)}"


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, str):
        # A JSON string is a TOML string, but for one control character that only TOML forbids.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
    return str(value).lower() if isinstance(value, bool) else str(value)
