"""Error bars and groups beside the means of a run's rows."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from rainbench.report.rows import Row
from rainbench.report.stats import Interval, bootstrap_means, group_letters, pairwise_tests
from rainbench.run.results import RunResults
from rainbench.run.scores import Scores


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
        scores = {entry: RunResults(out).cell(dataset, entry).scores for entry in sorted(measured)}
        letters = _letters(group, scores) if groups else {}
        found += [_with_intervals(row, scores, letters) for row in group]
    return found


def _with_intervals(row: Row, scores: dict[str, dict[str, Scores]], letters: dict[str, str]) -> Row:
    per_image = [each[row.protocol] for each in scores.get(row.entry, {}).values()]
    if not row.images or not per_image:
        return row
    psnr, ssim = bootstrap_means(
        [
            [math.nan if score.psnr is None else score.psnr for score in per_image],
            [score.ssim for score in per_image],
        ]
    )
    return dataclasses.replace(
        row,
        psnr_interval=_known(psnr),
        ssim_interval=_known(ssim),
        group=letters.get(row.entry, "") if row.is_default else "",
    )


def _known(interval: Interval) -> Interval | None:
    return None if math.isnan(interval.low) else interval


def _letters(rows: Sequence[Row], scores: dict[str, dict[str, Scores]]) -> dict[str, str]:
    defaults = [
        row for row in rows if row.is_default and row.images and (row.trained_for or row.published)
    ]
    lists = [tuple(scores[row.entry]) for row in defaults]
    if not lists:
        return {}
    usual = max(lists, key=lists.count)
    compared = [row for row, images in zip(defaults, lists, strict=True) if images == usual]
    has_psnr = all(row.psnr is not None for row in compared)
    compared.sort(key=lambda row: _value(row.psnr if has_psnr else row.ssim), reverse=True)
    values = {
        row.entry: [
            _value(each[row.protocol].psnr if has_psnr else each[row.protocol].ssim)
            for each in scores[row.entry].values()
        ]
        for row in compared
    }
    if len(values) < 2 or any(math.isnan(value) for each in values.values() for value in each):
        return {}
    return group_letters(list(values), pairwise_tests(values))


def _value(number: float | None) -> float:
    return math.nan if number is None else number
