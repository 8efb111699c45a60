"""Plots of how a clean frame comes about: a pixel over time, and the votes for a percentile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rainbench.report.figures.style import COLOURS, figure_style, label, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_pixel(levels: NDArray[np.integer], title: str) -> Figure:
    """Draw the luma of one pixel over the frames and how often it has each value (SPANet, Fig. 2b).

    Args:
        levels: ``(N,)`` in 0..255, one for each frame.
        title: One line above.
    """
    counts = np.bincount(np.asarray(levels, np.int64), minlength=256)
    mode = int(counts.argmax())
    at_mode = np.asarray(levels) == mode
    with figure_style():
        figure = new_figure(2.0)
        over_time = figure.add_axes((0.07, 0.2, 0.58, 0.64))
        numbers = np.arange(len(levels))
        over_time.plot(numbers, levels, color="#BBBBBB", linewidth=0.6)
        looks = ((at_mode, COLOURS[0], "o"), (~at_mode, COLOURS[1], "^"))
        for (chosen, colour, mark), name in zip(looks, ("the mode", "other values"), strict=True):
            over_time.plot(
                numbers[chosen], np.asarray(levels)[chosen], mark, color=colour, markersize=2.5,
                markeredgecolor="none", label=name,
            )  # fmt: skip
        over_time.axhline(mode, color=COLOURS[0], linewidth=0.8, linestyle="--")
        over_time.set_xlabel("frame")
        over_time.set_ylabel("luma")
        over_time.legend(
            loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0, frameon=False, ncols=2
        )
        spread = figure.add_axes((0.7, 0.2, 0.28, 0.64), sharey=over_time)
        shown = np.flatnonzero(counts)
        colours = [COLOURS[0] if value == mode else COLOURS[1] for value in shown]
        spread.barh(shown, counts[shown], height=1.0, color=colours)
        spread.set_xlabel(f"frames (mode {mode})")
        spread.tick_params(labelleft=False)
        figure.text(0.07, 0.93, label(title), fontsize=8)
    return figure


def draw_votes(curve: Sequence[int] | NDArray[np.int64], percentile: int, title: str) -> Figure:
    """Draw how many pixels vote for each percentile, and the one that is taken (SPANet, Fig. 3c).

    Args:
        curve: Votes for the percentiles 0 to 100.
        percentile: The one that is taken.
        title: One line above.
    """
    votes = np.asarray(curve, np.float64)
    with figure_style():
        figure = new_figure(2.0)
        axes = figure.add_axes((0.07, 0.2, 0.91, 0.64))
        axes.fill_between(np.arange(len(votes)), votes, color="#CFE3F1", step="mid")
        axes.step(np.arange(len(votes)), votes, where="mid", color=COLOURS[0], linewidth=0.9)
        axes.axvline(percentile, color=COLOURS[1], linewidth=0.9, linestyle="--")
        axes.annotate(
            f"percentile {percentile}", (percentile, votes.max()), xytext=(4, -2),
            textcoords="offset points", va="top", color=COLOURS[1],
        )  # fmt: skip
        axes.set_xlim(0, len(votes) - 1)
        axes.set_ylim(0, 1.05 * max(1.0, votes.max()))
        axes.set_xlabel("percentile over time")
        axes.set_ylabel("pixels whose mode it hits")
        figure.text(0.07, 0.93, label(title), fontsize=8)
    return figure
