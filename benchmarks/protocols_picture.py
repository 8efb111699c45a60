"""The picture of docs/protocols.md: one restored picture, and what the protocols make of it.

python benchmarks/protocols_picture.py docs/images/protocols.png
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
from PIL import Image

import rainbench as rb

LUMA = np.array([65.481, 128.553, 24.966]) / 255
TIMES = 8
"""By how much errors are exaggerated, to be seen."""


def main(out: Path) -> None:
    """Draw it."""
    mpl.use("agg")
    from matplotlib import pyplot as plt

    pair = rb.load_dataset("mini-streaks")[7]
    output = rb.load_model("prenet_r.streaks-w16")(pair.rainy)
    restored = np.clip(output, 0, 1) * 255
    clean = pair.clean.astype(float)
    luma = np.abs((restored - clean) @ LUMA)
    panels = (
        (pair.rainy, "rainy"),
        (restored.astype(np.uint8), "restored"),
        (np.clip(np.abs(restored - clean) * TIMES, 0, 255).astype(np.uint8), "error in RGB, x8"),
        (np.clip(luma * TIMES, 0, 255).astype(np.uint8), "error in luma, x8"),
    )
    figure = plt.figure(figsize=(9, 5.6), dpi=100, layout="constrained")
    grid = figure.add_gridspec(2, len(panels), height_ratios=(1, 2.6))
    for column, (image, title) in enumerate(panels):
        axes = figure.add_subplot(grid[0, column])
        axes.imshow(image, cmap="gray", vmin=0, vmax=255)
        axes.set_title(title, fontsize=8)
        axes.axis("off")
    scores = rb.score(output, pair.clean)
    names = list(scores)[::-1]
    for place, label in enumerate(("PSNR in dB", "SSIM")):
        axes = figure.add_subplot(grid[1, 2 * place : 2 * place + 2])
        values = [scores[name][place] for name in names]
        axes.plot([np.nan if value is None else value for value in values], range(len(names)), "o")
        axes.set_yticks(range(len(names)), names if place == 0 else [""] * len(names))
        axes.tick_params(labelsize=8)
        axes.set_xlabel(label, fontsize=8)
        axes.grid(alpha=0.3)
    figure.savefig(out)
    Image.open(out).convert("RGB").quantize(96).save(out, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
