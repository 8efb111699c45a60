"""The rounds of one scene: some frames, a clean frame, a verdict; then more frames, or the end."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rainbench.clean_frame.extract import CleanFrame, extract_clean_frame
from rainbench.clean_frame.quality.enough import check_enough, stands_still
from rainbench.clean_frame.quality.estimate import (
    GOOD,
    MOST_GHOSTING,
    FrameVerdict,
    Judgement,
    at_least,
    judge_clean_frame,
)
from rainbench.clean_frame.quality.rain_density import FRAMES, Kind, estimate_density
from rainbench.frames.alignment import aligned_by
from rainbench.frames.camera_path import REST, CameraPath
from rainbench.frames.exposure import estimate_exposure
from rainbench.frames.motion import find_camera_path
from rainbench.frames.sources import FrameSource, take_frames
from rainbench.packaging.same_scene import thumbnail_of
from rainbench.packaging.split import spread
from rainbench.spa.candidate import (
    SAMPLES,
    Candidate,
    as_tuples,
    load_candidate,
    rounds_asked,
    save_candidate,
)
from rainbench.spa.correct import FARTHEST, LIGHT, Correction, correct_frame
from rainbench.spa.frames import VideoFrames, about_repeats, pick_frames
from rainbench.spa.options import SpaOptions
from rainbench.spa.plan import PlannedVideo

ENOUGH = 20
"""Frames during which the camera must rest; with fewer, the whole scene is corrected instead.
SPANet starts with as many (`rain_density.FRAMES`)."""

PATIENCE = 2
"""Rounds without a better clean frame after which no more are tried: chosen, not measured."""

_CHOOSE = "by start and end in a table of videos"
"""How to choose a part of a video."""


@dataclass(frozen=True, slots=True)
class SceneIdentity:
    """The scene that a candidate is made for.

    Attributes:
        name: The sequence's id.
        video: Its video.
        key: What the candidate depends on.
        scene: First frame, and the one after the last.
    """

    name: str
    video: PlannedVideo
    key: str
    scene: tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One clean frame and what is thought of it."""

    clean: CleanFrame
    correction: Correction
    light: float
    judgement: Judgement


def make_candidate(
    frames: VideoFrames, identity: SceneIdentity, out: Path, options: SpaOptions
) -> Candidate:
    """Make the clean frame of a scene, in as many rounds as the judge or a person asks for.

    Args:
        frames: The video's frames.
        identity: The scene.
        out: The folder of the build; the candidate is saved there.
        options: The options.

    Raises:
        VideoError: The video cannot be decoded a second time.
        OSError: Something cannot be written.
    """
    folder = out / "sequences" / identity.name
    before = load_candidate(folder)
    asked = rounds_asked(folder, before if before and before.key == identity.key else None)
    numbers = frames.within(identity.scene)[: options.most_frames(frames.info)]
    with frames.part(numbers) as scene, frames.room_for_maps(scene):
        path = find_camera_path(scene)
        begin, end = _usable_span(path, options)
        path = path.part(begin, end).filled()
        source = take_frames(scene, slice(begin, end))
        with _steady(frames, source, path, options) as place:
            density = options.density or estimate_density(place.source).kind
            number, attempt = _run_rounds(place, place.source, density, asked, options)
        chosen = spread(range(attempt.clean.frames), SAMPLES)
        pictures = zip(pick_frames(source, chosen), chosen, strict=True)
        samples = [correct_frame(picture, n, attempt.correction) for picture, n in pictures]
    used = numbers[begin : begin + attempt.clean.frames]
    prints = tuple(frames.prints[number] for number in used if number in frames.prints)
    candidate = _describe(identity, path, used, (density, number), attempt)
    cut = attempt.correction.cut
    thumbnail = thumbnail_of(cut(attempt.clean.image)).tobytes().hex()
    candidate = replace(candidate, prints=prints, scene_thumbnail=thumbnail)
    uncertain = None if attempt.clean.uncertain is None else cut(attempt.clean.uncertain)
    save_candidate(folder, candidate, cut(attempt.clean.image), samples, uncertain)
    return candidate


