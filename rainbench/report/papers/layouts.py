"""Which tables the papers have, and how they print them: ``reports/layouts.toml``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rainbench.catalog.published import PublishedCell, load_published, read_tables
from rainbench.catalog.tables import record_from_table
from rainbench.core.errors import RainbenchError
from rainbench.core.text import did_you_mean, natural_key

Metric = Literal["PSNR", "SSIM"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """A row of check marks.

    Attributes:
        name: What it says.
        has: The methods, as printed, that have it.
    """

    name: str
    has: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """A row of a table that counts parameters or pairs.

    Attributes:
        name: What the paper prints before it.
        printed: The number.
        of: The card that has ours: a baseline's parameters or a data set's pairs.
    """

    name: str
    printed: int
    of: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A row of a table that lists the layers of a network.

    Attributes:
        name: Of the layer, as printed.
        kernel: Side of its kernel.
        output: Its channels.
        operations: What the paper says is done with them.
        skip: Where its skip connection leads.
        of: The module of our network, as PyTorch names it.
    """

    name: str
    kernel: int
    output: int
    operations: str = ""
    skip: str = ""
    of: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TableLayout:
    """How a paper prints one table; the keys are explained in ``reports/layouts.toml``."""

    paper: str
    table: str
    title: str = ""
    methods: Literal["rows", "columns"] = "rows"
    numbers: tuple[Metric, ...] = ("PSNR", "SSIM")
    joined: str = ""
    bracketed: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    features: tuple[Feature, ...] = ()
    counts: tuple[Count, ...] = ()
    layers: tuple[Layer, ...] = ()
    network: str = ""

    @property
    def caption(self) -> str:
        """What stands above it."""
        what = f"Table {self.table[1:]}" if self.table.startswith("T") else self.table
        return ": ".join(part for part in (f"{self.paper}, {what}", self.title) if part)

    @property
    def scored(self) -> bool:
        """Whether it is a table of PSNR and SSIM."""
        return not (self.counts or self.layers)

    def label(self, cell: PublishedCell, methods: Sequence[tuple[str, str]]) -> str:
        """Return a method's name as the paper prints it.

        Args:
            cell: The cell.
            methods: Method and variant of every cell of the table.
        """
        names = (f"{cell.method}|{cell.variant}", cell.method)
        printed = next((self.labels[name] for name in names if name in self.labels), "")
        if printed:
            return printed
        variants = {variant for method, variant in methods if method == cell.method}
        plain = len(variants - set(self.bracketed)) == 1
        return cell.method if plain or not cell.variant else f"{cell.method} ({cell.variant})"


def find_table(
    paper: str, table: str, folders: Sequence[Path] = ()
) -> tuple[TableLayout, list[PublishedCell]]:
    """Return a paper's table and how it is printed.

    Args:
        paper: The paper's name, in any case: ``spanet``.
        table: Its number, ``2`` or ``T2``, or a name such as ``README 1``.
        folders: Where else to look, see `rainbench.catalog.registry.Registry.folders`.

    Raises:
        RainbenchError: There is no such paper or table, or it holds no PSNR and SSIM.

    Example:
        >>> layout, cells = find_table("spanet", "2")
        >>> layout.table, len(cells)
        ('T2', 14)
    """
    published = _tables_by_paper(paper, folders)
    tables = [name for name, _ in tables_of(paper, folders)]
    name = published[0].paper
    wanted = table.strip().casefold()
    found = [each for each in tables if each.casefold() in (wanted, f"t{wanted}")]
    if not found:
        raise RainbenchError(
            f"{name} has no table {table} that is regenerated here",
            hint=f"Its tables are: {', '.join(tables)}.",
        )
    cells = [cell for cell in published if cell.table == found[0]]
    layouts = [
        each for each in load_layouts(folders) if (each.paper, each.table) == (name, found[0])
    ]
    return (layouts[0] if layouts else TableLayout(paper=name, table=found[0])), cells


def tables_of(paper: str, folders: Sequence[Path] = ()) -> list[tuple[str, str]]:
    """Return the name and title of every table of a paper that `paper_table` prints.

    Raises:
        RainbenchError: There is no such paper.

    Example:
        >>> tables_of("rranet")
        [('T1', 'Synthetic data sets'), ('T2', 'SPA-Data')]
    """
    cells = _tables_by_paper(paper, folders)
    titles = {(layout.paper, layout.table): layout.title for layout in load_layouts(folders)}
    names = dict.fromkeys((cell.paper, cell.table) for cell in cells)
    others = {
        (layout.paper, layout.table): None
        for layout in load_layouts(folders)
        if not layout.scored and layout.paper == cells[0].paper
    }
    ordered = sorted(names | others, key=lambda name: natural_key(name[1])) if others else names
    return [(name[1], titles.get(name, "")) for name in ordered]


def _tables_by_paper(paper: str, folders: Sequence[Path]) -> list[PublishedCell]:
    published = load_published(folders)
    cells = [cell for cell in published if cell.paper.casefold() == paper.casefold()]
    if not cells:
        papers = sorted({cell.paper for cell in published})
        raise RainbenchError(
            f"no published tables of {paper}",
            hint=f"{did_you_mean(paper, papers)} Papers: {', '.join(papers)}.",
        )
    return cells


def load_layouts(folders: Sequence[Path] = ()) -> list[TableLayout]:
    """Read every ``layouts.toml``, the package's and those of the user's folders."""
    layouts: dict[tuple[str, str], tuple[TableLayout, Path]] = {}
    for file, table in read_tables("layouts.toml", "tables", folders):
        layout = record_from_table(TableLayout, table, file)
        known = layouts.setdefault((layout.paper, layout.table), (layout, file))
        if known[1] != file:
            raise RainbenchError(
                f"{file}: {layout.table} of {layout.paper} stands in {known[1]} already",
                hint="Remove one of the two.",
            )
    return [layout for layout, _ in layouts.values()]
