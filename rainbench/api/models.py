"""Networks to be called from Python: those of the cards, and anybody's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from rainbench.api.pictures import as_array, as_levels, as_unit_floats, is_tensor
from rainbench.catalog.folders import readable_folders
from rainbench.catalog.registry import Entry, Registry, load_registry
from rainbench.catalog.weights import find_weights, how_to_get_weights
from rainbench.core.errors import RainbenchError, WeightsError
from rainbench.core.files import is_file
from rainbench.core.text import fitting
from rainbench.run.options import resolve_options

if TYPE_CHECKING:
    from torch import nn

    from rainbench.derain.file import Derained
    from rainbench.run.clips.predict import ClipPredictor
    from rainbench.run.predict import Predictor

Folders = str | Path | Sequence[str | Path]
"""A folder, or several."""


def as_folders(given: Folders) -> list[Path]:
    """Return one or several folders as a list."""
    return [Path(given)] if isinstance(given, str | Path) else [Path(each) for each in given]


def list_models(pattern: str = "*", *, cards: Folders = ()) -> list[str]:
    """Return the names of the entries: networks with the tag of their weights.

    Args:
        pattern: With ``*`` and ``?``; without, a network's name stands for all of its tags.
        cards: Folders of further cards.

    Raises:
        RainbenchError: A folder of cards does not exist.

    Example:
        >>> list_models("sian.rain1*")
        ['sian.rain100h', 'sian.rain100l', 'sian.rain1400']
    """
    entries = {entry.name: entry for entry in load_registry(as_folders(cards)).entries()}
    names = fitting(pattern, entries)
    if names is None:
        names = [name for name, entry in entries.items() if pattern in (name, entry.baseline.name)]
    return sorted(names)


class Model:
    """A network with its weights, ready to restore; see `load_model`.

    Args:
        entry: The network and its weights.
        predictor: It, built.

    Attributes:
        entry: Its card.
        predictor: What computes.

    Example:
        >>> model = load_model("identity")
        >>> model
        Model('identity')
        >>> model(np.full((4, 4, 3), 255, np.uint8)).max()
        np.float32(1.0)
    """

    def __init__(self, entry: Entry, predictor: Predictor | ClipPredictor) -> None:
        self.entry = entry
        self.predictor = predictor

    def __repr__(self) -> str:
        return f"Model({self.name!r})"

    @property
    def name(self) -> str:
        """What tables call it."""
        return self.entry.name

    def __call__(self, image: NDArray[Any] | Any) -> Any:  # noqa: ANN401
        """Restore one picture, or a batch one by one; for a video method the frames of one clip.

        Args:
            image: RGB. NumPy ``(H, W, 3)`` or ``(N, H, W, 3)``, torch ``(3, H, W)`` or
                ``(N, 3, H, W)``; uint8, or floats in [0, 1]. Frames are in order of time, and
                8-bit levels, as floats too.

        Returns:
            As many pictures in the same layout, float32, nominally in [0, 1] but neither clamped
            nor rounded, so that `rainbench.score` gives what ``rainbench run`` does. A tensor
            comes back on the device that it came from.

        Raises:
            RainbenchError: It is no such picture, or the network fails on it.
        """
        if self.entry.is_video:
            return self._clip(image)
        if getattr(image, "ndim", 3) == 4:
            batch = [self(each) for each in image]
            if not batch:
                raise RainbenchError("the batch holds no picture")
            return _stacked(batch)
        predictor = cast("Predictor", self.predictor)
        array = np.ascontiguousarray(as_array(image, "rainy"))
        if array.dtype == np.uint8:
            restored = predictor(array)
        elif array.dtype == np.float32:
            restored = predictor.of_floats(as_unit_floats(array, "rainy"))
        else:
            raise RainbenchError(
                f"the rainy picture is of {array.dtype}", hint="Give uint8, or floats in [0, 1]."
            )
        return _as_given(restored, image)

    def _clip(self, frames: NDArray[Any] | Any) -> Any:  # noqa: ANN401
        """Restore a clip by a video method."""
        if getattr(frames, "ndim", 0) != 4 or not len(frames):
            raise RainbenchError(
                f"{self.name} restores clips, and no single pictures",
                hint="Give all frames of a clip in order of time: (T, H, W, 3), or a tensor of "
                "(T, 3, H, W).",
            )
        restored = self.predictor(np.stack([as_levels(each, "rainy") for each in frames]))
        return _stacked([_as_given(each, frames) for each in restored])

    def restore(
        self,
        path: str | Path,
        out: str | Path,
        *,
        side_by_side: bool = False,
        lossless: bool = False,
        overwrite: bool = False,
    ) -> list[Derained]:
        """Restore files: an image, a video, or a folder of both, as ``rainbench derain`` does.

        Args:
            path: What to restore.
            out: Folder of the results; for a single file also the file to write.
            side_by_side: The input to the left of the result.
            lossless: Videos as FFV1, every value kept.
            overwrite: Make results again that exist already.

        Returns:
            What became of each file; one that cannot be used has its reason there.

        Raises:
            RainbenchError: There is nothing to restore, or nothing can be written.
        """
        from rainbench.derain.file import Style
        from rainbench.derain.folder import derain, find_tasks

        style = Style(side_by_side, lossless)
        tasks = find_tasks(Path(path), Path(out), style)
        return list(derain(tasks, self.predictor, style, overwrite=overwrite))


def _as_given(restored: NDArray[np.float32], given: Any) -> Any:  # noqa: ANN401
    """Return a restored picture in the layout of what was given, and on its device."""
    if not is_tensor(given):
        return restored
    import torch

    return torch.from_numpy(restored).permute(2, 0, 1).contiguous().to(given.device)


def _stacked(restored: Sequence[Any]) -> Any:  # noqa: ANN401
    if not is_tensor(restored[0]):
        return np.stack(restored)
    import torch

    return torch.stack(list(restored))


def load_model(
    model: str | nn.Module | Callable[..., Any],
    *,
    weights: Folders = (),
    cards: Folders = (),
    device: str = "auto",
    precision: Literal["fp32", "tf32", "bf16", "fp16"] = "fp32",
    tile: int = 0,
    overlap: int | None = None,
    threads: int | None = None,
    name: str = "",
    channel_order: Literal["rgb", "bgr"] = "rgb",
    value_range: str = "",
    size_multiple: int = 1,
    arguments: Mapping[str, object] | None = None,
    output: str = "",
    returns: Literal["", "image", "rain", "change"] = "",
    state_dict: str = "",
) -> Model:
    """Build a network and load its weights.

    Args:
        model: The name of an entry, see `list_models`; or a network of your own: a module or a
            function from an image to an image, ``"my_net.py:Net"``, ``"package.module:Net"``,
            ``"net.onnx"``, ``"net.pt2"``, TorchScript, ``"hf://owner/repo"``,
            ``"spandrel:FILE.pth"``, ``"cmd:python test.py --in {rainy_dir} --out {out_dir}"``.
        weights: Folders that weights lie in, or the file of the weights.
        cards: Folders of further cards.
        device: ``cpu``, ``cuda``, ``cuda:N`` or ``mps``; ``auto``: CUDA where there is one.
        precision: Of the network's arithmetic.
        tile: Larger pictures go through in tiles of so many pixels a side; 0: never.
        overlap: Pixels that tiles share; None: the network's receptive field.
        threads: Of the network on the CPU; None: all cores.
        name: As all that follow, for a network of your own: how tables call it.
        channel_order: In which order it wants the channels.
        value_range: Black and white in its input and output: ``0..1``, ``0..255``, ``-1..1``;
            empty: 0..1 for a network, uint8 for a function from an image to an image.
        size_multiple: Pictures are padded to a multiple of this, and the result is cut.
        arguments: Of its class.
        output: Which image it is where several are returned: ``0``, ``-1``, ``restored``.
        returns: What that is: the restored ``image``, the ``rain`` that is taken from the rainy
            one, the ``change`` that is added to it. Where nothing is said, it is the image, and
            one that looks like something else is refused.
        state_dict: Where the weights lie in their file, such as ``params_ema``.

    Raises:
        RainbenchError: Nothing or several things bear this name, its weights are not there or are
            another network's, or the device is missing.

    Example:
        >>> load_model("median").name
        'median'
        >>> darker = load_model(lambda image: image // 2, name="darker")
        >>> int(darker(np.full((8, 8, 3), 100, np.uint8)).max() * 255)
        50
    """
    from rainbench.run.clips.predict import predictor_of

    registry = load_registry(as_folders(cards))
    roots = as_folders(weights)
    if is_own(model, registry):
        from rainbench.foreign.entry import entry_of

        if len(roots) > 1:
            raise RainbenchError(f"{len(roots)} files of weights for one network: give one")
        entry = entry_of(
            model, weights=roots[0] if roots else None, name=name, channel_order=channel_order,
            value_range=value_range, size_multiple=size_multiple, arguments=arguments,
            output=output, returns=returns, state_dict=state_dict,
        )  # fmt: skip
        found = find_weights(entry, [])
    else:
        model = str(model)
        files = [root for root in roots if is_file(root)]
        if len(files) == len(roots) == 1:
            from rainbench.foreign.entry import with_file

            registry, (model,) = with_file(
                registry, [model], files[0], state_dict=state_dict, arguments=arguments
            )
            roots = []
        entry = one_entry(registry, model)
        found = find_weights(entry, readable_folders(roots))
    if entry.weights is not None and found is None:
        raise WeightsError(f"{entry.name}: {how_to_get_weights(entry)}")
    options = resolve_options(device, precision, tile, threads, overlap)
    return Model(entry, predictor_of(entry, found, options))


def is_own(model: object, registry: Registry) -> bool:
    """Return whether something is a network of a user's own, instead of the name of an entry."""
    if not isinstance(model, str):
        return True
    from rainbench.foreign.words import is_foreign

    return is_foreign(model) and model not in {entry.name for entry in registry.entries()}


def one_entry(registry: Registry, name: str) -> Entry:
    """Return the only entry of a name that can restore something.

    Raises:
        RainbenchError: There is none, there are several, or it has no weights.
    """
    entries = registry.entries([name])
    if len(entries) > 1:
        raise RainbenchError(
            f"{name} has several weights", hint="Give one: " + ", ".join(e.name for e in entries)
        )
    (entry,) = entries
    if entry.untrained and entry.baseline.maker:
        raise RainbenchError(f"{entry.baseline.title}: {how_to_get_weights(entry)}")
    if entry.untrained:
        raise RainbenchError(
            f"{name} has no weights yet", hint=f"Train it first: `rainbench train {name} --help`."
        )
    return entry
