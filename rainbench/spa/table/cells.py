"""The cells of a table of videos: its columns, and what each may hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rainbench.core.errors import RainbenchError
from rainbench.core.text import did_you_mean, folded
from rainbench.spa.options import parse_frames

RECORD = ("origin", "device", "exposure", "iso", "scene", "licence")
"""Columns that say where a video comes from; the data set repeats them."""


def _wrong(column: str, text: str, wanted: str) -> RainbenchError:
    return RainbenchError(f"{column} is {text!r}, not {wanted}")


def _choice(*choices: str) -> Callable[[str, str], Any]:
    def parse(column: str, text: str) -> str:
        if folded(text) not in choices:
            raise RainbenchError(
                f"{column} is {text!r}, not {' or '.join(choices)}",
                hint=did_you_mean(text, choices),
            )
        return folded(text)

    return parse


def _density(column: str, text: str) -> str | None:
    chosen = _choice("auto", "sparse", "normal", "dense")(column, text)
    return None if chosen == "auto" else str(chosen)


def _align(column: str, text: str) -> bool | None:
    chosen = _choice("auto", "yes", "no")(column, text)
    return {"yes": True, "no": False}.get(chosen)


def _whole(least: int, most: int = 10**9) -> Callable[[str, str], Any]:
    def parse(column: str, text: str) -> int:
        plain = text.removesuffix(".0")  # as spreadsheets may write it
        if not (plain.isascii() and plain.isdigit()) or not least <= int(plain[:20]) <= most:
            raise _wrong(column, text, f"a whole number from {least} to {most:,}")
        return int(plain)

    return parse


def _decibels(column: str, text: str) -> float:
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        value = -1.0
    if not 0 <= value <= 100:
        raise _wrong(column, text, "a number of dB from 0 to 100")
    return value


def _iso(column: str, text: str) -> str:
    return str(_whole(1, 10**7)(column, folded(text).removeprefix("iso").strip()))


def _exposure(column: str, text: str) -> str:
    """Return a shutter time as it was written, such as 1/250, 0.004 or 4 ms, once it is one."""
    if folded(text) == "auto":
        return "auto"
    number, unit = folded(text).replace(",", "."), 1.0
    for ending, seconds in (("ms", 1e-3), ("sec", 1.0), ("s", 1.0)):
        if number.endswith(ending):
            number, unit = number.removesuffix(ending).strip(), seconds
            break
    above, _, below = number.partition("/")
    try:
        seconds = float(above) / float(below or 1) * unit
    except (ValueError, ZeroDivisionError):
        seconds = 0.0
    if not 1e-7 <= seconds <= 60:
        raise _wrong(column, text, "a time such as 1/250, 0.004 s or 4 ms, nor auto")
    return text


def _words(_column: str, text: str) -> str:
    return text


COLUMNS: dict[str, Callable[[str, str], Any]] = {
    "video": _words,
    "split": _choice("train", "test"),
    "density": _density,
    "frames": lambda _, text: parse_frames(text),
    "start": _whole(0),
    "end": _whole(2),
    "align": _align,
    "min_psnr": _decibels,
    "max_frames": _whole(1),
    "origin": _words,
    "device": _words,
    "exposure": _exposure,
    "iso": _iso,
    "scene": _words,
    "licence": _words,
}
"""The columns of a table, in the order of a template, and what reads their cells."""