def _usable_span(path: CameraPath, options: SpaOptions) -> tuple[int, int]:
    """Return the first frame of a scene that may be used, and the one after the last.

    Where frames are corrected, the camera may move; where they are not, it must rest.
    """
    whole = (0, len(path.shifts))
    if not path.moves:
        return whole
    first, stop = path.span_within(REST if options.align is False else FARTHEST)
    return (first, stop) if stop - first >= min(ENOUGH, whole[1]) else whole


@dataclass(frozen=True, slots=True)
class _Place:
    """Frames brought to one place, or left where they are.

    Attributes:
        source: The frames.
        path: How they were moved; None where they were left.
        crop: Left, top, right, bottom of what all of them show.
        rests: The camera did not move.
    """

    source: FrameSource
    path: CameraPath | None
    crop: tuple[int, int, int, int]
    rests: bool = False


@contextlib.contextmanager
def _steady(
    frames: VideoFrames, source: FrameSource, path: CameraPath, options: SpaOptions
) -> Iterator[_Place]:
    """Move the frames to one place where the camera moves a little, within a ``with`` block."""
    _, height, width, _ = source.shape
    known = bool(np.isfinite(path.shifts).all())
    little = path.drift <= 1.5 * FARTHEST and known
    if options.align is False or not path.moves or not little:
        yield _Place(source, None, (0, 0, width, height), rests=known and not path.moves)
        return
    aligned = aligned_by(source, path)
    top, bottom, left, right = aligned.valid
    moved = CameraPath(aligned.shifts, path.turns, path.errors, path.moves)
    with frames.kept(aligned) as steady:
        yield _Place(steady, moved, (left, top, right, bottom))


def _run_rounds(
    place: _Place,
    source: FrameSource,
    density: Kind,
    asked: int | None,
    options: SpaOptions,
) -> tuple[int, _Attempt]:
    """Return the number of the best round and its result.

    Rounds end when the judge accepts, when it finds that the scene is not static, when two in a row
    brought no gain, or with the last frame.
    """
    found: list[tuple[int, _Attempt]] = []
    worse = 0
    for number, count in _frame_counts(source.shape[0], density, asked, options):
        part = take_frames(source, slice(count))
        if count < source.shape[0] and stands_still(part):
            continue  # a beginning that stands still, such as a title
        attempt = _attempt(place, part, options)
        better = not found or _worth(attempt) > _worth(found[0][1])
        worse = 0 if better else worse + 1
        if better:
            found = [(number, attempt)]
        static = attempt.judgement.check.static
        if attempt.judgement.verdict == "accept" or not (static or options.frames == "auto"):
            break
        if worse == PATIENCE:
            break
    if not found:
        check_enough(part)
    number, best = found[0]
    return number, _advised(_settled(best, options), options)


def _frame_counts(
    available: int, density: Kind, asked: int | None, options: SpaOptions
) -> Iterator[tuple[int, int]]:
    """Yield the rounds to try: their number and how many frames they take."""
    start, step = FRAMES[density]
    if isinstance(options.frames, int):
        yield asked or 0, min(available, options.frames + (asked or 0) * step)
    elif options.frames is None:
        yield asked or 0, available
    elif options.frames == "auto":
        number = asked or 0
        yield number, available
        while asked is None and available // 2 >= ENOUGH:
            available, number = available // 2, number + 1
            yield number, available
    elif asked is not None:
        yield asked, min(available, start + asked * step)
    else:
        for number in itertools.count():
            yield number, min(available, start + number * step)
            if start + number * step >= available:
                return


def _settled(attempt: _Attempt, options: SpaOptions) -> _Attempt:
    """Decide where the judge asks for more frames and there are none, or none that help."""
    judgement = attempt.judgement
    if judgement.verdict != "more":
        return attempt
    enough = judgement.low >= options.min_psnr
    verdict: FrameVerdict = "accept" if enough else "reject"
    if enough:
        more = (
            "more frames may help"
            if isinstance(options.frames, int)
            else "no number of frames gives more"
        )
        reason = f"{at_least(judgement.low)}: {more}"
    else:
        reason = (
            f"{at_least(judgement.low)} with {attempt.clean.frames} frames, "
            f"less than {options.min_psnr:g}"
        )
    return replace(attempt, judgement=replace(judgement, verdict=verdict, reason=reason))


