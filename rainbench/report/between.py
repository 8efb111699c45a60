"""Two runs beside each other: what moved, whether by more than chance, and what was different."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rainbench.core.text import count_of
from rainbench.pairs.manifest import are_others
from rainbench.report.stats import paired_test
from rainbench.run.results import CellResult, RunResults
from rainbench.run.scores import format_image

_NAMES = {
    "network": "the network",
    "arguments": "its arguments",
    "state_dict": "the state dict chosen",
    "protocols": "protocols",
    "options": "options",
    "channel_order": "the channel order",
    "value_range": "the value range",
    "size_multiple": "the padding",
}
"""What people call the parts of a key."""


@dataclass(frozen=True, slots=True)
class Change:
    """What became of an entry's numbers on a data set under a protocol.

    Attributes:
        dataset: The data set.
        entry: The entry.
        protocol: The protocol.
        images: How many images both runs scored; the means are over these.
        psnr: The mean PSNR in dB of either run; None where there is none.
        ssim: The mean SSIM of either.
        psnr_p: The p-value of a paired Wilcoxon test of the PSNR; 1 where all are equal.
        moved: On how many images the PSNR or SSIM is another.
        why: What was different, in words: code, weights, options, pictures, versions.
    """

    dataset: str
    entry: str
    protocol: str
    images: int
    psnr: tuple[float | None, float | None]
    ssim: tuple[float | None, float | None]
    psnr_p: float
    moved: int
    why: tuple[str, ...]

    @property
    def psnr_difference(self) -> float:
        """How much higher the second run's PSNR is, in dB; NaN where there is none."""
        one, other = self.psnr
        return math.nan if one is None or other is None else other - one


@dataclass(frozen=True, slots=True)
class Between:
    """Two runs beside each other.

    Attributes:
        changes: What both runs finished, by data set, entry and protocol.
        alone: What only one of them finished, a sentence each.
    """

    changes: tuple[Change, ...]
    alone: tuple[str, ...]


def compare_runs(one: Path, other: Path) -> Between:
    """Compare two runs image by image.

    Args:
        one: A run's folder.
        other: Another's.

    Raises:
        RainbenchError: A folder holds no results.
    """
    runs = [
        {(cell.dataset, cell.entry) for cell in RunResults.open(run).cells() if cell.summary}
        for run in (one, other)
    ]
    changes: list[Change] = []
    alone: list[str] = []
    for dataset, entry in sorted(runs[0] | runs[1]):
        if any((dataset, entry) not in run for run in runs):
            where = one if (dataset, entry) in runs[0] else other
            alone.append(f"{entry} on {dataset} is finished in {where} only")
            continue
        cells = [RunResults(run).cell(dataset, entry) for run in (one, other)]
        changes += _changes(cells[0], cells[1])
    return Between(tuple(changes), tuple(alone))


def _changes(one: CellResult, other: CellResult) -> list[Change]:
    shared = [image for image in one.scores if image in other.scores]
    why = tuple(reasons_between(one, other))
    if len(shared) < max(len(one.scores), len(other.scores)):
        counts = f"{len(one.scores)} and {count_of(len(other.scores), 'image')}"
        why = (f"{counts}, {len(shared)} of them the same", *why)
    changes = []
    protocols = one.scores[shared[0]] if shared else {}
    for protocol in protocols:
        if any(protocol not in other.scores[image] for image in shared):
            continue  # a protocol that only one of the two versions knows
        pairs = [(one.scores[image][protocol], other.scores[image][protocol]) for image in shared]
        moved = sum(
            format_image("", {protocol: a}) != format_image("", {protocol: b}) for a, b in pairs
        )
        first = [a.psnr for a, _ in pairs if a.psnr is not None]
        second = [b.psnr for _, b in pairs if b.psnr is not None]
        comparable = len(first) == len(second) == len(pairs)
        changes.append(
            Change(
                one.dataset,
                one.entry,
                protocol,
                len(shared),
                (_mean(first), _mean(second)) if comparable else (None, None),
                (
                    _mean([a.ssim for a, _ in pairs]) or 0.0,
                    _mean([b.ssim for _, b in pairs]) or 0.0,
                ),
                paired_test(first, second) if comparable else 1.0,
                moved,
                why,
            )
        )
    return changes


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def reasons_between(one: CellResult, other: CellResult) -> list[str]:
    """Return in words what two cells' numbers depend on and differ in."""
    parts = one.parts, other.parts
    reasons = []
    code = [_mapping(each.get("code")) for each in parts]
    reasons += [
        f"the code of the {name}"
        for name in {**code[0], **code[1]}
        if code[0].get(name) != code[1].get(name)
    ]
    if parts[0].get("weights") != parts[1].get("weights"):
        reasons.append("the weights")
    reasons += [name for part, name in _NAMES.items() if parts[0].get(part) != parts[1].get(part)]
    if are_others(one.pictures, other.pictures):
        reasons.append("the pictures")
    restored = [_restored(cell) for cell in (one, other)]
    if any(restored[1].get(name, sha) != sha for name, sha in restored[0].items()):
        reasons.append("the restored images")
    made = [_mapping((each.claim or {}).get("provenance")) for each in (one, other)]
    reasons += [
        f"{name} {made[0].get(name, 'unknown')} and {made[1].get(name, 'unknown')}"
        for name in ("rainbench", "torch", "numpy", "python", "device", "threads")
        if made[0].get(name) != made[1].get(name)
    ]
    return reasons


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _restored(cell: CellResult) -> dict[str, str]:
    """Return the hashes of restored images of somebody else's, by id; empty for other cells."""
    if not cell.is_of_folder or not cell.pictures:
        return {}
    return {str(name): str(sha)[128:] for name, sha in cell.parts["images"]}
