"""One image through one network: build, pad, tile, run in a precision, undo."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from rainbench.catalog.registry import Entry
from rainbench.core.errors import RainbenchError, failing_alone, told
from rainbench.core.images import Image
from rainbench.core.machine import keep_freed_memory
from rainbench.networks.base import Restoration, RestoresFolders, as_restoration
from rainbench.networks.conventions import Conventions
from rainbench.networks.isolation import isolated
from rainbench.networks.load import build_network
from rainbench.run.device.precision import arithmetic
from rainbench.run.options import RunOptions
from rainbench.run.tiling import UNBOUNDED_OVERLAP, FloatImage, default_overlap, restore_tiled

BATCH_PIXELS = 1 << 21
"""Pixels of the tiles that go through a network together on a GPU; on a CPU they go singly."""

LARGEST_MULTIPLE = 64
"""What networks that halve their input several times want its sides to be multiples of, at most."""

_OF_SIZES = re.compile(r"divisib|must match|multiple", re.IGNORECASE)
"""How layers say that a side cannot be halved as often as they want."""

_NO_MEMORY = re.compile(
    r"out of memory|not enough memory|can't allocate memory|cannot allocate memory|bad_alloc"
    r"|ALLOC_FAILED|could not create a memory object",
    re.IGNORECASE,
)
"""What the parts of PyTorch say when there is no more memory."""

_SMALLER = "Give --tile 512, or smaller tiles (the result is then marked as tiled)."
_NO_TILES = "Tiles would change its results, as its card says: it needs more memory."

_LOG = logging.getLogger(__name__)

Restored = TypeVar("Restored", FloatImage, Tensor)


class PredictionError(RainbenchError):
    """A network gave no usable image."""


class Predictor:
    """An entry, ready to restore images one at a time.

    Args:
        entry: The baseline and its weights.
        weights: Where the weights lie; None for a plain method.
        options: Device, precision, tiles, threads.

    Raises:
        PredictionError: It restores clips, see `rainbench.run.clips.predict`, or cannot be built.

    Attributes:
        entry: The entry.
        weights: Where its weights lie; None for a plain method.
        options: How it computes.
        network: The network, on its device.
        overlap: Pixels that neighbouring tiles share; 0 when there are none.
        call: How the network is called, see `rainbench.run.device.graphs`.

    Example:
        >>> from rainbench.catalog.registry import load_registry
        >>> predict = Predictor(load_registry().entries(["identity"])[0], None, RunOptions())
        >>> predict(np.full((4, 5, 3), 51, np.uint8))[0, 0].tolist()
        [0.20000000298023224, 0.20000000298023224, 0.20000000298023224]
    """

    def __init__(self, entry: Entry, weights: Path | None, options: RunOptions) -> None:
        if entry.is_video:
            raise PredictionError(
                f"{entry.name} restores clips as a whole, and no single images",
                hint="Give it a video, or a data set of videos.",
            )
        if options.precision != "fp32" and not entry.baseline.reduced_precision:
            raise PredictionError(
                f"{entry.name} computes in fp32, as its card says, and not in {options.precision}",
                hint="Give --precision fp32.",
            )
        self.entry = entry
        self.weights = weights
        self.options = options.of(entry.baseline)
        if self.options != options:
            _LOG.warning("%s: restores whole images only: no tiles, no batches", entry.name)
        self._device = torch.device(options.device)
        _fix_arithmetic(options)
        with failing_alone(f"{entry.name}: cannot be built"), isolated(entry.name):
            network = build_network(entry, weights)
            _check_parameters(entry.name, network)
            if options.device == "mps" and _has_doubles(network):
                _LOG.warning("%s: works in float64, which mps has not: on the CPU", entry.name)
                self._device = torch.device("cpu")
            self.folders = network if isinstance(network, RestoresFolders) else None
            self.overlap = self._overlap(network)
            self.network: nn.Module = network.to(self._device).to(
                memory_format=torch.channels_last  # type: ignore[call-overload]
            )
            self.call: Callable[[Tensor], object] = self.network

    def _overlap(self, network: nn.Module) -> int:
        tile, wanted = self.options.tile, self.options.overlap
        if not tile or self.folders:
            return 0
        if wanted is not None:
            return wanted
        try:
            return default_overlap(network, tile, self.entry.baseline.size_multiple)
        except Exception:
            if self.entry.baseline.maker is None:
                raise
            # It may refuse the strips by which it is measured and still restore pictures.
            return min(UNBOUNDED_OVERLAP, tile // 2)

    def prepare(self, images: Iterable[Image]) -> None:
        """Restore images together, where the entry is a program that works on whole folders.

        Calls with one of these images then take what there is. For any other entry nothing is done,
        and no image is taken from ``images``.

        Raises:
            PredictionError: The program failed.
        """
        if self.folders is None:
            return
        try:
            with isolated():
                self.folders.restore_folder(images)
        except RainbenchError as error:
            raise PredictionError(f"{self.entry.name}: {error.message}", hint=error.hint) from None

    def seconds_of(self, measured: float) -> float:
        """Return the time of an image, ``measured`` unless it went through with a whole folder."""
        return self.folders.seconds if self.folders is not None else measured

    def __call__(self, rainy: Image) -> NDArray[np.float32]:
        """Return the restored image, ``(H, W, 3)`` float32 RGB, nominally in [0, 1], not clamped.

        Raises:
            PredictionError: It is no 8-bit RGB image or too small, the network failed, memory ran
                out, or the result is not finite.
        """
        self.check(rainy)
        return self._restored(rainy)

    def check(self, rainy: Image) -> None:
        """Refuse what no restored image can come of.

        Raises:
            PredictionError: It is no 8-bit RGB image or too small.
        """
        _check_image(rainy)
        self._check_side(rainy)

    def in_tiles(self, height: int, width: int) -> bool:
        """Return whether an image of this size is cut into tiles."""
        return not self.folders and 0 < self.options.tile < max(height, width)

    def of_floats(self, rainy: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a restored image as calling does, of ``(H, W, 3)`` float32 RGB in [0, 1].

        Raises:
            PredictionError: As for a call.
        """
        self._check_side(rainy)
        return self._restored(rainy)

    def _check_side(self, rainy: NDArray[np.generic]) -> None:
        height, width = rainy.shape[:2]
        shortest = self.entry.baseline.minimum_side
        if min(height, width) < shortest:
            raise PredictionError(
                f"{self.entry.name} needs at least {shortest} pixels a side, not {width}x{height}"
            )

    def _restored(self, rainy: Image | FloatImage) -> FloatImage:
        tile = self.options.tile
        if not self.in_tiles(*rainy.shape[:2]):
            restored: FloatImage = self._restore_images(rainy[None])[0]
            return restored
        return restore_tiled(
            rainy,
            self._restore_images,
            tile=tile,
            overlap=self.overlap,
            align=self.entry.baseline.size_multiple,
            batch=max(1, BATCH_PIXELS // tile**2) if self._device.type == "cuda" else 1,
        )

    def restore_batch(self, rainy: NDArray[np.uint8]) -> FloatImage:
        """Restore images of one size, ``(N, H, W, 3)`` uint8, in one pass and without tiles.

        Raises:
            PredictionError: As for a call.
        """
        return self._restore_images(rainy)

    def with_maps(self, rainy: Image) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]]:
        """Return the restored image as calling does, and the network's named maps to look at.

        Returns:
            The image, and per name ``(H, W)`` float32, the mean over the map's channels. Maps of
            another size than the image, and those of an image in tiles, are left out.

        Raises:
            PredictionError: As for a call.
        """
        restored, output = self._watched(rainy)
        height, width = rainy.shape[:2]
        maps = output.maps if output else {}
        shown = {name: map_[0].float().mean(0)[:height, :width] for name, map_ in maps.items()}
        return restored, {
            name: map_.cpu().numpy()
            for name, map_ in shown.items()
            if map_.shape == (height, width)
        }

    def stages(self, rainy: Image) -> list[NDArray[np.float32]]:
        """Return the restored image after each stage of the network, the last one included.

        Returns:
            ``(H, W, 3)`` float32 RGB each, not clamped; none of a network without stages, and none
            where the image is restored in tiles.

        Raises:
            PredictionError: As for a call.
        """
        _, output = self._watched(rainy)
        height, width = rainy.shape[:2]
        stages = output.stages if output else ()
        conventions = Conventions.of(self.entry.baseline)
        images = [conventions.of_output(stage)[0, :, :height, :width] for stage in stages]
        return [image.permute(1, 2, 0).float().cpu().numpy() for image in images]

    def _watched(self, rainy: Image) -> tuple[FloatImage, Restoration | None]:
        """Return the restored image, and all that the network returned; None of one in tiles."""
        seen: list[object] = []
        hook = self.network.register_forward_hook(
            lambda _network, _inputs, output: seen.append(output)
        )
        try:
            restored = self(rainy)
        finally:
            hook.remove()
        tiled = self.in_tiles(*rainy.shape[:2])
        last = seen[-1] if seen and not tiled else None
        return restored, last if isinstance(last, Restoration) else None

    def restore_on_device(self, rainy: Tensor) -> Tensor:
        """Restore images of one size in one pass, without waiting for the device.

        Whether the result is finite is for the caller to see.

        Args:
            rainy: ``(N, H, W, 3)`` uint8, on the network's device.

        Returns:
            ``(N, 3, H, W)`` float32 on the device.

        Raises:
            PredictionError: As for a call.
        """
        return self._attempt(rainy, self._restore_unseen, lambda parts: torch.cat(list(parts)))

    def _restore_unseen(self, rainy: Tensor) -> Tensor:
        rainy = rainy.permute(0, 3, 1, 2)  # the division is the published scripts'
        return self._restore_tensor(rainy.float() / 255 if rainy.dtype == torch.uint8 else rainy)

    def _restore_images(self, rainy: NDArray[np.uint8] | FloatImage) -> FloatImage:
        """Restore ``(N, H, W, 3)`` in one pass."""
        return self._attempt(rainy, self._restore_and_fetch, np.concatenate)

    def _restore_and_fetch(self, rainy: NDArray[np.uint8] | FloatImage) -> FloatImage:
        tensor = torch.from_numpy(np.ascontiguousarray(rainy)).to(self._device)
        restored = self._restore_unseen(tensor)
        if not torch.isfinite(restored).all():
            raise self.not_finite()
        return np.asarray(restored.permute(0, 2, 3, 1).contiguous().cpu().numpy(), np.float32)

    def not_finite(self) -> PredictionError:
        """Return the error of a result with values that are not finite."""
        return PredictionError(f"{self.entry.name} returned values that are not finite (NaN)")

    def _attempt(
        self,
        rainy: NDArray[Any] | Tensor,
        restore: Callable[[Any], Restored],
        join: Callable[[Sequence[Any]], Restored],
    ) -> Restored:
        """Restore ``(N, H, W, 3)``, one by one where it must be; say what went wrong.

        Args:
            rainy: The images.
            restore: Restores them in one pass.
            join: Makes one result of several.
        """

        def singly() -> Restored:
            return join([self._attempt(image[None], restore, join) for image in rainy])

        if len(rainy) > 1 and not self.entry.baseline.tileable:
            return singly()
        height, width = rainy.shape[1:3]
        name = self.entry.name
        try:
            with (
                isolated(name),
                torch.inference_mode(),
                arithmetic(self._device, self.options.precision),
            ):
                return restore(rainy)
        except (KeyboardInterrupt, PredictionError):
            raise
        except BaseException as error:  # of somebody's network, which may even call for the end
            if _is_out_of_memory(error):
                if len(rainy) > 1:
                    return singly()
                raise PredictionError(
                    f"{name} ran out of memory on an image of {width}x{height}",
                    hint=_SMALLER if self.entry.baseline.tileable else _NO_TILES,
                ) from None
            _LOG.debug("%s on an image of %dx%d", name, width, height, exc_info=True)
            raise PredictionError(
                f"{name} failed on an image of {width}x{height}: {told(error)}"
                f"{self._advice(height, width, told(error))}"
            ) from error

    def _advice(self, height: int, width: int, said: str = "") -> str:
        """Say how images are padded, where another multiple of their sides may be what is wanted.

        Args:
            height: Of the image that the network failed on.
            width: The same.
            said: What the network said.
        """
        multiple = self.entry.baseline.size_multiple
        of_sizes = _OF_SIZES.search(said) and not _divides(LARGEST_MULTIPLE, height, width)
        if self.folders or not (of_sizes or not _divides(2 * multiple, height, width)):
            return ""
        more = max(8, 2 * multiple)
        how = (
            f"give --multiple-of {more} (now {multiple})"
            if self.entry.baseline.maker is not None
            else f"its card has to say so: size_multiple = {more} (now {multiple})"
        )
        return (
            f"; if it needs sides that can be divided by 2, 4, 8 ..., {how}, for images to be "
            "padded and cut again"
        )

    def _restore_tensor(self, rainy: Tensor) -> Tensor:
        """Restore ``(N, 3, H, W)`` RGB in [0, 1], the card's conventions honoured both ways."""
        multiple = self.entry.baseline.size_multiple
        height, width = rainy.shape[-2:]
        bottom, right = -height % multiple, -width % multiple
        if bottom or right:
            rainy = functional.pad(rainy, (0, right, 0, bottom), mode="reflect")
        restored = Conventions.of(self.entry.baseline).apply(self._forward, rainy).image
        return restored[..., :height, :width]

    def _forward(self, batch: Tensor) -> Restoration:
        """Return the restored image alone, in float32 before anything is computed with it."""
        batch = batch.contiguous(memory_format=torch.channels_last)
        shape = batch.shape
        for module in self.network.modules():  # its own `eval` may do something else
            module.training = False
        image = as_restoration(self.call(batch)).image
        if any(module.training for module in self.network.modules()):
            raise PredictionError(
                f"{self.entry.name} sets itself into training mode, in which results depend on "
                "the images before",
                hint="Take the call of train() out of its forward().",
            )
        if image.shape != shape or not image.is_floating_point():
            foreign = self.entry.baseline.maker is not None and image.shape != shape
            raise PredictionError(
                f"{self.entry.name} returned {_size(image.shape)} of {image.dtype} for a batch of "
                f"{_size(shape)}{self._advice(*shape[-2:]) if foreign else ''}",
                hint="It has to return an image of the input's size, in floating point.",
            )
        return Restoration(image.float())


