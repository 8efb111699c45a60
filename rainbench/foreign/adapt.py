"""What somebody's network takes and returns, turned into what an evaluation gives and wants."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rainbench.networks.base import Restoration
from rainbench.run.predict import PredictionError

ValueRange = Literal["", "0..1", "0..255", "-1..1"]
"""Black and white in a network's input and output; an empty text: not said."""

Returns = Literal["", "image", "rain", "change"]
"""What a network returns: the restored picture, which is said or not, or what the rainy picture
minus it (``rain``) or plus it (``change``) is the restored picture."""

_SIGNS: Mapping[str, int] = {"rain": -1, "change": 1}

SHOWN = 8
"""Tensors that an error lists."""

_FAR_OFF = 4.0
"""How many times white the typical value of an image is at most; no restored image comes near."""


@dataclasses.dataclass(frozen=True, slots=True)
class Ways:
    """How a network is called.

    Attributes:
        value_range: Black and white in its input and output.
        output: Which of the tensors that it returns is the image.
        returns: What that is; where it is said, no other reading of it is thought of.
    """

    value_range: ValueRange = ""
    output: str = ""
    returns: Returns = ""

    def facts(self) -> dict[str, object]:
        """Return what is not as it is by default."""
        return {key: value for key, value in dataclasses.asdict(self).items() if value}


class Adapted(nn.Module):
    """Somebody's network under the contract of `rainbench.networks.base`.

    Args:
        network: Takes ``(N, 3, H, W)``.
        value_range: Of its input and output; the card's range is what this module is called with.
        output: Which of the tensors that it returns is the image, see `image_of`.
        within: What it has to be called in.
        returns: What that image is.
    """

    def __init__(
        self,
        network: nn.Module,
        value_range: ValueRange = "",
        output: str = "",
        within: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext,
        returns: Returns = "",
    ) -> None:
        super().__init__()
        self.network = network
        self._range = value_range
        self._output = output
        self._within = within
        self._returns = returns

    def forward(self, rainy: Tensor) -> Restoration:
        """Restore a batch."""
        signed = self._range == "-1..1"
        given = rainy * 2 - 1 if signed else rainy
        with self._within():
            found = self.network(given.clone() if self._returns in _SIGNS else given)
        image = image_of(found, rainy.shape, self._output)
        if self._returns in _SIGNS and image.shape == given.shape and image.is_floating_point():
            image = given + _SIGNS[self._returns] * image
        if signed:
            image = (image + 1) / 2
        self._check_range(rainy, image)
        return Restoration(image)

    def _check_range(self, rainy: Tensor, image: Tensor) -> None:
        """Refuse values that only another range than the one that was said can explain."""
        if image.shape != rainy.shape or not image.is_floating_point():
            return  # which is refused behind this
        white = 255 if self._range == "0..255" else 1
        typical = float(image.detach().float().abs().flatten().median())
        if typical > _FAR_OFF * white:
            raise PredictionError(
                f"returned values of {typical:.3g} and more where {white} is white",
                hint="If they are in another range, say so with --value-range.",
            )
        most = float(image.detach().float().abs().max())
        if white == 255 and most <= 1.5 and float(rainy.max()) > 30:
            raise PredictionError(
                f"returned values up to {most:.3g} only where 255 is white",
                hint="If it works in 0..1, give --value-range 0..1 or leave it out.",
            )


def image_of(found: object, shape: torch.Size, output: str = "") -> Tensor:
    """Return the restored image in what a network returned, if only one tensor can be meant.

    Args:
        found: A tensor; or a tuple, list or dictionary of them, of any depth.
        shape: Of the network's input.
        output: The place of the image: ``0``, ``-1``, ``restored``, ``0.2``. An empty text: the
            only tensor of the input's shape, several that are equal being one.

    Raises:
        PredictionError: There is none, or there are several different ones.

    Example:
        >>> rainy = torch.zeros(1, 3, 4, 4)
        >>> mask = torch.ones(1, 1, 4, 4)
        >>> image_of((rainy + 1, [mask, {"last": rainy + 1}]), rainy.shape).max().item()
        1.0
        >>> image_of([rainy, rainy + 1], rainy.shape)
        Traceback (most recent call last):
        rainbench.run.predict.PredictionError: returned 2 different images: 0 and 1
          Say which is the restored one with --output, such as --output 1.
    """
    if output:
        return _at(found, output)
    if isinstance(found, Tensor):
        return found
    if isinstance(found, Restoration):
        return found.image
    every = list(_tensors(found))
    images: list[tuple[str, Tensor]] = []
    for place, tensor in every:
        fits = tensor.shape == shape and tensor.is_floating_point()
        if fits and not any(_equal(tensor, other) for _, other in images):
            images.append((place, tensor))
    if len(images) == 1:
        return images[0][1]
    if images:
        places = [place for place, _ in images]
        raise PredictionError(
            f"returned {len(images)} different images: {', '.join(places[:-1])} and {places[-1]}",
            hint=f"Say which is the restored one with --output, such as --output {places[-1]}.",
        )
    sizes = ", ".join(f"{place}: {_size(tensor)}" for place, tensor in every[:SHOWN])
    raise PredictionError(
        f"returned a {type(found).__name__} without an image of the input's size, {_shape(shape)}"
        + (f" ({sizes})" if sizes else "")
    )


