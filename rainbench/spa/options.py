"""The options of a build of real pairs, and their limits."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from rainbench.clean_frame.extract import RAIN_LEVELS, Method, as_method
from rainbench.clean_frame.quality.rain_density import Kind
from rainbench.core.errors import RainbenchError
from rainbench.core.machine import has_gpu_driver, resolve_device
from rainbench.core.resume import key_of
from rainbench.core.text import safe_name
from rainbench.video.read import VideoInfo

SpaLayout = Literal["spa", "pairs"]

MOST_FRAMES, CHEAP_BYTES, CHEAP_FRAMES = 300, 2 << 30, 1000
"""Frames of a scene that may be used: 300, or as many more as make 2 GiB, up to 1000. Static scenes
had 52 to 57 dB with 100 frames and 53 to 56 with 200; what stands still for a while needs more."""

TEST_PAIRS = 1000
"""The most test pairs in the layout of SPA-Data, as many as were published."""

PROGRAMS = 384 << 20
"""Bytes that a worker, its decoder and what it computes with take beside the frames that it keeps:
measured on 4K, where single pictures are large."""

REVISION = 8
"""Part of every key: raised when the same video and options give other bytes than before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaOptions:
    """The options of ``rainbench build-spa``.

    Attributes:
        method: How the clean frame is made, see `rainbench.clean_frame.extract`.
        frames: Frames to use; None for all of a scene, see `most_frames`; ``auto`` for all, then
            half as many while the judge rejects them; ``paper`` for 20, 100 or 200 by the density,
            and more while the judge asks for them.
        density: How dense the rain is; None estimates it.
        align: Correct shake, drift of the camera and of the light always (True), never (False),
            or where a sequence is found not to be static (None).
        layout: ``spa`` for the names of SPA-Data, ``pairs`` for rainy/, clean/ and mask/.
        min_psnr: Lower end of the estimated PSNR, in dB, below which a clean frame is rejected when
            no number of frames gives a better one. Compressed videos seldom reach the judge's
            40 dB; more than that is asked of the judge as well.
        crop: Side of the crops in pixels, 0 for whole frames; None for 256 with ``spa`` and whole
            frames with ``pairs``.
        test_share: Share of the videos whose pairs are for testing.
        test_pairs: Pairs for testing at most, evenly from all their sequences; None for 1000 with
            ``spa``, as many as were published, and all with ``pairs``.
        allow_objects: Share of a pair that may show something else than the scene and rain, such as
            somebody who walks by; pairs with more are left out.
        review: A person decides.
        allow_truncated: Use the good frames before a damaged one.
        max_frames: Most rainy frames of a sequence to make pairs of, evenly spread; None for all.
        mask_levels: Brightening in 8-bit levels from which a pixel of the mask is rain.
        span: First frame to look at, and the one after the last, None for the end; None for all.
        seed: Chooses the test videos.
        memory: Bytes that all workers may fill together, see `frame_budget`.
        workers: Processes; never changes the result.
        device: Where the votes of the method ``exact`` are counted; never changes the result.
        name: Of the data set.
    """

    method: Method = "robust"
    frames: int | Literal["auto", "paper"] | None = None
    density: Kind | None = None
    align: bool | None = None
    min_psnr: float = 36.0
    layout: SpaLayout = "spa"
    crop: int | None = None
    test_share: float = 0.2
    test_pairs: int | None = None
    allow_objects: float = 0.0
    review: bool = False
    allow_truncated: bool = False
    max_frames: int | None = None
    mask_levels: float = RAIN_LEVELS
    span: tuple[int, int | None] | None = None
    seed: int = 0
    memory: int = 2 << 30
    workers: int = 1
    device: str = "cpu"
    name: str = "spa-own"

    def __post_init__(self) -> None:
        object.__setattr__(self, "method", as_method(self.method))  # a former name has no key
        if self.method == "percentile":
            raise RainbenchError("the clean-frame method 'percentile' is not for videos")
        if isinstance(self.frames, int) and self.frames < 2:
            raise RainbenchError(
                f"--frames {self.frames} is too few", hint="A clean frame needs 2, better 100."
            )
        for flag, share in (
            ("--test-share", self.test_share),
            ("--allow-objects", self.allow_objects),
        ):
            if not 0 <= share <= 1:
                raise RainbenchError(f"{flag} {share:g} is not a share", hint="Give 0 to 1.")
        if not 0 <= self.min_psnr <= 100:
            raise RainbenchError(
                f"--min-psnr {self.min_psnr:g} is no number of dB", hint="Give 0 to 100."
            )
        if self.test_pairs is not None and self.test_pairs < 1:
            raise RainbenchError(
                f"--test-pairs {self.test_pairs} is too few",
                hint="Give 1 or more; --test-share 0 makes no test pairs.",
            )
        if self.crop is not None and self.crop != 0 and self.crop < SMALLEST_CROP:
            raise RainbenchError(
                f"--crop {self.crop} is too small",
                hint=f"Give {SMALLEST_CROP} or more, or 0 for whole frames.",
            )

    @property
    def crop_side(self) -> int:
        """Side of the crops; 0 stands for whole frames."""
        if self.crop is not None:
            return self.crop
        return 256 if self.layout == "spa" else 0

    @property
    def most_test_pairs(self) -> int | None:
        """Pairs for testing at most; None for all."""
        if self.test_pairs is not None:
            return self.test_pairs
        return TEST_PAIRS if self.layout == "spa" else None

    @property
    def frame_budget(self) -> int:
        """Bytes of frames that one worker may keep: what is left beside programs and scratch."""
        share = self.memory // max(1, self.workers)
        return max(1, share - PROGRAMS, share // 4)

    def most_frames(self, info: VideoInfo) -> int:
        """Return how many frames of a scene are looked at and may be used."""
        cheap = CHEAP_BYTES // (info.width * info.height * 3)
        asked = self.frames if isinstance(self.frames, int) else 0
        return max(MOST_FRAMES, min(cheap, CHEAP_FRAMES), asked)

    def candidate_key(self, sha256: str) -> str:
        """Return what the candidates of a video depend on, as a hash."""
        parts: dict[str, object] = {
            "revision": REVISION,
            "video": sha256,
            "method": self.method,
            "frames": self.frames,
            "density": self.density,
            "align": self.align,
            "min_psnr": self.min_psnr,
            "allow_truncated": self.allow_truncated,
        }
        if self.span is not None:
            parts["span"] = self.span
        return key_of(parts)

    def describe(self) -> dict[str, object]:
        """Return the options that decide what the build makes, for its record."""
        left_out = ("workers", "memory", "device", "span")
        return {key: value for key, value in asdict(self).items() if key not in left_out}


SMALLEST_CROP = 16
"""Least side of a crop in pixels. Chosen: SSIM's window alone needs 11."""


def parse_frames(text: str) -> int | Literal["auto", "paper"] | None:
    """Return what ``--frames`` gives: a number, ``auto``, ``paper``, or None where it is not given.

    Raises:
        RainbenchError: It is none of them.

    Example:
        >>> parse_frames("100"), parse_frames("AUTO"), parse_frames("")
        (100, 'auto', None)
    """
    if not text:
        return None
    if text.casefold() == "auto":
        return "auto"
    if text.casefold() == "paper":
        return "paper"
    if not text.isascii() or not text.isdigit():
        raise RainbenchError(
            f"--frames {text}: neither a number nor auto nor paper",
            hint="Leave it out for all frames.",
        )
    return int(text)


def data_set_name(out: Path) -> str:
    """Return the name that a data set gets from its folder.

    Example:
        >>> data_set_name(Path("runs/Mein Regen"))
        'spa-mein-regen'
    """
    return f"spa-{safe_name(out.resolve().name) or 'own'}"


def choose_device(device: str, method: Method, *, here: bool = True) -> str:
    """Return where a method runs: ``auto`` takes a GPU where the method can use one.

    Args:
        device: What is asked for.
        method: The method.
        here: Whether it runs on this machine; what others have is asked of them.

    Raises:
        RainbenchError: The device is not there, or the method cannot use it.

    Example:
        >>> choose_device("auto", "robust")
        'cpu'
    """
    if method == "exact" and not here:
        return "cpu" if device == "auto" else device
    if method == "exact" and (device != "auto" or has_gpu_driver()):
        return resolve_device(device)
    if device not in ("auto", "cpu"):
        raise RainbenchError(
            f"--device {device}: the method {method} runs on the processor only",
            hint="Use --method exact, or leave --device out.",
        )
    return "cpu"
