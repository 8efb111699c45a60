"""The plan of a build: every video is opened once, before anything is written."""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rainbench.clean_frame.by_video.backgrounds import SECONDS
from rainbench.core.errors import RainbenchError, failing_alone
from rainbench.core.text import count_of
from rainbench.packaging.names import checked_name
from rainbench.spa.inputs import VideoInput, content_hash, find_inputs, passed_over, video_id
from rainbench.spa.options import SpaOptions
from rainbench.spa.table.entries import NO_ENTRY, VideoEntry, find_table, read_table
from rainbench.video.read import VideoInfo, probe
from rainbench.video.stills import list_images

_LOOK_NS, _ENCODE_NS = 17.0, 106.0
"""Nanoseconds per sample (a channel of a pixel of a frame) of looking at all frames: decoding,
scenes, repeats and motion; and of writing a pair's PNGs with the search for passers.

These and the next are processor time (user and system, children included) of whole builds: of 1 to
5 folders of PNG of 20 to 60 frames of 320x240 and 640x360, and of 1 to 4 videos after H.264 of crf
20 of 40 to 100 frames of 320x240 to 1280x720; one process, compiled code in its cache. They hold
for a machine that takes `_YARDSTICK_SECONDS` for `_yardstick`. Where nothing is accepted, nothing
is written, and it takes less."""

_PICTURES_NS = 115.0
"""The same, beside these, for a frame from a folder of pictures: they are read one by one, and keep
noise that a codec takes out, which makes large PNGs."""

_USED_NS = {"exact": 5.0, "median": 5.0, "mean": 5.0, "min": 5.0, "mode": 5.0}
_USED_NS |= {method: 1e3 * seconds / 3 for method, seconds in SECONDS.items()}
_USED_ROBUST_NS = 26.0
"""The same for a frame that is used: a clean frame, its judge and a second decoding; of methods
that are not here, as of ``robust``."""

_USED_SECONDS = 0.05
"""Seconds per frame used, whatever its size: most of it is the camera's motion, found on pictures
of one size."""

_START_SECONDS, _PROCESSES_SECONDS = 5.8, 4.0
"""Seconds until all libraries and all compiled code are loaded, and of what is looked at on samples
whose number does not depend on the video; and until the processes have loaded them, too, those for
the clean frames and then those for the pairs."""

_YARDSTICK_SECONDS, _TIMES = 0.0165, 16
"""Of `_yardstick`, on the machine they hold for, and how often it does its work."""


@dataclass(frozen=True, slots=True)
class PlannedVideo:
    """A video that can be opened.

    Attributes:
        source: Where it is.
        id: Its id.
        sha256: Of its bytes.
        info: What its first frame tells.
        entry: What the table of videos says of it.
    """

    source: VideoInput
    id: str
    sha256: str
    info: VideoInfo
    entry: VideoEntry = NO_ENTRY

    def line(self) -> str:
        """Return the video in one line: size, frames, length."""
        frames = count_of(self.info.frames, "frame") if self.info.frames else "frames not stated"
        size = f"{self.info.width}x{self.info.height}"
        return f"{self.source.label}: {size}, {frames}, {_bytes(self.source.size)}  [{self.id}]"


@dataclass(frozen=True, slots=True)
class SpaPlan:
    """The videos of a build.

    Attributes:
        videos: Those to work on, in natural order.
        unusable: Label and reason of each that cannot be opened.
        duplicates: Label of each whose bytes equal another's, and that other's label.
        seconds: A rough estimate of the time.
        table: The table of videos, where there is one.
        passed_over: Label and reason of each file that may be taken for a video and is not read.
    """

    videos: tuple[PlannedVideo, ...]
    unusable: tuple[tuple[str, str], ...]
    duplicates: tuple[tuple[str, str], ...]
    seconds: float
    table: Path | None = None
    passed_over: tuple[tuple[str, str], ...] = ()

    @property
    def files(self) -> list[Path]:
        """What is read to carry it out."""
        paths = [(video.source.path, video.source.kind) for video in self.videos]
        return [
            file
            for path, kind in paths
            for file in (list_images(path) if kind == "images" else [path])
        ]

    def as_table(self) -> dict[str, object]:
        """Return the plan as plain types."""
        return {
            "videos": [
                {
                    "video": video.source.label,
                    "id": video.id,
                    "sha256": video.sha256,
                    "bytes": video.source.size,
                    "width": video.info.width,
                    "height": video.info.height,
                    "frames": video.info.frames,
                    "stream": video.info.stream_note,
                }
                for video in self.videos
            ],
            "unusable": [{"video": label, "reason": why} for label, why in self.unusable],
            "passed_over": [{"file": label, "reason": why} for label, why in self.passed_over],
            "duplicates": [{"video": label, "of": other} for label, other in self.duplicates],
            "seconds": round(self.seconds, 1),
            "table": str(self.table) if self.table else None,
        }


