"""Protocols that installed packages offer by entry points of the group ``rainbench.protocols``."""

from __future__ import annotations

import logging
import math
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import get_args

from rainbench.core.errors import RainbenchError, told
from rainbench.metrics.record import Colour, PredictionRule, Protocol, Shrinking, Window

_LOG = logging.getLogger(__name__)

GROUP = "rainbench.protocols"

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_CHOICES = {
    "prediction": PredictionRule,
    "colour": Colour,
    "ssim_colour": Colour,
    "window": Window,
    "shrinking": Shrinking,
}


class Protocols(Mapping[str, Protocol]):
    """Protocols by name: those that are given, and behind them what packages offer.

    The packages are imported when somebody looks for the first time, and may look themselves: they
    find ours. One that is broken is a warning in the log, and left out.

    Args:
        ours: The first ones.
    """

    def __init__(self, ours: Iterable[Protocol]) -> None:
        self._found = {each.name: each for each in ours}
        self._loading = self._complete = False
        self._lock = threading.RLock()

    def _all(self) -> Mapping[str, Protocol]:
        if not self._complete:
            with self._lock:
                if not self._loading:  # by a package that looks itself
                    self._loading = True
                    for protocol in list(_offered()):
                        if protocol.name in self._found:
                            _LOG.warning("protocol %s is left out: it is ours", protocol.name)
                        else:
                            self._found[protocol.name] = protocol
                    self._complete = True
        return self._found

    def __getitem__(self, name: str) -> Protocol:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())


def _offered() -> Iterator[Protocol]:
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            yield _load(point)
        except RainbenchError as error:
            _LOG.warning("protocol %s is left out: %s: %s", point.name, point.value, told(error))
        except (Exception, SystemExit) as error:  # of somebody's package
            _LOG.warning(
                "protocol %s is left out: %s cannot be imported: %s",
                point.name, point.value, told(error),
            )  # fmt: skip


def _load(point: EntryPoint) -> Protocol:
    protocol = point.load()
    if not isinstance(protocol, Protocol):
        raise RainbenchError("is no rainbench.metrics.Protocol")
    if protocol.name != point.name or not _NAME.fullmatch(protocol.name):
        raise RainbenchError(
            f"calls itself {protocol.name!r}; its name has to be that of the entry point, of a-z, "
            "0-9, _ and -"
        )
    for field, choices in _CHOICES.items():
        value = getattr(protocol, field)
        if value not in get_args(choices) and not (field == "ssim_colour" and value is None):
            raise RainbenchError(f"{field} {value!r} is none of {', '.join(get_args(choices))}")
    numbers = {
        "version": isinstance(protocol.version, int) and protocol.version >= 1,
        "multiple_of": isinstance(protocol.multiple_of, int) and protocol.multiple_of >= 1,
        "ssim_range": 0 < protocol.ssim_range < math.inf,
        "mse_added": 0 <= protocol.mse_added < math.inf,
        "identical": protocol.identical > 0,
    }
    for field, right in numbers.items():
        if not right:
            raise RainbenchError(f"{field} {getattr(protocol, field)!r} cannot be")
    return protocol
