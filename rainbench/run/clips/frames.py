"""The frames of a data set of clips, restored clip by clip."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from rainbench.core.errors import RainbenchError
from rainbench.core.images import Image
from rainbench.core.watch import Watch
from rainbench.pairs.layouts import Pair
from rainbench.pairs.manifest import PairInfo
from rainbench.pairs.pictures import load_image
from rainbench.run.clips.predict import ClipPredictor

RestoredPair = tuple[Pair, NDArray[np.float32], Image, float]
"""A pair, its restored image, the clean one, and the seconds that restoring it took."""


def restored_clips(
    pairs: Sequence[tuple[Pair, PairInfo]],
    wanted: Collection[str],
    predictor: ClipPredictor,
    watch: Watch | None = None,
) -> Iterator[RestoredPair]:
    """Yield frames of clips, each clip restored as a whole.

    Args:
        pairs: All frames of all clips, each clip's together and in order of time.
        wanted: The ids of those to yield; a clip without any is not restored.
        predictor: The method.
        watch: Is told of the clip that is being worked on.

    Raises:
        RainbenchError: A clip cannot be read or restored; its first file is named.
    """
    clips: dict[str, list[tuple[Pair, PairInfo]]] = {}
    for pair, info in pairs:
        clips.setdefault(pair.clip, []).append((pair, info))
    for clip in clips.values():
        if not any(pair.id in wanted for pair, _ in clip):
            continue
        place = clip[0][0].rainy.path
        if watch:
            watch.now(f"at the clip of {place}")
        try:
            started = time.perf_counter()
            restored = predictor(_rainy(clip, predictor))
        except RainbenchError as error:
            raise RainbenchError(f"{place}: {error.message}", hint=error.hint) from None
        seconds = (time.perf_counter() - started) / len(clip)
        for frame, (pair, info) in zip(restored, clip, strict=True):
            if pair.id in wanted:
                yield pair, frame, load_image(pair.clean, info.clean_sha256), seconds


def _rainy(clip: Sequence[tuple[Pair, PairInfo]], predictor: ClipPredictor) -> NDArray[np.uint8]:
    """Return the rainy frames of a clip, after it is known that they will fit into memory."""
    sizes = {(info.height, info.width) for _, info in clip}
    if len(sizes) > 1:
        raise RainbenchError(
            "the frames of this clip have different sizes, so they cannot be restored together",
            hint="Correct the clip, or give --allow-partial to leave it out and list it.",
        )
    predictor.check_length(len(clip), *sizes.pop())
    return np.stack([load_image(pair.rainy, info.rainy_sha256) for pair, info in clip])
