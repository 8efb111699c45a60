"""A metric of one's own: a function in a file, or one that an installed package offers.

```python
def sharpness(restored, clean):  # or (restored) alone: no clean picture needed
    return float(...)

sharpness.higher_is_better = True  # optional, as are .title, .version and .digits
```
"""

from __future__ import annotations

import contextlib
import inspect
import io
import random
import re
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from rainbench.core.errors import RainbenchError, failing_alone
from rainbench.core.images import Image
from rainbench.core.own_code.home import Home
from rainbench.core.text import did_you_mean
from rainbench.metrics.quality.record import Measure, Metric

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")


_SIDE = 96
"""Height and width in pixels of the picture by which it is found out what a metric reads."""


def is_own(word: str) -> bool:
    """Return whether a word means a function in a file: ``my_metrics.py:sharpness``.

    Example:
        >>> is_own("my_metrics.py:sharpness"), is_own("niqe")
        (True, False)
    """
    return ".py:" in word or word.endswith(".py")


def load_own(word: str) -> tuple[Metric, str]:
    """Import the function that a word names, which runs the file.

    Args:
        word: ``FILE.py:FUNCTION``.

    Returns:
        The metric, and a hash of the file and of those that it imports, and reads as it is loaded
        and called.

    Raises:
        RainbenchError: There is no such file or function, it cannot be imported, or it takes
            other arguments than a restored and perhaps a clean picture.
    """
    place, _, name = word.rpartition(":")
    if not place.endswith(".py"):
        raise RainbenchError(
            f"{word}: names no function", hint=f"Write {word}:FUNCTION, as in {word}:sharpness."
        )
    file = Path(place)
    if not file.is_file():
        raise RainbenchError(f"{file}: there is no such file")
    home = Home(file)
    metric = metric_of(name, _function(home, name), str(file))
    _call_once(home, metric)
    code = home.code()
    home.forget()  # what the call left behind
    return metric_of(name, _function(home, name), str(file)), code


def _function(home: Home, name: str) -> Callable[..., Any]:
    """Return a function of a file, which is run where it was not yet."""
    with failing_alone(f"{home.file}: cannot be imported"):
        module = _import(home)
    function = getattr(module, name, None)
    if not callable(function):
        functions = [key for key, value in vars(module).items() if inspect.isfunction(value)]
        raise RainbenchError(
            f"{home.file}: has no function {name!r}", hint=did_you_mean(name, functions)
        )
    found: Callable[..., Any] = function
    return found


def _call_once(home: Home, metric: Metric) -> None:
    """Measure a small picture, whatever comes of it: what is read only then is known afterwards."""
    levels = np.arange(_SIDE * _SIDE * 3, dtype=np.uint32).reshape(_SIDE, _SIDE, 3) % 251
    clean = levels.astype(np.uint8)
    chance = random.getstate(), np.random.get_state()  # noqa: NPY002
    with (
        contextlib.suppress(Exception, SystemExit, GeneratorExit),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        home.entered(),
    ):
        metric.load({})(clean[::-1].copy(), clean)
    random.setstate(chance[0])
    np.random.set_state(chance[1])  # noqa: NPY002


def metric_of(name: str, function: Callable[..., Any], where: str) -> Metric:
    """Return the record of somebody's function.

    Args:
        name: What the metric is called.
        function: Of one picture or two.
        where: It comes from, for messages.

    Raises:
        RainbenchError: Its name cannot be a column's, or it takes other arguments.
    """
    if not _NAME.fullmatch(name):
        raise RainbenchError(
            f"{where}: {name!r} cannot be a metric's name",
            hint="A name is made of letters, digits, _ and -, 64 at most.",
        )
    takes = _pictures_taken(function, f"{where}: {name}")
    better = getattr(function, "higher_is_better", None)
    described = inspect.getdoc(function) if inspect.isroutine(function) else None
    title = getattr(function, "title", None) or (described or "").strip().partition("\n")[0]
    return Metric(
        name=name,
        version=int(getattr(function, "version", 1)),
        title=str(title or name),
        source=where,
        full_reference=takes == 2,
        higher_is_better=None if better is None else bool(better),
        digits=int(getattr(function, "digits", 3)),
        load=lambda _files: _measure(function, takes),
    )


_TRUTH = ("clean", "target", "reference", "truth", "gt", "ground_truth", "hq")
_OUTPUT = ("restored", "output", "pred", "prediction", "derained", "result")
"""What parameters of metrics are called that are the clean and the restored picture."""


def _measure(function: Callable[..., Any], takes: int) -> Measure:
    swapped = takes == 2 and _clean_first(function)

    def measure(restored: Image, clean: Image | None) -> float:
        pictures = (clean, restored) if swapped else (restored, clean)
        value = function(restored) if takes == 1 else function(*pictures)
        if isinstance(value, str | bytes | bool) or value is None:
            raise RainbenchError(f"returned {value!r:.80}, which is not a number")
        return float(value)

    return measure


def _clean_first(function: Callable[..., Any]) -> bool:
    """Return whether the names of a function's arguments say that the clean picture is first."""
    try:
        names = [name.casefold() for name in inspect.signature(function).parameters][:2]
    except (TypeError, ValueError):
        return False
    return len(names) == 2 and (names[0] in _TRUTH or names[1] in _OUTPUT)


def _pictures_taken(function: Callable[..., Any], what: str) -> int:
    """Return whether a function takes a restored picture (1), or the clean one too (2)."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # of a compiled function
        return 2
    needed = [each for each in parameters if each.default is each.empty]
    others = [each for each in needed if each.kind is each.KEYWORD_ONLY]
    by_place = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    places = [each for each in parameters if each.kind in by_place]
    needed = [each for each in needed if each in places]
    anything = any(each.kind is each.VAR_POSITIONAL for each in parameters)
    named_clean = len(places) > 1 and places[1].name in (*_TRUTH, *_OUTPUT)
    if others or len(needed) > 2 or not (places or anything):
        raise RainbenchError(
            f"{what}{inspect.signature(function)} does not take a restored and a clean picture",
            hint="Write def f(restored, clean), or def f(restored) for one that needs no truth.",
        )
    return 2 if len(needed) == 2 or named_clean or (anything and len(places) < 2) else 1


def _import(home: Home) -> ModuleType:
    """Run a file apart from other modules; files beside it may be imported by it.

    What a function imports when it is called is looked for beside it, too, after all else.
    """
    module = home.load()
    folder = str(home.file.parent)
    if folder not in sys.path:
        sys.path.append(folder)
    return module


def offered() -> Mapping[str, EntryPoint]:
    """Return the entry points ``rainbench.metrics`` of installed packages by their names."""
    return {point.name: point for point in entry_points(group="rainbench.metrics")}
