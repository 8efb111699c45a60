r"""Text of others made harmless for what reads it: terminals, spreadsheets, Markdown.

Titles, notes and file names come from cards and disks; nothing that they hold may command what
shows them. HTML and LaTeX have their own: `rainbench.report.page.render`, `rainbench.report.latex`.
"""

from __future__ import annotations

import re

_COMMANDING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""What a terminal obeys or cannot print: controls but tab and newline, turns of the direction of
writing, halves of characters, as which Python keeps bytes of a name that are no UTF-8."""

_PASSWORD = re.compile(r"\b([a-z][a-z0-9+.]*:/{1,3}[^/\s:@]*:)[^/\s]+@", re.IGNORECASE)
_OTHER_COLONS = ("github:", "gitlab:", "git:")
"""Addresses in which what stands before the @ is a repository, not a password."""

_KEY = re.compile(
    r"([?&](?:[a-z]+[_-])*(?:token|key|apikey|secret|password|passwd|pwd|sig|signature|credential"
    r"|auth)=)[^&\s'\"]+",
    re.IGNORECASE,
)
"""What keys that give access are called in the query of an address."""

_FORMULA = re.compile("'*[=+@\t\r\n\uff1d\uff0b\uff0d\uff20-]")
_NUMBERS = frozenset("+-0123456789./ ")


def without_secrets(text: str) -> str:
    """Return a text in whose addresses passwords, tokens and keys are not to be read.

    Example:
        >>> without_secrets("ftp://me:pass@host/a and https://host/a?id=3&token=abc")
        'ftp://me:***@host/a and https://host/a?id=3&token=***'
        >>> without_secrets("github://owner:repository@main/data")
        'github://owner:repository@main/data'
    """
    return _KEY.sub(r"\1***", _PASSWORD.sub(_hidden, text))


def _hidden(found: re.Match[str]) -> str:
    return found[0] if found[0].lower().startswith(_OTHER_COLONS) else f"{found[1]}***@"


def visible(text: str, *, secrets: bool = False) -> str:
    r"""Return a text of which a terminal shows every character and obeys none.

    Without the secrets of its addresses, unless ``secrets`` says that they are what is shown.

    Example:
        >>> print(visible("a" + chr(27) + "[2Jb" + chr(13) + chr(10) + chr(0x9B) + chr(0xDCFF)))
        a\x1b[2Jb\x0d
        \x9b\udcff
    """
    return _COMMANDING.sub(_code, text if secrets else without_secrets(text))


def visible_json(text: str) -> str:
    r"""Return a JSON text whose strings are the same and that a terminal does not obey.

    Example:
        >>> print(visible_json('"' + chr(0x9B) + '"'))
        "\u009b"
    """
    return _COMMANDING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _code(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def escape_formula(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula when it opens a CSV file.

    Example:
        >>> [escape_formula(text) for text in ("=cmd|' /C calc'!A0", "-0.01 / +0.3", "sian")]
        ["'=cmd|' /C calc'!A0", '-0.01 / +0.3', 'sian']
    """
    return f"'{text}" if _FORMULA.match(text) and set(text) - _NUMBERS else text


def unescape_formula(text: str) -> str:
    """Return the text that `escape_formula` was given.

    Example:
        >>> [unescape_formula(escape_formula(text)) for text in ("=1+x", "'=1+x", "'x", "-1")]
        ['=1+x', "'=1+x", "'x", '-1']
    """
    made = text[:1] == "'" and _FORMULA.match(text) and set(text[1:]) - _NUMBERS
    return text[1:] if made else text


def markdown(text: str) -> str:
    r"""Return a text that is text in Markdown, inside a table too: no HTML, links or code.

    Example:
        >>> print(markdown("a | b <i>"))
        a \| b &lt;i&gt;
    """
    for character, written in (
        ("&", "&amp;"), ("\\", "\\\\"), ("|", "\\|"), ("<", "&lt;"), (">", "&gt;"),
        ("`", "\\`"), ("*", "\\*"), ("[", "\\["), ("]", "\\]"),
    ):  # fmt: skip
        text = text.replace(character, written)
    return printable(text)


def printable(text: str) -> str:
    """Return a text on one line, without control characters and surrogates."""
    kept = (character if character.isprintable() else " " for character in text)
    return " ".join("".join(kept).split())
