"""What every network returns, and what a network class has to offer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from torch import Tensor

if TYPE_CHECKING:
    from rainbench.core.images import Image


class Restoration(NamedTuple):
    """The outcome of one forward pass.

    Attributes:
        image: The restored image, ``(N, 3, H, W)``, same channel order and range as the input,
            not clamped. This is what the evaluation uses.
        stages: The restored image after each stage, in order; the last one is ``image``.
        maps: Named attention or rain maps, ``(N, C, H, W)`` each, for losses and figures.
    """

    image: Tensor
    stages: tuple[Tensor, ...] = ()
    maps: Mapping[str, Tensor] = {}


def as_restoration(output: object) -> Restoration:
    """Return what a network returned as a restoration: a bare tensor is its image.

    Raises:
        TypeError: It is something else.
    """
    if isinstance(output, Tensor):
        return Restoration(output)
    if isinstance(output, Restoration) and isinstance(output.image, Tensor):
        return output
    raise TypeError(f"returned a {type(output).__name__}, not a Restoration or a tensor")


@runtime_checkable
class RestoresFolders(Protocol):
    """A program that restores a folder of images in one go, and single images by a folder of one.

    Attributes:
        seconds: Of an image in the folder that was restored last.
    """

    seconds: float

    def restore_folder(self, images: Iterable[Image]) -> None:
        """Restore images, ``(H, W, 3)`` uint8 each, and keep the results for calls with them."""


class DerainingNetwork(Protocol):
    """The contract of a class that a baseline card names.

    ``forward`` takes ``(N, 3, H, W)`` of any height and width that the card allows, and neither
    pads, tiles, clamps nor converts: those are the runner's, unless the published method is made of
    them, as JORDER is of tiles of luma; its card then says ``tileable = false``.
    ``convert_published`` turns the state dict of the authors' checkpoint, outer dictionaries and
    ``module.`` prefix already removed, into the class's own keys; it raises ``KeyError`` for a key
    that is missing. A class without it takes the keys of a checkpoint as they are.
    """

    def forward(self, rainy: Tensor) -> Restoration | Tensor:
        """Restore a batch."""

    @staticmethod
    def convert_published(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename and rearrange the authors' parameters into this class's."""
