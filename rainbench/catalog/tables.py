"""TOML tables as frozen records: every key and value is checked, all mistakes are told at once."""

from __future__ import annotations

import dataclasses
import functools
import math
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from rainbench.core.errors import CardError
from rainbench.core.files import read_regular_file
from rainbench.core.text import did_you_mean, shortened

Record = TypeVar("Record")

_KINDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}

_MOST_BYTES = 1 << 18
_MOST_DEPTH = 32
_LARGEST = 2**63 - 1
"""The largest whole number of TOML's own specification; Python's reader knows no limit."""

_MOST_DOTS = 200
"""In a line: the reader's time grows with the square of the number of parts of a key."""

_NOT_KEYS = ("file", "trusted", "maker")
"""Attributes of a card that its reader sets, not its text."""

_SHOWN = 5


def read_toml(file: Path) -> dict[str, Any]:
    """Read a TOML file that anybody may have written.

    Raises:
        CardError: It is no file, too large, not UTF-8, not TOML, or nested too deep.
    """
    try:
        text = read_regular_file(file, _MOST_BYTES).decode("utf-8")
    except OSError as error:
        raise CardError(f"{file}: cannot be read: {error.strerror}", file=file) from None
    except UnicodeDecodeError:
        raise CardError(f"{file}: is not UTF-8 text", file=file) from None
    try:
        if any(line.count(".") > _MOST_DOTS for line in text.splitlines()):
            raise RecursionError
        return tomllib.loads(text.removeprefix("\N{BOM}"))
    except tomllib.TOMLDecodeError as error:
        reason = shortened(str(error), 200)
        raise CardError(f"{file}: is not valid TOML: {reason}", file=file) from None
    except RecursionError:
        raise CardError(
            f"{file}: its tables or lists are nested too deep to be read", file=file
        ) from None
    except ValueError:
        # Besides its own error the reader lets pass what Python says of numbers and dates.
        raise CardError(
            f"{file}: is not valid TOML: holds a number that is too long, or no date", file=file
        ) from None


def record_from_table(record: type[Record], table: Mapping[str, Any], where: Path) -> Record:
    """Build a frozen record from a TOML table, checking every key and every value's kind.

    Args:
        record: A dataclass whose annotations are str, int, float, bool, Literal, Path, mappings,
            other such dataclasses, tuples of those, and ``... | None``.
        table: What TOML holds.
        where: The card's file, named in errors.

    Raises:
        CardError: Keys are unknown or missing, or values of the wrong kind: all that are.

    Example:
        >>> from rainbench.catalog.cards import Variant
        >>> record_from_table(Variant, {"name": "cropped", "size": []}, Path("x.toml"))
        Traceback (most recent call last):
        ...
        rainbench.core.errors.CardError: x.toml: unknown key "size"
          Did you mean "sizes"?
    """
    wrong: list[_Wrong] = []
    values = _values(record, table, "", wrong)
    if wrong:
        raise _all_of(wrong, where)
    return record(**values)


_Wrong = tuple[str, str]
"""What is wrong with a card, and what to do about it."""


def _all_of(wrong: list[_Wrong], where: Path) -> CardError:
    if len(wrong) == 1:
        return CardError(f"{where}: {wrong[0][0]}", hint=wrong[0][1], file=where)
    lines = [f"{message}. {hint}".rstrip() for message, hint in wrong[:_SHOWN]]
    more = len(wrong) - _SHOWN
    lines += [f"and {more} more"] if more > 0 else []
    return CardError(f"{where}: {len(wrong)} things are wrong", hint="\n  ".join(lines), file=where)


def _values(
    record: type[Any], table: Mapping[str, Any], path: str, wrong: list[_Wrong]
) -> dict[str, Any]:
    """Return a table's values by the record's fields; what is wrong is added to the list."""
    hints = _hints(record)  # type: ignore[arg-type]
    fields = {f.name: f for f in dataclasses.fields(record) if f.name not in _NOT_KEYS}
    unknown = [shortened(key, 60) for key in table if key not in fields]
    explained = set()
    for index, key in enumerate(unknown):
        hint = did_you_mean(key, set(fields) - set(table)) if index < _SHOWN else ""
        explained |= set(re.findall(r'Did you mean "(\w+)"', hint))
        wrong.append((f'{_at(path)}unknown key "{key}"', hint))
    missing = [
        name
        for name, field in fields.items()
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        and name not in table and name not in explained
    ]  # fmt: skip
    if missing:
        names = ", ".join(f'"{name}"' for name in missing)
        what = f"the key {names} is" if len(missing) == 1 else f"the keys {names} are"
        wrong.append((f"{_at(path)}{what} missing", ""))
    return {
        key: _convert(value, hints[key], f"{path}.{key}".lstrip("."), wrong)
        for key, value in table.items()
        if key in fields
    }


