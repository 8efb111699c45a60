"""One video: its scenes, and for each a clean frame that is made, judged, and made again."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

from rainbench.core.errors import RainbenchError, StoreError, failing_alone
from rainbench.core.files import writing
from rainbench.core.resume import read_record, write_record
from rainbench.frames.scenes import find_scene_cuts
from rainbench.spa.candidate import Candidate, load_candidate, rounds_asked
from rainbench.spa.frames import VideoFrames
from rainbench.spa.options import SpaOptions
from rainbench.spa.plan import PlannedVideo
from rainbench.spa.rounds import SceneIdentity, make_candidate
from rainbench.video.read import VideoError

Span = tuple[int, int]


FEWEST_FRAMES = 10
"""Fewest frames of a scene: a shorter one is left out, unless there is no other. Chosen: half of
what SPANet starts with."""


@dataclass(frozen=True, slots=True)
class VideoOutcome:
    """The outcome of a video.

    Attributes:
        video: The video.
        candidates: A candidate per scene.
        error: Why there are none; empty when there are.
        short: Scenes left out for having too few frames: first, and one after the last.
    """

    video: PlannedVideo
    candidates: tuple[Candidate, ...]
    error: str = ""
    short: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class _Scenes:
    """The scenes of a video: those to work on, and those too short."""

    chosen: list[Span]
    short: list[Span]


def work_on_video(video: PlannedVideo, out: Path, options: SpaOptions) -> VideoOutcome:
    """Make the candidates of a video, those that are not there yet or were asked for again.

    Args:
        video: The video.
        out: The folder of the build.
        options: The options.

    Raises:
        StoreError: Something cannot be written.
    """
    options = video.entry.applied(options)
    key = options.candidate_key(video.sha256)
    try:
        with failing_alone(str(video.source.path)), writing(out):
            scenes = _known_scenes(out, video, key)
            known = _all_ready(out, video, scenes, key)
            if scenes is None or known is None:
                scenes, known = _make(video, out, options, key)
            return VideoOutcome(video, tuple(known), short=tuple(scenes.short))
    except StoreError:
        raise
    except RainbenchError as error:
        return VideoOutcome(video, (), str(error))


def _make(
    video: PlannedVideo, out: Path, options: SpaOptions, key: str
) -> tuple[_Scenes, list[Candidate]]:
    frames = VideoFrames(video.source.path, options, out)
    scenes = _find_scenes(frames)
    candidates = []
    for name, scene in zip(_names(video, scenes), scenes.chosen, strict=True):
        candidate = _ready(out, name, key)
        if candidate is None:
            identity = SceneIdentity(name, video, key, scene)
            candidate = make_candidate(frames, identity, out, options)
        candidates.append(candidate)
    facts: dict[str, object] = {
        "video": video.source.label,
        "frames": frames.stop - frames.numbers[0],
        "new": len(frames.numbers),
        "scenes": scenes.chosen,
        "short": scenes.short,
        "damage": frames.damage,
    }
    write_record(_record_file(out, video), key, facts=facts)
    return scenes, candidates


def _find_scenes(frames: VideoFrames) -> _Scenes:
    numbers = frames.numbers
    cuts = find_scene_cuts(frames.thumbnails())
    edges = [numbers[0], *(numbers[cut] for cut in cuts), frames.stop]
    scenes = list(itertools.pairwise(edges))
    counts = [stop - first for first, stop in itertools.pairwise([0, *cuts, len(numbers)])]
    chosen = [s for s, count in zip(scenes, counts, strict=True) if count >= FEWEST_FRAMES]
    if not chosen:
        chosen = [scenes[counts.index(max(counts))]]
    if max(counts) < 2:
        raise VideoError(
            frames.info.path,
            f"changes its scene with every frame of {len(numbers)}",
            hint="A clean frame needs many frames of one scene, filmed without moving.",
        )
    return _Scenes(chosen, [scene for scene in scenes if scene not in chosen])


def _all_ready(
    out: Path, video: PlannedVideo, scenes: _Scenes | None, key: str
) -> list[Candidate] | None:
    """Return the candidates of a video when every one of them is there."""
    if scenes is None:
        return None
    ready = [_ready(out, name, key) for name in _names(video, scenes)]
    known = [candidate for candidate in ready if candidate is not None]
    return known if len(known) == len(ready) else None


def _names(video: PlannedVideo, scenes: _Scenes) -> list[str]:
    return [f"{video.id}-s{number}" for number in range(1, len(scenes.chosen) + 1)]


def _ready(out: Path, name: str, key: str) -> Candidate | None:
    """Return a candidate that is there, was made in the same way, and need not be made again."""
    folder = out / "sequences" / name
    candidate = load_candidate(folder)
    if candidate is None or candidate.key != key or rounds_asked(folder, candidate) is not None:
        return None
    return candidate


def _known_scenes(out: Path, video: PlannedVideo, key: str) -> _Scenes | None:
    record = read_record(_record_file(out, video), key)
    if record is None:
        return None
    try:
        return _Scenes(_spans(record.facts["scenes"]), _spans(record.facts["short"]))
    except (ValueError, KeyError, TypeError):
        return None


def _spans(values: object) -> list[Span]:
    if not isinstance(values, list):
        raise TypeError
    return [(int(first), int(stop)) for first, stop in values]


def _record_file(out: Path, video: PlannedVideo) -> Path:
    return out / "videos" / f"{video.id}.json"
