"""What a run costs: a network's memory, counted on small pictures, and the time it may take."""

from __future__ import annotations

import contextlib
import statistics
import time
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rainbench.catalog.registry import Entry
from rainbench.core.errors import RainbenchError, failing_alone

if TYPE_CHECKING:
    from torch import Tensor, nn

    from rainbench.run.options import RunOptions
    from rainbench.run.plan import Plan, PlannedCell

COST_SIDE = 512
"""Height and width in pixels of the picture for which costs are stated."""

COUNTED_SIDES = (64, 128)
"""Heights and widths in pixels of the two pictures on which it is counted."""

SCORING_SECONDS_PER_PIXEL = 4e-7
"""Reading a pair and scoring it under all protocols, of the order that one core takes."""

TRIED_SIDE = 96
"""Height and width in pixels of the picture on which a network is tried for the estimate."""

TRYING, LEAST_TRYING = 0.005, 0.2
"""Share of the time of a run that may go into trying its networks, and seconds that always may."""

LONGEST_TRIAL = 5.0
"""Seconds beyond which a network is not tried, by what its card says: the card has to do."""

_EFFICIENCY = 0.5
"""Share of a convolution's speed that whole networks reach; chosen, estimates are that rough."""

_PRECISION_GAIN = {"fp32": 1.0, "tf32": 1.5, "bf16": 2.0, "fp16": 2.0}
"""How much faster half the bits are taken to be: half the bytes to move; tf32 moves all of them."""

_KNOWN: dict[tuple[str, str, int], int] = {}


def peak_bytes(entry: Entry, side: int = COST_SIDE) -> int:
    """Return the most memory that an entry's tensors take at once while it restores a picture.

    Counted like ``torch.cuda.max_memory_allocated``: weights, picture and every intermediate result
    that is alive, in fp32, without gradients. What a convolution needs as a workspace, and what an
    allocator keeps back, depends on the machine and is left out. Counted on pictures of
    `COUNTED_SIDES`, from which it grows with the area.

    Args:
        entry: The baseline.
        side: Height and width of the picture in pixels.

    Returns:
        Bytes; 0 for a method without parameters, or a network that refuses so small a picture.

    Example:
        >>> from rainbench.catalog.registry import load_registry
        >>> registry = load_registry()
        >>> peak_bytes(registry.entries(["identity"])[0])
        0
    """
    if not entry.parameters:
        return 0
    import torch

    from rainbench.networks.construct import construct
    from rainbench.networks.isolation import isolated

    maker = entry.baseline.maker
    which = maker.code() if maker else repr(sorted(entry.arguments.items()))
    key = (entry.baseline.network, which, side)
    if key not in _KNOWN:
        small, large = COUNTED_SIDES
        # Not in inference mode: there some networks go over large pictures in parts on a CPU.
        try:
            with failing_alone(entry.name), isolated(entry.name):
                network = (
                    maker.make(None, None)
                    if maker
                    else construct(entry.baseline, entry.arguments).eval()
                ).requires_grad_(False)
                few, many = (count_peak(network, torch.zeros(1, 3, at, at)) for at in COUNTED_SIDES)
        except RainbenchError:
            few = many = 0  # it refuses such pictures, which is no reason to lose its scores
        _KNOWN[key] = many + (many - few) * (side**2 - large**2) // (large**2 - small**2)
    return _KNOWN[key]


def count_peak(network: nn.Module, picture: Tensor) -> int:
    """Return the most bytes alive at once in a forward pass.

    Args:
        network: On any device.
        picture: ``(N, 3, H, W)``, on the same device.

    Example:
        >>> import torch
        >>> with torch.inference_mode():
        ...     count_peak(torch.nn.Conv2d(3, 2, 1), torch.zeros(1, 3, 10, 10))
        2032
    """
    from torch import Tensor
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    alive: dict[int, int] = {}
    peak = 0

    def watch(tensor: Tensor) -> None:
        nonlocal peak
        storage = tensor.untyped_storage()
        if id(storage) not in alive:
            alive[id(storage)] = storage.nbytes()
            weakref.finalize(storage, alive.pop, id(storage), None)
            peak = max(peak, sum(alive.values()))

    class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
        @classmethod
        def _should_skip_dynamo(cls) -> bool:
            """Keep PyTorch from loading its compiler, which takes seconds."""
            return False

        def __torch_dispatch__(
            self,
            func: Callable[..., object],
            types: Sequence[type],
            args: tuple[object, ...] = (),
            kwargs: dict[str, object] | None = None,
        ) -> object:
            result = func(*args, **(kwargs or {}))
            for leaf in tree_leaves(result):
                if isinstance(leaf, Tensor):
                    watch(leaf)
            return result

    for tensor in (*network.parameters(), *network.buffers(), picture):
        watch(tensor)
    with Watch():  # type: ignore[no-untyped-call]
        network(picture)
    return peak


