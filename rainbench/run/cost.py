"""How much memory a network needs, counted without running it."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rainbench.catalog.registry import Entry

if TYPE_CHECKING:
    from torch import Tensor, nn

COST_SIDE = 512
"""Height and width in pixels of the picture for which costs are stated."""

_KNOWN: dict[tuple[str, str, int], int] = {}


def peak_bytes(entry: Entry, side: int = COST_SIDE) -> int:
    """Return the most memory that an entry's tensors take at once while it restores a picture.

    Counted like ``torch.cuda.max_memory_allocated``: weights, picture and every intermediate result
    that is alive, in fp32, without gradients. What a convolution needs as a workspace, and what an
    allocator keeps back, depends on the machine and is left out. Nothing is computed: the tensors
    have shapes but no values. Where a network computes differently on a CPU and elsewhere (the
    IRNN of SPANet), it is elsewhere.

    Args:
        entry: The baseline.
        side: Height and width of the picture in pixels.

    Returns:
        Bytes; 0 for a method without parameters.

    Example:
        >>> from rainbench.catalog.registry import load_registry
        >>> registry = load_registry()
        >>> peak_bytes(registry.entries(["identity"])[0])
        0
    """
    if not entry.parameters:
        return 0
    import torch

    from rainbench.construct import construct

    key = (entry.baseline.network, repr(sorted(entry.arguments.items())), side)
    if key not in _KNOWN:
        with torch.device("meta"), torch.inference_mode():
            network = construct(entry.baseline, entry.arguments).eval()
            _KNOWN[key] = count_peak(network, torch.empty(1, 3, side, side))
    return _KNOWN[key]


def count_peak(network: nn.Module, picture: Tensor) -> int:
    """Return the most bytes alive at once in a forward pass.

    Args:
        network: On any device; on ``meta`` nothing is computed.
        picture: ``(N, 3, H, W)``, on the same device.

    Example:
        >>> import torch
        >>> with torch.device("meta"):
        ...     count_peak(torch.nn.Conv2d(3, 2, 1), torch.empty(1, 3, 10, 10))
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
