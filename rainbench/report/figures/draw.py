"""Pictures for a paper: a strip with zoomed crops, and error maps on one scale."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rainbench.core.images import Image
from rainbench.report.figures.style import COLOURS, WIDTH, figure_style, label, new_figure
from rainbench.report.grid import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 5
"""Pictures in a line of a strip."""

BOX_COLOURS = (COLOURS[4], COLOURS[5])
ERROR_PALETTE = "inferno"

_GAP, _CAPTION, _TOP, _SIDE = 0.05, 0.27, 0.2, 0.015
"""Inches between pictures, under them for captions, above all for the title, and at the sides."""


@dataclass(frozen=True, slots=True)
class Box:
    """A square of a picture, in pixels.

    Attributes:
        left: Its first column.
        top: Its first row.
        side: Its side.
    """

    left: int
    top: int
    side: int

    def cut(self, image: NDArray[np.generic]) -> NDArray[np.generic]:
        """Return the part of an image, ``(side, side, ...)``."""
        return image[self.top : self.top + self.side, self.left : self.left + self.side]


@dataclass(frozen=True, slots=True)
class Panel:
    """A picture of a strip.

    Attributes:
        name: What stands under it.
        image: ``(H, W, 3)`` uint8.
        psnr: In dB; None for none.
        ssim: None for none.
    """

    name: str
    image: Image
    psnr: float | None = None
    ssim: float | None = None

    @property
    def scores(self) -> tuple[str, ...]:
        """PSNR and SSIM as they stand under the name; none of the clean picture."""
        return tuple(filter(None, (number(self.psnr, 2), number(self.ssim, 4))))


def draw_strip(panels: Sequence[Panel], clean: Image, boxes: Sequence[Box], title: str) -> Figure:
    """Draw pictures with their zoomed crops, and PSNR and SSIM under each; the clean one last.

    Args:
        panels: The rainy picture and what was made of it.
        clean: Of the same size.
        boxes: One or two crops, outlined in each picture and enlarged below it.
        title: One line above.
    """
    every = [*panels, Panel("clean", clean)]
    best = {_best([panel.psnr for panel in panels], 2), _best([panel.ssim for panel in panels], 4)}
    height, width = clean.shape[:2]

    def draw(place: _Place, panel: Panel) -> None:
        from matplotlib.patches import Rectangle

        axes = place.axes(0, place.width, place.width * height / width)
        axes.imshow(panel.image)
        for index, box in enumerate(boxes):
            look: dict[str, Any] = {
                "edgecolor": BOX_COLOURS[index], "linestyle": ("-", "--")[index],
            }  # fmt: skip
            corner = (box.left - 0.5, box.top - 0.5)
            axes.add_patch(Rectangle(corner, box.side, box.side, fill=False, linewidth=0.9, **look))
            side = (place.width - _GAP * (len(boxes) - 1)) / len(boxes)
            top = place.width * height / width + _GAP
            zoom = place.axes(index * (side + _GAP), side, side, top)
            zoom.imshow(box.cut(panel.image), interpolation="nearest")
            for spine in zoom.spines.values():
                spine.set(visible=True, linewidth=1.1, **look)
        place.caption(panel, best)

    zooms = _cell_width(len(every)) / max(1, len(boxes)) + _GAP
    return _grid(every, width / height, zooms if boxes else 0.0, title, draw)


def draw_error_maps(
    panels: Sequence[Panel], other: Image, title: str, what: str = "error"
) -> Figure:
    """Draw where each picture differs from another one, all on one scale.

    The scale ends at the 99.5th percentile over all panels but the first, the rainy one: that of
    what was restored.

    Args:
        panels: The rainy picture and what was made of it.
        other: The clean picture; or the rainy one, to see what was taken away (SPANet, Fig. 8).
        title: One line above.
        what: What the differences are.
    """
    errors = [np.abs(panel.image.astype(np.int16) - other).mean(axis=-1) for panel in panels]
    own = errors[1:] or errors
    most = max(1.0, float(math.ceil(np.percentile(np.stack(own), 99.5))))
    height, width = other.shape[:2]
    images = {id(panel): error for panel, error in zip(panels, errors, strict=True)}
    last: list[Any] = []

    def draw(place: _Place, panel: Panel) -> None:
        axes = place.axes(0, place.width, place.width * height / width)
        last.append(axes.imshow(images[id(panel)], cmap=ERROR_PALETTE, vmin=0, vmax=most))
        place.caption(panel)

    figure = _grid(panels, width / height, 0.0, title, draw, bottom=0.5)
    down = figure.get_figheight()
    with figure_style():
        scale = figure.add_axes((0.3, 0.38 / down, 0.4, 0.07 / down))
        figure.colorbar(
            last[0], cax=scale, orientation="horizontal", extend="max",
            label=f"mean absolute {what} of R, G and B in grey levels of 255",
        )  # fmt: skip
    return figure


def draw_maps(panel: Panel, maps: Mapping[str, NDArray[np.floating]], title: str) -> Figure:
    """Draw a network's maps beside the rainy picture, from 0 to 1 where they are in this range.

    Args:
        panel: The rainy picture.
        maps: By their names; those with other values have a scale of their own, which stands
            beside their name.
        title: One line above.
    """
    height, width = panel.image.shape[:2]
    pictures: dict[int, Any] = {}
    panels = [panel]
    for name, map_ in maps.items():
        low, high = float(map_.min()), float(map_.max())
        inside = low >= 0 and high <= 1
        text = name if inside else f"{name}, {number(low, 2)} to {number(high, 2)}"
        panels.append(Panel(text, panel.image))
        limits = (0.0, 1.0) if inside else (low, max(high, low + 1e-9))
        pictures[id(panels[-1])] = (map_.astype(np.float32), limits)

    def draw(place: _Place, shown: Panel) -> None:
        axes = place.axes(0, place.width, place.width * height / width)
        if id(shown) in pictures:
            values, (low, high) = pictures[id(shown)]
            axes.imshow(values, cmap=ERROR_PALETTE, vmin=low, vmax=high)
        else:
            axes.imshow(shown.image)
        place.caption(shown)

    return _grid(panels, width / height, 0.0, title, draw)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a panel stands, in inches from the figure's left and top."""

    figure: Figure
    left: float
    top: float
    width: float
    height: float

    def axes(self, left: float, width: float, height: float, top: float = 0.0) -> Any:  # noqa: ANN401
        across, down = self.figure.get_size_inches()
        bottom = down - self.top - top - height
        axes = self.figure.add_axes(
            ((self.left + left) / across, bottom / down, width / across, height / down)
        )
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_visible(False)
        return axes

    def caption(self, panel: Panel, best: Collection[str] = ()) -> None:
        """Write name and scores below, those that are the best in bold."""
        from matplotlib.offsetbox import AnchoredOffsetbox, HPacker, TextArea

        across, down = self.figure.get_size_inches()
        middle = (self.left + self.width / 2) / across
        below = self.top + self.height - _CAPTION
        name = self.figure.text(
            middle, (down - below - 0.1) / down, label(panel.name), fontsize=6.5, ha="center",
            va="center",
        )  # fmt: skip
        fit = self.width * 72 / (0.62 * max(1, len(name.get_text())))  # letters are that wide
        name.set_fontsize(min(6.5, max(3.5, fit)))
        parts: list[Any] = []
        for text in panel.scores:
            weight = "bold" if text in best else "normal"
            parts += [TextArea(" / ", textprops={"size": 6.5})] if parts else []
            parts.append(TextArea(text, textprops={"size": 6.5, "weight": weight}))
        if parts:
            line = AnchoredOffsetbox(
                "center", child=HPacker(children=parts, pad=0, sep=0, align="baseline"), pad=0,
                borderpad=0, frameon=False, bbox_transform=self.figure.transFigure,
                bbox_to_anchor=(middle, (down - below - 0.22) / down),
            )  # fmt: skip
            self.figure.add_artist(line)


