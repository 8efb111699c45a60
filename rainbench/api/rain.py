"""Rain on pictures: one call a kind, and a transform for training."""

from __future__ import annotations

import dataclasses
import operator
from typing import TYPE_CHECKING, Any

from rainbench.api.pictures import as_levels
from rainbench.core.errors import RainbenchError
from rainbench.core.images import pixel_hash
from rainbench.core.text import did_you_mean
from rainbench.rain.transform import Synthesis, SyntheticPair

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from rainbench.core.images import Image

    Picture = NDArray[Any] | Tensor


class RainTransform:
    """Rains on clean pictures, each time the same for the same picture and key.

    Args:
        kind: ``streaks``, ``drops`` (on glass), ``mist``, or ``joint``: streaks over drops.
        seed: Another seed, other rain.
        look: ``natural``, or ``painted``: as the published sets look.
        settings: All else of `rainbench.rain.transform.Synthesis`, such as ``model="physical"``,
            ``mist=True`` or ``streak_ranges=``.

    Example:
        >>> import numpy as np
        >>> rain = RainTransform("streaks", seed=1)
        >>> clean = np.full((64, 64, 3), 90, np.uint8)
        >>> pair = rain(clean, "epoch 1")
        >>> bool((pair.rainy >= pair.clean).all()), bool((rain(clean, 2).rainy != pair.rainy).any())
        (True, True)
    """

    def __init__(
        self,
        kind: str = "streaks",
        *,
        seed: int = 0,
        look: str = "natural",
        **settings: Any,  # noqa: ANN401
    ) -> None:
        known = {field.name for field in dataclasses.fields(Synthesis)}
        if unknown := [name for name in settings if name not in known]:
            raise RainbenchError(
                f"there is no setting {unknown[0]}", hint=did_you_mean(unknown[0], known)
            )
        if not isinstance(settings.get("mist", False), bool):
            raise RainbenchError("mist is True or False")
        seed = _whole(seed, "the seed")
        self.synthesis = Synthesis(kind=kind, seed=seed, look=look, **settings)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"RainTransform({self.synthesis.kind!r}, seed={self.synthesis.seed})"

    def __call__(self, clean: Picture, *key: str | int) -> SyntheticPair:
        """Return the pair of a clean picture: rainy, clean, the layers and masks between.

        Args:
            clean: RGB, NumPy ``(H, W, 3)`` or torch ``(3, H, W)``; uint8, or floats in [0, 1] that
                are 8-bit levels over 255.
            key: Whatever tells one call from another, such as the epoch. The picture's own values
                are always part of it.

        Returns:
            Its arrays are those of NumPy, see `rainbench.rain.transform.SyntheticPair`.

        Raises:
            RainbenchError: It is no such picture.
        """
        levels = as_levels(clean, "clean")
        parts = [each if isinstance(each, str) else _whole(each, "a key") for each in key]
        return self.synthesis(levels, pixel_hash(levels), *parts)


def _whole(value: object, what: str) -> int:
    """Return a whole number of any type, such as NumPy's."""
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise RainbenchError(f"{what} is {value!r}, no whole number") from None


def add_streaks(clean: Picture, *, seed: int = 0, **settings: Any) -> Image:  # noqa: ANN401
    """Return a picture in rain; see `RainTransform` for ``settings`` and more than the picture.

    Args:
        clean: RGB, NumPy ``(H, W, 3)`` or torch ``(3, H, W)``, 8-bit levels.
        seed: Another seed, other rain.
        settings: Such as ``model="physical"``.

    Returns:
        ``(H, W, 3)`` uint8.

    Raises:
        RainbenchError: It is no such picture, or a setting has no such value.

    Example:
        >>> import numpy as np
        >>> int(add_streaks(np.zeros((64, 64, 3), np.uint8)).max()) > 50
        True
    """
    return RainTransform("streaks", seed=seed, **settings)(clean).rainy


def add_drops(clean: Picture, *, seed: int = 0, **settings: Any) -> Image:  # noqa: ANN401
    """Return a picture as seen through drops on glass; as `add_streaks` in all else.

    Example:
        >>> import numpy as np
        >>> ramp = np.repeat(np.arange(96, dtype=np.uint8)[:, None, None], 96, 1).repeat(3, 2)
        >>> bool((add_drops(ramp, seed=1) != ramp).any())
        True
    """
    return RainTransform("drops", seed=seed, **settings)(clean).rainy


def add_mist(clean: Picture, *, seed: int = 0, **settings: Any) -> Image:  # noqa: ANN401
    """Return a picture in mist, which thickens with a depth that is made up; see `add_streaks`.

    Example:
        >>> import numpy as np
        >>> float(add_mist(np.zeros((32, 32, 3), np.uint8)).mean()) > 10
        True
    """
    return RainTransform("mist", seed=seed, **settings)(clean).rainy