def _advised(attempt: _Attempt, options: SpaOptions) -> _Attempt:
    """Say what else helps where the judge, who knows no options, advises what was done already."""
    judgement, check = attempt.judgement, attempt.judgement.check
    ghosts = check.static and judgement.ghosting > MOST_GHOSTING
    if check.moving in ("light", "camera") and options.align is not False:
        advice = f"choose frames in which it is steady, {_CHOOSE}"
    elif ghosts and options.method == "robust":
        advice = f"a longer video may help, or frames that do not show it, chosen {_CHOOSE}"
    else:
        return attempt
    fact = judgement.reason.rpartition(": ")[0]  # what is wrong, before what to do
    return replace(attempt, judgement=replace(judgement, reason=f"{fact}: {advice}"))


def _worth(attempt: _Attempt) -> tuple[bool, bool, float]:
    judgement = attempt.judgement
    return judgement.verdict == "accept", judgement.check.static, judgement.low


def _attempt(place: _Place, source: FrameSource, options: SpaOptions) -> _Attempt:
    """Make and judge a clean frame, with the light corrected where it changes."""
    exposure = estimate_exposure(source)
    light = float(np.abs(exposure - 1).max())
    changes = light >= LIGHT and options.align is not False
    # Means are taken of samples of one brightness, however little it changes; votes need whole
    # levels, and so do the frames of the pairs.
    finely = options.method == "robust" and options.align is not False
    clean = extract_clean_frame(
        source,
        options.method,
        exposure=exposure if changes or finely else np.ones(len(exposure)),
        device=options.device,
    )
    shifts = turns = None
    if place.path is not None:
        shifts = place.path.shifts[: clean.frames]
        turns = place.path.turns[: clean.frames] if place.path.turns.any() else None
    correction = Correction(shifts, exposure if changes else None, place.crop, turns)
    good = max(GOOD, options.min_psnr)
    judgement = judge_clean_frame(
        source, clean, good=good, rests=place.rests, device=options.device
    )
    return _Attempt(clean, correction, light, judgement)


def _describe(
    identity: SceneIdentity,
    path: CameraPath,
    used: Sequence[int],
    round_: tuple[Kind, int],
    attempt: _Attempt,
) -> Candidate:
    clean, correction, judgement = attempt.clean, attempt.correction, attempt.judgement
    curve = clean.vote_curve
    left, top, right, bottom = correction.crop
    notes = [judgement.reason] if judgement.reason else []
    if judgement.check.crossed:
        notes.append(f"something passes before {100 * judgement.check.crossed:.0f} % of the scene")
    if path.moves:
        how = "left in place" if correction.shifts is None else "moved back"
        known = f"{path.drift:.1f} px (+-{path.error:.2f})"
        notes.append(f"the camera moves by {known}; frames {used[0]} to {used[-1]} used, {how}")
    if clean.usual_light is not None and not clean.usual_light.all():
        other = np.count_nonzero(~clean.usual_light)
        notes.append(f"{other} of {len(used)} frames in another light left out of the clean frame")
    repeats = used[-1] - used[0] >= len(used)
    if repeats:
        notes.append(about_repeats(used, identity.scene[1] - identity.scene[0]))
    return Candidate(
        id=identity.name,
        video=identity.video.source.label,
        video_id=identity.video.id,
        key=identity.key,
        scene=identity.scene,
        first=used[0],
        frames=len(used),
        numbers=tuple(used) if repeats else (),
        width=right - left,
        height=bottom - top,
        method=clean.method,
        density=round_[0],
        percentile=clean.percentile,
        vote_curve=None if curve is None else tuple(int(votes) for votes in curve),
        vote_share=clean.vote_share,
        estimated_psnr=judgement.estimated_psnr,
        verdict=judgement.verdict,
        reason="; ".join(notes),
        round=round_[1],
        drift=path.drift,
        shake=path.shake,
        light=attempt.light,
        corrections=correction.names,
        crop=correction.crop,
        shifts=() if correction.shifts is None else as_tuples(correction.shifts.tolist()),
        turns=() if correction.turns is None else tuple(correction.turns.tolist()),
        exposure=() if correction.exposure is None else as_tuples(correction.exposure.tolist()),
        uncertain=0.0 if clean.uncertain is None else float(correction.cut(clean.uncertain).mean()),
    )
