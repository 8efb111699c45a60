"""Frames that show the scene as the clean frame does where two things may be the scene.

Somebody stands there for half of the time: whether the clean frame should show them is in doubt.
A frame that shows there what the clean frame shows makes a right pair with it all the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rainbench.clean_frame.objects.masks import LEAST_PIXELS, shrinking
from rainbench.core.images import Image

Mask = NDArray[np.bool_]

RIM = 5
"""Pixels across which parts belong to one region: of one thing, some look like the scene behind."""

SAME = 4.0
"""Levels, of means over 3x3 pixels, by which more than half of a region may differ; chosen."""

NO_RAIN, MOST_NO_RAIN = 10.0, 0.02
"""Levels by which pixels are darker than the clean frame, or coloured otherwise, which rain makes
nothing; and the share of a region where that may be: its edges."""


@dataclass(frozen=True, slots=True)
class DoubtfulRegion:
    """A region of a picture.

    Attributes:
        place: Rows and columns around it.
        inside: ``(h, w)`` bool, which pixels there are doubtful.
    """

    place: tuple[slice, slice]
    inside: Mask


def doubtful_regions(uncertain: Mask) -> tuple[DoubtfulRegion, ...]:
    """Return the regions in which a clean frame is in doubt, each of which shows one thing.

    What is smaller than any thing is left out: of few frames, rain covers a pixel here and there in
    half of them, which says nothing of the others.

    Args:
        uncertain: ``(H, W)`` bool.
    """
    import cv2

    least = LEAST_PIXELS * shrinking(*uncertain.shape) ** 2
    wide = cv2.dilate(uncertain.astype(np.uint8), np.ones((RIM, RIM), np.uint8))
    number, labels, facts, _ = cv2.connectedComponentsWithStats(wide, connectivity=8)
    regions = []
    for label in range(1, number):
        left, top, width, height = facts[label, :4].tolist()
        place = np.s_[top : top + height, left : left + width]
        inside = (labels[place] == label) & uncertain[place]
        if np.count_nonzero(inside) >= least:
            regions.append(DoubtfulRegion(place, inside))
    return tuple(regions)


def in_doubt(image: Image, clean: Image, regions: tuple[DoubtfulRegion, ...]) -> Mask:
    """Say where a frame does not show what the clean frame shows in its doubtful regions.

    Args:
        image: ``(H, W, 3)`` uint8, the frame, as it matches the clean one.
        clean: ``(H, W, 3)`` uint8.
        regions: From `doubtful_regions`.

    Example:
        >>> clean = np.full((40, 50, 3), 90, np.uint8)
        >>> uncertain = np.zeros((40, 50), bool)
        >>> uncertain[10:30, 20:30] = True
        >>> regions = doubtful_regions(uncertain)
        >>> in_doubt(clean, clean, regions).any()
        np.False_
        >>> frame = clean.copy()
        >>> frame[10:30, 20:30] = 70, 90, 60
        >>> (in_doubt(frame, clean, regions) == uncertain).all()
        np.True_
    """
    doubt: Mask = np.zeros(clean.shape[:2], np.bool_)
    for region in regions:
        if not _agrees(image[region.place], clean[region.place], region.inside):
            doubt[region.place] |= region.inside
    return doubt


def _agrees(image: Image, clean: Image, inside: Mask) -> bool:
    import cv2

    seen, own = (cv2.blur(each.astype(np.float32), (3, 3))[inside] for each in (image, clean))
    light = (seen - own).mean(axis=1)
    if np.median(np.abs(light)) > SAME:
        return False
    no_rain = light < -NO_RAIN
    for one, other in ((0, 1), (1, 2), (2, 0)):
        # Rain is grey: it draws channels together, and no further.
        apart, own_apart = seen[:, one] - seen[:, other], own[:, one] - own[:, other]
        no_rain |= apart > np.maximum(own_apart, 0) + NO_RAIN
        no_rain |= apart < np.minimum(own_apart, 0) - NO_RAIN
    return bool(no_rain.mean() <= MOST_NO_RAIN)
