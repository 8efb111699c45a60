"""A build of synthetic rain: plan, scenes on all processes, data set.

::

    OUT/NAME.toml, OUT/NAME-train.toml     the cards
    OUT/NAME/rainy/SCENE_VERSION.png       and clean/SCENE.png, streaks/, streak_mask/ ...
    OUT/NAME/metadata.csv                  a row per pair
    OUT/croissant.json, contact_sheet.png, summary.json
    OUT/.build/                            what is done, so that a killed build continues
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from rainbench.catalog.cards import DatasetCard
from rainbench.core.errors import RainbenchError
from rainbench.core.escape import visible
from rainbench.core.files import write_atomically, writing
from rainbench.core.images import Image, read_gray, read_image
from rainbench.core.pool import Pool, run_all
from rainbench.core.progress import Advance, unseen
from rainbench.core.resume import key_of, read_claim, write_record
from rainbench.core.text import natural_key
from rainbench.packaging.contact_sheet import SheetRow, make_contact_sheet
from rainbench.packaging.package import Extras, FileFacts, PairRecord, Split, write_package
from rainbench.packaging.split import spread
from rainbench.synthesis.leftovers import forget_others
from rainbench.synthesis.options import SynthOptions, check_apart
from rainbench.synthesis.scene import (
    RECORDS,
    SceneResult,
    SceneTask,
    SceneVersion,
    make_scene,
)
from rainbench.synthesis.sources import SceneSource

SHEET_ROWS = 8
"""Scenes on the contact sheet, to be seen at a glance."""

SHEET_COLUMNS = ("clean", "drop", "rainy", "streaks", "streak_mask", "drop_mask", "joint_mask",
                 "transmission")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthPlan:
    """What a build is about to do.

    Attributes:
        out: Folder of the data set.
        sources: The scenes of both splits.
        inputs: Folders that they lie in.
        options: What to do with them.
        cards: The cards of the test and the training split, not yet complete.
        heading: The first line of each card.
        notes: What is missing or unusual, a sentence each.
    """

    out: Path
    sources: Sequence[SceneSource]
    inputs: Sequence[Path]
    options: SynthOptions
    cards: tuple[DatasetCard, DatasetCard]
    heading: str = ""
    notes: tuple[str, ...] = ()

    def card(self, source: SceneSource) -> DatasetCard:
        """Return the card of a scene's split."""
        return self.cards[0 if source.split == "test" else 1]

    def counts(self) -> dict[str, int]:
        """Return the pairs of each split that has scenes, by its card's name."""
        names = [self.card(source).name for source in self.sources]
        each = len(self.options.strengths)
        return {name: names.count(name) * each for name in dict.fromkeys(names)}

    def tasks(self) -> list[SceneTask]:
        """Return the work, a task per scene."""
        return [
            SceneTask(
                root=self.out, card=self.card(source).name, source=source, options=self.options
            )
            for source in self.sources
        ]

    @property
    def files(self) -> list[Path]:
        """What is read to carry it out."""
        return [
            file
            for each in self.sources
            for file in (each.clean, each.photograph, each.depth)
            if file is not None
        ]

    def as_table(self) -> dict[str, object]:
        """Return the plan as plain types."""
        return {
            "out": str(self.out),
            "scenes": len(self.sources),
            "pairs": self.counts(),
            "notes": list(self.notes),
            **self.options.describe(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthReport:
    """What a build did.

    Attributes:
        cards: The cards as written; empty when scenes failed and that was not allowed.
        results: A result per scene, in the order of the plan.
        left_out: Scenes of which nothing could be made, a sentence each.
        notes: What is to be said of the input, a sentence each.
    """

    cards: tuple[DatasetCard, ...]
    results: Sequence[SceneResult]
    left_out: tuple[str, ...]
    notes: tuple[str, ...] = ()


def build_set(
    plan: SynthPlan,
    *,
    extras: Extras | None = None,
    allow_partial: bool = False,
    advance: Advance = unseen,
    pool: Pool | None = None,
) -> SynthReport:
    """Make every scene that is not there yet, then describe the data set.

    Args:
        plan: What to do.
        extras: Other packagings to write.
        allow_partial: Continue without scenes of which nothing can be made.
        advance: Called with every scene that is done, in any order.
        pool: Makes them; by default as many processes as the options say.

    Raises:
        RainbenchError: The folder holds something else, or lies in an input.
        StoreError: A file cannot be written.
    """
    check_apart(plan.inputs, plan.out)
    _claim(plan)
    pool = pool or partial(run_all, workers=plan.options.workers)
    results: list[SceneResult] = pool(
        make_scene,
        plan.tasks(),
        on_crash=_crashed,
        on_done=lambda result: advance(1, result.label),
        folder=plan.out,
    )
    for leftover in plan.out.rglob(".*.part"):  # of a build that was killed
        leftover.unlink(missing_ok=True)
    plan, results = _without_copies(plan, results)
    failed = tuple(
        visible(f"{result.label}: {result.problem}") for result in results if result.problem
    )
    if (failed and not allow_partial) or len(failed) == len(results):
        return SynthReport(cards=(), results=results, left_out=failed, notes=plan.notes)
    notes = [*plan.notes, *(f"left out {line}" for line in failed)]
    made = [
        (plan.card(source).name, result)
        for source, result in zip(plan.sources, results, strict=True)
        if not result.problem
    ]
    forget_others(plan.out, made, [card.name for card in plan.cards])
    cards = write_package(
        plan.out,
        [_split(plan, card, results, notes) for card in plan.cards],
        sheet=_sheet(plan, results),
        extras=extras,
        workers=plan.options.workers,
    )
    report = SynthReport(cards=tuple(cards), results=results, left_out=failed, notes=plan.notes)
    with writing(plan.out):
        summary = json.dumps(summarise(report), ensure_ascii=False, indent=1) + "\n"
        write_atomically(plan.out / "summary.json", summary.encode())
    return report


def summarise(report: SynthReport) -> dict[str, object]:
    """Return what a build made as plain types: pairs, and medians for each version."""
    by_version: dict[int, list[SceneVersion]] = {}
    for result in report.results:
        for version in result.versions:
            by_version.setdefault(int(version.parameters["version"]), []).append(version)
    return {
        "data_sets": {card.name: card.count for card in report.cards},
        "left_out": list(report.left_out),
        "notes": list(report.notes),
        "versions": [
            {
                "version": number,
                "pairs": len(versions),
                **{name: _median(versions, name) for name in _SUMMARISED},
            }
            for number, versions in sorted(by_version.items())
        ],
    }


_SUMMARISED = (
    "streak_amount",
    "streak_rate",
    "streak_visible",
    "drop_coverage",
    "input_psnr_y",
    "input_psnr_rgb",
)


def _median(versions: Sequence[SceneVersion], name: str) -> float | None:
    values = sorted(
        float(version.parameters[name]) for version in versions if name in version.parameters
    )
    return round(values[len(values) // 2], 4) if values else None


def _claim(plan: SynthPlan) -> None:
    """Make sure that a folder is empty or holds the same build, and write down which it is."""
    mark = plan.out / RECORDS / "build.json"
    described = {"names": [card.name for card in plan.cards], **plan.options.describe()}
    key = key_of(described)
    if mark.is_file():
        claim = read_claim(mark)
        if claim is None or claim.key != key:
            raise RainbenchError(
                f"{plan.out}: holds a build with other options ({mark})",
                hint="Choose another --out, or remove that folder.",
            )
        return
    if plan.out.exists() and not plan.out.is_dir():
        raise RainbenchError(f"{plan.out}: is a file, not a folder")
    if plan.out.is_dir() and any(not item.name.startswith(".") for item in plan.out.iterdir()):
        raise RainbenchError(
            f"{plan.out}: is not empty, and what it holds is not such a build",
            hint="Choose another --out.",
        )
    with writing(plan.out):
        mark.parent.mkdir(parents=True, exist_ok=True)
        write_record(mark, key, facts=described)


def _without_copies(
    plan: SynthPlan, results: Sequence[SceneResult]
) -> tuple[SynthPlan, list[SceneResult]]:
    """Leave out scenes that show the same pixels as an earlier one, and remove their files.

    In two splits, they would be a leak. Photographs with drops are no copies of each other though
    their clean images may be.
    """
    first: dict[str, str] = {}
    kept: list[tuple[SceneSource, SceneResult]] = []
    notes = list(plan.notes)
    for task, result in zip(plan.tasks(), results, strict=True):
        source, pixels = task.source, result.clean_pixels
        if source.photograph is None and pixels and pixels in first:
            notes.append(f"left out {result.label}: the same pixels as {first[pixels]}")
            with writing(plan.out):
                for path in result.bytes:
                    (plan.out / task.card / path).unlink(missing_ok=True)
                task.record.unlink(missing_ok=True)
            continue
        first.setdefault(pixels, result.label)
        kept.append((source, result))
    sources, remaining = [source for source, _ in kept], [result for _, result in kept]
    return replace(plan, sources=sources, notes=tuple(notes)), remaining


def _crashed(task: SceneTask) -> SceneResult:
    return SceneResult(
        scene=task.source.id,
        label=task.source.label,
        problem="the process that worked on it died, perhaps because memory ran out",
    )


def _split(
    plan: SynthPlan, card: DatasetCard, results: Sequence[SceneResult], notes: Sequence[str]
) -> Split:
    """Collect what was made for one split."""
    pairs: list[PairRecord] = []
    facts: dict[str, FileFacts] = {}
    for source, result in zip(plan.sources, results, strict=True):
        if plan.card(source) != card:
            continue
        facts.update(result.facts)
        pairs += [
            PairRecord(
                id=version.id,
                source=source.label,
                files=version.files,
                parameters=version.parameters,
            )
            for version in result.versions
        ]
    text = " ".join([card.notes, *(f"{note}." for note in notes)]).strip()
    return Split(replace(card, notes=text), pairs, facts, heading=plan.heading)


def _sheet(plan: SynthPlan, results: Sequence[SceneResult]) -> Image | None:
    """Draw some scenes: what their versions share, and each version."""
    good = [
        (plan.card(source).name, result)
        for source, result in zip(plan.sources, results, strict=True)
        if not result.problem
    ]
    order = [card.name for card in plan.cards]
    good.sort(key=lambda made: (order.index(made[0]), natural_key(made[1].scene)))
    rows: list[SheetRow] = []
    roles: list[str] = []
    for index in spread(range(len(good)), SHEET_ROWS):
        card, result = good[index]
        folder = plan.out / card
        versions = result.versions[:: max(1, len(result.versions) // 4)][:4]
        shown = versions[len(versions) // 2]
        columns = [(role, shown) for role in SHEET_COLUMNS if role in shown.files]
        at = [role for role, _ in columns].index("rainy")
        columns[at : at + 1] = [("rainy", version) for version in versions]
        roles = [
            f"{role} {version.id.rpartition('_')[2]}" if role == "rainy" else role
            for role, version in columns
        ]
        pictures = [_picture(folder / version.files[role], role) for role, version in columns]
        level = f"{float(shown.parameters['input_psnr_y']):.1f} dB"
        rows.append(SheetRow(f"{card} {result.label}  ({shown.id}: {level})", pictures))
    return make_contact_sheet(rows, tuple(roles)) if rows else None


def _picture(path: Path, role: str) -> Image:
    if role in ("clean", "drop", "rainy"):
        return read_image(path)
    gray = (read_gray(path) >> 8).astype("uint8")
    picture: Image = gray[..., None].repeat(3, axis=2)
    return picture
