"""JCAS (Gu et al., "Joint Convolutional Analysis and Synthesis Sparse Representation", ICCV 2017).

The luma X is parted into a structure S, which changes little from column to column (analysis
sparsity, Eq. 5), and rain T, a sum of few kernels F convolved with sparse maps Z of where it falls
(synthesis sparsity, Eq. 6):

    min  |X - S - T|^2 + alpha (|P_1 * S|_1 + |P_2 * S|_1)    over S,   P = [-1, 1] and [-1, 0, 1]
    min  |X - S - sum F_k * Z_k|^2 + gamma |Z|_1              over Z >= 0, then over the kernels

in turns, by the alternating direction method of multipliers (ADMM) with penalties that grow, each
quadratic step by the Fourier transform. There is nothing to train. As in the authors' program:

* Luma is MATLAB's of 8 bits. It is mirrored by 6 pixels, and its edges are blurred so that it can
  be taken to be periodic (``edgetaper``); so is X - S each time its maps are found.
* The authors' MATLAB has another ``edgetaper`` than the Octave in which it was run for comparison;
  what it blurs is cut off again.
* Kernels are never negative: neither those of the start, the first principal components of the
  residual with their negative part cut off, nor those that gradient steps lead to.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rainbench.networks.base import Restoration
from rainbench.networks.matlab_colour import precise, rounded, to_rgb, to_ycbcr
from rainbench.networks.published import check_keys

BORDER = 6
"""Pixels by which luma and residual are mirrored, and the side of the blur of their edges."""

TAPERS = 4
SMALLEST = BORDER
GROWTH = 1.05
"""Of the penalties, per step."""

ENOUGH = 1e-10
"""A mean square that counts as no change."""


class JCAS(nn.Module):
    """Joint analysis and synthesis sparse representation.

    It has no parameters. ``forward`` takes ``(N, 3, H, W)`` of 6 pixels a side or more, RGB in
    [0, 1]. ``stages`` has the image after each round; ``maps`` holds as ``rain`` what was found of
    it in the luma, ``(N, 1, H, W)``.

    Args:
        analysis: Weight alpha of the structure's differences.
        synthesis: Weight gamma of the maps.
        kernels: Number of kernels.
        size: Side of the kernels, odd.
        rounds: Times that all three problems are solved, at most.
        analysis_steps: Steps of ADMM for the structure, at most.
        synthesis_steps: Likewise for the maps.
        kernel_steps: Gradient steps for the kernels.

    Raises:
        ValueError: (``forward``) The picture is smaller.

    Example:
        >>> restoration = JCAS(rounds=1, synthesis_steps=9)(torch.rand(1, 3, 20, 31))
        >>> restoration.image.shape, restoration.maps["rain"].shape
        (torch.Size([1, 3, 20, 31]), torch.Size([1, 1, 20, 31]))
    """

    def __init__(
        self,
        *,
        analysis: float = 0.005,
        synthesis: float = 0.02,
        kernels: int = 4,
        size: int = 7,
        rounds: int = 13,
        analysis_steps: int = 299,
        synthesis_steps: int = 999,
        kernel_steps: int = 299,
    ) -> None:
        super().__init__()
        self.analysis, self.synthesis = analysis, synthesis
        self.kernels, self.size, self.rounds = kernels, size, rounds
        self.analysis_steps, self.synthesis_steps = analysis_steps, synthesis_steps
        self.kernel_steps = kernel_steps

    def forward(self, rainy: Tensor) -> Restoration:
        """Restore a batch, ``(N, 3, H, W)``, image by image: each stops when it is done."""
        if min(rainy.shape[-2:]) < SMALLEST:
            raise ValueError(f"JCAS needs {SMALLEST} pixels a side at least")
        with torch.autocast(rainy.device.type, enabled=False):  # thousands of steps add up
            ycbcr = rounded(to_ycbcr(rainy))
            found = [self.separate(luma / 255, rainy.dtype) for luma in ycbcr[:, 0]]
            stages = []
            for structures in zip(*(each[0] for each in found), strict=True):
                luma = 255 * torch.stack(structures)[:, None].to(ycbcr.dtype)
                restored = to_rgb(torch.cat((luma, ycbcr[:, 1:]), 1)) / 255
                stages.append(restored.to(rainy.dtype))
            rain = torch.stack([each[1] for each in found])[:, None]
        return Restoration(stages[-1], tuple(stages), {"rain": rain})

    def separate(self, luma: Tensor, kind: torch.dtype) -> tuple[list[Tensor], Tensor]:
        """Return the structure of one luma after each round, and the rain after the last.

        Args:
            luma: ``(H, W)`` in [0, 1].
            kind: In which precision to work; the authors' program does in single.
        """
        observed = tapered(mirrored(luma)).to(kind)
        rain, before = torch.zeros_like(observed), torch.zeros_like(observed)
        kernels, structures = observed, []  # there are no kernels before the first residual
        for turn in range(self.rounds):
            structure = find_structure(observed - rain, self.analysis, self.analysis_steps)
            changed = float((structure - before).square().mean())
            before, left = structure, observed - structure
            if turn == 0:
                kernels = first_kernels(left, self.kernels, self.size)
            maps, rain = find_maps(left, kernels, self.synthesis, self.synthesis_steps)
            kernels = find_kernels(left, maps, kernels, self.kernel_steps)
            structures.append(structure[BORDER:-BORDER, BORDER:-BORDER])
            if changed < ENOUGH:
                break
        structures += structures[-1:] * (self.rounds - len(structures))
        return structures, rain[BORDER:-BORDER, BORDER:-BORDER]

    @staticmethod
    def convert_published(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Refuse every checkpoint: there is nothing to load."""
        check_keys(published, (), "JCAS")
        return {}


