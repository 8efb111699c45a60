"""Measuring the images of a cell: when they are restored, or later."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rainbench.core.images import Image, quantise
from rainbench.metrics.quality.record import MetricError, ReadyMetric
from rainbench.run.metrics.columns import Column, ColumnStore, Value


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
            for store in self._stores:
                if image not in store.done:
                    store.append(image, measure_one(store.metric, picture, clean))

    def complete(self) -> list[Column]:
        """Write down that every image is measured; return the results."""
        return [store.complete() for store in self._stores]


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
