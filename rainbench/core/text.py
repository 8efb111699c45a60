"""Numbers, names and sizes as text, and text as numbers."""

from __future__ import annotations

import difflib
import fnmatch
import math
import re
import typing
import unicodedata

from rainbench.core.errors import RainbenchError


def safe_name(text: str) -> str:
    """Return a name for a data set or a file: a to z, digits, ``-`` and ``_``.

    Accents are dropped, everything else becomes a dash; nothing left gives an empty text.

    Example:
        >>> safe_name("Regen über  dem Hof (2)"), safe_name("雨")
        ('regen-uber-dem-hof-2', '')
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().casefold()
    return re.sub(r"[^a-z0-9_]+", "-", plain).strip("-_")


def natural_key(text: str) -> list[tuple[int, int, str]]:
    """Sort key under which ``2`` comes before ``10``.

    Example:
        >>> sorted(["10", "2", "a1"], key=natural_key)
        ['2', '10', 'a1']
        >>> sorted(["x²", "x10", "x2"], key=natural_key)  # a superscript is no number
        ['x2', 'x10', 'x²']
    """
    return [
        (0, int(part), part) if part.isdecimal() else (1, 0, part)
        for part in re.split(r"(\d+)", text)
        if part
    ]


def folded(text: str) -> str:
    """Return what is compared when people write names: no case, no double blanks.

    Example:
        >>> folded(" Median  Filter")
        'median filter'
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def named(word: str, spellings: typing.Mapping[str, typing.Iterable[str]]) -> list[str]:
    """Return the names that a word means: the one it is, else in any case, else by a spelling.

    Args:
        word: What was written.
        spellings: For each name what else people call it: titles, names in papers.

    Returns:
        One name; none where nothing is called so; several where it is ambiguous.

    Example:
        >>> known = {"spa": ["SPA-Data"], "spa-train": [], "rain12": ["Test12"]}
        >>> named("SPA", known), named("spa-data", known), named("spa-d", known)
        (['spa'], ['spa'], [])
    """
    if word in spellings:
        return [word]
    wanted = folded(word)
    by_name = [name for name in spellings if folded(name) == wanted]
    return by_name or [name for name, others in spellings.items() if wanted in map(folded, others)]


def fitting(pattern: str, names: typing.Iterable[str]) -> list[str] | None:
    """Return the names that a pattern of ``*``, ``?`` and ``[...]`` fits; None for no pattern.

    Example:
        >>> fitting("RAIN100*", ["rain100h", "rain12"]), fitting("rain12", ["rain12"])
        (['rain100h'], None)
    """
    if not set(pattern) & set("*?["):
        return None
    return [name for name in names if fnmatch.fnmatchcase(name.casefold(), pattern.casefold())]


def did_you_mean(
    word: str,
    choices: typing.Iterable[str],
    others: typing.Mapping[str, typing.Iterable[str]] | None = None,
) -> str:
    """Return "Did you mean ...?" for the nearest choice, or a list of all of them.

    Args:
        word: What was written, in any case.
        choices: The names that there are.
        others: Titles and aliases by the name that they stand for; names that are no choice do
            not count.

    Example:
        >>> did_you_mean("Rain10L", ["rain100l", "rain12"])
        'Did you mean "rain100l"?'
        >>> did_you_mean("SPA-Dta", ["spa", "rain12"], {"spa": ["SPA-Data"]})
        'Did you mean "spa" (SPA-Data)?'
    """
    word = shortened(word, 100)
    known = sorted(choices)
    meant: dict[str, tuple[str, str]] = {}
    for name, spellings in (others or {}).items():
        if name not in known:
            continue
        for spelling in spellings:
            meant.setdefault(spelling.casefold(), (name, spelling))
    meant |= {name.casefold(): (name, "") for name in known}
    near = difflib.get_close_matches(word.casefold(), sorted(meant), n=1)
    if near:
        name, spelling = meant[near[0]]
        return f'Did you mean "{name}"{f" ({spelling})" if spelling else ""}?'
    shown = ", ".join(known[:40])
    return f"Known: {shown}{', ...' if len(known) > 40 else ''}." if known else ""


def shortened(text: str, most: int) -> str:
    """Return a text, its middle left out where it is longer than a message should hold.

    Example:
        >>> shortened("short", 9), shortened("a very long text", 9)
        ('short', 'a v...ext')
    """
    if len(text) <= most:
        return text
    half = (most - 3) // 2
    return f"{text[:half]}...{text[-half:]}"


def count_of(number: int, thing: str) -> str:
    """Return a number of things, in the plural where there is not exactly one.

    Example:
        >>> count_of(1, "image"), count_of(0, "image"), count_of(12, "entry")
        ('1 image', '0 images', '12 entries')
    """
    if number == 1:
        return f"1 {thing}"
    return f"{number} {thing[:-1]}ies" if thing.endswith("ry") else f"{number} {thing}s"


def duration(seconds: float) -> str:
    """Return a time as people say it.

    Example:
        >>> duration(4.2), duration(75), duration(7300)
        ('4 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def json_number(value: float | None) -> float | str | None:
    """Return a number that JSON knows: none for NaN, the text ``inf`` for infinity.

    Example:
        >>> json_number(1.5), json_number(float("nan")), json_number(float("inf"))
        (1.5, None, 'inf')
    """
    if value is None or math.isnan(value):
        return None
    return "inf" if math.isinf(value) else value


def parse_size(text: str) -> int:
    """Return the bytes that a text such as ``2GB`` or ``500 MB`` means (powers of 1024).

    Raises:
        RainbenchError: It is not a size.

    Example:
        >>> parse_size("2GB"), parse_size("512m"), parse_size("1.5 GiB")
        (2147483648, 536870912, 1610612736)
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?\s*", text.casefold())
    size = int(float(found[1]) * 1024 ** " kmgt".index(found[2] or " ")) if found else 0
    if not size:
        raise RainbenchError(f"{text!r} is not a size", hint="Write 2GB or 500MB.")
    return size
