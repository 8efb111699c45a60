"""Whether somebody's network gives what it should: its mistakes would be silent numbers."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from rainbench.catalog.registry import Entry
from rainbench.core.images import Image, quantise
from rainbench.metrics import score_all
from rainbench.metrics.prediction import is_odd_range
from rainbench.networks.isolation import isolated
from rainbench.pairs.pictures import load_pair
from rainbench.pairs.pixels.likeness import (
    FITTING,
    LEAST,
    Outline,
    likeness,
    outline,
    seen_otherwise,
)
from rainbench.pairs.pixels.readings import (
    BGR,
    CHANGE,
    DOUBTFUL,
    EVEN,
    LOOKED_AT,
    RAIN,
    Look,
    as_floats,
    doubt,
    harm,
    look,
)
from rainbench.run.plan import PlannedCell
from rainbench.run.predict import PredictionError, Predictor
from rainbench.run.scores import Scores, format_image

SAME = 1e-3
"""How far two results of one picture may lie apart, of 1: kernels differ by far less."""

_BRIGHT = 16
"""A level that only a picture on the scale 0..255 reaches."""

_MEND = "Undo that where its forward() ends."
_MENDS: Mapping[str, str] = {
    RAIN: "If it returns the rain, give --returns rain.",
    CHANGE: "If it returns the change, give --returns change.",
    BGR: "Is it a network for BGR? Give --channel-order bgr.",
    EVEN: "Are its weights those of this network?",
}
"""What to do about a network that returned something else than the restored image."""


class OwnOutput:
    """Looks at the results of a network that is none of ours, picture by picture.

    Args:
        predictor: The network.
        count: How many pictures it is to restore.
    """

    def __init__(self, predictor: Predictor, count: int) -> None:
        self._predictor = predictor
        card = predictor.entry.baseline
        self._own = card.maker is not None
        said = "returns" in card.maker.facts() if card.maker else is_ours(predictor.entry)
        self._to_look_at = 0 if said else min(LOOKED_AT, count)
        self._looks: list[Look] = []
        self._before: Outline | None = None
        self._first: tuple[Image, NDArray[np.float32]] | None = None
        self._after_other = False

    @property
    def wanted(self) -> float:
        """How many pictures, the first ones, it has to see."""
        return math.inf if self._own else self._to_look_at

    def check(self, rainy: Image, restored: NDArray[np.float32], clean: Image) -> None:
        """Refuse a result that cannot be the rainy picture without its rain.

        Args:
            rainy: ``(H, W, 3)`` uint8.
            restored: The network's result.
            clean: The true picture.

        Raises:
            PredictionError: It shows the scene mirrored, turned, in other colours or that of the
                picture before, holds 0 and 1 of 255, is another one each time, or depends on the
                pictures before; or the first ones are far better read otherwise.
        """
        if self._own:
            self._check_alone(rainy, restored)
        self.check_reading(rainy, restored, clean)

    def check_reading(self, rainy: Image, restored: NDArray[np.float32], clean: Image) -> None:
        """Refuse results that all look like the rain, or like another picture of the scene.

        Args:
            rainy: ``(H, W, 3)`` uint8.
            restored: The network's result.
            clean: The true picture.

        Raises:
            PredictionError: This is the last of the first ones, and they are far better read so.
        """
        if len(self._looks) == self._to_look_at:
            return
        self._looks.append(look(restored, rainy, clean))
        if is_odd_range(float(restored.min()), float(restored.max())):
            self._to_look_at = len(self._looks)  # it may be refused for that, with less to say
        if len(self._looks) == self._to_look_at and (found := doubt(self._looks)):
            raise PredictionError(
                f"{self._predictor.entry.name} returned {found.said}",
                hint=f"{self._mend(found.what)} If it is the image as it is meant to be, "
                f"say so with --returns image{self._without_card}.",
            )

    def _mend(self, what: str) -> str:
        if self._predictor.folders is not None:
            return "It has to write the restored images themselves, in RGB and in place."
        return _MENDS.get(what, _MEND)

    @property
    def _without_card(self) -> str:
        """What has to be added where a network has a card, which knows no such option."""
        return "" if self._own else ", without its card: -b FILE.py:CLASS"

    def _check_alone(self, rainy: Image, restored: NDArray[np.float32]) -> None:
        """Refuse what is wrong whatever the clean picture is."""
        name = self._predictor.entry.name
        shown = quantise(restored, "round")
        if shown.max() <= 1 and rainy.max() > _BRIGHT:
            raise PredictionError(
                f"{name} returned a picture of 0 and 1, where white is 255",
                hint="A picture in uint8 has values from 0 to 255; in floating point, up to 1.",
            )
        if otherwise := seen_otherwise(shown, rainy):
            raise PredictionError(
                f"{name} returned the scene {otherwise}",
                hint="Is it a network for BGR? Give --channel-order bgr."
                if "red" in otherwise
                else "",
            )
        own = outline(rainy)
        if self._before is None:
            self._check_repeatable(rainy, restored)
        elif (
            likeness(found := outline(shown), own) < LEAST
            and likeness(found, self._before) > FITTING
        ):
            raise PredictionError(
                f"{name} returned the scene of the picture before",
                hint="It keeps something between its calls; runs call it picture by picture.",
            )
        else:
            self._check_forgets(rainy)
        self._before = own

    def _check_repeatable(self, rainy: Image, restored: NDArray[np.float32]) -> None:
        """Compare with a second result of the first picture, under other random numbers."""
        if self._predictor.folders is not None:  # a program, which has done its folder
            return
        self._first = rainy.copy(), restored.copy()
        again = call_with_other_chance(self._predictor, rainy)
        apart = float(np.abs(again - restored).max())
        if not apart <= SAME:
            raise PredictionError(
                f"{self._predictor.entry.name} gives another result of the same picture each time "
                f"(by {apart:.2g} where white is 1)",
                hint="Is dropout left on (functional.dropout needs training=self.training), or "
                "does it keep something between its calls?",
            )

    def _check_forgets(self, rainy: Image) -> None:
        """Restore the first picture again, after another one and after another one of its size.

        What is kept between calls often acts on a picture of the same size only.
        """
        if self._first is None:
            return
        first, restored = self._first
        same_size = rainy.shape == first.shape
        if self._after_other and not same_size:
            return
        self._after_other = True
        if same_size:
            self._first = None
        apart = float(np.abs(self._predictor(first) - restored).max())
        if not apart <= SAME:
            raise PredictionError(
                f"{self._predictor.entry.name} gives another result of a picture after another "
                f"one (by {apart:.2g} where white is 1)",
                hint="It keeps something between its calls, so that its numbers depend on the "
                "order of the pictures: forget it where forward() begins.",
            )


def is_ours(entry: Entry) -> bool:
    """Return whether an entry's code is part of this package, where tests hold its numbers."""
    card = entry.baseline
    return card.maker is None and card.network.startswith("rainbench.")