def estimate_seconds(plan: Plan, options: RunOptions) -> float:
    """Return an estimate of a plan's wall time in seconds on a machine that does nothing else.

    Every network's multiply-adds are divided by what one 32-channel convolution reaches here. How
    far a network falls short of that depends on its width and its small steps, so our own ones are
    tried on a small picture, those that will take longest first; the others are taken to fall short
    as much as the usual one of them.
    """
    cells = plan.runnable
    counted = any(cell.entry.macs_per_pixel for cell in cells)
    speed = network_speed(options) if counted else 1.0
    slower = _tried(cells, options, speed) if counted else {}
    usual = statistics.median(slower.values()) if slower else 1.0
    return sum(
        seconds_per_pixel(cell.entry, speed / slower.get(cell.entry.name, usual)) * pixels_of(cell)
        for cell in cells
    )


def _tried(cells: Sequence[PlannedCell], options: RunOptions, speed: float) -> dict[str, float]:
    """Return how many times longer networks take than their multiply-adds say, by entry."""
    rough: dict[str, float] = {}
    by_name = {cell.entry.name: cell for cell in cells if _is_ours(cell.entry)}
    for cell in cells:
        if cell.entry.name in by_name:
            seconds = cell.entry.macs_per_pixel / speed * pixels_of(cell)
            rough[cell.entry.name] = rough.get(cell.entry.name, 0.0) + seconds
    allowed = max(LEAST_TRYING, TRYING * sum(rough.values()))
    began = time.perf_counter()
    found = {}
    for name in sorted(rough, key=lambda name: -rough[name]):
        if by_name[name].entry.macs_per_pixel / speed * TRIED_SIDE**2 > LONGEST_TRIAL:
            continue
        with contextlib.suppress(RainbenchError):  # its row will say why
            each = by_name[name]
            seconds = _seconds_of(each, options) / TRIED_SIDE**2
            found[name] = seconds * speed / each.entry.macs_per_pixel
        if time.perf_counter() - began > allowed:
            break
    return found


def _is_ours(entry: Entry) -> bool:
    """Whether a network is of this package: any other is only run where a death is told apart."""
    return bool(
        entry.macs_per_pixel
        and not entry.baseline.maker
        and entry.baseline.network.startswith("rainbench.networks.")
    )


def _seconds_of(cell: PlannedCell, options: RunOptions) -> float:
    """Return how long a network takes for a small picture: the lesser of two times."""
    import numpy as np

    from rainbench.networks.isolation import isolated
    from rainbench.run.predict import Predictor

    picture = np.random.default_rng(0).integers(0, 256, (TRIED_SIDE, TRIED_SIDE, 3), np.uint8)
    with failing_alone(cell.entry.name), isolated(cell.entry.name):
        predict = Predictor(cell.entry, cell.weights, options)
        seconds = []
        for _ in range(3):
            started = time.perf_counter()
            predict(picture)
            seconds.append(time.perf_counter() - started)
    return min(seconds[1:])  # without the first, and what else the machine did for a moment


def pixels_of(cell: PlannedCell) -> int:
    """Return how many pixels the images of a cell have together."""
    return sum(info.width * info.height for info in cell.pairs.manifest)


def seconds_per_pixel(entry: Entry, speed: float) -> float:
    """Return a rough estimate of what restoring and scoring takes.

    Args:
        entry: The baseline.
        speed: What `network_speed` says of where it is run.
    """
    stated = SCORING_SECONDS_PER_PIXEL + entry.baseline.seconds_per_megapixel / 1e6
    return stated + entry.macs_per_pixel / speed


def network_speed(options: RunOptions) -> float:
    """Return how many multiply-adds whole networks do here in a second, about."""
    return _convolution_speed(options) * _EFFICIENCY * _PRECISION_GAIN[options.precision]


def _convolution_speed(options: RunOptions) -> float:
    """Return multiply-adds per second of a 3x3 convolution, 32 channels, fp32."""
    import torch

    torch.set_num_threads(options.threads)
    layer = torch.nn.Conv2d(32, 32, 3, padding=1)
    layer = layer.to(options.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    image = torch.rand(1, 32, 256, 256, device=options.device)
    image = image.contiguous(memory_format=torch.channels_last)
    best = float("inf")
    with torch.inference_mode():
        for _ in range(4):
            started = time.perf_counter()
            float(layer(image)[0, 0, 0, 0])
            best = min(best, time.perf_counter() - started)
    return 32 * 32 * 9 * 256 * 256 / best
