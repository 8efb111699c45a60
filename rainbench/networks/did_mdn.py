"""DID-MDN (Zhang and Patel, "Density-aware ... Multi-stream Dense Network", CVPR 2018).

Three networks, one after the other: an estimate of the clean image; from what it takes away, how
dense the rain is; and by that, the image. What the authors' code does that the paper does not say:

* Their test runs in training mode: all three normalise by the statistics of the image itself.
* Each stream of the last network hands on one map of its first block five times: the layers for the
  other four are there, and are never called.
* The result is stretched to 0 to 1 by its darkest and brightest value before it is saved. Here it
  is not.
* Images are squares of 512 pixels, which the classifier's layer fixes. Here any size is continued,
  mirrored, to multiples of 32, and the classifier sees what was taken away resized to 512x512.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rainbench.networks.base import Restoration
from rainbench.networks.blocks import conv3, mirrored
from rainbench.networks.did_mdn_parts import (
    POOLS,
    Head,
    Statistics,
    Stream,
    leaky,
    map_of,
    norm_of,
)
from rainbench.networks.published import convert, layer, unchanged

MULTIPLE = 32
"""Of the sides: the largest pool of the pyramid."""

CLASSIFIED = 512
"""Side of what the classifier sees."""

DENSITIES = 4
"""Light, medium and heavy; the authors' network has one more."""

_RESTORING = (
    (3, ((3, 5, 4, -1), (4, 8, 12, 0), (12, 4, 12, 0), (12, 4, 12, 0), (24, 8, 4, 0),
         (8, 8, 4, 1))),
    (5, ((3, 13, 8, -1), (8, 16, 16, -1), (16, 16, 16, 0), (16, 16, 16, 0), (32, 8, 8, 1),
         (16, 8, 4, 1))),
    (7, ((3, 13, 8, -1), (8, 16, 16, -1), (16, 16, 16, -1), (16, 16, 16, 1), (32, 8, 8, 1),
         (16, 8, 4, 1))),
)  # fmt: skip
"""Of each stream: side of the kernels, and its blocks as `Stream` takes them."""

_ESTIMATING = (
    (3, ((3, 5, 4, 0), (4, 8, 12, 0), (12, 4, 12, 0), (12, 4, 12, 0), (12, 8, 4, 0), (4, 8, 2, 0))),
    (3, ((3, 13, 8, -1), (8, 16, 16, 0), (16, 16, 16, 0), (16, 16, 16, 0), (16, 8, 8, 0),
         (8, 8, 2, 1))),
    (3, ((3, 13, 8, -1), (8, 16, 16, -1), (16, 16, 16, 0), (16, 16, 16, 0), (16, 8, 8, 1),
         (8, 8, 2, 1))),
)  # fmt: skip

_NEVER_CALLED = re.compile(
    r"batchnorm|(dense\d\.)?(batchnorm|conv_refin|conv10\d0|refine3)|dense_block|trans_block"
    r"|dense\d\.conv[2-6]1"
)
_CALLED = re.compile(r"(conv_refin|conv10\d0|refine3)\.")


