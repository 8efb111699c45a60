"""Real rain/clean pairs from static-camera videos: SPANet's data set, made without a person.

Every scene of every video becomes a sequence with one clean frame. A judge accepts it, asks for
more frames, or rejects it; with ``--review`` a person does. What is accepted becomes a data set::

    OUT/videos/<video>.json      what was found in a video
    OUT/sequences/<sequence>/    its candidate clean frame and, once accepted, its pairs
    OUT/dataset/                 the data set, see `rainbench.packaging.package`
    OUT/summary.csv, summary.md  a row per sequence

Whatever was made is kept: a build that was killed, or is given more videos or a person's decisions,
continues from there and ends with the same bytes as one in a single go, for any number of workers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rainbench.catalog.cards import DatasetCard
from rainbench.core.files import write_atomically, writing
from rainbench.core.pool import Pool, run_all
from rainbench.core.progress import Advance, unseen
from rainbench.core.text import count_of, natural_key
from rainbench.packaging.package import Extras, Parameter
from rainbench.packaging.split import SplitName
from rainbench.spa.candidate import Candidate, state_of
from rainbench.spa.dataset import WrittenSet, plan_all_pairs, write_data_set
from rainbench.spa.inputs import MARKER
from rainbench.spa.layout import AcceptedSequence
from rainbench.spa.options import SpaOptions
from rainbench.spa.pairs import PairPlan, SequencePair
from rainbench.spa.plan import PlannedVideo, SpaPlan
from rainbench.spa.recordings import Recordings, find_recordings, split_candidates
from rainbench.spa.summary import (
    SummaryRow,
    summary_csv,
    summary_json,
    summary_markdown,
    totals,
)
from rainbench.spa.video import VideoOutcome, work_on_video
from rainbench.spa.video_pairs import PairTask, make_video_pairs

_CRASHED = (
    "the process that worked on it died, probably because memory ran out\n"
    "  Run the same command again with a smaller --memory or fewer --workers."
)


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a build did.

    Attributes:
        rows: A row per sequence, and per video of which nothing could be made.
        cards: The cards of the data set, with their counts; empty when nothing was accepted.
        warnings: What makes a split of little use, a sentence each.
    """

    rows: tuple[SummaryRow, ...]
    cards: tuple[DatasetCard, ...]
    warnings: tuple[str, ...] = ()

    @property
    def totals(self) -> str:
        """One line that counts states and pairs."""
        return totals(self.rows)

    def as_table(self) -> dict[str, object]:
        """Return the report as plain types."""
        return {
            "rows": summary_json(self.rows),
            "datasets": {card.name: card.count for card in self.cards},
            "warnings": list(self.warnings),
        }


def build_spa(
    plan: SpaPlan,
    out: Path,
    options: SpaOptions,
    *,
    extras: Extras | None = None,
    advance: Advance = unseen,
    pool: Pool | None = None,
) -> BuildReport:
    """Start or continue a data set of real pairs.

    Args:
        plan: The videos, from `rainbench.spa.plan.plan_build`.
        out: Where everything is written.
        options: The options.
        extras: Other packagings to write.
        advance: Called with each video whose clean frames are made.
        pool: Does the work; by default as many processes as the options say.

    Raises:
        StoreError: Something cannot be written; what is there is kept.
    """
    with writing(out):
        (out / "videos").mkdir(parents=True, exist_ok=True)
        (out / "sequences").mkdir(exist_ok=True)
        record = json.dumps({"made by": "rainbench build-spa", **options.describe()}, indent=1)
        write_atomically(out / MARKER, record.encode() + b"\n")
    pool = pool or partial(run_all, workers=options.workers)
    outcomes: list[VideoOutcome] = pool(
        partial(work_on_video, out=out, options=options),
        plan.videos,
        on_crash=lambda video: VideoOutcome(video, (), _CRASHED),
        on_done=lambda outcome: advance(1, outcome.video.source.label),
        folder=out,
    )
    accepted = _accepted(outcomes, out, options)
    made = _make_pairs(accepted, outcomes, out, options, pool)
    written = write_data_set(out, made.sequences, options, extras or Extras())
    outcomes = [
        VideoOutcome(outcome.video, (), made.failures[outcome.video.id])
        if outcome.video.id in made.failures
        else outcome
        for outcome in outcomes
    ]
    rows = _rows(plan, outcomes, out, options, written, made)
    with writing(out):
        write_atomically(out / "summary.csv", summary_csv(rows).encode())
        write_atomically(out / "summary.md", summary_markdown(rows).encode())
    return BuildReport(tuple(rows), written.cards, tuple(_warnings(made.sequences, options)))


