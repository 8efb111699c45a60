"""Random numbers that depend on a key alone: not on order, workers, or NumPy's version.

Only the raw words of the Philox generator are used, which are fixed by its definition; NumPy
does not promise that its distributions stay the same (NEP 19).
"""

from __future__ import annotations

import functools
import hashlib
import json
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

NORMAL_ONE = 1 << 12
"""The standard deviation in `normal_table`, as an integer."""


def philox(*key: object) -> np.random.Philox:
    """Return a generator of raw words for a key.

    Args:
        key: Texts and numbers: version, seed, source, level, component. Adding a component to a
            builder never changes what another one draws.

    Example:
        >>> a, b = philox("streak", 1), philox("streak", 1)
        >>> bool((a.random_raw(4) == b.random_raw(4)).all())
        True
    """
    digest = hashlib.sha256(json.dumps(key, separators=(",", ":")).encode()).digest()
    return np.random.Philox(key=int.from_bytes(digest[:16], "little"))


def words16(generator: np.random.Philox, count: int) -> NDArray[np.uint16]:
    """Return ``count`` uniform 16-bit words."""
    raw = generator.random_raw((count + 3) // 4).astype("<u8", copy=False)
    return raw.view("<u2")[:count]


def uniform(generator: np.random.Philox, low: float, high: float) -> float:
    """Return one number from ``[low, high)``, of 53 random bits."""
    return low + (high - low) * (int(generator.random_raw()) >> 11) / (1 << 53)


@functools.cache
def normal_table() -> NDArray[np.int32]:
    """Return the standard normal quantile of every 16-bit word, in units of 1 / `NORMAL_ONE`.

    Rounded to integers, so that the last bit of a mathematical library does not matter.
    """
    quantile = NormalDist().inv_cdf
    half = [round(quantile((word + 0.5) / 65536) * NORMAL_ONE) for word in range(32768)]
    return np.array(half + [-value for value in reversed(half)], np.int32)
