"""LPIPS and DISTS by way of torchmetrics, which needs torchvision; neither is imported before.

The networks inside are torchvision's, trained on ImageNet. They are not downloaded behind anyone's
back: the file is looked for in the folders of weights and where torchvision keeps its downloads.
"""

from __future__ import annotations

import contextlib
import functools
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rainbench.core.errors import RainbenchError, told
from rainbench.core.images import Image
from rainbench.metrics.quality.record import Measure, Metric, NeededFile


def _downloads() -> Path:
    """Return the folder in which torchvision keeps what it has downloaded."""
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints"


def _file(name: str) -> NeededFile:
    # The digits in the name are the first ones of the hash, which is all that is published.
    digits = name.rpartition("-")[2].partition(".")[0]
    origin = f"at https://download.pytorch.org/models/{name}"
    return NeededFile(name, digits, origin, _downloads)


ALEXNET = _file("alexnet-owt-7be5be79.pth")
VGG16 = _file("vgg16-397923af.pth")


def _load_lpips(files: Mapping[str, Path]) -> Measure:
    with _importing("lpips"):
        from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    make = functools.partial(LearnedPerceptualImagePatchSimilarity, net_type="alex", normalize=True)
    return _measure(make, files[ALEXNET.name])


def _load_dists(files: Mapping[str, Path]) -> Measure:
    with _importing("dists"):
        from torchmetrics.image.dists import DeepImageStructureAndTextureSimilarity

    return _measure(DeepImageStructureAndTextureSimilarity, files[VGG16.name])


def _measure(make: Callable[[], Any], weights: Path) -> Measure:
    import torch

    with _instead_of_downloading(weights):
        network = make().eval()

    def tensor(image: Image) -> torch.Tensor:
        scaled = np.ascontiguousarray(image.transpose(2, 0, 1)[None])
        return torch.from_numpy(scaled).float() / 255

    def measure(restored: Image, clean: Image | None) -> float:
        assert clean is not None
        # DISTS of torchmetrics makes its network anew for every picture.
        with _instead_of_downloading(weights), torch.inference_mode():
            network.reset()
            network.update(tensor(restored), tensor(clean))
            return float(network.compute())

    return measure


@contextlib.contextmanager
def _importing(what: str) -> Iterator[None]:
    """Say of libraries that are there and do not load what they say."""
    try:
        yield
    except Exception as error:  # torchvision beside another torch raises a RuntimeError
        raise RainbenchError(
            f"torchmetrics and torchvision are installed, but {what} does not load: {told(error)}",
            hint="Install the torchvision that belongs to your torch.",
        ) from error


@contextlib.contextmanager
def _instead_of_downloading(weights: Path) -> Iterator[None]:
    """Let torchvision find its file where it looks before it downloads."""
    import torch

    before = torch.hub.get_dir()
    with tempfile.TemporaryDirectory(prefix="rainbench-") as folder:
        place = Path(folder, "checkpoints")
        place.mkdir()
        (place / weights.name).symlink_to(weights.resolve())
        torch.hub.set_dir(folder)
        try:
            yield
        finally:
            torch.hub.set_dir(before)


_LIBRARIES = ("torchmetrics", "torchvision")

LPIPS = Metric(
    name="lpips",
    version=1,
    title="LPIPS with AlexNet",
    source="Zhang, Isola, Efros, Shechtman and Wang, CVPR 2018; by torchmetrics",
    full_reference=True,
    higher_is_better=False,
    lowest=0.0,
    digits=4,
    load=_load_lpips,
    files=(ALEXNET,),
    libraries=_LIBRARIES,
    extra="perceptual",
)

DISTS = Metric(
    name="dists",
    version=1,
    title="DISTS with VGG-16",
    source="Ding, Ma, Wang and Simoncelli, PAMI 2020; by torchmetrics",
    full_reference=True,
    higher_is_better=False,
    lowest=0.0,
    digits=4,
    load=_load_dists,
    files=(VGG16,),
    libraries=_LIBRARIES,
    extra="perceptual",
)
