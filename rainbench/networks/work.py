"""How much a network works: its multiply-adds, counted on a picture, as far as that is bearable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

MOST_CALLS = 100_000
"""Calls of PyTorch in one pass beyond which nothing is counted any more: some seconds of work."""


class TooMuchWorkError(Exception):
    """A pass was given up, as it does more than was asked for."""


def multiply_adds(network: nn.Module, picture: Tensor, *, most: float = float("inf")) -> int:
    """Return the multiply-adds of a pass of a network, on whatever device picture and network are.

    Not to be called in inference mode: there layers are not taken apart into what can be counted.

    Args:
        network: In evaluation mode.
        picture: ``(N, 3, H, W)``.
        most: Multiply-adds beyond which the pass is given up.

    Raises:
        TooMuchWorkError: It takes more of them, or more than `MOST_CALLS` calls of PyTorch.

    Example:
        >>> import torch
        >>> with torch.no_grad():
        ...     multiply_adds(torch.nn.Conv2d(3, 2, 1), torch.zeros(1, 3, 10, 10))
        600
    """
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import flop_registry

    operations = calls = 0

    class Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
        @classmethod
        def _should_skip_dynamo(cls) -> bool:
            """Keep PyTorch from loading its compiler, which takes seconds."""
            return False

        def __torch_dispatch__(
            self,
            func: Any,  # noqa: ANN401
            types: Sequence[type],
            args: tuple[object, ...] = (),
            kwargs: dict[str, object] | None = None,
        ) -> object:
            nonlocal operations, calls
            result = func(*args, **(kwargs or {}))
            calls += 1
            if counted := flop_registry.get(func._overloadpacket):
                operations += counted(*args, **(kwargs or {}), out_val=result)
            if calls > MOST_CALLS or operations > 2 * most:
                raise TooMuchWorkError
            return result

    with Counting():  # type: ignore[no-untyped-call]
        network(picture)
    return operations // 2
