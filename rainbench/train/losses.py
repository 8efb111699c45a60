"""Losses, and the objectives that a card's recipe puts together from them.

A recipe lists terms (`rainbench.catalog.terms.LossTerm`); `objective` turns the list into one
function of what the network returned and what it should have returned. The papers' objectives:

========  =============================================================  ======================
Paper     Terms                                                          Source
========  =============================================================  ======================
PReNet    ``neg_ssim image``                                             Sec. 3.4
SPANet    ``l1 image``, ``one_minus_ssim image``, ``mse attention``      Eqs. 6, 7
          against a binary mask
SIAN      ``neg_ssim stages``; ``l1 stages``, ``mse stages`` (Table II)  Eq. 13
RRANet    ``neg_ssim image``                                             Eq. 1
NASNet    ``l1 image``, ``one_minus_ssim image``                         Eqs. 6, 7
DAM       ``l1 image``, ``0.8 l1 attention`` against a soft mask,        Eqs. 5 to 10
          ``1.0 l1 heavy``, ``0.3 l1 light``
DAiAM     ``l1 image``, and the three others for streaks and for drops   Eqs. 11 to 13
D-DAiAM   ``l1 stages`` in the place of ``l1 image``                     Eq. 15
LPNet     ``l1 image``, ``l1 level_*``; ``one_minus_ssim`` on the two    published code
          finest levels
JORDER-E  ``l1 stages``, ``cross_entropy mask_logits`` against a binary  published code
          mask, ``l1 rain`` against the rain
========  =============================================================  ======================

Every loss is a mean over batch, channels and pixels, where several papers print a sum: the mean
does not change with the patch size. Over the channels a term may say ``channels = "sum"``. Losses
are computed in single precision at least, whatever precision the network runs in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from rainbench.catalog.terms import LossTerm
from rainbench.core.errors import RainbenchError
from rainbench.core.text import did_you_mean
from rainbench.networks.base import Restoration

__all__ = ["LossTarget", "LossTerm", "binary_mask", "objective", "ssim"]

_WINDOW_SIDE = 11
_WINDOW_SIGMA = 1.5
"""The window of Wang 2004, which all the papers' training code keeps."""

_C1, _C2 = 0.01**2, 0.03**2
"""Wang's constants for white at 1: the fraction is defined where a patch is flat or black, too."""


@dataclass(frozen=True, slots=True)
class LossTarget:
    """What a batch is compared with.

    Attributes:
        rainy: The network's input, ``(N, 3, H, W)`` in [0, 1].
        clean: What is behind the rain, the same shape.
        layers: What else is known of it, ``(N, 1, H, W)`` in [0, 1]: those of
            `rainbench.catalog.terms.LAYERS`, and ``joint_mask``, the soft mask of all rain.
        dataset: Where the batch comes from, for messages.
    """

    rainy: Tensor
    clean: Tensor
    layers: Mapping[str, Tensor] = field(default_factory=dict)
    dataset: str = ""


Objective = Callable[[Restoration, LossTarget], tuple[Tensor, dict[str, Tensor]]]
"""Takes a network's result and its target; returns the total and, detached and by
`LossTerm.label`, each term's weighted share of it."""


def objective(terms: Sequence[LossTerm]) -> Objective:
    """Put an objective together from its terms.

    Args:
        terms: The summands.

    Returns:
        The objective. It raises `RainbenchError` for a map that the network does not return, for a
        mask that the data set does not have, and for sizes that differ.

    Raises:
        RainbenchError: There is no term, or one stands twice.

    Example:
        >>> terms = [LossTerm(name="l1"), LossTerm(name="mse", weight=0.5)]
        >>> rainy, clean = torch.ones(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)
        >>> total, parts = objective(terms)(Restoration(rainy), LossTarget(rainy, clean))
        >>> total.item(), parts["mse image"].item()
        (1.5, 0.5)
    """
    chosen = tuple(terms)
    if not chosen:
        raise RainbenchError("a training objective needs at least one loss")
    labels = [term.label for term in chosen]
    for label in labels:
        if labels.count(label) > 1:
            raise RainbenchError(
                f"the loss {label} stands twice", hint="Give it once, with the sum of the weights."
            )

    def compute(restoration: Restoration, target: LossTarget) -> tuple[Tensor, dict[str, Tensor]]:
        with torch.autocast(target.clean.device.type, enabled=False):
            shares = {term.label: _share(term, restoration, target) for term in chosen}
        total = torch.stack(tuple(shares.values())).sum()
        return total, {label: share.detach() for label, share in shares.items()}

    return compute