def doubt_about(cell: PlannedCell, scores: Mapping[str, Scores]) -> str:
    """Return what has to be said of a network that is none of ours and did nothing, or harm.

    Args:
        cell: The cell.
        scores: Those of all of its images.
    """
    if is_ours(cell.entry) or cell.entry.is_video:
        return ""
    protocol, unchanged = cell.pairs.card.protocol, True
    pairs: list[tuple[float, float]] = []
    for pair, info in cell.images[:LOOKED_AT]:
        rainy, clean = load_pair(pair, info)
        own, before = scores[pair.id][protocol], score_all(as_floats(rainy), clean, (protocol,))
        lines = [format_image("", {protocol: each}) for each in (own, before[protocol])]
        unchanged = unchanged and lines[0] == lines[1]
        if own.psnr is not None:
            pairs.append((own.psnr, before[protocol].psnr or 0.0))
    if unchanged:
        return f"{DOUBTFUL}gives the rainy images back as they are: are its weights loaded?"
    return harm(pairs)


def call_with_other_chance(predictor: Predictor, rainy: Image) -> NDArray[np.float32]:
    """Return a result under other random numbers than a call has otherwise."""
    with isolated():
        torch.manual_seed(20_011)
        np.random.seed(20_011)  # noqa: NPY002
        random.seed(20_011)
        return predictor(rainy)