@dataclass(frozen=True, slots=True)
class _MadePairs:
    """The sequences that pairs were made of.

    Attributes:
        sequences: Those with pairs, and the split of each.
        hidden: Pairs wanted of a sequence, by its id, where objects hid some; and how many it was.
        failures: Why a video failed, by its id.
        joined: What makes a video one recording with another, by its id.
    """

    sequences: list[tuple[AcceptedSequence, SplitName]]
    hidden: dict[str, tuple[int, int]]
    failures: dict[str, str]
    joined: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Accepted:
    """What was accepted.

    Attributes:
        plans: The sequences in natural order, with their split and what to make of them.
        recordings: Which of their videos belong together.
    """

    plans: list[tuple[Candidate, SplitName, PairPlan]]
    recordings: Recordings


def _accepted(outcomes: Sequence[VideoOutcome], out: Path, options: SpaOptions) -> _Accepted:
    candidates = [
        candidate
        for outcome in outcomes
        for candidate in outcome.candidates
        if state_of(out / "sequences" / candidate.id, candidate, review=options.review)
        == "accepted"
    ]
    candidates.sort(key=lambda candidate: (natural_key(candidate.id), candidate.id))
    entries = {outcome.video.id: outcome.video.entry for outcome in outcomes}
    recordings = find_recordings(candidates)
    split = split_candidates(candidates, recordings, options, entries)
    return _Accepted(plan_all_pairs(split, options, entries), recordings)


def _make_pairs(
    accepted: _Accepted,
    outcomes: Sequence[VideoOutcome],
    out: Path,
    options: SpaOptions,
    pool: Pool,
) -> _MadePairs:
    """Make the pairs of accepted sequences."""
    videos = {outcome.video.id: outcome.video for outcome in outcomes}
    recordings = accepted.recordings
    by_video: dict[str, list[tuple[Candidate, PairPlan]]] = {}
    for candidate, _, plan in accepted.plans:
        by_video.setdefault(candidate.video_id, []).append((candidate, plan))
    tasks = [PairTask(videos[name], tuple(work)) for name, work in by_video.items()]
    results = pool(
        partial(make_video_pairs, out=out, options=options),
        tasks,
        on_crash=lambda task: (task.video.id, {}, _CRASHED),
        folder=out,
    )
    pairs: dict[str, tuple[SequencePair, ...]] = {}
    failures: dict[str, str] = {}
    for video, made, failure in results:
        pairs.update(made)
        if failure:
            failures[video] = failure
    hidden: dict[str, tuple[int, int]] = {}
    for candidate, _, plan in accepted.plans:
        wanted, got = len(plan.wanted), len(pairs.get(candidate.id, ()))
        if candidate.id in pairs and got < wanted:
            hidden[candidate.id] = (wanted - got, wanted)
    sequences = [
        (_sequence(candidate, pairs[candidate.id], videos, recordings, out), name)
        for candidate, name, _ in accepted.plans
        if pairs.get(candidate.id)
    ]
    return _MadePairs(sequences, hidden, failures, recordings.why)


def _sequence(
    candidate: Candidate,
    pairs: Sequence[SequencePair],
    videos: dict[str, PlannedVideo],
    recordings: Recordings,
    out: Path,
) -> AcceptedSequence:
    parameters: dict[str, Parameter] = {
        "video": videos[candidate.video_id].source.label,
        "method": candidate.method,
        "frames": candidate.frames,
        "corrections": " ".join(candidate.corrections),
        "crop": " ".join(map(str, candidate.crop)),
        "estimated_psnr": candidate.estimated_psnr,
    }
    if candidate.percentile is not None:
        parameters["percentile"] = candidate.percentile
    if candidate.numbers:
        parameters["repeats"] = "left out"
    if candidate.corrections:
        parameters["as_filmed"] = "no"
    if candidate.video_id in recordings.why:
        first = recordings.first[candidate.video_id]
        parameters["recording"] = videos[first].source.label
    entry = videos[candidate.video_id].entry
    if "density" in entry.options:
        parameters["density"] = candidate.density
    parameters |= entry.record
    folder = out / "sequences" / candidate.id
    return AcceptedSequence(candidate.id, candidate.video_id, folder, pairs, parameters)