def _share(term: LossTerm, restoration: Restoration, target: LossTarget) -> Tensor:
    whole = _wanted(term, target)
    losses = []
    for name, predicted in _predicted(term, restoration).items():
        wanted = whole
        if term.name == "cross_entropy":
            losses.append(_cross_entropy(term, _at_least_single(predicted), wanted))
            continue
        if term.target not in ("clean", "rain") and predicted.shape[1] != 1:  # a map per feature
            wanted = wanted[:, :1].expand(-1, predicted.shape[1], -1, -1)
        factor = wanted.shape[-1] // predicted.shape[-1]
        if term.target == "clean" and factor > 1:
            wanted = F.avg_pool2d(wanted, factor)
        if predicted.shape != wanted.shape:
            raise RainbenchError(
                f'the loss {term.label} compares "{name}", {_size(predicted)}, '
                f"with {term.target}, {_size(wanted)}"
            )
        losses.append(_loss(term, _at_least_single(predicted), wanted))
    return term.weight * torch.stack(losses).sum()


def _predicted(term: LossTerm, restoration: Restoration) -> dict[str, Tensor]:
    """Return what a term is computed on, by name."""
    if term.on == "image":
        return {"image": restoration.image}
    if term.on == "stages":
        stages = restoration.stages or (restoration.image,)
        return {f"stage {number}": stage for number, stage in enumerate(stages, start=1)}
    if term.on in restoration.maps:
        return {term.on: restoration.maps[term.on]}
    if term.on.endswith("_*"):
        numbered = re.compile(re.escape(term.on.removesuffix("*")) + r"\d+")
        found = {name: of for name, of in restoration.maps.items() if numbered.fullmatch(name)}
        if found:
            return found
    known = ["image", "stages", *restoration.maps]
    raise RainbenchError(
        f'the loss {term.label} is on "{term.on}", which the network does not return',
        hint=did_you_mean(term.on, known),
    )


def _wanted(term: LossTerm, target: LossTarget) -> Tensor:
    """Return what a term is compared with."""
    if term.target == "clean":
        return _at_least_single(target.clean)
    if term.target == "rain":
        return _at_least_single(target.rainy) - target.clean
    if term.target == "one":
        return torch.ones_like(_at_least_single(target.clean[:, :1]))
    if term.target == "joint_mask" and term.mask == "binary":
        return binary_mask(target.rainy, target.clean, term.threshold)
    known = target.layers.get(term.target)
    if known is None:
        raise RainbenchError(
            f"the loss {term.label} needs a {term.target.replace('_', ' ')}, which "
            f"{target.dataset or 'the data set'} does not have",
            hint="Train on a set that was synthesised with masks, or choose a network whose "
            "attention takes the joint mask, as DAM.",
        )
    mask = _at_least_single(known)
    return mask if term.mask == "soft" else (mask > term.threshold).to(mask.dtype)


def _cross_entropy(term: LossTerm, logits: Tensor, mask: Tensor) -> Tensor:
    if logits.shape[1] != 2 or mask.shape[1] != 1 or logits.shape[2:] != mask.shape[2:]:
        raise RainbenchError(
            f"the loss {term.label} compares {_size(logits)}, which are no two logits for each "
            f"value of the mask, {_size(mask)}"
        )
    return F.cross_entropy(logits, (mask[:, 0] > 0).long())


