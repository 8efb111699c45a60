"""FastDeRain (Jiang et al., IEEE TIP 2018): directional gradients of streaks and background.

The paper's model, on the luma ``O`` of a clip with the background ``B`` and the rain ``R``:

    min  1/2 |O - B - R|^2 + l1 |D_fall R|_1 + l2 |R|_1 + l3 |D_across B|_1 + l4 |D_time B|_1

with 0 <= B <= O and 0 <= R <= 1: streaks are smooth along their fall and sparse, the background is
smooth across it and from frame to frame. Solved by the alternating direction method of multipliers
(ADMM), each quadratic step exactly by the Fourier transform. The fall is taken to be vertical.

Where the authors' code (TaiXiangJiang/FastDeRain, e82797a) decides, this follows it: B and R are
found one after the other, the bounds are imposed by clipping, and the multipliers are scaled.
"""

from __future__ import annotations

import numpy as np

from rainbench.video_methods.base import COLUMNS, ROWS, TIME, Frames, Restored, Volume, restore_luma
from rainbench.video_methods.differences import adjoint, divide, forward, shrink, spectrum


class FastDeRain:
    """FastDeRain as a video restorer.

    Args:
        along: Weight l1 of the streaks' differences along their fall.
        sparse: Weight l2 of the streaks.
        across: Weight l3 of the background's differences across the fall.
        time: Weight l4 of the background's differences in time.
        penalty: Of the splitting, mu.
        tolerance: It stops when B and R together change by less than this share of O.
        most_steps: Or after so many steps.

    Example:
        >>> clip = np.full((4, 8, 8, 3), 90, np.uint8)
        >>> bool(np.abs(FastDeRain()(clip) - 90 / 255).max() < 0.01)
        True
    """

    bytes_per_pixel = 140
    least_frames = 2
    least_size = 1, 1

    def __init__(
        self,
        *,
        along: float = 10**-1.5,
        sparse: float = 1e-3,
        across: float = 1e-3,
        time: float = 1e-2,
        penalty: float = 1.0,
        tolerance: float = 1e-3,
        most_steps: int = 50,
    ) -> None:
        self.weights = (along, sparse, across, time)
        self.penalty = penalty
        self.tolerance = tolerance
        self.most_steps = most_steps

    def __call__(self, frames: Frames) -> Restored:
        """Restore a clip's luma."""
        return restore_luma(frames, lambda luma: self.separate(luma)[0])

    def separate(self, observed: Volume) -> tuple[Volume, Volume, int]:
        """Return background and rain of a volume, and how many steps it took.

        Args:
            observed: ``(T, H, W)``.
        """
        mu = self.penalty
        along, sparse, across, time = (weight / mu for weight in self.weights)
        size = observed.shape
        of_background = mu * (1 + spectrum(size, COLUMNS) + spectrum(size, TIME))
        of_rain = 1 + mu * (1 + spectrum(size, ROWS))
        background, rain = observed, np.zeros(size)
        # The multipliers, scaled, of the four split-off terms.
        fall, self_, side, still = (np.zeros(size) for _ in range(4))
        scale = np.linalg.norm(observed)
        for step in range(self.most_steps):
            was = background, rain
            fall_in, self_in = forward(rain, ROWS) - fall, rain - self_
            side_in, still_in = (
                forward(background, COLUMNS) - side,
                forward(background, TIME) - still,
            )
            fall_out, self_out = shrink(fall_in, along), shrink(self_in, sparse)
            side_out, still_out = shrink(side_in, across), shrink(still_in, time)

            right = adjoint(side_out + side, COLUMNS) + adjoint(still_out + still, TIME)
            background = divide(observed - rain + mu * right, of_background)
            background = np.minimum(np.maximum(background, 0), observed)
            right = adjoint(fall_out + fall, ROWS) + self_out + self_
            rain = np.clip(divide(observed - background + mu * right, of_rain), 0, 1)

            changed = sum(
                float(np.linalg.norm(now - before))
                for now, before in zip((background, rain), was, strict=True)
            )
            if changed < self.tolerance * scale:
                return background, rain, step
            fall, self_ = fall_out - fall_in, self_out - self_in
            side, still = side_out - side_in, still_out - still_in
        return background, rain, self.most_steps
