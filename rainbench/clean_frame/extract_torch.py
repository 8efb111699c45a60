"""The vote of `rainbench.clean_frame.voting` on a graphics card, by torch: the same bytes.

A card sorts whole columns instead of running a network; both give the sorted samples, and all else
is integer arithmetic, so nothing depends on the device. Pixels go to it in parts that fit
``memory``. Importing this module loads torch.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from rainbench.clean_frame.voting import Limits, Votes, neighbours, vote_limits
from rainbench.core.errors import RainbenchError
from rainbench.frames.sources import FrameSource, read_band

MEMORY = 1 << 30
"""Bytes that one part of the pixels may take on the device."""

_BYTES_PER_SAMPLE = 40
"""Of the largest step, the run lengths: a byte and its index, sorted, and several counters."""


def open_device(name: str) -> torch.device:
    """Return a device by name, after trying it.

    Raises:
        RainbenchError: There is no such device.

    Example:
        >>> open_device("cpu").type
        'cpu'
    """
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise RainbenchError(
            f"there is no device {name!r}: {str(error).splitlines()[0]}",
            hint="Use --device cpu, or install a torch that knows this machine's accelerator.",
        ) from error
    return device


def count_votes(
    source: FrameSource,
    limits: Limits | None = None,
    *,
    device: torch.device,
    memory: int = MEMORY,
) -> Votes:
    """Let every pixel vote, as SPANet's Eqs. 2 to 4 do.

    The same as `rainbench.clean_frame.voting.count_votes`.

    Args:
        source: The sequence.
        limits: What each place votes for; `vote_limits` of the source when ``None``.
        device: From `open_device`.
        memory: About how many bytes to use on the device; never changes the result.

    Example:
        >>> from rainbench.frames.sources import as_source
        >>> still = as_source(np.full((20, 4, 6, 3), 90, np.uint8))
        >>> count_votes(still, device=open_device("cpu")).curve[[0, 95, 96]].tolist()
        [24, 24, 0]
    """
    count, height, width, _ = source.shape
    low, high = (
        torch.from_numpy(limit.astype(np.int64)).to(device)
        for limit in (vote_limits(count) if limits is None else limits)
    )
    changes = torch.zeros(102, dtype=torch.int64, device=device)
    places = torch.arange(count, dtype=torch.int64, device=device)[:, None]
    with _shortage_explained(device):
        for _, samples in _parts(source, device, memory // _BYTES_PER_SAMPLE):
            red, green, blue = samples.to(torch.int32).unbind(dim=2)
            luma = ((299 * red + 587 * green + 114 * blue) // 1000).to(torch.uint8)
            first, last = _mode_places(luma.sort(dim=0).values, places)
            begin, end = low[first], high[last]
            votes = begin <= end
            changes += torch.bincount(begin[votes], minlength=102)
            changes -= torch.bincount(end[votes] + 1, minlength=102)
    return Votes(changes.cumsum(0)[:101].cpu().numpy(), height * width)


def _mode_places(ordered: torch.Tensor, places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return first and last place of the longest run in every column, the first one on ties."""
    count = len(ordered)
    begins = torch.zeros(ordered.shape, dtype=torch.int64, device=ordered.device)
    begins[1:] = torch.where(ordered[1:] != ordered[:-1], places[1:], 0)
    run = places - begins.cummax(dim=0).values + 1
    # Of equal runs the key of the earlier one is larger: no reliance on which maximum is found.
    key = (run * count + (count - 1 - places)).amax(dim=0)
    last = count - 1 - key % count
    return last + 1 - key // count, last


def select_percentile(
    source: FrameSource, percentile: int, *, device: torch.device, memory: int = MEMORY
) -> NDArray[np.uint16]:
    """Return a percentile over time, as `rainbench.clean_frame.voting.select_percentile` does.

    Args:
        source: The sequence.
        percentile: 0 to 100.
        device: From `open_device`.
        memory: About how many bytes to use on the device; never changes the result.

    Returns:
        ``(H, W, 3)`` uint16, hundredths of a level.

    Example:
        >>> from rainbench.frames.sources import as_source
        >>> ramp = as_source(np.arange(9, dtype=np.uint8).reshape(3, 1, 1, 3) // 3)
        >>> select_percentile(ramp, 30, device=open_device("cpu")).ravel().tolist()
        [60, 60, 60]
    """
    count, height, width, channels = source.shape
    rank, hundredths = divmod(percentile * (count - 1), 100)
    ranks = neighbours(rank, count)
    out = np.empty((height * width, channels), np.uint16)
    with _shortage_explained(device):
        for begin, samples in _parts(source, device, memory // _BYTES_PER_SAMPLE):
            ordered = samples.sort(dim=0).values
            below, above = (ordered[row].to(torch.int32) for row in (ranks[0], ranks[-1]))
            value = below * (100 - hundredths) + above * hundredths
            out[begin : begin + len(value)] = value.cpu().numpy()
    return out.reshape(height, width, channels)


@contextlib.contextmanager
def _shortage_explained(device: torch.device) -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise RainbenchError(
            f"the memory of device {device} is full: {str(error).splitlines()[0]}",
            hint="Others use the device too: take fewer workers, or --device cpu.",
        ) from error


def _parts(
    source: FrameSource, device: torch.device, samples: int
) -> Iterator[tuple[int, torch.Tensor]]:
    """Yield the number of the first pixel and ``(N, pixels, 3)`` uint8 on the device."""
    count, height, width, _ = source.shape
    most = max(1, samples // (3 * count))
    rows = max(1, min(height, source.band_rows, most // width))
    for top in range(0, height, rows):
        bottom = min(height, top + rows)
        band = np.ascontiguousarray(read_band(source, top, bottom)).reshape(count, -1, 3)
        for left in range(0, band.shape[1], most):
            part = torch.from_numpy(np.array(band[:, left : left + most])).to(device)
            yield top * width + left, part
