"""The rows of a table: every measured cell beside the published one, with a state and a reason."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rainbench.catalog.cards import BaselineCard, WeightsCard
from rainbench.catalog.published import (
    PublishedCell,
    Reason,
    load_known,
    preferred,
    reason_for,
)
from rainbench.catalog.registry import Entry, Registry
from rainbench.core.text import count_of
from rainbench.metrics import PROTOCOLS
from rainbench.run.metrics.columns import Column, read_columns
from rainbench.run.results import FOLDER_KIND, CellResult, RunResults

if TYPE_CHECKING:
    from rainbench.report.stats import Interval

PUBLISHED_PSNR_TOLERANCE = 0.05
"""dB within which a measured mean matches a published one."""

PUBLISHED_SSIM_TOLERANCE = 0.002

RECREATED = "re-created: not the authors' program, so it can neither match nor miss their number"
"""What has to be said wherever a number of a re-creation stands."""

NO_REASON = "no reason yet"
"""The note of a gap that nobody has explained; `rainbench compare` fails on it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of ``table.csv``: an entry on a data set under a protocol.

    Attributes:
        dataset: The data set's name.
        variant: The altered copy it was scored on; empty for an original.
        entry: The entry's name.
        protocol: The protocol's name.
        is_default: Whether it is the data set's default protocol.
        trained_for: Whether the entry was trained for this data set, or needs no training; weights
            of our own on synthetic data count for every data set of that degradation.
        images: How many images the means are over.
        psnr: Mean PSNR in dB; None where there is none.
        ssim: Mean SSIM.
        published: The published number beside it.
        state: ``match``, ``gap``, ``not-comparable``, ``re-created`` (a published number of the
            authors' program beside one of ours), ``measured`` (nothing published to stand beside
            it), ``missing`` or ``failed``.
        note: Reasons and remarks.
        parameters: The network's parameters.
        seconds_per_image: Median time of a prediction on the machine of the run.
        comparable: Whether published numbers may stand beside it: the whole set, not altered
            beyond recognition, the network not in tiles or in reduced precision.
        remarks: The part of the note that holds beside any published number.
        psnr_interval: The 95 % confidence interval of the mean, once
            `rainbench.report.uncertainty` has filled it in; None where there is none.
        ssim_interval: That of the SSIM.
        group: Letters; entries of a data set that share one cannot be told apart.
        macs_per_pixel: The network's multiply-adds per pixel of its input.
        peak_bytes: What its tensors take at once on a picture of `rainbench.run.cost.COST_SIDE`
            pixels a side; 0 where it is not known.
        origin: What has to be said of weights of our own and of re-creations wherever they stand;
            empty for others.
        recreated: Whether the entry is a re-creation of ours.
        metrics: The results of metrics beside the protocols, by name; the same in every row of an
            entry on a data set.
    """

    dataset: str
    variant: str
    entry: str
    protocol: str
    is_default: bool
    trained_for: bool
    images: int
    psnr: float | None
    ssim: float | None
    published: PublishedCell | None
    state: str
    note: str
    parameters: int
    seconds_per_image: float | None
    comparable: bool = False
    remarks: str = ""
    psnr_interval: Interval | None = None
    ssim_interval: Interval | None = None
    group: str = ""
    macs_per_pixel: int = 0
    peak_bytes: int = 0
    origin: str = ""
    recreated: bool = False
    metrics: Mapping[str, Column] = field(default_factory=dict)

    @property
    def reported_psnr(self) -> float | None:
        """The published PSNR in dB."""
        return self.published.psnr if self.published else None

    @property
    def reported_ssim(self) -> float | None:
        """The published SSIM."""
        return self.published.ssim if self.published else None

    @property
    def delta_psnr(self) -> float | None:
        """Measured minus published, in dB."""
        return _difference(self.psnr, self.reported_psnr)

    @property
    def delta_ssim(self) -> float | None:
        """Measured minus published."""
        return _difference(self.ssim, self.reported_ssim)


def build_rows(out: Path, registry: Registry) -> list[Row]:
    """Return the rows of a run's folder, in order of data set, entry and protocol.

    Args:
        out: A folder that `rainbench.run` wrote, complete or not.
        registry: The cards; a cell whose card is gone is left out.
    """
    published, reasons = load_known(registry.folders)
    entries = {entry.name: entry for entry in registry.entries()}
    of_set: dict[str, list[PublishedCell]] = {}
    for each in published:
        of_set.setdefault(each.dataset, []).append(each)
    rows: list[Row] = []
    results = RunResults(out)
    for cell in results.cells():
        entry = entries.get(cell.entry) or _without_card(cell)
        if entry is None or cell.dataset not in registry.datasets:
            continue
        beside = of_set.get(cell.dataset, [])
        if cell.summary is not None:
            rows += _measured(cell, cell.summary, entry, registry, beside, reasons)
        else:
            rows.append(_unmeasured(cell.dataset, entry, registry, beside, "failed", cell.failure))
    known = {(row.dataset, row.entry) for row in rows}
    for dataset, name, reason in results.missing():
        if (dataset, name) not in known and name in entries and dataset in registry.datasets:
            beside = of_set.get(dataset, [])
            rows.append(_unmeasured(dataset, entries[name], registry, beside, "missing", reason))
    order = list(PROTOCOLS)
    return sorted(rows, key=lambda row: (row.dataset, row.entry, order.index(row.protocol)))


def _measured(
    cell: CellResult,
    summary: Mapping[str, Any],
    entry: Entry,
    registry: Registry,
    published: Sequence[PublishedCell],
    reasons: Sequence[Reason],
) -> Iterator[Row]:
    dataset, seconds = cell.dataset, cell.seconds
    metrics = read_columns(cell.folder, cell.parts)
    altered = summary["options"]["tile"] or summary["options"]["precision"] != "fp32"
    whole = summary["comparable"] and summary["complete_set"] and not summary["left_out"]
    for protocol, mean in summary["means"].items():
        identical = ""
        if mean["identical"]:
            others = mean["psnr_of_others"]
            identical = f"{mean['identical']} identical images, the others {others or '-'}"
        origin = _origin(entry, registry)
        parts = (origin, identical, _too_small(cell, protocol), *_remarks(summary))
        remarks = "; ".join(part for part in parts if part)
        row = Row(
            dataset=dataset,
            variant=summary["variant"],
            entry=entry.name,
            protocol=protocol,
            is_default=registry.datasets[dataset].protocol == protocol,
            trained_for=_trained_for(entry, dataset, registry),
            origin=origin,
            recreated=entry.baseline.recreated,
            images=summary["images"],
            psnr=_number(mean["psnr"]),
            ssim=_number(mean["ssim"]),
            published=None,
            state="measured",
            note=remarks,
            parameters=entry.parameters,
            macs_per_pixel=entry.macs_per_pixel,
            peak_bytes=summary.get("peak_bytes", 0),
            seconds_per_image=seconds,
            comparable=bool(whole and not altered),
            remarks=remarks,
            metrics=metrics,
        )
        beside = preferred(published, dataset, entry, protocol)
        yield row if beside is None else set_beside(row, beside, reasons)


def set_beside(row: Row, cell: PublishedCell, reasons: Sequence[Reason]) -> Row:
    """Return a measured row with a published number beside it, its state and the reason."""
    if not row.comparable:
        return dataclasses.replace(row, published=cell, state="not-comparable")
    if row.recreated:
        return dataclasses.replace(row, published=cell, state="re-created")
    beside = dataclasses.replace(row, published=cell, state="match")
    off_psnr, off_ssim = abs(beside.delta_psnr or 0), abs(beside.delta_ssim or 0)
    if off_psnr <= PUBLISHED_PSNR_TOLERANCE + 1e-9 and off_ssim <= PUBLISHED_SSIM_TOLERANCE + 1e-9:
        return beside
    reason = reason_for(reasons, row.dataset, row.entry, cell.paper) or NO_REASON
    note = "; ".join(part for part in (reason, row.remarks) if part)
    return dataclasses.replace(beside, state="gap", note=note)


def _unmeasured(
    dataset: str,
    entry: Entry,
    registry: Registry,
    published: Sequence[PublishedCell],
    state: str,
    reason: str,
) -> Row:
    protocol = registry.datasets[dataset].protocol
    return Row(
        dataset=dataset,
        variant="",
        entry=entry.name,
        protocol=protocol,
        is_default=True,
        trained_for=_trained_for(entry, dataset, registry),
        origin=_origin(entry, registry),
        recreated=entry.baseline.recreated,
        images=0,
        psnr=None,
        ssim=None,
        published=preferred(published, dataset, entry, protocol),
        state=state,
        note=reason,
        parameters=entry.parameters,
        macs_per_pixel=entry.macs_per_pixel,
        seconds_per_image=None,
    )


def _without_card(cell: CellResult) -> Entry | None:
    """Return the entry of a folder of images that was scored, or of a network without a card."""
    facts = {**cell.parts, **(cell.claim or {})}
    of_network = facts.get("foreign")
    if isinstance(of_network, dict):
        facts = {"title": cell.entry, **of_network}
    elif facts.get("source") != FOLDER_KIND:
        return None
    counts = [facts.get(name) for name in ("parameters", "macs_per_pixel")]
    parameters, macs_per_pixel = (each if isinstance(each, int) else 0 for each in counts)
    card = BaselineCard(
        name=cell.entry, title=str(facts.get("title", cell.entry)), network="",
        paper="",
        parameters=parameters, macs_per_pixel=macs_per_pixel, source=FOLDER_KIND, licence="",
    )  # fmt: skip
    return Entry(card, None)


def _remarks(summary: Mapping[str, Any]) -> list[str]:
    remarks = []
    if summary.get("doubt"):
        remarks.append(str(summary["doubt"]))
    if summary.get("source"):
        remarks.append(f"scored from a {summary['source']}")
    if summary.get("copies"):
        remarks.append(str(summary["copies"]))
    if summary.get("lossy"):
        remarks.append("what saving as JPEG or WebP lost is scored too")
    if summary["variant"]:
        remarks.append(f"copy of {summary['variant']}")
    if summary["left_out"]:
        remarks.append(f"{count_of(len(summary['left_out']), 'problem')} left out")
    if summary["complete_set"] is None:
        remarks.append(f"{count_of(summary['images'], 'image')}, whether all is not known")
    elif not summary["complete_set"]:
        remarks.append(f"only {count_of(summary['images'], 'image')}")
    if summary["options"]["tile"]:
        remarks.append(f"tiles of {summary['options']['tile']}")
    if summary["options"]["precision"] != "fp32":
        remarks.append(summary["options"]["precision"])
    if summary["options"].get("batch", 1) != 1:
        remarks.append(f"batches of {summary['options']['batch']}")
    return remarks


def _too_small(cell: CellResult, protocol: str) -> str:
    """Return how many images have no SSIM, being smaller than its window; empty for none."""
    small = sum(math.isnan(scores[protocol].ssim) for scores in cell.scores.values())
    if not small:
        return ""
    return f"no SSIM: {count_of(small, 'image')} smaller than its window"


def _trained_for(entry: Entry, dataset: str, registry: Registry) -> bool:
    if entry.weights is None or entry.baseline.maker is not None:  # or nobody knows
        return True
    if dataset in entry.weights.trained_on:
        return True
    if entry.weights.training is None:
        return False
    wanted = set(registry.datasets[dataset].degradation)
    if entry.weights.degradation:
        return set(entry.weights.degradation) == wanted
    own = (registry.datasets.get(name) for name in entry.weights.trained_on)
    return any(card is not None and set(card.degradation) == wanted for card in own)


def _origin(entry: Entry, registry: Registry) -> str:
    """Return what has to be said of weights of our own, and of re-creations."""
    said = [RECREATED] if entry.baseline.recreated else []
    if entry.weights is not None and entry.weights.training is not None:
        said.append(_training(entry.weights, registry))
    return "; ".join(said)


def _training(weights: WeightsCard, registry: Registry) -> str:
    """Return in a few words what weights of our own were trained on."""
    names = weights.trained_on
    cards = [registry.datasets[name] for name in names if name in registry.datasets]
    synthetic = any(" + rainbench " in name for name in names)
    synthetic = synthetic or any(card.embedded for card in cards)
    return "trained on synthetic data of ours" if synthetic else "trained by us"


def _difference(measured: float | None, reported: float | None) -> float | None:
    return None if measured is None or reported is None else measured - reported


def _number(value: float | str | None) -> float | None:
    """Return a number of ``cell.json``, where infinity is a text."""
    return None if value is None else float(value)
