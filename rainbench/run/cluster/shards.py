"""A cell cut into shards: blocks of images of about the same time, the largest cells first."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rainbench.catalog.registry import Entry
from rainbench.pairs.layouts import Pair
from rainbench.pairs.manifest import PairInfo
from rainbench.run.cost import COST_SIDE, pixels_of, seconds_per_pixel
from rainbench.run.plan import PlannedCell

SHORTEST, LONGEST = 1.0, 60.0
"""Seconds of a shard: sending it and starting to read its first image take some ten
milliseconds, and what is lost with a worker, or waited for at the end, is one shard."""

SHARDS_PER_WORKER = 16
"""Shards that each worker gets at least, as far as `SHORTEST` allows: estimates are rough, and
work of unknown length is shared evenly when there is much of it left to hand out."""

PROCESS_MEMORY = 1 << 30
"""Bytes of a worker beside the tensors of its network: Python, PyTorch, images read ahead."""

_CLIP_BYTES = 400
"""Bytes per pixel and frame that methods for videos take, about; they look themselves."""

Block = tuple[tuple[Pair, PairInfo], ...]
"""Images in order, each with what the manifest says of it."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast the workers are, and how long shards are to be.

    Attributes:
        speed: What `rainbench.run.cost.network_speed` says of one of them.
        target: Seconds of a shard.
        peaks: By entry what `rainbench.run.cost.peak_bytes` says, where memory counts.
    """

    speed: float
    target: float
    peaks: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        cells: Iterable[PlannedCell],
        speed: float,
        workers: int,
        peaks: Mapping[str, int] | None = None,
    ) -> Pace:
        """Return the pace of a run."""
        total = sum(pixels_of(cell) * seconds_per_pixel(cell.entry, speed) for cell in cells)
        target = min(LONGEST, max(SHORTEST, total / (workers * SHARDS_PER_WORKER)))
        return cls(speed, target, peaks or {})

    def seconds(self, entry: Entry, images: Iterable[tuple[Pair, PairInfo]]) -> float:
        """Return how long images may take."""
        pixels = sum(info.width * info.height for _, info in images)
        return pixels * seconds_per_pixel(entry, self.speed)

    def memory(self, entry: Entry, block: Block) -> int:
        """Return how many bytes a worker may need for a block."""
        sizes = [info.width * info.height for _, info in block]
        if entry.is_video:
            return PROCESS_MEMORY + _CLIP_BYTES * sum(sizes)
        return PROCESS_MEMORY + self.peaks.get(entry.name, 0) * max(sizes) // COST_SIDE**2


def in_order(cells: Sequence[PlannedCell], pace: Pace) -> list[PlannedCell]:
    """Return cells in the order in which they are begun.

    An entry's cells are together, so that a worker builds it once. First come those whose
    single images take longest, which nothing can be cut from, then those with the most work.
    """
    longest: dict[str, float] = {}
    total: dict[str, float] = {}
    own = {id(cell): pace.seconds(cell.entry, cell.material) for cell in cells}
    for cell in cells:
        name = cell.entry.name
        block = max((pace.seconds(cell.entry, each) for each in units(cell)), default=0.0)
        longest[name] = max(longest.get(name, 0.0), block, pace.target)
        total[name] = total.get(name, 0.0) + own[id(cell)]

    def rank(cell: PlannedCell) -> tuple[float, float, str, float]:
        name = cell.entry.name
        return -longest[name], -total[name], name, -own[id(cell)]

    return sorted(cells, key=rank)


def units(cell: PlannedCell) -> list[Block]:
    """Return what cannot be cut: single images, or for a method for videos whole clips."""
    if not cell.entry.is_video:
        return [(image,) for image in cell.images]
    clips: dict[str, list[tuple[Pair, PairInfo]]] = {}
    for pair, info in cell.material:
        clips.setdefault(pair.clip, []).append((pair, info))
    return [tuple(clip) for clip in clips.values()]


def blocks(cell: PlannedCell, wanted: Collection[str], pace: Pace) -> Iterator[Block]:
    """Yield the images of a cell in order, as many at a time as take the time of a shard.

    Units without a wanted image are left out.
    """
    block: list[tuple[Pair, PairInfo]] = []
    taken = 0.0
    for unit in units(cell):
        if not any(pair.id in wanted for pair, _ in unit):
            continue
        seconds = pace.seconds(cell.entry, unit)
        if block and taken + seconds > pace.target:
            yield tuple(block)
            block, taken = [], 0.0
        block += unit
        taken += seconds
    if block:
        yield tuple(block)
