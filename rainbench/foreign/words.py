"""How a network without a card is named on the command line; nothing here loads PyTorch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rainbench.core.errors import RainbenchError
from rainbench.core.text import safe_name

Kind = Literal["file", "package", "torchscript", "export", "onnx", "command", "hub", "spandrel"]

_NAME = re.compile(r"([A-Za-z0-9][A-Za-z0-9_-]{0,63})=(.+)", re.DOTALL)
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
_OBJECT = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_WITH_WEIGHTS = re.compile(r"(.+(?::[^\W\d][\w.]*|\.py))@(.+)", re.DOTALL)
_PREFIXES: dict[str, Kind] = {"cmd:": "command", "hf://": "hub", "spandrel:": "spandrel"}
_SUFFIXES: dict[str, Kind] = {
    ".py": "file", ".onnx": "onnx", ".pt2": "export", ".pt": "torchscript", ".pth": "torchscript",
    ".ts": "torchscript", ".jit": "torchscript", ".torchscript": "torchscript",
}  # fmt: skip

FORMS = (
    "Give my_net.py:Net, my_net.py:Net@my.pth, package.module:Net, net.onnx, net.pt2, net.pt "
    '(TorchScript), "cmd:PROGRAM --in {rainy_dir} --out {out_dir}", hf://owner/repo or '
    "spandrel:FILE.pth."
)


@dataclass(frozen=True, slots=True)
class Word:
    """What a word says.

    Attributes:
        kind: What it names.
        target: The file, module, address or command.
        object: The class or function in it.
        weights: The file of its weights; empty for none.
        name: What the entry is to be called.
        text: The word without the name in front.
    """

    kind: Kind
    target: str
    object: str
    weights: str
    name: str
    text: str


def is_foreign(word: str) -> bool:
    """Return whether a word says where a network is, instead of naming a card or a pattern.

    Example:
        >>> words = ("my_net.py:Net", "mine=net.pt2", "cmd:./derain", "prenet.rain100l", "pre*")
        >>> [is_foreign(word) for word in words]
        [True, True, True, False, False]
    """
    return bool(_NAME.fullmatch(word)) or ":" in word or Path(word).suffix.lower() in _SUFFIXES


def read_word(word: str) -> Word:
    """Return what a word says.

    Raises:
        RainbenchError: It names no network.

    Example:
        >>> word = read_word("mine=nets/my_net.py:Net@my.pth")
        >>> word.object, word.weights, word.name, read_word("MyNet=net.onnx").name
        ('Net', 'my.pth', 'mine', 'mynet')
    """
    named = _NAME.fullmatch(word)
    text, name = (named[2], named[1].lower()) if named else (word, "")
    for prefix, kind in _PREFIXES.items():
        if text.startswith(prefix):
            target = text.removeprefix(prefix).strip()
            if not target:
                raise RainbenchError(f"{text}: names nothing behind the colon", hint=FORMS)
            return Word(kind, target, "", "", name or _short_name(kind, target), text)
    with_weights = _WITH_WEIGHTS.fullmatch(text)
    bare, weights = with_weights.groups() if with_weights else (text, "")
    path, colon, last = bare.rpartition(":")
    if not colon or not _OBJECT.fullmatch(last):
        path, last = bare, ""
    suffix = Path(path).suffix.lower()
    if suffix in _SUFFIXES:
        kind = _SUFFIXES[suffix]
        if last and kind != "file":
            raise RainbenchError(
                f"{text}: {Path(path).name} is no source file, so nothing in it is called {last}",
                hint="Give the file alone.",
            )
        own = safe_name(f"{Path(path).stem}-{last}" if last else Path(path).stem)
        return Word(kind, path, last, weights, name or own, text)
    if _MODULE.fullmatch(bare):
        own = safe_name(f"{path.rpartition('.')[2]}-{last}")
        return Word("package", path, last, weights, name or own, text)
    raise RainbenchError(f"{text}: no network is named like this", hint=FORMS)


def _short_name(kind: Kind, target: str) -> str:
    if kind == "hub":
        return safe_name("-".join(target.partition("@")[0].split("/")[:2]))
    if kind == "spandrel":
        return safe_name(Path(target).stem)
    words = [Path(word).stem for word in target.split() if not word.startswith(("-", "{"))]
    return safe_name("-".join(words[:2]))[:40] or "program"