def plan_build(
    paths: Sequence[Path], out: Path, options: SpaOptions, table: Path | None = None
) -> SpaPlan:
    """Find the videos and open each once.

    Args:
        paths: Files and folders as given.
        out: Where the build will write.
        options: The options.
        table: The table of videos; None for the one that lies in a folder given, if there is one.

    Raises:
        RainbenchError: The table, a path, ``out`` or the data set's name cannot be used, or there
            is no video.
    """
    checked_name(options.name)
    inputs = find_inputs(paths, out)
    table = table or find_table(paths)
    entries = read_table(table, inputs) if table else {}
    with ThreadPoolExecutor(max(1, options.workers)) as pool:
        opened = list(pool.map(_open, inputs))
    videos: dict[str, PlannedVideo] = {}
    unusable: list[tuple[str, str]] = []
    duplicates: list[tuple[str, str]] = []
    for item, result in zip(inputs, opened, strict=True):
        if isinstance(result, str):
            unusable.append((item.label, result))
        elif result.sha256 in videos:
            duplicates.append((item.label, videos[result.sha256].source.label))
        else:
            entry = entries.get(item.path, NO_ENTRY)
            videos[result.sha256] = replace(result, entry=entry)
            _check_span(videos[result.sha256], table)
    planned = tuple(videos.values())
    return SpaPlan(
        planned,
        tuple(unusable),
        tuple(duplicates),
        estimate_seconds(planned, options),
        table,
        tuple(passed_over(paths)),
    )


def _check_span(video: PlannedVideo, table: Path | None) -> None:
    """Refuse a span beyond a video's end; the number of frames that files announce is rough."""
    first, stop = video.entry.applied(SpaOptions()).span or (0, None)
    frames = video.info.frames
    if frames is None or max(first + 2, stop or 0) <= frames + frames // 20 + 5:
        return
    where = f"end {stop}" if stop else f"start {first}"
    raise RainbenchError(
        f"{table}: {video.entry.place}: {where} lies beyond the {count_of(frames, 'frame')} of "
        f"{video.source.label}",
        hint="start and end are numbers of frames, counted from 0.",
    )


def _open(item: VideoInput) -> PlannedVideo | str:
    try:
        with failing_alone(f"{item.path}: cannot be read"):
            info = probe(item.path)
            sha256 = content_hash(item)
    except RainbenchError as error:
        return str(error)
    return PlannedVideo(item, video_id(item, sha256), sha256, info)


def estimate_seconds(videos: Sequence[PlannedVideo], options: SpaOptions) -> float:
    """Return how long videos may take, about, on a machine with nothing else to do."""
    each = [_seconds_of(video, video.entry.applied(options)) for video in videos]
    processes = max(1, min(options.workers, len(videos)))
    started = _START_SECONDS + (_PROCESSES_SECONDS if processes > 1 else 0)
    pace = _yardstick() / _YARDSTICK_SECONDS
    return pace * (started + max(sum(each) / processes, max(each, default=0.0)))


def _seconds_of(video: PlannedVideo, options: SpaOptions) -> float:
    """Return how long one process takes for a video on the machine that the constants hold for."""
    samples = video.info.width * video.info.height * 3
    most = options.most_frames(video.info)
    frames = video.info.frames or most
    used = min(frames, options.frames if isinstance(options.frames, int) else most)
    written = min(used, options.max_frames or used)
    each = _USED_NS.get(options.method, _USED_ROBUST_NS)
    pictures = _PICTURES_NS if video.source.kind == "images" else 0
    nanoseconds = samples * (frames * _LOOK_NS + used * (each + pictures) + written * _ENCODE_NS)
    return used * _USED_SECONDS + 1e-9 * nanoseconds


def _yardstick() -> float:
    """Return the seconds of processor time of this machine for work like that of a build.

    Half is what writes PNGs, half is sorting and arithmetic on arrays. The fastest of several times
    counts: others last longer by what else the machine has to do, which is another thing a minute
    later, and so a dry run would announce another time than the build.
    """
    noise = np.random.default_rng(0).integers(0, 32, 1 << 18, np.uint8)
    fastest = np.inf
    for _ in range(_TIMES):
        begin = time.thread_time()
        zlib.compress(noise.tobytes(), 6)
        np.sort(noise.reshape(-1, 128).astype(np.int16), axis=1)
        np.square(noise.astype(np.float32)).sum()
        fastest = min(fastest, time.thread_time() - begin)
    return fastest


def _bytes(size: int) -> str:
    """Return a size in words."""
    units = ("bytes", "KB", "MB", "GB")
    step = min(len(units) - 1, max(0, size.bit_length() - 1) // 10)
    return f"{size} bytes" if step == 0 else f"{size / 1024**step:.1f} {units[step]}"
