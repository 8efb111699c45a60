"""What has to be said of the pairs of a set, though nothing is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence

from rainbench.core.text import count_of
from rainbench.pairs.checks import Inspection

SSIM_SIDE = 11
"""Side of SSIM's window (Wang 2004): a smaller picture has no SSIM under most protocols."""


def note_small(inspections: Sequence[Inspection]) -> str:
    """Return a sentence about pictures that are too small for SSIM; empty if there are none."""
    small = [each for each in inspections if min(each.width, each.height) < SSIM_SIDE]
    if not small:
        return ""
    first = small[0]
    return (
        f"{count_of(len(small), 'pair')} with a side below SSIM's window of {SSIM_SIDE} pixels, "
        f"such as {first.pair.rainy.path} ({first.width}x{first.height}): "
        "SSIM is not defined there and stays empty"
    )


def note_turned(inspections: Sequence[Inspection]) -> str:
    """Return a sentence about pairs that were turned; empty if there are none."""
    found = [each for each in inspections if each.turned]
    if not found:
        return ""
    return (
        f"{count_of(len(found), 'pair')} with an orientation flag (EXIF), "
        f"such as {found[0].pair.rainy.path}: turned upright, as cv2.imread does; "
        "programs that read with PIL.Image.open get other numbers"
    )


def note_drift(inspections: Sequence[Inspection]) -> str:
    """Return a sentence about pairs that are moved by 2 pixels or more; empty if there are none."""
    found = [each for each in inspections if each.drift >= 2]
    if not found:
        return ""
    return (
        f"{count_of(len(found), 'pair')} moved against each other by up to "
        f"{max(each.drift for each in found)} pixels, such as {found[0].pair.rainy.path}: "
        "PSNR and SSIM are lower there than the restored pictures are worth"
    )


def note_gray(inspections: Sequence[Inspection]) -> str:
    """Return a sentence about pairs of which one picture is gray; empty if there are none."""
    found = [each for each in inspections if each.one_gray]
    if not found:
        return ""
    first = found[0].pair
    return (
        f"{count_of(len(found), 'pair')} with one picture in gray and the other in colour, such as "
        f"{first.rainy.path} and {first.clean.path}: colour that is lost is scored as rain"
    )
