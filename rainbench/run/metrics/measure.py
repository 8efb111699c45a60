"""Measuring the images of a cell: when they are restored, or later."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from rainbench.core.images import Image, quantise
from rainbench.metrics.quality.record import MetricError, ReadyMetric
from rainbench.run.metrics.columns import Column, ColumnStore, Value


class Measures(Protocol):
    """Measures images beside the protocols."""

    def measure(
        self, image: str, restored: NDArray[np.float32] | Image, clean: Image | None
    ) -> None:
        """Measure one image, see `Columns.measure`."""


class Values:
    """What metrics say of images, kept in memory for a `Columns` elsewhere.

    Args:
        metrics: The metrics.

    Attributes:
        found: By image the value of each metric.
    """

    def __init__(self, metrics: Sequence[ReadyMetric]) -> None:
        self._watched = [_Watched(metric) for metric in metrics]
        self._lock = threading.Lock()
        self.found: dict[str, list[Value]] = {}

    def measure(
        self, image: str, restored: NDArray[np.float32] | Image, clean: Image | None
    ) -> None:
        """Measure one image by every metric, see `Columns.measure`."""
        picture = as_saved(restored)
        with self._lock:
            self.found[image] = [watched(picture, clean) for watched in self._watched]


class Columns:
    """The columns of metrics of one cell. A context manager.

    Args:
        cell: The cell's folder.
        metrics: The metrics; none is no work.
        parts: What the restored pictures depend on.
        images: For each image in order: its id and the hash of its pictures.
    """

    def __init__(
        self,
        cell: Path,
        metrics: Sequence[ReadyMetric],
        parts: Mapping[str, object],
        images: Sequence[tuple[str, str]],
    ) -> None:
        self._stores = [ColumnStore(cell, metric, parts, images) for metric in metrics]
        self._watched = [_Watched(metric) for metric in metrics]
        self._stack = contextlib.ExitStack()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        for store in self._stores:
            self._stack.enter_context(store)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def missing(self) -> frozenset[str]:
        """The images that a metric has not seen."""
        return frozenset(image for store in self._stores for image in store.missing)

    def measure(
        self, image: str, restored: NDArray[np.float32] | Image, clean: Image | None
    ) -> None:
        """Measure one image by every metric that has not seen it, in any thread.

        Args:
            image: Its id.
            restored: ``(H, W, 3)`` RGB: as a network returns it, which is rounded to 8 bits as
                when it is saved; or uint8.
            clean: The clean picture; None where there is none.
        """
        if not self._stores:
            return
        picture = as_saved(restored)
        with self._lock:  # somebody's function need not bear to be called twice at once
            for store, watched in zip(self._stores, self._watched, strict=True):
                if image not in store.done:
                    store.append(image, watched(picture, clean))

    def add(self, image: str, values: Sequence[Value]) -> None:
        """Write what each metric said of an image elsewhere, where it is not known yet."""
        for store, value in zip(self._stores, values, strict=True):
            if image not in store.done:
                store.append(image, value)

    def complete(self) -> list[Column]:
        """Write down that every image is measured; return the results."""
        return [store.complete() for store in self._stores]


class _Watched:
    """A metric that is asked again: what keeps something between its calls is noticed.

    The first picture is measured twice, and once more when another one has been. A mean that is
    carried on over the pictures shows the second time. What is ours is not asked.
    """

    def __init__(self, metric: ReadyMetric) -> None:
        self._metric = metric
        self._first: tuple[Image, Image | None, Value] | None = None
        self._asks = bool({"own code", "module"} & metric.made_of.keys())
        self._changes = False

    def __call__(self, picture: Image, clean: Image | None) -> Value:
        value = measure_one(self._metric, picture, clean)
        if self._asks and value.number is not None:
            if self._first is None:
                self._first = picture, clean, value
            else:
                self._asks = False
            shown, truth, before = self._first
            again = measure_one(self._metric, shown, truth)
            self._changes = again.number is None or not math.isclose(
                again.number, before.number or 0.0, rel_tol=1e-6, abs_tol=1e-9
            )
            self._asks &= not self._changes
        if self._changes:
            return Value(
                None,
                "gives another value of the same picture each time: it keeps something between its "
                "calls, or draws random numbers",
            )
        return value


def as_saved(restored: NDArray[np.float32] | Image) -> Image:
    """Return a restored picture in 8 bits, rounded as when it is saved."""
    if restored.dtype == np.uint8:
        return np.asarray(restored, np.uint8)
    return quantise(np.asarray(restored, np.float32), "round")


def measure_one(metric: ReadyMetric, picture: Image, clean: Image | None) -> Value:
    """Return what a metric says of a picture; a failure is what it says then."""
    try:
        return Value(metric(picture, clean))
    except MetricError as error:
        message = error.message.removeprefix(f"{metric.metric.name}: ")
        return Value(None, " ".join(message.split()))


def problems_of(columns: Sequence[Column]) -> tuple[str, ...]:
    """Return a sentence for each metric that failed."""
    return tuple(f"{column.name}: {column.problem}" for column in columns if column.problem)