def _loss(term: LossTerm, predicted: Tensor, wanted: Tensor) -> Tensor:
    summands = predicted.shape[1] if term.channels == "sum" else 1
    if term.name == "l1":
        return summands * F.l1_loss(predicted, wanted)
    if term.name == "mse":
        return summands * F.mse_loss(predicted, wanted)
    similarity = ssim(predicted, wanted, term.window)
    return -similarity if term.name == "neg_ssim" else 1 - similarity


def ssim(predicted: Tensor, clean: Tensor, window: Literal["padded", "valid"] = "padded") -> Tensor:
    """Return the mean SSIM of a batch (Wang 2004), for gradients to pass through.

    The window is an 11x11 Gaussian of sigma 1.5, the moments are those of the population and white
    is 1. Each channel is compared on its own.

    Args:
        predicted: ``(N, C, H, W)``, nominally in [0, 1], not clamped.
        clean: The same shape.
        window: ``padded``: one window around every pixel, zeros beyond the border, as the
            published training code of PReNet and SPANet has it. ``valid``: only windows that lie
            within the picture, as Wang has it.

    Returns:
        A scalar.

    Raises:
        RainbenchError: No window of 11x11 pixels lies within the picture.

    Example:
        >>> ssim(torch.full((1, 3, 16, 16), 0.5), torch.full((1, 3, 16, 16), 0.5)).item()
        1.0
    """
    channels, height, width = clean.shape[1:]
    if window == "valid" and min(height, width) < _WINDOW_SIDE:
        raise RainbenchError(
            f"SSIM without padding needs at least 11x11 pixels, not {height}x{width}",
            hint='Take larger patches, or window = "padded".',
        )
    offsets = torch.arange(_WINDOW_SIDE, dtype=clean.dtype, device=clean.device) - _WINDOW_SIDE // 2
    taps = torch.exp(-(offsets**2) / (2 * _WINDOW_SIGMA**2))
    taps = (taps / taps.sum()).expand(4 * channels, 1, 1, _WINDOW_SIDE)
    reach = _WINDOW_SIDE // 2 if window == "padded" else 0
    moments = torch.cat(
        (predicted, clean, predicted.square() + clean.square(), predicted * clean), 1
    )
    moments = F.conv2d(moments, taps, padding=(0, reach), groups=4 * channels)
    moments = F.conv2d(moments, taps.mT, padding=(reach, 0), groups=4 * channels)
    mean_predicted, mean_clean, squares, products = moments.chunk(4, 1)
    product, power = mean_predicted * mean_clean, mean_predicted.square() + mean_clean.square()
    similar = (2 * product + _C1) * (2 * (products - product) + _C2)
    return (similar / ((power + _C1) * (squares - power + _C2))).mean()


def binary_mask(rainy: Tensor, clean: Tensor, threshold: float = 0.0) -> Tensor:
    """Return the binary rain mask of a batch: where any channel differs (SPANet, Eq. 7).

    Args:
        rainy: ``(N, 3, H, W)``.
        clean: The same shape.
        threshold: How much a channel must differ to count, white being 1. The paper gives none;
            its code counts every difference.

    Returns:
        ``(N, 1, H, W)`` of zeros and ones.

    Example:
        >>> clean = torch.zeros(1, 3, 1, 2)
        >>> binary_mask(clean + torch.tensor([0.0, 0.1]), clean).flatten().tolist()
        [0.0, 1.0]
    """
    difference = _at_least_single(rainy).sub(clean).abs().amax(1, keepdim=True)
    return (difference > threshold).to(difference.dtype)


def _at_least_single(tensor: Tensor) -> Tensor:
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def _size(tensor: Tensor) -> str:
    return "x".join(str(side) for side in tensor.shape)
