"""Reading cards: TOML files become the records of `rainbench.catalog.cards`, or an error.

Unknown keys, missing keys and values of the wrong kind are errors that name the file, the key, and
what was probably meant.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from rainbench.catalog.cards import BaselineCard, DatasetCard, Layout, Recipe
from rainbench.catalog.patterns import parse_pattern, path_problem
from rainbench.core.errors import CardError
from rainbench.core.text import did_you_mean

Record = TypeVar("Record")


_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


_TAG = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]*")


_KINDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


def read_card(file: Path) -> DatasetCard | BaselineCard:
    """Read one card; a table with the key ``network`` is a baseline, any other a data set.

    Raises:
        CardError: The file cannot be read, is not TOML, or breaks the card's rules.
    """
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise CardError(f"{file}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CardError(f"{file}: is not UTF-8 text, so it is not a card") from None
    except tomllib.TOMLDecodeError as error:
        raise CardError(f"{file}: is not valid TOML: {error}") from None
    if "network" in table:
        baseline = record_from_table(BaselineCard, table, file)
        _check_baseline(baseline, file)
        return dataclasses.replace(baseline, file=file)
    dataset = record_from_table(DatasetCard, table, file)
    _check_dataset(dataset, file)
    return dataclasses.replace(dataset, file=file)


def record_from_table(record: type[Record], table: Mapping[str, Any], where: Path) -> Record:
    """Build a frozen record from a TOML table, checking every key and every value's kind.

    Args:
        record: A dataclass whose annotations are str, int, float, bool, Literal, Path, mappings,
            other such dataclasses, tuples of those, and ``... | None``.
        table: What TOML holds.
        where: The card's file, named in errors.

    Raises:
        CardError: A key is unknown or missing, or a value is of the wrong kind.

    Example:
        >>> from rainbench.catalog.cards import Variant
        >>> record_from_table(Variant, {"name": "cropped", "size": []}, Path("x.toml"))
        Traceback (most recent call last):
        ...
        rainbench.core.errors.CardError: x.toml: unknown key "size"
          Did you mean "sizes"?
    """
    hints = _hints(record)  # type: ignore[arg-type]
    fields = {f.name: f for f in dataclasses.fields(record) if f.name != "file"}  # type: ignore[arg-type]
    for key in table:
        if key not in fields:
            raise CardError(f'{where}: unknown key "{key}"', hint=did_you_mean(key, fields))
    for name, field in fields.items():
        required = (
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        )
        if required and name not in table:
            raise CardError(f'{where}: the key "{name}" is missing')
    values = {key: _convert(value, hints[key], key, where) for key, value in table.items()}
    return record(**values)


@functools.cache
def _hints(record: type) -> Mapping[str, Any]:
    return typing.get_type_hints(record)


def _convert(value: Any, kind: Any, key: str, where: Path) -> Any:  # noqa: ANN401
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:  # an optional key: TOML has no None
        return _convert(value, arguments[0], key, where)
    if origin is Literal:
        if value not in arguments:
            raise CardError(
                f"{where}: {key} is {value!r}",
                hint=f"It must be one of {', '.join(map(repr, arguments))}.",
            )
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise _wrong_kind(value, "a list", key, where)
        kinds = arguments[:1] * len(value) if arguments[-1:] == (Ellipsis,) else arguments
        if len(kinds) != len(value):
            raise _wrong_kind(value, f"a list of {len(kinds)}", key, where)
        return tuple(
            _convert(member, member_kind, f"{key}[{index}]", where)
            for index, (member, member_kind) in enumerate(zip(value, kinds, strict=True))
        )
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, dict):
            raise _wrong_kind(value, "a table", key, where)
        return types.MappingProxyType(value)
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, dict):
            raise _wrong_kind(value, "a table", key, where)
        return record_from_table(kind, value, where)  # type: ignore[arg-type]
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or isinstance(value, bool) is not (kind is bool):
        raise _wrong_kind(value, _KINDS[kind], key, where)
    return value


def _wrong_kind(value: object, wanted: str, key: str, where: Path) -> CardError:
    return CardError(f"{where}: {key} must be {wanted}, but it is {value!r}")


def _check_dataset(card: DatasetCard, file: Path) -> None:
    _check_name(card.name, file)
    if not card.layouts:
        raise CardError(f"{file}: a data set needs at least one [[layouts]]")
    for layout in card.layouts:
        kinds = (bool(layout.rainy and layout.clean), bool(layout.combined), bool(layout.list_file))
        if sum(kinds) != 1:
            raise CardError(
                f'{file}: layout "{layout.name}" must have either rainy and clean, or combined, '
                "or list_file"
            )
        _check_layout(layout, file)
    names = [layout.name for layout in card.layouts]
    for name in names:
        if names.count(name) > 1:
            raise CardError(f'{file}: two layouts are called "{name}"')
    for folder in (*card.folders, card.embedded):
        if folder and (problem := path_problem(folder.rstrip("/") or folder)):
            raise CardError(f'{file}: the folder "{folder}" {problem}')


def _check_layout(layout: Layout, file: Path) -> None:
    patterns = {}
    for key in ("rainy", "clean", "combined", "list_file"):
        text = getattr(layout, key)
        where = f'{file}: {key} of layout "{layout.name}", "{text}",'
        if text and (problem := path_problem(text)):
            raise CardError(f"{where} {problem}")
        if key == "list_file":
            continue
        try:
            patterns[key] = {field.name: field for field in parse_pattern(text).fields}
        except ValueError as error:
            raise CardError(f"{where} cannot be read: {error}") from None
    for name, field in patterns["clean"].items():
        if patterns["rainy"].get(name) != field:
            raise CardError(
                f'{file}: layout "{layout.name}" has the field {{{name}}} in clean, '
                "but not the same one in rainy, so no file has a partner"
            )


def _check_baseline(card: BaselineCard, file: Path) -> None:
    _check_name(card.name, file)
    if not re.fullmatch(r"[\w.]+:\w+", card.network):
        raise CardError(f'{file}: network must be "module:Class", but it is "{card.network}"')
    if card.recipe is not None:
        _check_recipe(card.recipe, file)
    tags = [weights.tag for weights in card.weights]
    for weights in card.weights:
        if not _TAG.fullmatch(weights.tag):
            raise CardError(f'{file}: the tag "{weights.tag}" has characters beyond a-z 0-9 _ -')
        if tags.count(weights.tag) > 1:
            raise CardError(f'{file}: the tag "{weights.tag}" stands twice')
        if not _SHA256.fullmatch(weights.sha256):
            raise CardError(f"{file}: sha256 of {weights.tag} is not 64 hexadecimal digits")
        if not weights.files:
            raise CardError(f"{file}: weights {weights.tag} name no files")


def _check_recipe(recipe: Recipe, file: Path) -> None:
    for key in ("patch", "batch", "steps", "learning_rate"):
        if getattr(recipe, key) <= 0:
            raise CardError(f"{file}: {key} of the recipe must be more than 0")
    if not recipe.losses:
        raise CardError(f"{file}: losses of the recipe is empty")
    if recipe.schedule == "steps" and not recipe.drops:
        raise CardError(f'{file}: the schedule "steps" needs drops')
    if any(not 0 < share < 1 for share in recipe.drops):
        raise CardError(f"{file}: drops are shares of the training, between 0 and 1")
    known = {field.name for field in dataclasses.fields(Recipe)}
    for key in recipe.chosen:
        if key not in known:
            raise CardError(
                f'{file}: chosen names "{key}", which is no key of a recipe',
                hint=did_you_mean(key, known),
            )


def _check_name(name: str, file: Path) -> None:
    if not _NAME.fullmatch(name):
        raise CardError(f'{file}: the name "{name}" must be made of a-z, 0-9, _ and -')
    if name != file.stem:
        raise CardError(f'{file}: the card is named "{name}", but its file "{file.stem}"')
