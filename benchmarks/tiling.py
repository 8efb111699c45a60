"""What tiles cost in quality: PSNR of tiled restorations beside whole ones, and the overlap's part.

python benchmarks/tiling.py --data DIR --weights DIR [-b prenet_r.rain100l] [--images 3]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from rainbench.catalog.registry import load_registry
from rainbench.catalog.weights import find_weights
from rainbench.metrics import score_all
from rainbench.pairs.copies import copies_of
from rainbench.pairs.load import load_pairs
from rainbench.pairs.pictures import load_image
from rainbench.run.options import RunOptions
from rainbench.run.predict import Predictor

OVERLAPS = (0, 16, 32, None)


def main() -> None:
    """Print a line per entry and overlap: the worst change over some images of Rain100L."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("-b", "--baseline", action="append", default=[])
    parser.add_argument("--images", type=int, default=3)
    parser.add_argument("--tile", type=int, default=192)
    given = parser.parse_args()
    registry = load_registry()
    card = registry.dataset("rain100l")
    pairs = load_pairs(card, copies_of(card, [given.data], only=True)[0], limit=given.images)
    images = [(load_image(pair.rainy), load_image(pair.clean)) for pair in pairs.pairs]
    for entry in registry.entries(given.baseline or ["prenet_r.rain100l", "spanet.rain200l"]):
        weights = find_weights(entry, [given.weights])
        whole = [Predictor(entry, weights, RunOptions())(rainy) for rainy, _ in images]
        for overlap in OVERLAPS:
            predict = Predictor(entry, weights, RunOptions(tile=given.tile, overlap=overlap))
            losses, levels = [], []
            for (rainy, clean), reference in zip(images, whole, strict=True):
                tiled = predict(rainy)
                before, after = (
                    score_all(restored, clean, ("prenet-y",))["prenet-y"].psnr
                    for restored in (reference, tiled)
                )
                assert before is not None and after is not None
                losses.append(before - after)
                levels.append(float(np.abs(tiled - reference).max() * 255))
            print(
                f"{entry.name:24} tiles of {given.tile}, overlap {predict.overlap:3}"
                f"{' (default)' if overlap is None else '':10}: "
                f"PSNR lower by {max(losses):+.4f} dB at worst, {np.mean(losses):+.4f} on average; "
                f"largest difference {max(levels):.2f} levels",
                flush=True,
            )


if __name__ == "__main__":
    main()
