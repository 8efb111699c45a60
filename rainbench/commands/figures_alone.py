"""Figures that need no run: of a video's clean frame, and of networks' parts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rainbench.core.errors import RainbenchError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LUMA = (299, 587, 114)
"""Thousandths of red, green and blue that a pixel's vote is counted by; what is over is cut off."""

KERNELS = (1, 3, 5, 7, 9)
REDUCTIONS = (1, 2, 4, 8, 16)
WIDTH = 64
"""What the two kinds of attention are compared at; the paper names the 64 feature maps alone."""


def draw_video(video: Path, pixel: str | None) -> dict[str, Figure]:
    """Draw the votes of a video's pixels, and the luma of one of them over time.

    Args:
        video: A video with a still camera.
        pixel: ``X,Y``; none leaves the second figure out.

    Raises:
        RainbenchError: It cannot be read, or has no such pixel.
    """
    from rainbench.clean_frame.extract import extract_clean_frame
    from rainbench.frames.cache import collect
    from rainbench.frames.sources import read_band
    from rainbench.report.figures.frames import draw_pixel, draw_votes
    from rainbench.video.read import decode

    with decode(video) as stream, collect(frame.image for frame in stream) as source:
        count, height, width, _ = source.shape
        x, y = _place(pixel, width, height) if pixel is not None else (0, 0)
        clean = extract_clean_frame(source, "exact")
        over_time = read_band(source, y, y + 1)[:, 0, x].astype(int)
    assert clean.vote_curve is not None and clean.percentile is not None
    share = f"{clean.vote_share:.0%} of the pixels" if clean.vote_share is not None else ""
    title = f"{video.name}, {count} frames: {share} vote for it"
    figures = {f"{video.stem}-votes": draw_votes(clean.vote_curve, clean.percentile, title)}
    if pixel is not None:
        luma = (over_time * LUMA).sum(axis=1) // 1000
        figures[f"{video.stem}-pixel"] = draw_pixel(luma, f"{video.name}, pixel {x},{y}")
    return figures


def _place(text: str, width: int, height: int) -> tuple[int, int]:
    try:
        x, y = (int(part) for part in text.split(","))
    except ValueError:
        x = y = -1
    if not (0 <= x < width and 0 <= y < height):
        raise RainbenchError(
            f"--pixel {text}", hint=f"Give X,Y from 0,0 to {width - 1},{height - 1}."
        )
    return x, y


def draw_attention() -> dict[str, Figure]:
    """Draw the parameters of neuron attention and of squeeze and excitation (NASNet, Fig. 5)."""
    from rainbench.networks.nasnet import NeuronAttention, SqueezeExcitation
    from rainbench.report.figures.plots import draw_attention_parameters

    def count(module: object) -> int:
        return sum(parameter.numel() for parameter in module.parameters())  # type: ignore[attr-defined]

    return {
        "attention-parameters": draw_attention_parameters(
            {kernel: count(NeuronAttention(WIDTH, kernel=kernel)) for kernel in KERNELS},
            {each: count(SqueezeExcitation(WIDTH, reduction=each)) for each in REDUCTIONS},
            f"Parameters of attention over {WIDTH} feature maps",
        )
    }
