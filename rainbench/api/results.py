"""The results of a run, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from rainbench.api.models import Folders, as_folders
from rainbench.catalog.folders import readable_folders, run_cards
from rainbench.catalog.registry import Registry, load_registry
from rainbench.core.errors import RainbenchError
from rainbench.core.text import did_you_mean
from rainbench.run.results import RunResults

if TYPE_CHECKING:
    import pandas as pd

    from rainbench.report.compare import Comparison
    from rainbench.report.rows import Row
    from rainbench.run.evaluate import Outcome
    from rainbench.run.plan import Plan


class Table(str):
    """A table as Markdown, which a notebook shows as a table."""

    __slots__ = ()

    def _repr_markdown_(self) -> str:
        return str(self)


class Results:
    """A folder of results; see `rainbench.evaluate` and `load_results`.

    Args:
        folder: The run's folder.
        registry: The cards.
        plan: What was to be done, where it was just done.
        outcomes: What became of it.

    Attributes:
        folder: The run's folder; ``table.md``, ``table.csv`` and ``report.html`` lie in it.
        outcomes: What became of each model on each data set, where it was just done.
    """

    def __init__(
        self,
        folder: Path,
        registry: Registry,
        *,
        plan: Plan | None = None,
        outcomes: tuple[Outcome, ...] = (),
    ) -> None:
        self.folder = folder
        self.outcomes = outcomes
        self._registry, self._plan = registry, plan

    def __repr__(self) -> str:
        finished = sum(cell.summary is not None for cell in RunResults(self.folder).cells())
        return f"Results({str(self.folder)!r}, {finished} finished)"

    @cached_property
    def rows(self) -> list[Row]:
        """A row per model, data set and protocol, beside the published numbers."""
        from rainbench.report.rows import build_rows
        from rainbench.report.uncertainty import add_statistics

        return add_statistics(build_rows(self.folder, self._registry), self.folder)

    @property
    def failures(self) -> dict[tuple[str, str], str]:
        """The reason of everything that was to be scored and was not, by data set and model.

        A data set that cannot be used stands with the model ``*``.
        """
        found = {
            (row.dataset, row.entry): row.note
            for row in self.rows
            if row.state == "failed" and row.is_default
        }
        for outcome in self.outcomes:
            if outcome.state in ("failed", "missing"):
                note = " ".join(filter(None, (outcome.note, outcome.hint)))
                found[outcome.cell.pairs.card.name, outcome.cell.entry.name] = note
        for cell in RunResults(self.folder).cells():  # what a later call has mended
            if cell.summary and not (cell.folder / "failed.json").exists():
                found.pop((cell.dataset, cell.entry), None)
        if self._plan is not None:
            found |= {(card.name, "*"): reason for card, reason in self._plan.unusable}
            found |= {(card.name, "*"): "no copy found" for card in self._plan.absent}
        return found

    def table(self, dataset: str = "") -> Table:
        """Return the table of a data set, or of all, as Markdown.

        Args:
            dataset: Its name; empty for all.

        Raises:
            RainbenchError: Nothing was scored on it.
        """
        from rainbench.report.tables import table_markdown

        rows, name = self.rows, ""
        if dataset:
            name = self._registry.dataset(dataset).name
            rows = [row for row in rows if row.dataset == name]
            if not any(row.images for row in rows):
                scored = {row.dataset for row in self.rows if row.images}
                raise RainbenchError(
                    f"{self.folder}: nothing was scored on {name}",
                    hint=did_you_mean(name, scored) if scored else "",
                )
        return Table(table_markdown(rows, self._registry))

    def to_dataframe(self) -> pd.DataFrame:
        """Return all means, a row per model, data set and protocol: the columns of ``table.csv``.

        Numbers are floats or whole numbers, NaN where there is none. What was not run is left out.
        """
        import pandas as pd

        from rainbench.report.tables import CSV_COLUMNS, NUMBERS

        rows = [row for row in self.rows if row.images]
        texts = {name: [column(row) for row in rows] for name, column in CSV_COLUMNS.items()}
        frame = pd.DataFrame(texts)
        return frame.assign(**{name: pd.to_numeric(frame[name]) for name in NUMBERS})

    def images(self) -> pd.DataFrame:
        """Return every score: a row per data set, model, image and protocol."""
        import pandas as pd

        return pd.DataFrame(
            [
                (cell.dataset, cell.entry, image, protocol, score.psnr, score.ssim)
                for cell in RunResults(self.folder).cells()
                if cell.summary
                for image, scores in cell.scores.items()
                for protocol, score in scores.items()
            ],
            columns=["dataset", "entry", "image", "protocol", "psnr", "ssim"],
        )

    def compare(self, golden: str | Path | None = None) -> Comparison:
        """Compare with the published and the golden numbers, as ``rainbench compare`` does.

        Args:
            golden: Folder of golden numbers; None for those of the package.
        """
        from rainbench.report.compare import compare_run

        return compare_run(self.folder, self._registry, None if golden is None else Path(golden))

    def report(self, *, data: Folders = (), weights: Folders = (), pictures: int = 4) -> Path:
        """Write ``report.html``, with pictures of what data sets and weights are found of.

        Args:
            data: Folders that data sets lie in.
            weights: Folders that weights lie in.
            pictures: Images of each data set to show.

        Returns:
            The page, to open in a browser.
        """
        from rainbench.report.page.make import make_report

        return make_report(
            self.folder,
            self._registry,
            data_roots=readable_folders(as_folders(data)),
            weight_roots=readable_folders(as_folders(weights)),
            pictures=pictures,
        ).file


def load_results(folder: str | Path, *, cards: Folders = ()) -> Results:
    """Open the results of a run.

    Args:
        folder: The run's folder.
        cards: Folders of further cards.

    Raises:
        RainbenchError: It holds no results.
    """
    RunResults.open(Path(folder))
    registry = load_registry([*as_folders(cards), *run_cards(Path(folder))])
    return Results(Path(folder), registry)


def merge_results(
    runs: Sequence[str | Path | Results], out: str | Path, *, cards: Folders = ()
) -> Results:
    """Put the results of several runs into one folder, as if they had been one run.

    Args:
        runs: Folders of runs, such as those of several machines.
        out: A folder that holds none of them; what it holds already is one of the runs.
        cards: Folders of further cards.

    Raises:
        RainbenchError: A folder holds no results, or two runs differ in what they scored one model
            or one data set on.
    """
    from rainbench.api.merge import merge_runs
    from rainbench.report.tables import write_tables

    runs = [runs] if isinstance(runs, str | Path | Results) else runs
    folders = [run.folder if isinstance(run, Results) else Path(run) for run in runs]
    merge_runs(folders, Path(out))
    registry = load_registry([*as_folders(cards), *run_cards(Path(out))])
    write_tables(Path(out), registry)
    return Results(Path(out), registry)
