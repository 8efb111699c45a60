"""What papers report: the tables of ``reports/papers`` and the reasons for known differences."""

from __future__ import annotations

import contextlib
import functools
import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rainbench.catalog.folders import report_files
from rainbench.catalog.registry import Entry
from rainbench.catalog.tables import read_toml, record_from_table
from rainbench.core.errors import CardError, RainbenchError
from rainbench.core.files import read_csv
from rainbench.core.text import count_of, shortened

_LOG = logging.getLogger(__name__)

COLUMNS = (
    "paper", "table", "dataset", "method", "variant", "entry", "protocol", "evidence",
    "psnr", "ssim", "retrained", "mark", "note",
)  # fmt: skip

BEST_FRAME = "best frame"
"""The variant of a number that is of the frame of highest PSNR of each clip, not of all frames."""

_MOST_BYTES = 1 << 24

_TEXTS = frozenset(COLUMNS) - {"psnr", "ssim", "retrained"}


@dataclass(frozen=True, slots=True)
class PublishedCell:
    """One cell of one table of one paper.

    Attributes:
        paper: Who reports it.
        table: In which table.
        dataset: Our card's name.
        method: The method's name as merged over papers.
        variant: Which ablation or weights of it; `BEST_FRAME` for numbers of these frames alone.
        entry: The entry of ours whose number this is; empty when we have none.
        protocol: The protocol that the evidence points to, or ``unknown``.
        evidence: ``stated``, ``inferred`` or ``unknown``.
        psnr: In dB, or None where the table has a dash.
        ssim: Or None where the table has a dash.
        note: What else there is to know.
        mark: How the table sets it off: ``bold``, ``underline`` or ``colour``.
        psnr_text: The PSNR as it is printed.
        ssim_text: The SSIM as it is printed.
    """

    paper: str
    table: str
    dataset: str
    method: str
    variant: str
    entry: str
    protocol: str
    evidence: str
    psnr: float | None
    ssim: float | None
    note: str
    mark: str = ""
    psnr_text: str = ""
    ssim_text: str = ""

    @property
    def is_mean(self) -> bool:
        """Whether the number is the mean over all images, as those of a run's tables are."""
        return self.variant != BEST_FRAME

    def is_of(self, dataset: str, entry: str, protocol: str) -> bool:
        """Return whether it claims to be the mean of an entry on a data set under a protocol."""
        claim = self.dataset, self.entry, self.protocol
        return self.is_mean and claim == (dataset, entry, protocol)

    @property
    def where(self) -> str:
        """Paper and table, as shown beside the number."""
        return f"{self.paper} {self.table}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a measured number differs from a published one, as far as is known.

    Attributes:
        dataset: The data set's name.
        entry: The entry's name.
        paper: The paper whose number is meant; empty for all.
        reason: The explanation, shown beside the cell.
    """

    dataset: str
    entry: str
    reason: str
    paper: str = ""


def load_published(
    folders: Sequence[Path] = (), left_out: list[CardError] | None = None
) -> list[PublishedCell]:
    """Read every published table: the built-in ones, then those of the user's folders.

    Args:
        folders: See `rainbench.catalog.registry.Registry.folders`.
        left_out: Is added to: why a file cannot be used, which is left out then, not an error.

    Raises:
        CardError: A file has other columns, a number that is none, or a paper's table that another
            file has already.
    """
    cells: list[PublishedCell] = []
    stands_in: dict[tuple[str, str], Path] = {}
    for file in report_files("papers/*.csv", folders):
        with _leaving_out(left_out):
            table = _read_table(file)
            for cell in table:
                first = stands_in.setdefault((cell.paper.casefold(), cell.table.casefold()), file)
                if first != file:
                    raise CardError(
                        f"{file}: {cell.table} of {cell.paper} stands in {first} already",
                        hint="Give the paper or the table another name in one of the two.",
                        file=file,
                    )
            cells += table
    return cells


@contextlib.contextmanager
def _leaving_out(problems: list[CardError] | None) -> Iterator[None]:
    """Add what is wrong with a file to a list, where there is one."""
    try:
        yield
    except CardError as error:
        if problems is None:
            raise
        problems.append(error)


def load_known(folders: Sequence[Path] = ()) -> tuple[list[PublishedCell], list[Reason]]:
    """Read published tables and reasons for a run's own tables.

    A file that cannot be used is left out with a warning, once: it may be one that somebody edits
    while a run of many hours writes its tables again and again.

    Args:
        folders: See `rainbench.catalog.registry.Registry.folders`.
    """
    left_out: list[CardError] = []
    published, reasons = load_published(folders, left_out), load_reasons(folders, left_out)
    for problem in left_out:
        _warn_once(f"left out of the tables: {problem}")
    return published, reasons


@functools.cache
def _warn_once(text: str) -> None:
    _LOG.warning("%s", text)


def _read_table(file: Path) -> list[PublishedCell]:
    try:
        (first, header), *rows = read_csv(file, _MOST_BYTES) or [(1, [])]
    except RainbenchError as error:
        raise CardError(error.message, hint=error.hint, file=file) from None
    if tuple(header) != COLUMNS:
        raise CardError(
            f"{file}: line {first}: the columns must be {', '.join(COLUMNS)}", file=file
        )
    cells = []
    for line, row in rows:
        try:
            cells.append(_cell(dict(zip(COLUMNS, row, strict=True))))
        except ValueError as error:
            what = (
                str(error)
                if len(row) == len(COLUMNS)
                else (f"has {count_of(len(row), 'field')}, not {len(COLUMNS)}")
            )
            raise CardError(f"{file}: line {line}: {what}", file=file) from None
    return cells


def _cell(row: dict[str, str]) -> PublishedCell:
    texts = {name: row[name] for name in PublishedCell.__slots__ if name in _TEXTS}
    return PublishedCell(
        **texts,
        psnr=_number(row["psnr"]),
        ssim=_number(row["ssim"]),
        psnr_text=row["psnr"],
        ssim_text=row["ssim"],
    )


def _number(text: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{shortened(text, 60)} is no number")
    return value


def load_reasons(
    folders: Sequence[Path] = (), left_out: list[CardError] | None = None
) -> list[Reason]:
    """Read every ``reasons.toml``: a ``[[reasons]]`` table per known difference.

    Args:
        folders: See `rainbench.catalog.registry.Registry.folders`.
        left_out: As for `load_published`.

    Raises:
        CardError: A file cannot be read, or gives a reason for what another one explains already.
    """
    reasons: list[Reason] = []
    stands_in: dict[tuple[str, str, str], Path] = {}
    for file in report_files("reasons.toml", folders):
        with _leaving_out(left_out):
            found = [record_from_table(Reason, each, file) for each in _tables(file, "reasons")]
            for reason in found:
                first = stands_in.setdefault((reason.dataset, reason.entry, reason.paper), file)
                if first != file:
                    raise CardError(
                        f"{file}: {reason.entry} on {reason.dataset} has a reason in {first} "
                        "already",
                        hint="Remove one of the two.",
                        file=file,
                    )
            reasons += found
    return reasons


def read_tables(
    pattern: str, key: str, folders: Sequence[Path] = ()
) -> list[tuple[Path, dict[str, object]]]:
    """Return the tables ``[[key]]`` of all TOML files of a name, each with its file.

    Args:
        pattern: See `rainbench.catalog.folders.report_files`.
        key: The tables' name.
        folders: See `rainbench.catalog.registry.Registry.folders`.

    Raises:
        CardError: A file cannot be read, is not TOML, or has no such tables.
    """
    files = report_files(pattern, folders)
    return [(file, table) for file in files for table in _tables(file, key)]


def _tables(file: Path, key: str) -> list[dict[str, object]]:
    try:
        return [dict(table) for table in read_toml(file)[key]]
    except (KeyError, TypeError, ValueError):
        raise CardError(f"{file}: holds no tables [[{key}]]", file=file) from None


def reason_for(reasons: Iterable[Reason], dataset: str, entry: str, paper: str) -> str:
    """Return the reason written down for a cell; empty when there is none."""
    for reason in reasons:
        if (reason.dataset, reason.entry) == (dataset, entry) and reason.paper in ("", paper):
            return reason.reason
    return ""


def preferred(
    published: Iterable[PublishedCell], dataset: str, entry: Entry, protocol: str
) -> PublishedCell | None:
    """Return the published cell to stand beside a measured one.

    The network's own paper comes first, then the others in the order of their names.
    """
    fitting = [
        cell
        for cell in published
        if cell.is_of(dataset, entry.name, protocol)
        and (cell.psnr is not None or cell.ssim is not None)
    ]
    own = entry.baseline.own_paper
    return min(fitting, key=lambda cell: cell.paper != own, default=None)
