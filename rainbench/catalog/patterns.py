"""The patterns of layouts: literal text and fields in braces, read against the name of a file."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

Fields = tuple[tuple[str, str | int], ...]
"""The values that a name has for the fields of a pattern, in the pattern's order."""

MOST_FIELDS = 16
"""More than any packaging needs; a pattern of hundreds would be read by recursion as deep."""

MOST_READINGS = 8
"""Ways to read one name that are looked at: enough to see that there is more than one."""

_MOST_STEPS = 2_000
"""Places looked at for one name; only a field that stands twice can need as many."""

_FIELD = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a pattern.

    Attributes:
        name: In lower case.
        number: Whether it stands for a whole number, however padded, and not for any characters.
        optional: Whether it may stand for no characters.
    """

    name: str
    number: bool
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern, in the form in which names are compared.

    Attributes:
        text: As the card has it.
        literals: What stands before, between and behind the fields, folded; one more than fields.
        fields: The fields in order; one that stands twice has the same text in both places.
    """

    text: str
    literals: tuple[str, ...]
    fields: tuple[Field, ...]

    def read(self, name: str) -> list[Fields]:
        """Return the values of the fields in a name, for each way in which it can be read.

        Reading is linear in the length of the name: what cannot match is tried once. Of several
        ways the one whose text fields are shortest, from the left, is first.

        Args:
            name: A path relative to the data set's folder, as `folded` returns it.

        Returns:
            At most `MOST_READINGS`; none when the name does not match.

        Example:
            >>> parse_pattern("rain/{scene}_{copy:d}.png").read("rain/a_1_02.png")
            [(('scene', 'a_1'), ('copy', 2))]
            >>> parse_pattern("{scene}_{copy}.png").read("a_1_02.png")
            [(('scene', 'a'), ('copy', '1_02')), (('scene', 'a_1'), ('copy', '02'))]
        """
        if not (name.startswith(self.literals[0]) and name.endswith(self.literals[-1])):
            return []
        if not self.fields:
            return [()] if name == self.literals[0] else []
        return list(islice(_Reader(self, name).readings(), MOST_READINGS))

    def may_lie_in(self, folder: str) -> bool:
        """Return whether a folder of this folded name could hold files that match."""
        wanted, parts = self.text.split("/")[:-1], folder.split("/")
        return len(parts) <= len(wanted) and all(
            parse_pattern(each).read(part) for each, part in zip(wanted, parts, strict=False)
        )

    def fill(self, values: Fields) -> str:
        """Return the pattern with values in place of its fields, a question mark where one lacks.

        Example:
            >>> parse_pattern("gt/{id}_{copy}.png").fill((("id", 7),))
            'gt/7_?.png'
        """
        known = dict(values)
        return _FIELD.sub(lambda field: str(known.get(_field(field[1]).name, "?")), self.text)


class _Reader:
    """One pattern over one name: finds where each field ends, remembering what leads nowhere."""

    def __init__(self, pattern: Pattern, name: str) -> None:
        self._fields, self._literals, self._name = pattern.fields, pattern.literals, name
        self._dead: dict[tuple[int, int], int] = {}
        self._repeats = len({field.name for field in pattern.fields}) < len(pattern.fields)
        self._steps = 0

    def readings(self) -> Iterator[Fields]:
        yield from self._from(0, len(self._literals[0]), ())

    def _from(
        self, index: int, start: int, values: tuple[tuple[str, str], ...]
    ) -> Iterator[Fields]:
        if index == len(self._fields):
            yield self._as_values(values)
            return
        field, found = self._fields[index], False
        # Where a text may not begin, it may not begin further right in the same folder either.
        place = (index, start if field.number else self._limit(start))
        if self._dead.get(place, start + 1) <= start:
            return
        for end in self._ends(index, start, dict(values).get(field.name)):
            self._steps += 1
            if self._steps > _MOST_STEPS and self._repeats:
                return
            after = end + len(self._literals[index + 1])
            for reading in self._from(
                index + 1, after, (*values, (field.name, self._name[start:end]))
            ):
                found = True
                yield reading
        if not found and not self._repeats:  # where fields repeat, it depends on their values
            self._dead[place] = start

    def _ends(self, index: int, start: int, known: str | None) -> Iterator[int]:
        """Yield where a field may end, such that the text behind it follows there."""
        name, literal = self._name, self._literals[index + 1]
        first = start if self._fields[index].optional else start + 1
        last = len(name) - len(literal)  # where the last field has to end
        if known is not None:
            end = start + len(known)
            ends = [end] if name.startswith(known, start) else []
        elif self._fields[index].number:
            end = start
            while end < len(name) and name[end].isdecimal():
                end += 1
            ends = list(range(end, start, -1))
        elif index + 1 == len(self._fields):
            ends = [last] if first <= last and "/" not in name[start:last] else []
        else:
            limit = self._limit(start)
            end = name.find(literal, first)
            while 0 <= end <= limit:
                yield end
                end = name.find(literal, end + 1)
            return
        for end in ends:
            if name.startswith(literal, end) and (index + 1 < len(self._fields) or end == last):
                yield end

    def _limit(self, start: int) -> int:
        slash = self._name.find("/", start)
        return len(self._name) if slash < 0 else slash

    def _as_values(self, values: tuple[tuple[str, str], ...]) -> Fields:
        numbers = {field.name for field in self._fields if field.number}
        return tuple(
            (name, int(text) if name in numbers else text) for name, text in dict(values).items()
        )