def _members(found: object) -> Iterator[tuple[str, object]]:
    if isinstance(found, Mapping):
        yield from ((str(key), value) for key, value in found.items())
    elif isinstance(found, tuple | list):
        yield from ((str(index), value) for index, value in enumerate(found))
    elif dataclasses.is_dataclass(found) and not isinstance(found, type):
        for field in dataclasses.fields(found):
            yield field.name, getattr(found, field.name)


def _tensors(found: object, place: str = "", depth: int = 0) -> Iterator[tuple[str, Tensor]]:
    if isinstance(found, Tensor):
        yield place, found
    elif depth < 6:
        for name, value in _members(found):
            yield from _tensors(value, f"{place}.{name}".lstrip("."), depth + 1)


def _at(found: object, output: str) -> Tensor:
    value = found
    for part in output.split("."):
        members = dict(_members(value))
        from_behind = (
            part.startswith("-") and part[1:].isdigit() and isinstance(value, tuple | list)
        )
        name = str(len(members) + int(part)) if from_behind else part
        if name not in members:
            there = ", ".join(list(members)[:SHOWN]) or f"a {type(value).__name__}"
            raise PredictionError(f"returned nothing called {output}", hint=f"It has: {there}.")
        value = members[name]
    if not isinstance(value, Tensor):
        raise PredictionError(
            f"returned a {type(value).__name__} as {output}", hint="Name a tensor in it: 0.1."
        )
    return value


def _equal(one: Tensor, other: Tensor) -> bool:
    return one is other or bool(torch.allclose(one, other, rtol=0, atol=0, equal_nan=True))


def _size(tensor: Tensor) -> str:
    return _shape(tensor.shape) + ("" if tensor.is_floating_point() else f" of {tensor.dtype}")


def _shape(shape: torch.Size) -> str:
    return "x".join(map(str, shape)) or "a number"


class ImageFunction(nn.Module):
    """A function from an image to an image as a network.

    It is given ``(H, W, 3)`` RGB as uint8, or as float32 where a range was said. It returns uint8,
    or floating point in the range that was said, [0, 1] unless told.

    Args:
        function: The function.
        value_range: Of its input and output.
        returns: What it returns.
    """

    def __init__(
        self,
        function: Callable[[NDArray[np.generic]], object],
        value_range: ValueRange = "",
        returns: Returns = "",
    ) -> None:
        super().__init__()
        self._function = function
        self._range = value_range
        self._returns = returns

    def forward(self, rainy: Tensor) -> Tensor:
        """Restore a batch in [0, 1], image by image."""
        images = rainy.detach().float().permute(0, 2, 3, 1).cpu().numpy()
        if not np.isfinite(images).all():  # as probes for what a pixel depends on are
            raise PredictionError("takes images only")
        restored = np.stack([self._restored(image) for image in images])
        return torch.from_numpy(restored).permute(0, 3, 1, 2).to(rainy.device)

    def _restored(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        given: NDArray[np.generic] = image
        if self._range == "":
            given = np.rint(image * 255).clip(0, 255).astype(np.uint8)
        elif self._range == "0..255":
            given = image * np.float32(255)
        elif self._range == "-1..1":
            given = image * np.float32(2) - np.float32(1)
        found = self._function(given.copy())  # which it may write into
        if isinstance(found, Tensor):
            found = found.detach().cpu().numpy()
        if not isinstance(found, np.ndarray):
            raise PredictionError(f"returned a {type(found).__name__}, not an image")
        if found.shape != image.shape:
            raise PredictionError(
                f"returned {'x'.join(map(str, found.shape))} for an image of "
                f"{'x'.join(map(str, image.shape))} (height, width, channels)"
            )
        if self._returns in _SIGNS:
            levels = self._levels(found)
            # A change has no black: from -1..1 only the length of the range is to be undone.
            signed = self._range == "-1..1" and found.dtype != np.uint8
            change = levels - np.float32(0.5) if signed else levels
            return image + np.float32(_SIGNS[self._returns]) * change
        return self._levels(found)

    def _levels(self, found: NDArray[np.generic]) -> NDArray[np.float32]:
        """Return what the function returned in [0, 1]."""
        if found.dtype == np.uint8:
            return found.astype(np.float32) / np.float32(255)
        if not np.issubdtype(found.dtype, np.floating):
            raise PredictionError(
                f"returned {found.dtype}", hint="Return uint8, or floating point in [0, 1]."
            )
        restored = found.astype(np.float32)
        if self._range == "0..255":
            return restored / np.float32(255)
        if self._range == "-1..1":
            return (restored + np.float32(1)) / np.float32(2)
        if restored.size and float(np.median(np.abs(restored))) > _FAR_OFF:
            raise PredictionError(
                f"returned {found.dtype} with values up to {restored.max():.3g}",
                hint="Return uint8, or floating point in [0, 1]; or give --value-range 0..255.",
            )
        return restored
