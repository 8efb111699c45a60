"""Plots for a paper: how scores spread over the images, and quality over cost.

What is told by colour is told by a mark or a line's form, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rainbench.report.figures.style import COLOURS, figure_style, label, new_figure
from rainbench.report.grid import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p")


@dataclass(frozen=True, slots=True)
class Cost:
    """An entry's place in the plot of quality over cost.

    Attributes:
        name: The entry.
        psnr: Its mean PSNR in dB.
        parameters: 0 for a plain method.
        gflops: For the stated picture, two per multiply-add.
        seconds: Median per image; None where not comparable.
    """

    name: str
    psnr: float
    parameters: int
    gflops: float
    seconds: float | None


def draw_distributions(scores: Mapping[str, NDArray[np.float64]], unit: str, title: str) -> Figure:
    """Draw how an entry's scores spread over the images, the best entry at the top.

    Boxes hold the middle half with the median, whiskers 90 %, points what lies outside; a diamond
    is the mean.

    Args:
        scores: Per entry the finite scores of its images.
        unit: What stands under the axis.
        title: One line above.
    """
    names = sorted(scores, key=lambda name: float(np.mean(scores[name])))
    with figure_style():
        figure = new_figure(0.62 + 0.2 * len(names))
        axes = figure.add_axes((0.2, 0.4 / figure.get_figheight(), 0.78, 1 - 0.62 /
                                figure.get_figheight()))  # fmt: skip
        axes.boxplot(
            [scores[name] for name in names], orientation="horizontal", whis=(5, 95), widths=0.6,
            showmeans=True, patch_artist=True,
            boxprops={"facecolor": "#CFE3F1", "linewidth": 0.7},
            medianprops={"color": "#0072B2", "linewidth": 1.3},
            meanprops={"marker": "D", "markersize": 3.2, "markerfacecolor": "#D55E00",
                       "markeredgecolor": "black", "markeredgewidth": 0.4},
            flierprops={"marker": ".", "markersize": 2, "markerfacecolor": "#777777",
                        "markeredgecolor": "none"},
            whiskerprops={"linewidth": 0.7}, capprops={"linewidth": 0.7},
        )  # fmt: skip
        axes.set_yticks(range(1, len(names) + 1), [label(name) for name in names])
        axes.set_xlabel(f"{unit}    box: middle half and median, whiskers: 90 %, diamond: mean")
        axes.grid(axis="x", linewidth=0.3, color="#BBBBBB")
        axes.set_axisbelow(True)
        axes.set_title(label(title), fontsize=8, loc="left")
    return figure


def draw_costs(costs: Sequence[Cost], side: int, machine: str, title: str) -> Figure:
    """Draw mean PSNR over parameters, over operations and, on one machine, over time.

    Args:
        costs: The entries; plain methods are left out.
        side: Pixels a side of the picture that operations are counted for.
        machine: On what the times were taken; empty leaves them out.
        title: One line above.
    """
    networks = sorted(
        (cost for cost in costs if cost.parameters), key=lambda cost: (-cost.psnr, cost.name)
    )
    axes_of: list[tuple[str, list[float | None]]] = [
        ("parameters", [cost.parameters for cost in networks]),
        (f"GFLOPs at {side}x{side}, 2 per multiply-add", [cost.gflops for cost in networks]),
    ]
    if machine:
        heading = f"median seconds per image\n({label(machine)})"
        axes_of.append((heading, [cost.seconds for cost in networks]))
    with figure_style():
        rows = -(-len(networks) // 4)
        height = 2.7 + 0.16 * rows
        figure = new_figure(height)
        gap, left = 0.03, 0.075
        width = (0.985 - left - gap * (len(axes_of) - 1)) / len(axes_of)
        for index, (name, values) in enumerate(axes_of):
            axes = figure.add_axes(
                (left + index * (width + gap), (0.65 + 0.16 * rows) / height, width, 1.75 / height)
            )
            for rank, (cost, value) in enumerate(zip(networks, values, strict=True)):
                if value:
                    _point(axes, cost, value, rank)
            _count_by_tens(axes)
            axes.grid(linewidth=0.3, color="#BBBBBB")
            axes.set_axisbelow(True)
            axes.set_xlabel(name)
            if index:
                axes.tick_params(labelleft=False)
            else:
                axes.set_ylabel("mean PSNR in dB")
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="lower center", ncols=4, frameon=False)
        figure.text(left, 1 - 0.14 / height, label(title), fontsize=8)
        _same_heights(figure)
    return figure


def draw_attention_parameters(
    neuron: Mapping[int, int], excitation: Mapping[int, int], title: str
) -> Figure:
    """Draw how many parameters two kinds of attention have (NASNet, Fig. 5).

    Args:
        neuron: Of neuron attention, by the side of its kernel.
        excitation: Of squeeze and excitation, by its reduction.
        title: One line above.
    """
    with figure_style():
        figure = new_figure(2.2)
        sides = (
            (neuron, "side k of the depthwise kernel", "neuron attention", COLOURS[0]),
            (excitation, "reduction", "squeeze and excitation", COLOURS[1]),
        )
        most = max(*neuron.values(), *excitation.values())
        for index, (counts, axis, name, colour) in enumerate(sides):
            axes = figure.add_axes((0.08 + 0.48 * index, 0.2, 0.42, 0.6))
            places = range(len(counts))
            axes.bar(places, list(counts.values()), color=colour, width=0.6)
            for place, count in zip(places, counts.values(), strict=True):
                axes.annotate(f"{count:,}", (place, count), ha="center", va="bottom", fontsize=6)
            axes.set_xticks(list(places), [str(each) for each in counts])
            axes.set_ylim(0, 1.15 * most)
            axes.set_xlabel(axis)
            axes.set_title(name, fontsize=7, loc="left")
            if not index:
                axes.set_ylabel("parameters")
        figure.text(0.08, 0.93, label(title), fontsize=8)
    return figure


def _point(axes: Any, cost: Cost, value: float, rank: int) -> None:  # noqa: ANN401
    axes.plot(
        [value], [cost.psnr], MARKERS[rank % len(MARKERS)], color=COLOURS[rank % len(COLOURS)],
        markersize=5.5, markeredgecolor="white", markeredgewidth=0.4,
        label=f"{label(cost.name)} ({number(cost.psnr, 2)})",
    )  # fmt: skip


def _count_by_tens(axes: Any) -> None:  # noqa: ANN401
    """Make an axis logarithmic, with plain numbers at round multiples of the powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.set_xscale("log")
    low, high = axes.get_xlim()
    close = (1, 1.5, 2, 3, 5, 7) if high < 10 * low else (1, 2, 5)
    axes.xaxis.set_major_locator(LogLocator(subs=close if high < 300 * low else (1,)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _place: short_number(value)))


def short_number(value: float) -> str:
    """Return a number as it stands at an axis.

    Example:
        >>> short_number(0.05), short_number(1500), short_number(50_000), short_number(2e6)
        ('0.05', '1500', '50 k', '2 M')
    """
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size and value >= 10_000:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def _same_heights(figure: Figure) -> None:
    lows, highs = zip(*(axes.get_ylim() for axes in figure.axes), strict=True)
    for axes in figure.axes:
        axes.set_ylim(min(lows), max(highs))