def _rows(
    plan: SpaPlan,
    outcomes: Sequence[VideoOutcome],
    out: Path,
    options: SpaOptions,
    written: WrittenSet,
    made: _MadePairs,
) -> list[SummaryRow]:
    splits = {sequence.id: name for sequence, name in made.sequences}
    pairs = {sequence.id: len(sequence.pairs) for sequence, _ in made.sequences}
    rows = [
        SummaryRow(video=label, state="failed", reason=reason) for label, reason in plan.unusable
    ]
    rows += [
        SummaryRow(video=label, state="duplicate", reason=f"the same bytes as {other}")
        for label, other in plan.duplicates
    ]
    for outcome in outcomes:
        label = outcome.video.source.label
        if outcome.error:
            rows.append(SummaryRow(video=label, state="failed", reason=outcome.error))
        for first, stop in outcome.short:
            few = f"frames {first} to {stop - 1} are a scene too short to work on"
            rows.append(SummaryRow(video=label, state="rejected", reason=few))
        for number, candidate in enumerate(outcome.candidates, start=1):
            first, stop = candidate.scene
            folder = out / "sequences" / candidate.id
            state = state_of(folder, candidate, review=options.review)
            reason = candidate.reason
            if state == "accepted" and candidate.id in made.hidden:
                left_out, wanted = made.hidden[candidate.id]
                state = "rejected" if left_out == wanted else state
                reason = "; ".join(filter(None, [reason, _what_hides(left_out, wanted)]))
            twins = pairs.get(candidate.id, 0) - written.pairs[candidate.id]
            if twins:
                reason = "; ".join(filter(None, [reason, _about_twins(twins, pairs[candidate.id])]))
            if state == "accepted" and outcome.video.id in made.joined:
                joined = f"shows {made.joined[outcome.video.id]}: both are in one split"
                reason = "; ".join(filter(None, [reason, joined]))
            row = SummaryRow(
                video=label,
                sequence=candidate.id,
                scene=f"{number}/{len(outcome.candidates)}",
                frames=f"{candidate.frames}/{stop - first}",
                method=candidate.method,
                percentile=candidate.percentile,
                vote_share=candidate.vote_share,
                estimated_psnr=candidate.estimated_psnr,
                verdict=candidate.verdict,
                state=state,
                split=splits.get(candidate.id, ""),
                pairs=written.pairs[candidate.id],
                reason=reason,
            )
            rows.append(row)
    return sorted(rows, key=lambda row: (natural_key(row.video), row.video, row.sequence))


def _warnings(
    sequences: Sequence[tuple[AcceptedSequence, SplitName]], options: SpaOptions
) -> Iterator[str]:
    """Yield a sentence for each split that is of one video, or of none though it was wanted."""
    if not sequences:
        return
    wanted = {"train": options.test_share < 1, "test": options.test_share > 0}
    for split, is_wanted in wanted.items():
        videos = {item.video: item for item, name in sequences if name == split}
        if len(videos) == 1:
            (only,) = videos.values()
            yield (
                f"all pairs of the {split} split are of one video, {only.parameters['video']}: "
                "give more videos, or another --test-share"
            )
        elif not videos and is_wanted:
            yield f"there is no {split} split: it takes two videos, for no recording is in both"


def _about_twins(left_out: int, made: int) -> str:
    """Say how many pairs were left out because an earlier one has the same rainy picture."""
    what = f"all {made}" if left_out == made else f"{left_out} of {made}"
    return f"{what} pairs left out: the same pictures are in the data set already"


def _what_hides(left_out: int, wanted: int) -> str:
    """Say why pairs were left out, and where none is left what to do."""
    if left_out < wanted:
        return f"{left_out} of {wanted} pairs left out: something passes before the scene"
    return (
        f"something passes before the scene in every one of {count_of(wanted, 'pair')}: give a "
        "smaller --crop, or allow a share of it with --allow-objects"
    )