def _divides(number: int, *sides: int) -> bool:
    return not any(side % number for side in sides)


def _size(shape: torch.Size) -> str:
    return "x".join(map(str, shape)) or "a number"


def _check_image(rainy: NDArray[np.generic]) -> None:
    """Refuse what is no 8-bit RGB image: as such it would be taken for another picture."""
    if rainy.dtype == np.uint8 and rainy.ndim == 3 and rainy.shape[2] == 3:
        return
    values = f" with values from {rainy.min()} to {rainy.max()}" if rainy.size else ""
    raise PredictionError(
        f"an image of {rainy.dtype}, shape {rainy.shape}{values} was given",
        hint="Give (H, W, 3) RGB as uint8, values from 0 to 255; images in [0, 1] are multiplied "
        "by 255 and rounded first.",
    )


def _is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error is one of the many that tell of memory that ran out."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and bool(_NO_MEMORY.search(str(error)))
    )


def _check_parameters(name: str, network: nn.Module) -> None:
    """Refuse weights that hold NaN, even where they do not show, and layers of width 0."""
    for place, tensor in (*network.named_parameters(), *network.named_buffers()):
        if nn.parameter.is_lazy(tensor) or tensor.is_meta:
            continue
        place = place.removeprefix("network.")  # noqa: PLW2901 - of what adapts it
        # A single dimension of 0 is how some remember their device.
        if tensor.ndim > 1 and not tensor.numel() and isinstance(tensor, nn.Parameter):
            raise PredictionError(
                f"{name}: {place} is {_size(tensor.shape)}: a layer of width 0",
                hint="Is one of its arguments wrong?",
            )
        if tensor.is_floating_point() and tensor.isnan().any():
            count = f"{int(tensor.isnan().sum())} of {tensor.numel()}"
            raise PredictionError(
                f"{name}: {count} values of {place} are NaN",
                hint="Its training diverged, or the file of its weights is damaged: take an "
                "earlier one.",
            )


def _has_doubles(network: nn.Module) -> bool:
    tensors = (*network.parameters(), *network.buffers())
    return any(tensor.dtype == torch.float64 for tensor in tensors)


def _fix_arithmetic(options: RunOptions) -> None:
    """Make the arithmetic repeatable: fixed threads, no TF32, no choosing kernels by a race."""
    torch.set_num_threads(options.threads)
    if options.device == "cpu":
        keep_freed_memory()
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
