"""The form of all figures, and writing them: the same bytes every time, on any machine.

No dates, no user's settings, the fonts that come with Matplotlib.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rainbench.core.errors import StoreError
from rainbench.core.escape import printable
from rainbench.core.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 7.16
"""Inches across a page of two columns, as IEEE's and CVF's."""

DPI = 300
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Those of Okabe and Ito (2008), which colour-blind people can tell apart."""

_SETTINGS: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 7,
    "text.parse_math": False,
    "pdf.fonttype": 42,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "path.simplify": True,
}


def save_figure(figure: Figure, stem: Path) -> list[Path]:
    """Write a figure as PNG and PDF, the same bytes every time; return the files.

    Raises:
        StoreError: They cannot be written.
    """
    files = []
    for suffix, metadata in (
        (".png", {"Software": None}),
        (".pdf", {"CreationDate": None, "Creator": None, "Producer": None}),
    ):
        data, file = io.BytesIO(), stem.with_name(stem.name + suffix)
        with figure_style():
            figure.savefig(data, format=suffix[1:], dpi=DPI, metadata=metadata)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(file, data.getvalue())
        except OSError as error:
            raise StoreError(f"{file}: cannot be written: {error.strerror}") from None
        files.append(file)
    return files


def new_figure(height: float) -> Figure:
    """Return an empty figure as wide as a page and so many inches high."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height))
    FigureCanvasAgg(figure)
    return figure


@contextlib.contextmanager
def figure_style() -> Iterator[None]:
    """Use Matplotlib's own defaults and ours, whatever a user's settings are."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        for name, value in _SETTINGS.items():
            matplotlib.rcParams[name] = value  # type: ignore[index]
        yield


def label(text: str) -> str:
    r"""Return a name as it may stand in a figure: one line of characters that print, not too long.

    Example:
        >>> label("a\nb")
        'a b'
    """
    shown = printable(text)
    return shown if len(shown) <= 90 else shown[:89] + "…"
