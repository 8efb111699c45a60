"""GMM, a re-creation (Li et al., "Rain Streak Removal Using Layer Priors", CVPR 2016).

Also printed as LP. The authors' program cannot be read, and in it a person clicks on a rectangle of
the image to learn the rain from. From the paper, this keeps the model, on the luma O of a scene B
under rain R:

    min  |O - B - R|^2 / t^2 + b |R|^2 - log p_B(patches of B) - log p_R(patches of R),  0 <= R <= O

where both priors are mixtures of Gaussians on 8x8 patches without their mean: that of the scene
learnt from photographs, that of the rain, of 20 components, from a flat part of the image itself.
It is solved as EPLL is: by turns patches are denoised by their prior, and layers are found that lie
between what was seen and what was denoised, with less and less noise.

What is ours: the weights t and b, and the noise; the part of the image, in which what is left
without thin bright lines changes least, beside the strength of the lines; the start from these
lines, where the authors' is random; patches 2 pixels apart; and no term for the gradient of B, as
its prior makes it smooth enough.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rainbench.networks.base import Restoration
from rainbench.networks.gaussian_mixture import Mixture, denoised, fit
from rainbench.networks.matlab_colour import with_luma
from rainbench.networks.overlapping_patches import cut, together
from rainbench.networks.published import unchanged
from rainbench.networks.thin_lines import first_rain, opened

PATCH = 8
STEP = 2
RECTANGLE = 100
"""Side of the part of the image that rain is learnt from, at most; never more than half of it."""

RECTANGLE_STEP = 8
LEAST_VARIANCE = 1e-5
"""Of a patch with rain in it, as in the authors' program."""

MOST_PATCHES = 10_000
RAIN_ROUNDS = 5
SEEN_NOISE = 0.01
"""The t of the model: what is neither scene nor rain."""

RAIN_WEIGHT = 1.0
"""The b of the model."""


class GMM(nn.Module):
    """Layer priors.

    Its only parameters are those of the scene's prior: 64 shares and the lower triangles of 64
    covariances, 133,184. ``forward`` takes ``(N, 3, H, W)`` of 16 pixels a side or more, RGB in
    [0, 1]. ``stages`` has the image at each noise; ``maps`` holds as ``rain`` the luma of the rain,
    ``(N, 1, H, W)``.

    Args:
        components: Of the scene's prior.
        rain_components: Of the rain's.
        noises: Standard deviations of the noise that patches are freed from, one after the other.

    Raises:
        ValueError: (``forward``) The picture is smaller.

    Example:
        >>> restoration = GMM(components=2)(torch.rand(1, 3, 20, 31))
        >>> restoration.image.shape, restoration.maps["rain"].shape
        (torch.Size([1, 3, 20, 31]), torch.Size([1, 1, 20, 31]))
    """

    def __init__(
        self,
        *,
        components: int = 64,
        rain_components: int = 20,
        noises: tuple[float, ...] = (0.05, 0.04, 0.03, 0.02),
    ) -> None:
        super().__init__()
        self.rain_components, self.noises = rain_components, tuple(noises)
        rows, columns = torch.tril_indices(PATCH**2, PATCH**2)
        self.shares = nn.Parameter(torch.full((components,), 1 / components))
        alone = torch.where(rows == columns, 0.01, 0.0)
        self.triangles = nn.Parameter(alone.repeat(components, 1))

    def forward(self, rainy: Tensor) -> Restoration:
        """Restore a batch, ``(N, 3, H, W)``, image by image: each has its own rain."""
        if min(rainy.shape[-2:]) < 2 * PATCH:
            raise ValueError(f"GMM needs {2 * PATCH} pixels a side at least")
        return with_luma(rainy, self.separate)

    def separate(self, luma: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return the scene of ``(H, W)`` at each noise, and the rain at the last."""
        scenes_prior = self.prior()
        rains_prior = learn_rain(rainy_part(luma), self.rain_components)
        rain = first_rain(luma).clamp(min=0)
        scene = luma - rain
        scenes = []
        for noise in self.noises:
            scene = denoised_picture(scene, scenes_prior, noise**2)
            rain = denoised_picture(rain, rains_prior, noise**2)
            scene, rain = between(luma, scene, rain, noise**2)
            scenes.append(scene)
        return scenes, rain

    def prior(self) -> Mixture:
        """Return the scene's prior."""
        size = PATCH**2
        rows, columns = torch.tril_indices(size, size)
        covariances = self.triangles.new_zeros(len(self.triangles), size, size)
        covariances[:, rows, columns] = self.triangles
        covariances[:, columns, rows] = self.triangles
        return Mixture(self.shares, covariances)

    convert_published = staticmethod(unchanged)


def packed(mixture: Mixture) -> dict[str, Tensor]:
    """Return a mixture as the state dict of a `GMM`: of each covariance the lower triangle."""
    rows, columns = torch.tril_indices(*mixture.covariances.shape[1:])
    triangles = mixture.covariances[:, rows, columns].contiguous()
    return {"shares": mixture.shares.float(), "triangles": triangles.float()}


def rainy_part(luma: Tensor) -> Tensor:
    """Return the square of ``(H, W)`` in which rain falls before the flattest scene."""
    side = min(RECTANGLE, *(length // 2 for length in luma.shape))
    smooth = opened(luma)
    changes = F.pad(smooth.diff(dim=1).abs(), (0, 1)) + F.pad(
        smooth.diff(dim=0).abs(), (0, 0, 0, 1)
    )
    both = torch.stack((changes, luma - smooth))[:, None]
    change, lines = F.avg_pool2d(both, side, RECTANGLE_STEP)[:, 0]
    best = int((change / (lines + 1e-3)).argmin())
    top, left = (RECTANGLE_STEP * place for place in divmod(best, change.shape[1]))
    return luma[top : top + side, left : left + side]


def learn_rain(part: Tensor, components: int) -> Mixture:
    """Fit the rain's prior to a part of the luma in which there is little else."""
    patches = cut(part, PATCH, 1)
    patches = patches - patches.mean(1, keepdim=True)
    varied = patches[patches.var(1) > LEAST_VARIANCE]
    return fit((varied if len(varied) else patches)[:MOST_PATCHES], components, RAIN_ROUNDS)


def denoised_picture(plane: Tensor, prior: Mixture, noise: float) -> Tensor:
    """Return ``(H, W)`` with its patches denoised, each keeping its mean."""
    patches = cut(plane, PATCH, STEP)
    means = patches.mean(1, keepdim=True)
    return together(denoised(patches - means, prior, noise) + means, plane, PATCH, STEP)


def between(seen: Tensor, scene: Tensor, rain: Tensor, noise: float) -> tuple[Tensor, Tensor]:
    """Return the layers that fit best what was seen and what was denoised.

    Of each pixel, of (seen - B - R)^2 / t^2 + ((B - scene)^2 + (R - rain)^2) / noise + b R^2 the
    smallest, its rain cut to 0 to seen, the scene what is left.
    """
    fit_, near = SEEN_NOISE**-2, 1 / noise
    of_scene, of_rain = fit_ * seen + near * scene, fit_ * seen + near * rain
    determinant = (fit_ + near) * (fit_ + near + RAIN_WEIGHT) - fit_**2
    found = ((fit_ + near) * of_rain - fit_ * of_scene) / determinant
    found = torch.minimum(found.clamp(min=0), seen.clamp(min=0))
    return seen - found, found
