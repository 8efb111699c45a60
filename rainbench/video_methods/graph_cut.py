"""Moving objects as a minimum cut: two labels, a cost for each sample, one for each border.

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

_LARGEST = 1 << 24
"""Of a capacity: sums of some must stay below the 31 bits of SciPy's flow."""


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