def folded(text: str) -> str:
    """Return a name in the form in which names are compared: without case, Unicode composed.

    Example:
        >>> folded("IMG_E\u0301.PNG") == folded("img_\u00e9.png")
        True
    """
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def parse_pattern(text: str) -> Pattern:
    """Return a pattern of a layout.

    A field ``{name}`` stands for any text, ``{name:d}`` for a number, and ``{name:?}`` for a text
    that some files do not have.

    Raises:
        ValueError: A field is none of these, two stand side by side, one stands
            once for a number and once for a text, or there are too many.

    Example:
        >>> parse_pattern("{series:?}rain-{id:d}.png").read("rain-7.png")
        [(('series', ''), ('id', 7))]
        >>> parse_pattern("{a}{b}.png")
        Traceback (most recent call last):
        ValueError: nothing stands between {a} and {b}, so where one ends cannot be told
    """
    parts = _FIELD.split(text)
    fields, literals = tuple(map(_field, parts[1::2])), parts[::2]
    if any(brace in literal for literal in literals for brace in "{}"):
        raise ValueError("a brace has no partner; a field is {name} or {name:d}")
    if len(fields) > MOST_FIELDS:
        raise ValueError(f"it has {len(fields)} fields, and {MOST_FIELDS} are the most")
    for first, second, between in zip(fields, fields[1:], literals[1:], strict=False):
        if not between:
            raise ValueError(
                f"nothing stands between {{{first.name}}} and {{{second.name}}}, "
                "so where one ends cannot be told"
            )
    kinds: dict[str, Field] = {}
    for field in fields:
        if kinds.setdefault(field.name, field) != field:
            raise ValueError(f"{{{field.name}}} is once a number (:d) and once a text (or :?)")
    return Pattern(text, tuple(map(folded, literals)), fields)


def _field(text: str) -> Field:
    name, colon, kind = text.partition(":")
    if not name.isidentifier() or (colon and kind not in ("d", "?")):
        raise ValueError(
            f"{{{text}}} is not a field; a field is {{name}}, {{name:d}} or {{name:?}}, its name "
            "a word"
        )
    return Field(folded(name), kind == "d", kind == "?")


def path_problem(text: str) -> str:
    """Return why a path on a card does not stay in the data set's folder; empty when it does.

    Example:
        >>> path_problem("rain/{id}.png"), path_problem("../x/{id}.png")
        ('', 'climbs out of its folder')
    """
    if any(unicodedata.category(letter) == "Cc" for letter in text):
        return "holds a control character"
    if "\\" in text:
        return "has a backslash; write / between folders"
    if text.startswith(("/", "~")) or re.match(r"[A-Za-z]:", text):
        return "is not relative to its folder"
    if ".." in text.split("/"):
        return "climbs out of its folder"
    return "" if all(text.split("/")) else "has an empty name between or behind slashes"