class DIDMDN(nn.Module):
    """Density-aware multi-stream dense network.

    65,969,929 parameters, nearly all of them the classifier's. ``forward`` takes ``(N, 3, H, W)``
    of any size, RGB in [0, 1]. ``maps`` holds the first network's ``estimate`` of the clean image
    and the rain as the last network finds it, ``rain``, both ``(N, 3, H, W)``.

    Args:
        density: 1 for light, 2 for medium, 3 for heavy rain, where it is known; 0 leaves it to the
            classifier.
        statistics: Normalise by each image's own statistics, or by those of the training.

    Example:
        >>> restoration = DIDMDN(density=2).eval()(torch.rand(1, 3, 33, 40))
        >>> restoration.image.shape
        torch.Size([1, 3, 33, 40])
    """

    def __init__(self, *, density: int = 0, statistics: Statistics = "image") -> None:
        super().__init__()
        if statistics not in ("image", "stored"):
            raise ValueError(f"statistics is {statistics!r}, not image or stored")
        if not 0 <= density <= DENSITIES:
            raise ValueError(f"density is {density}, not from 0 to {DENSITIES}")
        self.density = density
        self.estimator = Estimator(statistics=statistics)
        self.classifier = Classifier(statistics=statistics)
        self.restorer = Restorer(statistics=statistics)

    def forward(self, rainy: Tensor) -> Restoration:
        """Restore a batch, ``(N, 3, H, W)``."""
        height, width = rainy.shape[-2:]
        rows, columns = (
            mirrored(torch.arange(-(-side // MULTIPLE) * MULTIPLE, device=rainy.device), side)
            for side in (height, width)
        )
        wide = 2 * rainy[..., rows, :][..., columns] - 1
        estimate = self.estimator(wide, torch.zeros_like(wide[:, 0, 0, 0]))
        if self.density:
            label = torch.full_like(wide[:, 0, 0, 0], self.density)
        else:
            label = self.classifier(wide - estimate).argmax(1).to(wide) + 1
        residual, clean = self.restorer(wide, label)
        inner = (..., slice(height), slice(width))
        image = ((clean + 1) / 2)[inner]
        maps = {"estimate": ((estimate + 1) / 2)[inner], "rain": (residual / 2)[inner]}
        return Restoration(image, (image,), maps)

    convert_published = staticmethod(unchanged)


class Estimator(nn.Module):
    """The first network (``Dense_rain_residual``): a first clean image.

    Args:
        statistics: See `DIDMDN`.
    """

    def __init__(self, *, statistics: Statistics = "image") -> None:
        super().__init__()
        norm = norm_of(statistics)
        self.streams = nn.ModuleList(Stream(*each, "added", norm) for each in _ESTIMATING)
        self.head = Head(13, 20, 1)

    def forward(self, image: Tensor, label: Tensor) -> Tensor:
        """Take ``(N, 3, H, W)`` in -1 to 1, sides multiples of 32, and ``(N,)``."""
        first, second, third = (stream(image)[1] for stream in self.streams)
        found: Tensor = self.head(
            torch.cat((first, image, second, third, map_of(label, image, 4)), 1)
        )
        return found

    @staticmethod
    def convert_published(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Convert a state dict of ``Dense_rain_residual``; layers never called are left out."""
        return _converted(published, "DID-MDN's Dense_rain_residual", {})


class Classifier(nn.Module):
    """The second network (``vgg19ca``): how dense the rain is.

    Args:
        statistics: See `DIDMDN`.
    """

    def __init__(self, *, statistics: Statistics = "image") -> None:
        super().__init__()
        self.conv1, self.norm, self.conv2 = conv3(3, 64), norm_of(statistics)(64), conv3(64, 24)
        self.hidden = nn.Linear((CLASSIFIED // 7) ** 2 * 24, 512)
        self.out = nn.Linear(512, DENSITIES)

    def forward(self, taken: Tensor) -> Tensor:
        """Return ``(N, 4)`` of what was taken away, ``(N, 3, H, W)``."""
        if taken.shape[-2:] != (CLASSIFIED, CLASSIFIED):
            taken = F.interpolate(taken, (CLASSIFIED, CLASSIFIED), mode="bilinear")
        features = F.relu(self.conv2(F.relu(self.norm(self.conv1(taken)))))
        found: Tensor = self.out(F.relu(self.hidden(F.avg_pool2d(features, 7).flatten(1))))
        return found

    @staticmethod
    def convert_published(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Convert a state dict of ``vgg19ca``."""
        plan = layer("conv1", "feature.0") | layer("conv2", "conv16")
        plan |= layer("hidden", "dense_classifier") | layer("out", "dense_classifier1")
        plan |= _norm_plan("norm", "feature.1", published)
        return convert(published, plan, "DID-MDN's vgg19ca")


class Restorer(nn.Module):
    """The last network (``Dense_rain``).

    Args:
        statistics: See `DIDMDN`.
    """

    def __init__(self, *, statistics: Statistics = "image") -> None:
        super().__init__()
        norm = norm_of(statistics)
        self.streams = nn.ModuleList(Stream(*each, "beside", norm) for each in _RESTORING)
        self.shallow = nn.ModuleList(conv3(blocks[0][2], 1) for _, blocks in _RESTORING)
        self.head = Head(47, 47, 2)
        self.refine1 = nn.Conv2d(3, 8, 7, padding=3)
        self.refine2 = conv3(8, 3)

    def forward(self, image: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """Take as `Estimator` does; return the rain and the clean image, both in -1 to 1."""
        found = []
        for stream, conv in zip(self.streams, self.shallow, strict=True):
            first, last = stream(image)
            once = F.interpolate(leaky(conv(first)), image.shape[-2:])
            found.append(torch.cat((last, *[once] * 5, image), 1))
        first, second, third = found
        residual = self.head(torch.cat((first, image, second, third, map_of(label, image, 8)), 1))
        clean = torch.tanh(self.refine2(leaky(self.refine1(image - residual))))
        return residual, clean

    @staticmethod
    def convert_published(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Convert a state dict of ``Dense_rain``; layers never called are left out."""
        plan = layer("refine1", "refineclean1") | layer("refine2", "refineclean2")
        for stream in range(3):
            plan |= layer(f"shallow.{stream}", f"dense{stream}.conv11")
        return _converted(published, "DID-MDN's Dense_rain", plan)


def _converted(
    published: Mapping[str, Tensor], network: str, more: Mapping[str, tuple[str, ...]]
) -> dict[str, Tensor]:
    """Convert what both multi-stream networks have, and more."""
    plan = {**layer("head.features", "conv_refin"), **layer("head.out", "refine3"), **more}
    for number in range(len(POOLS)):
        plan |= layer(f"head.pools.{number}", f"conv10{number + 1}0")
    for stream in range(3):
        for block in range(6):
            ours, theirs = f"streams.{stream}.blocks.{block}", f"dense{stream}"
            dense, change = f"{theirs}.dense_block{block + 1}", f"{theirs}.trans_block{block + 1}"
            for number in (1, 2):
                plan |= layer(f"{ours}.0.conv{number}", f"{dense}.conv{number}", bias=False)
                plan |= _norm_plan(f"{ours}.0.norm{number}", f"{dense}.bn{number}", published)
            plan |= layer(f"{ours}.1.conv", f"{change}.conv1", bias=False)
            plan |= _norm_plan(f"{ours}.1.norm", f"{change}.bn1", published)
    used = {
        key: value
        for key, value in published.items()
        if not _NEVER_CALLED.match(key) or _CALLED.match(key)
    }
    found = convert(used, plan, network)
    # Theirs are transposed convolutions, of 1x1.
    turned = re.compile(r"streams\.\d\.blocks\.\d\.1\.conv\.weight")
    return {
        key: value.transpose(0, 1).contiguous() if turned.fullmatch(key) else value
        for key, value in found.items()
    }


def _norm_plan(
    ours: str, theirs: str, published: Mapping[str, Tensor]
) -> dict[str, tuple[str, ...]]:
    """Return the plan of a norm, with its stored statistics where there are such."""
    kinds = ("running_mean", "running_var", "num_batches_tracked")
    stored = [kind for kind in kinds if f"{theirs}.{kind}" in published]
    return layer(ours, theirs) | {f"{ours}.{kind}": (f"{theirs}.{kind}",) for kind in stored}
