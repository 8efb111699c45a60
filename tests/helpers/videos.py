"""Small videos for the tests, and a plain NumPy conversion from YCbCr to RGB."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

MATRICES = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}
TAGS = {"bt601": 6, "bt709": 1, "bt2020": 9}
QUIET = {"libx265": {"x265-params": "log-level=none"}, "libsvtav1": {"svtav1-params": "lp=1"}}


def moving_frames(count=12, height=32, width=48, seed=0):
    """A smooth texture that moves by a pixel a frame, so that frames can be told apart."""
    rng = np.random.default_rng(seed)
    texture = rng.integers(0, 256, (height, width + count, 3)).astype(float)
    for _ in range(8):
        texture = (texture + np.roll(texture, 1, 0) + np.roll(texture, 1, 1)) / 3
    texture = (texture - texture.min()) / np.ptp(texture) * 255
    return [np.ascontiguousarray(texture[:, i : i + width].astype(np.uint8)) for i in range(count)]


def noisy_frames(count=20, height=64, width=64, seed=0):
    """Pictures that no codec compresses well, so that a file is nearly all picture data."""
    rng = np.random.default_rng(seed)
    return list(rng.integers(0, 256, (count, height, width, 3), dtype=np.uint8))


def from_planes(pixel_format, planes):
    """An ``av.VideoFrame`` of the given planes, each (rows, bytes or 16-bit words)."""
    import av

    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, pixel_format)
    for plane, values in zip(frame.planes, planes, strict=True):
        rows = np.zeros((plane.height, plane.line_size), np.uint8)
        raw = np.ascontiguousarray(values).view(np.uint8)
        rows[:, : raw.shape[1]] = raw
        plane.update(rows.tobytes())
    return frame


def write_video(
    path: Path,
    frames,
    codec="libx264",
    pixel_format="yuv420p",
    *,
    rate=25,
    times=None,
    rotation=None,
    matrix=None,
    colour_range=None,
    transfer=None,
    aspect=None,
    options=None,
    container=None,
    **container_options,
):
    """Encode RGB arrays or ``av.VideoFrame`` objects; ``times`` are in hundredths of a second."""
    import av

    first = frames[0]
    height, width = (
        first.shape[:2] if isinstance(first, np.ndarray) else (first.height, first.width)
    )
    with av.open(str(path), "w", format=container, options=container_options) as output:
        settings = {**QUIET.get(codec, {}), **(options or {})}
        stream = output.add_stream(codec, rate=rate, options=settings)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        context = stream.codec_context
        context.thread_count = 1
        if times is not None:
            context.time_base = Fraction(1, 100)
        if matrix is not None:
            context.colorspace = TAGS[matrix]
        if colour_range is not None:
            context.color_range = {"limited": 1, "full": 2}[colour_range]
        if transfer is not None:
            context.color_trc = transfer
        if aspect is not None:
            context.sample_aspect_ratio = aspect
        if rotation is not None:
            stream.set_display_rotation(rotation)
        for index, frame in enumerate(frames):
            if isinstance(frame, np.ndarray):
                frame = av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(
                    format=pixel_format
                )
            if matrix is not None:
                frame.colorspace = TAGS[matrix]
            if colour_range is not None:
                frame.color_range = {"limited": 1, "full": 2}[colour_range]
            if transfer is not None:
                frame.color_trc = transfer
            if times is not None:
                frame.time_base, frame.pts = Fraction(1, 100), times[index]
            else:
                frame.pts = index
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def write_sound(path: Path):
    """Encode a tenth of a second of silence."""
    import av

    with av.open(str(path), "w") as output:
        stream = output.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate, frame.pts = 8000, 0
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def upsample(chroma):
    """Twice as wide and high, bilinear, samples centred between luma samples (3/4 and 1/4)."""
    for axis in (0, 1):
        padded = np.take(chroma, np.r_[0, 0 : chroma.shape[axis], -1], axis, mode="wrap")
        near = np.repeat(chroma, 2, axis)
        size = chroma.shape[axis]
        other = np.arange(2 * size) // 2 + np.where(np.arange(2 * size) % 2, 2, 0)
        chroma = 0.75 * near + 0.25 * np.take(padded, other, axis)
    return chroma


def to_rgb(luma, blue, red, matrix, colour_range, bits=8):
    """The formulas of BT.601, 709 and 2020: full-resolution YCbCr to RGB in 0..255, unrounded."""
    kr, kb = MATRICES[matrix]
    scale, most = 2 ** (bits - 8), 2**bits - 1
    limited = colour_range == "limited"
    y = (luma - 16.0 * scale) / (219 * scale) if limited else luma / most
    b, r = ((c - 128.0 * scale) / (224 * scale if limited else most) for c in (blue, red))
    red_out, blue_out = y + 2 * (1 - kr) * r, y + 2 * (1 - kb) * b
    green = (y - kr * red_out - kb * blue_out) / (1 - kr - kb)
    return np.clip(np.stack([red_out, green, blue_out], -1) * 255, 0, 255)
