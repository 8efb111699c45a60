"""Damaging files: what disks, downloads, editors and attackers do to bytes and to text."""

import re

BOTH = ("big", "little")
EXTREME_BYTES = [
    *(bytes([value]) * size for value in (0x00, 0xFF, 0x7F, 0x80) for size in (1, 2, 4, 8)),
    *((1 << bits).to_bytes(4, order) for bits in (8, 15, 16, 24, 31) for order in BOTH),
]
EXTREME_WORDS = [
    "0", "-1", "1", "255", "256", "65536", "2147483648", "18446744073709551616", "1" * 5000,
    "1e309", "-1e309", "nan", "inf", "-0.0", "1e-320", "0x10", "true", "null", '""', "[]", "{}",
    "[[]]", '"x"', '"' + "x" * 70_000 + '"', "[" * 3000, '{"a":' * 3000, '"\\u0000"', "\x00",
    "{id}", "'", '"', ",", "\n", "\r\n", "\t", " ", "../../x", "/dev/zero", "\ufeff", "\u202e",
    "\u00b2", "=1+1", "<script>", "\x1b[31m", "{1}", "{id:d}{id:d}", "os:system", "*", "\ud7ff",
]  # fmt: skip
WORD = re.compile(r'"[^"\n]*"|[\w.+-]+|[^\w\s]')


def mutate_bytes(data, rng, others):
    """Return damaged bytes; a few faults, each of one kind."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        rng.choice(FAULTS)(data, rng, rng.choice(others))
    return bytes(data)


def flip(data, rng, other):
    for _ in range(rng.choice((1, 1, 2, 16))):
        if data:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def cut(data, rng, other):
    del data[rng.randrange(len(data) + 1) :]


def shorten_slightly(data, rng, other):
    del data[max(0, len(data) - rng.randint(1, 16)) :]


def zero_a_hole(data, rng, other):
    first, last = span(data, rng)
    data[first:last] = bytes(last - first)


def drop_a_block(data, rng, other):
    first, last = span(data, rng)
    del data[first:last]


def repeat_a_block(data, rng, other):
    first, last = span(data, rng)
    data[last:last] = data[first:last]


def move_a_block(data, rng, other):
    first, last = span(data, rng)
    block = data[first:last]
    del data[first:last]
    place = rng.randrange(len(data) + 1)
    data[place:place] = block


def insert_noise(data, rng, other):
    place = rng.randrange(len(data) + 1)
    data[place:place] = rng.randbytes(rng.choice((1, 4, 64, 1000)))


def set_extreme(data, rng, other):
    """Most often near the start, where headers are."""
    value = rng.choice(EXTREME_BYTES)
    within = len(data) if rng.random() < 0.4 else min(len(data), 128)
    place = rng.randrange(within + 1)
    data[place : place + len(value)] = value


def splice(data, rng, other):
    place = rng.randrange(len(data) + 1)
    data[place:] = other[min(len(other), rng.choice((place, rng.randrange(len(other) + 1)))) :]


FAULTS = (
    flip, flip, cut, shorten_slightly, zero_a_hole, drop_a_block, repeat_a_block, move_a_block,
    insert_noise, set_extreme, set_extreme, splice,
)  # fmt: skip


def span(data, rng):
    length = min(len(data), rng.choice((1, 4, 16, 64, 512, 4096)))
    first = rng.randrange(len(data) - length + 1)
    return first, first + length


def mutate_text(data, rng, others):
    """Return damaged TOML, JSON, CSV or list files: words, lines and columns, seldom bytes."""
    if rng.random() < 0.2:
        return mutate_bytes(data, rng, others)
    text = data.decode("utf-8", errors="surrogateescape")
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        text = rng.choice(EDITS)(text, rng, rng.choice(others))
    encoding = rng.choice(("utf-8",) * 12 + ("utf-8-sig", "utf-16", "latin-1"))
    return text.encode(encoding, errors="replace")


def change_a_word(text, rng, other):
    words = list(WORD.finditer(text))
    if not words:
        return rng.choice(EXTREME_WORDS)
    word = rng.choice(words)
    return text[: word.start()] + rng.choice(EXTREME_WORDS) + text[word.end() :]


def nudge_a_number(text, rng, other):
    numbers = list(re.finditer(r"\d+", text))
    if not numbers:
        return text
    number = rng.choice(numbers)
    changed = str(int(number[0][:40]) + rng.choice((-1, 1, 10)))
    return text[: number.start()] + changed + text[number.end() :]


def swap_two_words(text, rng, other):
    words = list(WORD.finditer(text))
    if len(words) < 2:
        return text
    one, two = sorted(rng.sample(words, 2), key=lambda word: word.start())
    parts = text[: one.start()], two[0], text[one.end() : two.start()], one[0], text[two.end() :]
    return "".join(parts)


def change_lines(text, rng, other):
    lines = text.splitlines(keepends=True) or [""]
    place = rng.randrange(len(lines))
    deed = rng.choice(("drop", "repeat", "move", "borrow", "join", "many"))
    if deed == "drop":
        del lines[place]
    elif deed == "repeat":
        lines.insert(rng.randrange(len(lines)), lines[place])
    elif deed == "move":
        lines.insert(rng.randrange(len(lines)), lines.pop(place))
    elif deed == "borrow":
        theirs = other.decode("utf-8", errors="replace").splitlines(keepends=True) or [""]
        lines.insert(place, rng.choice(theirs))
    elif deed == "join":
        lines[place] = lines[place].rstrip("\r\n")
    else:
        lines[place] *= 200
    return "".join(lines)


EDITS = (change_a_word, change_a_word, nudge_a_number, swap_two_words, change_lines, change_lines)
