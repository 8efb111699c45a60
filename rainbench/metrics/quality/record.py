"""What is said of a metric, and a metric that is ready to measure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rainbench.core.errors import RainbenchError
from rainbench.core.images import Image

Measure = Callable[[Image, Image | None], float]
"""A restored and a clean picture, ``(H, W, 3)`` uint8 RGB, to a number; None where no truth is."""


@dataclass(frozen=True, slots=True)
class NeededFile:
    """Somebody else's file without which a metric cannot be computed.

    Attributes:
        name: Its name.
        sha256: Its hash, or its first digits.
        origin: Where it is and how to get it.
        cache: A folder of another library's in which it may lie already; None for none.
    """

    name: str
    sha256: str
    origin: str
    cache: Callable[[], Path] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One way to turn a restored picture into a number.

    Attributes:
        name: How it is called everywhere.
        version: Raised when a change of its code changes a value.
        title: One line for lists.
        source: The paper, and whose code or parameters.
        full_reference: Whether it needs the clean picture.
        higher_is_better: None where that is not known.
        load: Makes it ready; gets the path of each of ``files`` by its name.
        lowest: The least that it can be.
        highest: The most.
        digits: Decimal places in tables.
        files: Somebody else's files that it needs.
        libraries: Modules that it imports.
        extra: The extra of this package that installs them.
    """

    name: str
    version: int
    title: str
    source: str
    full_reference: bool
    higher_is_better: bool | None
    load: Callable[[Mapping[str, Path]], Measure]
    lowest: float = -math.inf
    highest: float = math.inf
    digits: int = 3
    files: tuple[NeededFile, ...] = ()
    libraries: tuple[str, ...] = ()
    extra: str = ""

    @property
    def heading(self) -> str:
        """What stands above its column, see `heading`."""
        return heading(self.name, self.higher_is_better)


def heading(name: str, higher_is_better: bool | None) -> str:
    """Return a metric's name with an arrow that says which way is better, where that is known.

    Example:
        >>> heading("niqe", False), heading("sharpness", True), heading("mine", None)
        ('niqe ↓', 'sharpness ↑', 'mine')
    """
    if higher_is_better is None:
        return name
    return f"{name} {'↑' if higher_is_better else '↓'}"


class MetricError(RainbenchError):
    """A metric has no value for a picture."""


@dataclass(frozen=True, slots=True)
class ReadyMetric:
    """A metric that can measure, here and now.

    Attributes:
        metric: What it is.
        measure: From pictures to the number.
        made_of: What its numbers depend on beside its version: hashes of files, versions of
            libraries, and for code of the user's, which no module name leads to, its hash.
    """

    metric: Metric
    measure: Measure
    made_of: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, restored: Image, clean: Image | None) -> float:
        """Measure one picture.

        Args:
            restored: ``(H, W, 3)`` uint8, RGB.
            clean: The same of the clean picture; None where there is none.

        Raises:
            MetricError: It has no number for it, whatever went wrong inside.
        """
        name = self.metric.name
        if self.metric.full_reference and clean is None:
            raise MetricError(f"{name}: needs the clean picture, and there is none")
        try:
            # Copies: what one metric does to its pictures is no matter of the next.
            value = self.measure(restored.copy(), None if clean is None else clean.copy())
            number = float(value)
        except RainbenchError as error:
            raise MetricError(f"{name}: {error.message}", hint=error.hint) from None
        except (Exception, SystemExit) as error:
            import logging

            from rainbench.core.errors import told

            logging.getLogger(__name__).debug("%s", name, exc_info=True)
            raise MetricError(f"{name}: {told(error)}") from error
        if math.isnan(number):
            raise MetricError(f"{name}: returned no number (NaN)")
        return number
