from itertools import product

import numpy as np
import pytest

from rainbench.clean_frame import vote_kernels as kernels
from rainbench.clean_frame.sorting_network import comparisons, sorting_network
from rainbench.frames.bands import scratch


def applied(network, rows):
    """Run a network one comparison at a time."""
    rows = rows.copy()
    for low, high in comparisons(network):
        smaller, larger = np.minimum(rows[low], rows[high]), np.maximum(rows[low], rows[high])
        rows[low], rows[high] = smaller, larger
    return rows


@pytest.mark.parametrize("rows", range(1, 11))
def test_sorts_all_zero_one_inputs(rows):
    # By the zero-one principle a network that sorts these sorts everything.
    inputs = np.array(list(product((0, 1), repeat=rows)), np.uint8).T
    assert (applied(sorting_network(rows), inputs) == np.sort(inputs, axis=0)).all()


@pytest.mark.parametrize("rows", [16, 19, 20, 33, 64, 99, 100, 101, 200, 255, 256, 257, 300])
def test_kernel_sorts_and_selects_as_numpy(rows):
    values = np.random.default_rng(rows).integers(0, 256, (rows, 70), dtype=np.uint8)
    ordered = np.sort(values, axis=0)
    tile = scratch(rows, 70)
    tile[:, :70] = values
    kernels.run_network(tile, sorting_network(rows), 70)
    assert (tile[:, :70] == ordered).all()
    for rank in {0, 1, rows // 3, rows // 2, rows - 2, rows - 1}:
        tile[:, :70] = values
        kernels.run_network(tile, sorting_network(rows, (rank,)), 70)
        assert (tile[rank, :70] == ordered[rank]).all()


def test_sizes_are_those_of_batcher():
    sizes = {rows: len(comparisons(sorting_network(rows))) for rows in (100, 200, 300, 512)}
    assert sizes == {100: 1104, 200: 2906, 300: 5417, 512: 9727}


def test_selection_leaves_out_what_is_not_needed():
    assert len(comparisons(sorting_network(100, (0,)))) < 0.25 * 1104
    assert len(comparisons(sorting_network(300, (90, 91)))) < 0.85 * 5417
