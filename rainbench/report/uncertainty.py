"""Error bars and groups beside the means of a run's rows."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rainbench.report.rows import Row
from rainbench.report.stats import Interval, bootstrap_means, group_letters, pairwise_tests
from rainbench.run.results import RunResults
from rainbench.run.scores import Scores

_TOGETHER = 256
"""Rows whose means are drawn again at once: some 40 MB."""


def add_statistics(rows: Sequence[Row], out: Path, *, groups: bool = True) -> list[Row]:
    """Return a run's rows with intervals of their means and the letters of their groups.

    Letters are given per data set under its default protocol, over the entries that its table
    shows and that were scored on the same images as most; PSNR decides, or SSIM where a protocol
    has no PSNR.

    Args:
        rows: As `rainbench.report.rows.build_rows` returns them, ordered by data set.
        out: The run's folder, which holds every image's scores.
        groups: Whether to test the entries against each other.
    """
    found: list[Row] = []
    for dataset, members in groupby(rows, key=lambda row: row.dataset):
        group = list(members)
        measured = {row.entry for row in group if row.images}
        scored = {
            entry: _Scored.of(RunResults(out).cell(dataset, entry).scores)
            for entry in sorted(measured)
        }
        letters = _letters(group, scored) if groups else {}
        found += [
            dataclasses.replace(
                row,
                psnr_interval=_known(psnr),
                ssim_interval=_known(ssim),
                group=letters.get(row.entry, "") if row.is_default else "",
            )
            if row.images
            else row
            for row, (psnr, ssim) in zip(group, _intervals(group, scored), strict=True)
        ]
    return found


@dataclasses.dataclass(frozen=True, slots=True)
class _Scored:
    """The scores of a cell, without what makes them large: a thousand cells are held at once.

    Attributes:
        images: The images.
        values: By protocol PSNR and SSIM of each, NaN where there is none: ``(2, images)``.
    """

    images: tuple[str, ...]
    values: Mapping[str, NDArray[np.float64]]

    @classmethod
    def of(cls, scores: Mapping[str, Scores]) -> Self:
        """Take what the error bars need from a cell's scores."""
        protocols = next(iter(scores.values()), {})
        values = {
            name: np.array(
                [
                    [math.nan if each[name].psnr is None else each[name].psnr, each[name].ssim]
                    for each in scores.values()
                ],
                np.float64,
            ).T
            for name in protocols
        }
        return cls(tuple(scores), values)


def _intervals(
    rows: Sequence[Row], scored: Mapping[str, _Scored]
) -> list[tuple[Interval, Interval]]:
    """Return the intervals of PSNR and SSIM of each row, those of one number of images together."""
    nothing = Interval(math.nan, math.nan)
    found = [(nothing, nothing)] * len(rows)
    by_count: dict[int, list[int]] = {}
    for place, row in enumerate(rows):
        if row.images and row.protocol in scored[row.entry].values:
            by_count.setdefault(len(scored[row.entry].images), []).append(place)
    for places in by_count.values():
        for first in range(0, len(places), _TOGETHER):
            some = places[first : first + _TOGETHER]
            values = [scored[rows[place].entry].values[rows[place].protocol] for place in some]
            ends = bootstrap_means(np.concatenate(values))
            for place, psnr, ssim in zip(some, ends[::2], ends[1::2], strict=True):
                found[place] = psnr, ssim
    return found


def _known(interval: Interval) -> Interval | None:
    return None if math.isnan(interval.low) else interval


def _letters(rows: Sequence[Row], scored: Mapping[str, _Scored]) -> dict[str, str]:
    defaults = [
        row for row in rows if row.is_default and row.images and (row.trained_for or row.published)
    ]
    lists = [scored[row.entry].images for row in defaults]
    if not lists:
        return {}
    usual = max(lists, key=lists.count)
    compared = [row for row, images in zip(defaults, lists, strict=True) if images == usual]
    has_psnr = all(row.psnr is not None for row in compared)
    compared.sort(key=lambda row: _value(row.psnr if has_psnr else row.ssim), reverse=True)
    values = {
        row.entry: scored[row.entry].values[row.protocol][0 if has_psnr else 1] for row in compared
    }
    if len(values) < 2 or any(np.isnan(each).any() for each in values.values()):
        return {}
    return group_letters(list(values), pairwise_tests(values))


def _value(number: float | None) -> float:
    return math.nan if number is None else number