def _at(path: str) -> str:
    return f"{path}: " if path else ""


@functools.cache
def _hints(record: type) -> Mapping[str, Any]:
    return typing.get_type_hints(record)


def _convert(value: Any, kind: Any, key: str, wrong: list[_Wrong]) -> Any:  # noqa: ANN401
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:  # an optional key: TOML has no None
        return _convert(value, arguments[0], key, wrong)
    if origin is Literal:
        if not any(value == each and type(value) is type(each) for each in arguments):
            known = ", ".join(map(repr, arguments))
            wrong.append((f"{key} is {value_text(value)}", f"It must be one of {known}."))
        return value
    if origin is tuple:
        return _members(value, arguments, key, wrong)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, dict):
            wrong.append(_wrong_kind(value, "a table", key))
            return value
        _check_free(value, key, wrong)
        return types.MappingProxyType(value)
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, dict):
            wrong.append(_wrong_kind(value, "a table", key))
            return value
        before = len(wrong)
        values = _values(kind, value, key, wrong)  # type: ignore[arg-type]
        return kind(**values) if len(wrong) == before else None  # type: ignore[operator]
    if not isinstance(value, (int, float) if kind is float else kind) or isinstance(
        value, bool
    ) is not (kind is bool):
        wrong.append(_wrong_kind(value, _KINDS[kind], key))
        return value
    if problem := _unusable(value):
        wrong.append((f"{key} {problem}", ""))
        return value
    return float(value) if kind is float else value


def _members(value: Any, kinds: tuple[Any, ...], key: str, wrong: list[_Wrong]) -> Any:  # noqa: ANN401
    if not isinstance(value, list):
        wrong.append(_wrong_kind(value, "a list", key))
        return value
    if kinds[-1:] == (Ellipsis,):
        kinds = kinds[:1] * len(value)
    if len(kinds) != len(value):
        wrong.append(_wrong_kind(value, f"a list of {len(kinds)}", key))
        return value
    return tuple(
        _convert(member, kind, f"{key}[{index}]", wrong)
        for index, (member, kind) in enumerate(zip(value, kinds, strict=True))
    )


def _check_free(value: Any, key: str, wrong: list[_Wrong], depth: int = 0) -> None:  # noqa: ANN401
    """Check the values of a table whose keys a card may choose: a network's arguments."""
    if depth > _MOST_DEPTH:
        wrong.append((f"{shortened(key, 60)} is nested too deep", ""))
    elif isinstance(value, dict):
        for name, member in value.items():
            _check_free(member, f"{key}.{shortened(name, 60)}", wrong, depth + 1)
    elif isinstance(value, list):
        for index, member in enumerate(value):
            _check_free(member, f"{key}[{index}]", wrong, depth + 1)
    elif not isinstance(value, (str, int, float)):
        wrong.append((f"{key} must be a text, a number, or true or false", ""))
    elif problem := _unusable(value):
        wrong.append((f"{key} {problem}", ""))


def _unusable(value: str | float) -> str:
    """Return what no value of a card may be, or an empty text."""
    if isinstance(value, str):
        return "holds a zero byte" if "\0" in value else ""
    if isinstance(value, int):
        return "is a number of too many digits" if abs(value) > _LARGEST else ""
    return "" if math.isfinite(value) else f"is {value}, which is no number to reckon with"


def _wrong_kind(value: object, wanted: str, key: str) -> _Wrong:
    return f"{key} must be {wanted}, but it is {value_text(value)}", ""


def value_text(value: object) -> str:
    """Return a value of a TOML file for a message, however large it is."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, int) and abs(value) > _LARGEST:
        return "a number of too many digits"
    return shortened(repr(value), 80)
