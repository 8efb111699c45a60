"""One rain-free picture from many frames of a static scene: the clean half of a real-rain pair.

Rain brightens a pixel now and then, and never the same pixel all the time. `extract_clean_frame`
is the method of SPANet ("Spatial Attentive Single-Image Deraining with a High Quality Real Rain
Dataset", CVPR 2019, section 3) in exact integer arithmetic, the published code for comparison, and
the simple references. Frames whose light drifts or whose camera shakes must be corrected first
(`rainbench.frames.exposure`, `rainbench.frames.alignment`);
`rainbench.clean_frame.quality.estimate` says whether to trust the result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypedDict, cast, get_args

import numpy as np
from numpy.typing import NDArray

from rainbench.clean_frame import spanet_reference
from rainbench.clean_frame.by_video.backgrounds import VideoMethod, restored_background
from rainbench.clean_frame.lowrank import recover_background
from rainbench.clean_frame.robust import average_rain_free
from rainbench.clean_frame.usual_light import in_usual_light
from rainbench.clean_frame.voting import (
    TieRule,
    VoteRule,
    Votes,
    choose_percentile,
    count_votes,
    select_mode,
    select_percentile,
    to_image,
    to_levels,
    vote_limits,
)
from rainbench.core.errors import RainbenchError
from rainbench.core.images import Image
from rainbench.frames.bands import over_bands
from rainbench.frames.exposure import estimate_exposure, normalise, to_one_colour
from rainbench.frames.maps import picture_map, strips
from rainbench.frames.sources import Frames, FrameSource, as_source, take_frames

Method = Literal[
    "exact",
    "robust",
    "spanet-reference",
    "lowrank",
    "fastderain",
    "jiang2017",
    "wei2017",
    "ms-csc",
    "mode",
    "median",
    "percentile",
    "mean",
    "min",
]
"""How to choose a value among the frames; see `extract_clean_frame`."""

FORMER_NAMES: Mapping[str, Method] = {"notebook": "spanet-reference"}
"""Names that methods had in earlier versions; they are still understood."""

RAIN_LEVELS = 8.0
"""Brightening, in 8-bit levels of the mean of R, G and B, from which a pixel counts as rainy.
Chosen: above the noise of most cameras (1 to 2 levels), below most streaks."""


@dataclass(frozen=True, slots=True, eq=False)
class CleanFrame:
    """A clean frame and how it was made.

    Attributes:
        image: ``(H, W, 3)`` uint8, RGB.
        levels: ``(H, W, 3)`` float32, the same in 8-bit levels (0 to 255) before rounding: several
            dB closer to the truth where the frames are noisy.
        method: How it was made.
        frames: Number of frames it was made from.
        percentile: The percentile over time that was taken, where one for all pixels was.
        vote_curve: ``(101,)`` int64, votes for each percentile, where there was a vote.
        vote_share: Share of the pixels that voted for the best percentile: .6 to .9 in a static
            scene; below .5 the scene moved, drifted or is heavily compressed.
        exposure: ``(N,)`` float64, the brightness of each frame relative to the clean frame, or
            ``(N, 3)``, that of its channels, where it was corrected: frame n shows the clean frame
            times ``exposure[n]``.
        uncertain: ``(H, W)`` bool, where ``robust`` saw two things for as long as each other, and
            either may be the scene; ``None`` for other methods.
        other: ``(H, W, 3)`` float32, what the scene is there if it is not ``levels``.
        usual: ``(K, H, W, 3)`` uint8, what each stretch of the sequence usually shows, as
            `rainbench.clean_frame.stretches.usual_colours` returns it, where ``robust`` looked.
        averaged: Number of samples of a pixel of which ``levels`` is the mean, the harmonic mean of
            all pixels, for ``robust``.
        usual_light: ``(N,)`` bool, which frames show the scene in its usual light; ``robust``
            averages these alone, see `rainbench.clean_frame.usual_light`.
    """

    image: Image
    levels: NDArray[np.float32]
    method: Method
    frames: int
    percentile: int | None = None
    vote_curve: NDArray[np.int64] | None = None
    vote_share: float | None = None
    exposure: NDArray[np.float64] | None = None
    uncertain: NDArray[np.bool_] | None = None
    other: NDArray[np.float32] | None = None
    usual: NDArray[np.uint8] | None = None
    averaged: float | None = None
    usual_light: NDArray[np.bool_] | None = None

    def rain_mask(
        self,
        frame: Image,
        threshold: float = RAIN_LEVELS,
        exposure: float | NDArray[np.float64] = 1.0,
    ) -> NDArray[np.bool_]:
        """Return where a frame is rainy: brighter than the clean frame by ``threshold`` levels.

        Masks are made one at a time, since those of all frames would fill a third of a video.

        Args:
            frame: ``(H, W, 3)`` uint8, one of the frames.
            threshold: Least brightening of the mean of R, G and B, in 8-bit levels.
            exposure: Brightness of the frame relative to the clean frame, or of its channels.

        Returns:
            ``(H, W)`` bool.

        Example:
            >>> clean = extract_clean_frame(np.full((20, 2, 2, 3), 90, np.uint8), "exact")
            >>> rainy = clean.image.copy()
            >>> rainy[0, 1] += 40
            >>> clean.rain_mask(rainy).astype(int).tolist()
            [[0, 1], [0, 0]]
        """
        if frame.shape != self.image.shape:
            raise RainbenchError(
                f"the frame has shape {frame.shape}, the clean frame {self.image.shape}",
                hint="A mask compares a clean frame with a frame of its own sequence.",
            )
        steady = (frame / np.asarray(exposure, np.float32)).sum(axis=2)
        brighter = steady - self.levels.sum(axis=2)
        mask: NDArray[np.bool_] = brighter > 3 * threshold
        return mask


def extract_clean_frame(
    frames: Frames,
    method: Method = "robust",
    *,
    votes: VoteRule = "inclusive",
    ties: TieRule = "plateau",
    percentile: int | None = None,
    exposure: NDArray[np.float64] | None = None,
    threads: int = 1,
    band_rows: int | None = None,
    device: str = "cpu",
) -> CleanFrame:
    """Make the rain-free picture of a static scene from its rainy frames.

    Args:
        frames: ``(N, H, W, 3)`` uint8 RGB, a list of images, or a `FrameSource` such as a frame
            cache on disk; at least 2 frames, 20 to 200 are usual.
        method: ``robust``, the default, starts from local votes, corrects the light and averages
            the rain-free samples: the closest to the truth. ``exact`` is SPANet's vote (Eqs. 2 to
            4) in integers. ``spanet-reference`` is the code published with it, bit by bit.
            ``lowrank`` is a low-rank background, see `rainbench.clean_frame.lowrank`.
            ``fastderain``, ``jiang2017``, ``wei2017`` and ``ms-csc`` are the backgrounds of video
            methods, slow and for comparison, see `rainbench.clean_frame.by_video.backgrounds`.
            References: ``mode`` of each channel (Eq. 2 alone), ``median``, ``percentile`` (the
            fixed one given), ``mean``, ``min``.
        votes: Whether ``exact`` counts the ends of a range; see `VoteRule`.
        ties: Which of several best percentiles ``exact`` takes; see `TieRule`.
        percentile: 0 to 100, for the method ``percentile`` only.
        exposure: ``(N,)`` or ``(N, 3)``, the brightness of the frames, by which they are divided
            first; see `rainbench.frames.exposure.estimate_exposure`, which ``robust`` calls where
            none is given.
        threads: Threads to use; never changes the result.
        band_rows: Rows to read at a time; never changes the result.
        device: ``cpu``, or a device of torch such as ``cuda``, for ``exact``; never changes the
            result.

    Raises:
        RainbenchError: There are too few frames, of different sizes, or not uint8 RGB; the method,
            the percentile or the device is not a known one.

    Example:
        >>> scene = np.random.default_rng(0).integers(0, 200, (8, 12, 3), np.uint8)
        >>> frames = np.repeat(scene[None], 20, axis=0)
        >>> for n in range(20):  # a streak that moves
        ...     frames[n, :, n % 12] += 50
        >>> clean = extract_clean_frame(frames, "exact")
        >>> bool((clean.image == scene).all()), clean.percentile, clean.vote_share
        (True, 42, 1.0)
    """
    method = as_method(method)
    if (percentile is not None) != (method == "percentile") or not 0 <= (percentile or 0) <= 100:
        raise RainbenchError(
            f"method {method!r} with percentile {percentile}",
            hint="Give a whole percentile from 0 to 100 with method 'percentile', and only there.",
        )
    if device != "cpu" and method != "exact":
        raise RainbenchError(
            f"method {method!r} runs on the processor only, not on {device!r}",
            hint="Use method 'exact', or device 'cpu'.",
        )
    source = as_source(frames, least=2)
    reading: _Reading = {"threads": threads, "band_rows": band_rows}
    if method == "robust":
        return _robust(source, estimate_exposure(source) if exposure is None else exposure, reading)
    if exposure is not None:
        source = normalise(source, exposure)
    if device != "cpu":
        clean = _voted_on_device(source, votes, ties, device)
    else:
        clean = _at_once(source, method, votes, ties, percentile, reading)
    return replace(clean, exposure=exposure)


def as_method(name: str) -> Method:
    """Return the clean-frame method of a name, which may be a former one.

    Raises:
        RainbenchError: There is no such method.

    Example:
        >>> as_method("notebook")
        'spanet-reference'
    """
    name = FORMER_NAMES.get(name, name)
    if name not in get_args(Method):
        raise RainbenchError(
            f"there is no clean-frame method {name!r}",
            hint=f"Choose one of {', '.join(get_args(Method))}.",
        )
    return cast("Method", name)


def _at_once(
    source: FrameSource,
    method: Method,
    votes: VoteRule,
    ties: TieRule,
    percentile: int | None,
    reading: _Reading,
) -> CleanFrame:
    """Apply a method that has no light to correct and no device to choose."""
    if method in ("exact", "spanet-reference"):
        return _voted(source, method, votes, ties, reading)
    if method == "lowrank":
        levels = recover_background(source, threads=reading["threads"])
        return CleanFrame(_rounded(levels), levels, method, source.shape[0])
    if method in get_args(VideoMethod):
        levels = restored_background(source, cast("VideoMethod", method))
        return CleanFrame(_rounded(levels), levels, method, source.shape[0])
    if method == "mode":
        image = select_mode(source, **reading)
        return CleanFrame(image, image.astype(np.float32), method, source.shape[0])
    if method == "mean":
        return _mean(source, reading)
    fixed = {"median": 50, "min": 0}.get(method, percentile or 0)
    return _at_percentile(source, fixed, method, None, reading)


class _Reading(TypedDict):
    """How a source is read."""

    threads: int
    band_rows: int | None


def _voted(
    source: FrameSource, method: Method, rule: VoteRule, ties: TieRule, reading: _Reading
) -> CleanFrame:
    if method == "exact":
        limits = vote_limits(source.shape[0], rule)
        votes = count_votes(source, limits, **reading)
        return _at_percentile(source, choose_percentile(votes.curve, ties), method, votes, reading)
    votes = spanet_reference.count_published_votes(source, **reading)
    best = choose_percentile(votes.curve, "lowest")
    image = spanet_reference.select_published_percentile(source, best, **reading)
    levels, count = image.astype(np.float32), source.shape[0]
    return CleanFrame(image, levels, method, count, best, votes.curve, votes.share)


def _voted_on_device(source: FrameSource, rule: VoteRule, ties: TieRule, device: str) -> CleanFrame:
    from rainbench.clean_frame import extract_torch  # loads torch

    opened = extract_torch.open_device(device)
    limits = vote_limits(source.shape[0], rule)
    votes = extract_torch.count_votes(source, limits, device=opened)
    best = choose_percentile(votes.curve, ties)
    hundredths = extract_torch.select_percentile(source, best, device=opened)
    return _of_hundredths(source, hundredths, best, "exact", votes)


def _at_percentile(
    source: FrameSource, percentile: int, method: Method, votes: Votes | None, reading: _Reading
) -> CleanFrame:
    hundredths = select_percentile(source, percentile, **reading)
    return _of_hundredths(source, hundredths, percentile, method, votes)


def _of_hundredths(
    source: FrameSource,
    hundredths: NDArray[np.uint16],
    percentile: int,
    method: Method,
    votes: Votes | None,
) -> CleanFrame:
    shape = hundredths.shape
    image, levels = np.empty(shape, np.uint8), picture_map(shape, np.float32)
    for strip in strips(shape):
        image[strip.rows] = to_image(hundredths[strip.rows])
        levels[strip.rows] = to_levels(hundredths[strip.rows])
    return CleanFrame(
        image,
        levels,
        method,
        source.shape[0],
        percentile,
        votes.curve if votes else None,
        votes.share if votes else None,
    )


def _robust(source: FrameSource, exposure: NDArray[np.float64], reading: _Reading) -> CleanFrame:
    video, light = to_one_colour(source, exposure)  # for a sample's channels are compared
    lit = in_usual_light(video, light)
    if not lit.all():
        video, light = take_frames(video, np.flatnonzero(lit)), light[lit]
    mean = average_rain_free(video, light, **reading)
    return CleanFrame(
        _rounded(mean.levels),
        mean.levels,
        "robust",
        source.shape[0],
        vote_curve=mean.votes.curve,
        vote_share=mean.votes.share,
        exposure=exposure,
        uncertain=mean.modes.uncertain,
        other=mean.modes.other,
        usual=mean.usual if lit.all() else None,  # the judge asks all frames
        averaged=mean.averaged,
        usual_light=lit,
    )


def _rounded(levels: NDArray[np.float32]) -> Image:
    image: Image = np.empty(levels.shape, np.uint8)
    for strip in strips(levels.shape):
        image[strip.rows] = np.floor(levels[strip.rows].clip(0, 255) + np.float32(0.5))
    return image


def _mean(source: FrameSource, reading: _Reading) -> CleanFrame:
    count = source.shape[0]

    def add(top: int, bottom: int) -> NDArray[np.int64]:
        return np.asarray(source.band(top, bottom).sum(axis=0, dtype=np.int64))

    sums = np.concatenate(over_bands(source, add, **reading))
    image = ((2 * sums + count) // (2 * count)).astype(np.uint8)
    return CleanFrame(image, (sums / count).astype(np.float32), "mean", count)