def _grid(
    panels: Sequence[Panel],
    aspect: float,
    zooms: float,
    title: str,
    draw: Callable[[_Place, Panel], None],
    bottom: float = 0.0,
) -> Figure:
    columns, width = _columns(len(panels)), _cell_width(len(panels))
    height = width / aspect + zooms + _CAPTION
    rows = -(-len(panels) // columns)
    with figure_style():
        figure = new_figure(_TOP + rows * (height + _GAP) + bottom)
        figure.text(0.003, 1 - 0.12 / figure.get_figheight(), label(title), fontsize=8,
                    va="center")  # fmt: skip
        for index, panel in enumerate(panels):
            row, column = divmod(index, columns)
            left, top = _SIDE + column * (width + _GAP), _TOP + row * (height + _GAP)
            draw(_Place(figure, left, top, width, height), panel)
    return figure


def _columns(count: int) -> int:
    """Return how many pictures stand in a line, such that the lines are about equally full."""
    return -(-count // -(-count // COLUMNS))


def _cell_width(count: int) -> float:
    columns = _columns(count)
    return (WIDTH - 2 * _SIDE - _GAP * (columns - 1)) / columns


def _best(values: Sequence[float | None], digits: int) -> str:
    """Return the highest of the numbers as it is printed; empty where there are no two."""
    known = [value for value in values if value is not None and not math.isnan(value)]
    return number(max(known), digits) if len(known) > 1 else ""
