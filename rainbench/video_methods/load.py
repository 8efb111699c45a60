"""From the card of a method for videos to a restorer of clips."""

from __future__ import annotations

import numpy as np

from rainbench.catalog.named_code import check_arguments, find_named
from rainbench.catalog.registry import Entry
from rainbench.core.errors import CardError, RainbenchError, told
from rainbench.video_methods.base import Frames, Restored, VideoRestorer

OURS = ("rainbench.video_methods.", "rainbench.clean_frame.by_video.")
"""Where restorers of ours lie. A clean frame serves as one, in a room that is above this one."""


def build_restorer(entry: Entry) -> VideoRestorer:
    """Make the restorer that a card names, with the card's arguments.

    A card is a text that may come with somebody's data set: only what lies in `OURS` is
    imported, unless the user said that the cards are to be trusted.

    Raises:
        CardError: The card is not trusted with this module, there is no such class, it keeps
            another contract, or it does not take the card's arguments.
    """
    card = entry.baseline
    found = find_named(card, offered=card.network.startswith(OURS))
    offers = all(hasattr(found, each) for each in ("__call__", "bytes_per_pixel", "least_frames"))
    if not (isinstance(found, type) and offers):
        raise CardError(
            f"{card.file}: {card.network} is no video restorer: a class with __call__, "
            "bytes_per_pixel and least_frames"
        )
    check_arguments(card, found, entry.arguments)
    try:
        restorer: VideoRestorer = found(**entry.arguments)
    except (Exception, SystemExit) as error:
        raise CardError(
            f"{card.file}: {card.network} cannot be made with the arguments of its card: "
            f"{told(error)}"
        ) from None
    return restorer


def restore_clip(entry: str, restorer: VideoRestorer, frames: Frames) -> Restored:
    """Restore a clip and see that the result is one.

    Args:
        entry: What to call the restorer in an error.
        restorer: It.
        frames: ``(T, H, W, 3)`` uint8.

    Raises:
        RainbenchError: It is no clip, or shorter or smaller than the method can take, memory ran
            out, or the result is no restored clip.
    """
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3:
        raise RainbenchError(
            f"{entry} restores clips, not {frames.dtype} of shape {frames.shape}",
            hint="Give (T, H, W, 3) RGB as uint8: all frames of a clip, in order of time.",
        )
    count, height, width = frames.shape[:3]
    what = f"a clip of {count} frames of {width}x{height}"
    if count < restorer.least_frames:
        raise RainbenchError(f"{entry} needs at least {restorer.least_frames} frames, not {count}")
    rows, columns = getattr(restorer, "least_size", (1, 1))
    if height < rows or width < columns:
        least = f"{rows} pixels a side" if rows == columns else f"{columns}x{rows} pixels a frame"
        raise RainbenchError(f"{entry} needs at least {least}, not {width}x{height}")
    try:
        restored = np.asarray(restorer(frames))
    except RainbenchError:
        raise
    except MemoryError:
        raise RainbenchError(f"{entry} ran out of memory on {what}", hint=SHORTER) from None
    except (Exception, SystemExit) as error:
        raise RainbenchError(f"{entry} failed on {what}: {told(error)}") from error
    if restored.shape != frames.shape or restored.dtype.kind != "f":
        raise RainbenchError(
            f"{entry} returned {restored.dtype} of shape {restored.shape} for {what}",
            hint="It has to return floats of the shape that it was given.",
        )
    if not np.isfinite(restored).all():
        raise RainbenchError(f"{entry} returned values that are not finite (NaN) for {what}")
    return restored.astype(np.float32, copy=False)


SHORTER = "Cut the video into shorter pieces, or make its frames smaller."