def find_structure(observed: Tensor, weight: float, steps: int) -> Tensor:
    """Return the structure S of ``(H, W)``: |observed - S|^2 + weight sum |P_i * S|_1 is smallest.

    Both differences go along the rows, so that the Fourier transform has to, too.
    """
    width = observed.shape[-1]
    turn = 2 * math.pi / width * torch.arange(width // 2 + 1, device=observed.device)
    eigenvalues = (2 - 2 * torch.cos(turn) + 4 * torch.sin(turn).square()).to(observed)
    split = observed.new_zeros(2, *observed.shape)
    multipliers = torch.zeros_like(split)
    penalty, structure = 1.0, observed
    for step in range(1, steps + 1):
        right = observed + penalty * _back(split + multipliers / penalty)
        spectrum = torch.fft.rfft(right) / (1 + penalty * eigenvalues)
        structure = torch.fft.irfft(spectrum, width)
        differences = _differences(structure)
        split = F.softshrink(differences - multipliers / penalty, weight / penalty)
        wrong = split - differences
        multipliers = multipliers + penalty * wrong
        if penalty < 1e6:
            penalty *= GROWTH
        if step % 10 == 0 and float(wrong.square().sum()) < 1e-8:
            break
    return structure


def _differences(plane: Tensor) -> Tensor:
    """Return both differences, ``(2, H, W)``: of neighbours, and of every second column."""
    after, before = plane.roll(-1, -1), plane.roll(1, -1)
    return torch.stack((plane - after, before - after))


def _back(differences: Tensor) -> Tensor:
    """Return the adjoint of `_differences`, applied."""
    near, far = differences.unbind()
    return near - near.roll(1, -1) + far.roll(-1, -1) - far.roll(1, -1)


def first_kernels(residual: Tensor, kernels: int, size: int) -> Tensor:
    """Return the first principal components of the patches of ``(H, W)``, their negatives cut off.

    Patches are read column by column, as MATLAB has them: a component and its negative are both
    right, and which of them LAPACK finds depends on the order. It is done on the CPU, so that it
    does not depend on the device.

    Returns:
        ``(kernels, size, size)``.
    """
    patches = F.unfold(residual.T[None, None].cpu().double(), size)[0]
    patches = patches - patches.mean(1, keepdim=True)
    found = torch.linalg.svd(patches @ patches.T)[0][:, :kernels].T.contiguous()
    return _normalised(found.clamp(min=0)).reshape(kernels, size, size).mT.to(residual)


def _normalised(kernels: Tensor) -> Tensor:
    """Shorten each row that is longer than 1."""
    return kernels / kernels.square().sum(1, keepdim=True).clamp(min=1).sqrt()


def find_maps(
    residual: Tensor, kernels: Tensor, weight: float, steps: int
) -> tuple[Tensor, Tensor]:
    """Return maps and the rain that they make.

    Args:
        residual: ``(H, W)``.
        kernels: ``(K, size, size)``.
        weight: Of the maps.
        steps: Of ADMM, at most.

    Returns:
        Maps ``(K, H + 12, W + 12)`` that are never negative, rain ``(H, W)``.
    """
    wide = tapered(mirrored(residual))
    filters = _spectrum(kernels.flip(-2, -1), wide)
    seen = filters.conj() * torch.fft.rfft2(wide)
    strength = filters.abs().square().sum(0)
    size = wide.shape
    maps = wide.new_zeros(len(kernels), *size)
    multipliers = torch.zeros_like(maps)
    penalty = 1.0
    for step in range(1, steps + 1):
        right = seen + penalty * torch.fft.rfft2(maps - multipliers)
        # Sherman and Morrison: the inverse of a multiple of one plus a product of two vectors.
        shared = (filters * right).sum(0) / (penalty + strength)
        free = torch.fft.irfft2((right - shared * filters.conj()) / penalty, size)
        maps = (free + multipliers - weight / penalty).clamp(min=0)
        multipliers = multipliers + free - maps
        if penalty < 1e7:
            penalty *= GROWTH
        if step % 10 == 0 and float((free - maps).square().mean()) <= ENOUGH:
            break
    rain = torch.fft.irfft2((torch.fft.rfft2(maps) * filters).sum(0), size)
    return maps, rain[BORDER:-BORDER, BORDER:-BORDER]


def find_kernels(residual: Tensor, maps: Tensor, kernels: Tensor, steps: int) -> Tensor:
    """Return kernels that fit ``(H, W)`` better, by proximal gradient steps.

    The square of the difference depends on the kernels through two products of the maps alone, so
    that a step costs nothing.
    """
    size = kernels.shape[-1]
    reach = size // 2
    inner = maps[:, BORDER:-BORDER, BORDER:-BORDER]
    patches = F.unfold(inner[:, None], size).flatten(0, 1).to(precise(maps))
    wanted = residual[reach:-reach, reach:-reach].reshape(-1).to(patches)
    gram, seen = patches @ patches.T, patches @ wanted
    found = kernels.flatten().to(patches)
    for _ in range(steps):
        found = (found - 0.01 * (gram @ found - seen)).clamp(min=0)
        found = _normalised(found.reshape(len(kernels), -1)).flatten()
    return found.reshape(kernels.shape).to(kernels)


def mirrored(plane: Tensor) -> Tensor:
    """Return ``(H, W)`` mirrored at its borders by `BORDER` pixels, the border pixel repeated."""
    rows, columns = (
        torch.arange(-BORDER, length + BORDER, device=plane.device) for length in plane.shape
    )
    for places, length in ((rows, plane.shape[0]), (columns, plane.shape[1])):
        places.copy_(torch.where(places < 0, -1 - places, places))
        places.copy_(torch.where(places >= length, 2 * length - 1 - places, places))
    return plane[rows][:, columns]


def tapered(plane: Tensor) -> Tensor:
    """Blur the edges of ``(H, W)`` as Octave's ``edgetaper`` does with a Gaussian, four times."""
    across = torch.arange(BORDER, dtype=torch.float64) - (BORDER - 1) / 2
    gaussian = torch.exp(-across.square() / 2)
    gaussian = gaussian / gaussian.sum()
    blur = (gaussian[:, None] * gaussian).to(plane)
    sharp = (_sharp(gaussian, plane.shape[0])[:, None] * _sharp(gaussian, plane.shape[1])).to(plane)
    before, after = BORDER // 2 - 1, BORDER // 2  # the even kernel's centre is behind its middle
    for _ in range(TAPERS):
        padded = F.pad(plane, (before, after, before, after))
        blurred = F.conv2d(padded[None, None], blur[None, None])[0, 0]
        plane = sharp * plane + (1 - sharp) * blurred
    return plane


def _sharp(profile: Tensor, length: int) -> Tensor:
    """Return how sharp each of a row's pixels stays: at its ends the blur's autocorrelation."""
    side = len(profile)
    rising = F.conv1d(F.pad(profile, (side - 1, 0))[None, None], profile[None, None])[0, 0]
    rising = rising / rising[-1]
    return torch.cat((rising, rising.new_ones(length - 2 * side), rising.flip(0)))


def _spectrum(kernels: Tensor, like: Tensor) -> Tensor:
    """Return the transform of ``(K, s, s)``, centred, for pictures of the size of another."""
    wide = like.new_zeros(len(kernels), *like.shape)
    side = kernels.shape[-1]
    wide[:, :side, :side] = kernels
    spectrum: Tensor = torch.fft.rfft2(wide.roll((-(side // 2),) * 2, (-2, -1)))
    return spectrum
