"""DSC, discriminative sparse coding, a re-creation (Luo, Xu, Ji, ICCV 2015).

The authors' program cannot be read. From the paper's idea and the numbers in their demonstration,
this keeps:

* Rain R covers a scene B as a screen does: J = B + R - B R, that is (1 - J) = (1 - B) (1 - R).
* Patches of both layers, 16x16 and 2 pixels apart, have sparse codes: 5 of 512 atoms for the scene,
  8 of 128 for the rain. Dictionaries are learnt from 10,000 patches of the image itself, in 5
  rounds; then codes, layers and dictionaries are found in turns.
* What codes the rain must not code the scene.

What is ours, as nothing of it is to be read: that the scene begins without the atoms that are like
an atom of the rain, in the place of a penalty on common codes; the first rain, namely what is
brighter than its neighbours to the left and right, averaged along the angle at which most of it is
left; that rain is never more than that brightness; the learning by the method of optimal
directions; two turns for their five, as more change little; and luma alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from rainbench.networks.base import Restoration
from rainbench.networks.matlab_colour import with_luma
from rainbench.networks.overlapping_patches import cut, together
from rainbench.networks.published import check_keys
from rainbench.networks.sparse_codes import improved, learn_dictionary, sparse_codes
from rainbench.networks.thin_lines import first_rain, lines_of

ALIKE = 0.5
"""Cosine above which an atom of the scene is like one of the rain."""

LEAST_SCENE = 4
"""One in so many atoms of the scene stays, whatever the rain."""

MOST_RAIN = 0.9
"""Rain that covers all would leave nothing to see of the scene."""


class DSC(nn.Module):
    """Discriminative sparse coding.

    It has no parameters. ``forward`` takes ``(N, 3, H, W)``, sides of ``patch`` pixels or more, RGB
    in [0, 1]. ``stages`` has the image after each round; ``maps`` holds as ``rain`` the luma of the
    rain, ``(N, 1, H, W)``.

    Args:
        atoms: Of the scene, at most.
        rain_atoms: Of the rain, at most.
        patch: Side of the patches.
        step: Pixels from one patch to the next.
        sparsity: Atoms in a patch of the scene.
        rain_sparsity: Atoms in a patch of rain.
        samples: Patches that dictionaries are learnt from.
        learning: Rounds of the learning.
        rounds: Of all.

    Raises:
        ValueError: (``forward``) The picture is smaller than a patch.

    Example:
        >>> restoration = DSC(atoms=8, rain_atoms=4, rounds=2)(torch.rand(1, 3, 20, 31))
        >>> restoration.image.shape, restoration.maps["rain"].shape
        (torch.Size([1, 3, 20, 31]), torch.Size([1, 1, 20, 31]))
    """

    def __init__(
        self,
        *,
        atoms: int = 512,
        rain_atoms: int = 128,
        patch: int = 16,
        step: int = 2,
        sparsity: int = 5,
        rain_sparsity: int = 8,
        samples: int = 10_000,
        learning: int = 5,
        rounds: int = 2,
    ) -> None:
        super().__init__()
        self.atoms, self.rain_atoms = atoms, rain_atoms
        self.patch, self.step = patch, step
        self.sparsity, self.rain_sparsity = sparsity, rain_sparsity
        self.samples, self.learning, self.rounds = samples, learning, rounds

    def forward(self, rainy: Tensor) -> Restoration:
        """Restore a batch, ``(N, 3, H, W)``, image by image: each has its own dictionaries."""
        if min(rainy.shape[-2:]) < self.patch:
            raise ValueError(f"DSC needs {self.patch} pixels a side at least")
        return with_luma(rainy, self.separate)

    def separate(self, luma: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return the scene of ``(H, W)`` after each round, and the rain after the last."""
        rain = first_rain(luma)
        most = lines_of(luma).clamp(max=MOST_RAIN)
        scene = unscreened(luma, rain)
        scene_atoms = self._learnt(self._cut(scene)[0], self.atoms, self.sparsity)
        first = cut(rain, self.patch, self.step)
        rain_atoms = self._learnt(first, self.rain_atoms, self.rain_sparsity)
        scene_atoms = exclusive(scene_atoms, rain_atoms)
        scenes = []
        for _ in range(self.rounds):
            patches, means = self._cut(scene)
            codes = sparse_codes(patches, scene_atoms, self.sparsity)
            scene_atoms = improved(patches, codes, scene_atoms)
            made = together(codes @ scene_atoms + means, luma, self.patch, self.step)
            # What this scene does not explain is to be coded as rain, and nothing else is.
            left = cut(unscreened(luma, made).clamp(0, MOST_RAIN), self.patch, self.step)
            codes = sparse_codes(left, rain_atoms, self.rain_sparsity)
            rain_atoms = improved(left, codes, rain_atoms)
            rain = together(codes @ rain_atoms, luma, self.patch, self.step)
            rain = torch.minimum(rain, most).clamp(min=0)
            scene = unscreened(luma, rain)
            scenes.append(scene)
        return scenes, rain

    def _cut(self, scene: Tensor) -> tuple[Tensor, Tensor]:
        """Return patches without their mean, and their means."""
        patches = cut(scene, self.patch, self.step)
        means = patches.mean(1, keepdim=True)
        return patches - means, means

    def _learnt(self, patches: Tensor, atoms: int, count: int) -> Tensor:
        some = torch.linspace(0, len(patches) - 1, min(self.samples, len(patches)))
        chosen = patches[some.round().long().to(patches.device)]
        return learn_dictionary(chosen, atoms, count, self.learning)

    @staticmethod
    def convert_published(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Refuse every checkpoint: there is nothing to load."""
        check_keys(published, (), "DSC")
        return {}


def unscreened(seen: Tensor, layer: Tensor) -> Tensor:
    """Return the other layer of a screen: 1 - (1 - seen) / (1 - layer).

    Example:
        >>> unscreened(torch.tensor([0.55]), torch.tensor([0.1]))
        tensor([0.5000])
    """
    return 1 - (1 - seen) / (1 - layer).clamp(min=1 - MOST_RAIN)


def exclusive(scene: Tensor, rain: Tensor) -> Tensor:
    """Return the scene's atoms that are like no atom of the rain, means apart.

    Args:
        scene: ``(K, d)`` of length 1.
        rain: ``(L, d)``.
    """
    rain = rain - rain.mean(1, keepdim=True)
    rain = rain / rain.norm(dim=1, keepdim=True).clamp(min=1e-6)
    likeness = (scene @ rain.T).abs().amax(1)
    least = likeness.sort().values[(len(scene) - 1) // LEAST_SCENE]
    return scene[likeness <= least.clamp(min=ALIKE)]
