"""Moving objects as a minimum cut, for the methods that leave them out of the background.

The energy is that which the papers minimise with a library for research only; with two labels its
minimum is one cut through a graph, found exactly here by SciPy's maximum flow.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

from rainbench.video_methods.base import Volume

Mask = NDArray[np.bool_]

_TRIMMED = 0.005
"""Share of the residuals left out at each end when their spread is estimated."""

_LARGEST = 1 << 24
"""Of a capacity: sums of some must stay below the 31 bits of SciPy's flow."""


class Objects:
    """Finds moving objects in what a background leaves, step by step.

    Args:
        observed: The clip.
        border: Weight lambda of their borders.
        size: rho: how much of the residual's spread is still background.
        still_weight: Of the squared residual, as background.

    Attributes:
        energy: Of the last cut, as the authors of both methods add it up.
    """

    def __init__(self, observed: Volume, border: float, size: float, still_weight: float) -> None:
        spread = float(np.std(observed[0], ddof=1))
        self._weight, self._size, self._still_weight = border, size, still_weight
        self._cost, self._least = 0.5 * spread**2, 0.5 * (3 * spread / 20) ** 2
        self._fewest = observed[0].size / 1e4
        self._spread: float | None = None
        self._area = 0
        self.energy = 0.0

    @property
    def enough(self) -> bool:
        """Whether there are objects."""
        return bool(self._area > self._fewest)

    def step(self, residual: Volume) -> Mask:
        """Return where a residual is that of an object; the cost of one sinks to its floor."""
        if self._spread is None:
            ordered = np.sort(residual, axis=None)
            cut = round(_TRIMMED * ordered.size)
            self._spread = float(np.std(ordered[cut : ordered.size - cut], ddof=1))
        if self._area < self._fewest:
            self._cost /= 2
        else:
            floor = max(self._cost / 2, 3 * (self._size * self._spread) ** 2, self._least)
            self._cost = min(floor, self._cost)
        amplified, alpha = 10 * self._weight, self._weight * self._cost
        still = amplified / alpha * self._still_weight * residual**2
        moving = np.full(residual.shape, amplified / alpha * self._cost)
        mask, energy = cut_objects(still, moving, round(amplified))
        self._area = int(mask.sum())
        self.energy = alpha / amplified * (self.energy + energy)
        return mask


def cut_objects(still: Volume, moving: Volume, border: int) -> tuple[Mask, int]:
    """Return which samples are objects at least cost, and what that costs.

    Costs are rounded to whole numbers, as the authors' library takes them.

    Args:
        still: The cost of each sample, ``(T, H, W)``, as background.
        moving: Its cost as a part of an object.
        border: The cost of each pair of neighbours with different labels. Neighbours are the next
            samples in time, row and column; as in the authors' code the order is one line, column
            by column, so that the foot of a column is a neighbour of the head of the next.

    Example:
        >>> still = np.zeros((3, 4, 5))
        >>> still[:, 1:3, 1:3] = 100
        >>> mask, energy = cut_objects(still, np.full(still.shape, 1.0), 2)
        >>> int(mask.sum()), bool(mask[:, 1:3, 1:3].all()), energy
        (12, True, 60)
    """
    frames, height, width = still.shape
    of_still, of_moving = (
        np.rint(np.minimum(each, _LARGEST)).astype(np.int64).transpose(0, 2, 1).ravel()
        for each in (still, moving)
    )
    steps = (1, height, height * width)
    if not (of_still > of_moving).any():
        labels = np.zeros(of_still.size, np.bool_)
    else:
        labels = _source_side(of_still - of_moving, steps, border)
    energy = int(np.where(labels, of_moving, of_still).sum())
    energy += border * sum(int((labels[step:] != labels[:-step]).sum()) for step in steps)
    return labels.reshape(frames, width, height).transpose(0, 2, 1), energy


def _source_side(excess: NDArray[np.int64], steps: tuple[int, ...], border: int) -> Mask:
    """Return which nodes of a line stay with the source when the cheapest edges are cut.

    Args:
        excess: What a node pays with the sink, minus what it pays with the source.
        steps: How far apart neighbours are.
        border: What an edge between neighbours costs.
    """
    count = excess.size
    source, sink = count, count + 1
    nodes = np.arange(count, dtype=np.int32)
    gaining, losing = nodes[excess > 0], nodes[excess < 0]
    ends = [(np.full(gaining.size, source, np.int32), gaining, excess[gaining])]
    ends += [(losing, np.full(losing.size, sink, np.int32), -excess[losing])]
    for step in steps:
        cost = np.full(max(0, count - step), border)
        ends += [(nodes[:-step], nodes[step:], cost), (nodes[step:], nodes[:-step], cost)]
    rows, columns, capacity = (np.concatenate(parts) for parts in zip(*ends, strict=True))
    graph = csr_array(
        (capacity.astype(np.int32), (rows, columns)), shape=(count + 2, count + 2), dtype=np.int32
    )
    residual = graph - maximum_flow(graph, source, sink).flow
    residual.eliminate_zeros()
    reached = breadth_first_order(residual, source, return_predecessors=False)
    labels = np.zeros(count + 2, np.bool_)
    labels[reached] = True
    return labels[:count]
