"""How long all protocols together take, as a multiple of one SSIM call of scikit-image.

Run ``python benchmarks/metrics_speed.py``. Everything runs in one thread; calls are interleaved,
and the median of the ratios is printed, so that a machine's changing clock hits both alike.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
from skimage.metrics import structural_similarity

from rainbench.metrics import PROTOCOLS, score_all

SIZES = ((321, 481), (1080, 1920))


def seconds(call: Callable[[], object]) -> float:
    """Time one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def make_pair(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a smooth clean picture and a float prediction of it that overshoots in places."""
    rng = np.random.default_rng(0)
    coarse = rng.uniform(-0.02, 1.02, (height // 16 + 2, width // 16 + 2, 3))
    smooth = np.repeat(np.repeat(coarse, 16, axis=0), 16, axis=1)[:height, :width]
    clean = np.clip(np.rint(smooth * 255), 0, 255).astype(np.uint8)
    noise = rng.normal(0, 0.02, clean.shape)
    return clean, (clean / 255 + noise).astype(np.float32)


def main() -> None:
    """Print a line per size and kind of prediction."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    print(f"{len(PROTOCOLS)} protocols; scikit-image: one Gaussian RGB SSIM; medians of {repeats}")
    for height, width in SIZES:
        clean, prediction = make_pair(height, width)
        eight_bit = np.clip(np.rint(prediction * 255), 0, 255).astype(np.uint8)

        def oracle(restored: np.ndarray = eight_bit, clean: np.ndarray = clean) -> object:
            return structural_similarity(
                restored,
                clean,
                channel_axis=2,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
                data_range=255,
            )

        for kind, restored in (("uint8", eight_bit), ("float32", prediction)):
            score_all(restored, clean)
            pairs = [
                (seconds(lambda r=restored, c=clean: score_all(r, c)), seconds(oracle))
                for _ in range(repeats)
            ]
            ratio = statistics.median(ours / theirs for ours, theirs in pairs)
            ours, theirs = (statistics.median(each) for each in zip(*pairs, strict=True))
            print(
                f"{width}x{height} {kind:8s} all protocols {ours * 1e3:7.1f} ms"
                f"   scikit-image {theirs * 1e3:7.1f} ms   ratio {ratio:.2f}"
            )


if __name__ == "__main__":
    main()
