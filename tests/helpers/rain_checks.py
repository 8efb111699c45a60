"""What every layer of streaks and every pair must fulfil; each check raises an AssertionError."""

import cv2
import numpy as np
from scipy.ndimage import map_coordinates


def structure(layer):
    """Direction of a layer's lines in degrees from vertical, and their coherence, 0 to 1."""
    smooth = cv2.GaussianBlur(layer.astype(np.float64), (0, 0), 1)
    right, down = cv2.Scharr(smooth, cv2.CV_64F, 1, 0), cv2.Scharr(smooth, cv2.CV_64F, 0, 1)
    xx, yy, xy = (right * right).sum(), (down * down).sum(), (right * down).sum()
    angle = np.degrees(-0.5 * np.arctan2(2 * xy, xx - yy))
    return angle, np.hypot(xx - yy, 2 * xy) / (xx + yy)


def check_angle(layer, angle):
    """The lines fall as they are told, within two degrees, and all together."""
    found, coherence = structure(layer)
    assert abs(found - angle) < 2, f"the lines fall at {found:.1f} degrees instead of {angle}"
    assert coherence > 0.6


def autocorrelation(layer):
    """The normalised autocorrelation of a layer, 1 in the middle."""
    return cross_correlation(layer, layer)


def cross_correlation(one, two):
    """The normalised circular cross-correlation of two layers; no shift is in the middle."""
    spectra = [np.fft.rfft2(each - each.mean()) for each in (one.astype(float), two.astype(float))]
    scale = one.astype(float).std() * two.astype(float).std() * one.size
    return np.fft.fftshift(np.fft.irfft2(spectra[0] * spectra[1].conj(), one.shape)) / scale


def half_width(layer, angle):
    """How far the autocorrelation reaches in a direction, in pixels, until it is one half."""
    far = np.arange(0, 60, 0.05)
    y, x = (side // 2 for side in layer.shape)
    sine, cosine = np.sin(np.radians(angle)), np.cos(np.radians(angle))
    values = map_coordinates(autocorrelation(layer), [y + far * cosine, x + far * sine], order=1)
    return far[np.argmax(values < 0.5)]


def check_widths(made):
    """Half widths of 0.61 widths across the fall and 0.28 lengths along it, within 40 %, of a set.

    Single layers differ: faint streaks are broken where they pass between two pixels.
    """
    told = [(each.layer, each.parameters) for each in made]
    across = np.mean([half_width(layer, of.angle + 90) / of.width for layer, of in told])
    along = np.mean([half_width(layer, of.angle) / of.length for layer, of in told])
    assert abs(across / 0.61 - 1) < 0.4, f"half a correlation at {across:.2f} widths"
    assert abs(along / 0.28 - 1) < 0.4, f"half a correlation at {along:.2f} lengths"


def check_borders(layers):
    """As much rain in a frame of eight pixels as within, over a set; nothing repeats."""
    ratios = []
    for layer in layers:
        inner = layer[8:-8, 8:-8].sum(dtype=float)
        frame = layer.sum(dtype=float) - inner
        pixels = layer.size - (layer.shape[0] - 16) * (layer.shape[1] - 16)
        ratios.append(frame / pixels / layer.mean())
        peaks = autocorrelation(layer)
        y, x = (side // 2 for side in layer.shape)
        peaks[y - 60 : y + 61, x - 60 : x + 61] = 0
        assert peaks.max() < 0.1, "the layer repeats itself"
    assert 0.85 < np.mean(ratios) < 1.15, f"the frame has {np.mean(ratios):.2f} of the mean"


def check_independent(one, two):
    """Two layers have nothing in common, shifted or not."""
    found = cross_correlation(one, two)
    middle = tuple(side // 2 for side in one.shape)
    assert abs(found[middle]) < 0.05, "the layers are alike"
    assert np.abs(found).max() < 0.1, "the layers are alike once shifted"


def check_mask(layer, mask, rainy, clean):
    """The mask is where the layer is visible, and nowhere else does the picture change much."""
    assert (mask == (layer > 10)).all(), "the mask is not the layer's"
    change = np.abs(rainy.astype(int) - clean).max(axis=2)
    assert (change[~mask] <= 10).all(), "the picture changes outside the mask"


def check_blend(clean, layer, rainy, blend="screen"):
    """The picture is made again from the clean one and the layer, exactly; nothing gets darker."""
    below, streaks = clean.astype(int), layer[..., None].astype(int)
    if blend == "screen":
        expected = below + np.floor((255 - below) * streaks / 255 + 0.5)
    else:
        expected = np.minimum(255, below + streaks)
    assert (rainy >= clean).all(), "the picture gets darker"
    assert (rainy == expected).all(), "the picture is not the blend of clean and layer"


DROP_STATISTICS = ("blobs", "median radius", "p90 radius", "edge p99", "brighter", "covered")
"""The statistics of `drop_statistics`; those of the study, with the share covered as a sixth."""


def drop_statistics(wet, clean):
    """What drops change in a picture: number, size in pixels, edges, share that got brighter.

    The luma's difference, smoothed by one pixel, counts where it exceeds 12 grey levels; blobs of
    12 pixels and more count as drops; edges are the difference's gradient in levels per pixel.
    """
    weights = np.float32([0.299, 0.587, 0.114])
    change = cv2.GaussianBlur(wet @ weights - clean @ weights, (0, 0), 1)
    seen = np.abs(change) > 12
    _, _, blobs, _ = cv2.connectedComponentsWithStats(seen.astype(np.uint8), connectivity=8)
    areas = blobs[1:, cv2.CC_STAT_AREA]
    radii = np.sqrt(areas[areas >= 12] / np.pi)
    edges = np.percentile(np.hypot(*np.gradient(change)), 99)
    brighter = (change[seen] > 0).mean()
    return np.array(
        [len(radii), np.median(radii), np.percentile(radii, 90), edges, brighter, seen.mean()]
    )


HIGHLIGHT_STATISTICS = ("rim sharpness", "highlights")
"""The statistics of `rims_and_highlights`."""

DROP_PARTS = {
    "case1.jpg": np.s_[20:120, 0:300],
    "case2.jpg": np.s_[30:150, 0:250],
    "case3.jpg": np.s_[60:150, 560:720],
    "case4.jpg": np.s_[0:190, 140:300],
    "case5.jpg": np.s_[100:200, 130:420],
}
"""Where dark trees stand behind the drops of the photographs that have no clean image: there a
large median tells the drops from the scene."""

_LUMA = np.float32([0.299, 0.587, 0.114])


def scene_behind(photograph):
    """An estimate of what is behind drops: their number is small in so large a window."""
    return cv2.medianBlur(photograph, 45)


def bright_drops(wet, behind):
    """The change of the luma, smoothed by a pixel, and the bright blobs in it, one by one.

    Blobs are where it exceeds 30 grey levels; those of 12 pixels and a peak of 60 count.
    """
    change = cv2.GaussianBlur(wet @ _LUMA - behind @ _LUMA, (0, 0), 1)
    count, labels, blobs, _ = cv2.connectedComponentsWithStats(
        (change > 30).astype(np.uint8), connectivity=8
    )
    found = []
    for number in range(1, count):
        left, top, width, height, area = blobs[number]
        part = np.s_[top : top + height, left : left + width]
        blob = labels[part] == number
        if area >= 12 and change[part][blob].max() >= 60:
            found.append((part, blob))
    return change, found


def rims_and_highlights(pictures):
    """How sharp the edges of bright drops are, and which share of their area is highlight.

    The steepest slope of a drop over its peak, per pixel (the median of all drops): the brightness
    of drops cancels out. A pixel is highlight where the drop adds more than 0.6 of what the scene
    lacks to white.

    Args:
        pictures: Pictures with drops, each with the part of it that is looked at.
    """
    rims, area, highlights = [], 0, 0
    for wet, part in pictures:
        behind = scene_behind(wet)[part]
        change, found = bright_drops(wet[part], behind)
        slope = np.hypot(*np.gradient(change))
        gained = change / np.maximum(255 - behind @ _LUMA, 1)
        for place, blob in found:
            rims.append(slope[place][blob].max() / change[place][blob].max())
            area += blob.sum()
            highlights += (gained[place][blob] > 0.6).sum()
    return np.array([np.median(rims), highlights / area])


def without_drops(photograph):
    """The scene of a photograph with its texture, the drops replaced by texture from beside them.

    Rendered drops are laid over it, so that the texture counts for both in the same way.
    """
    behind = scene_behind(photograph)
    texture = photograph.astype(int) - behind
    drops = np.zeros(photograph.shape[:2], np.uint8)
    for part, blob in bright_drops(photograph, behind)[1]:
        drops[part] |= blob
    left = cv2.dilate(drops, np.ones((7, 7), np.uint8)).astype(bool)
    for shift in ((0, 40), (30, 0), (0, -40), (-30, 0), (20, 20)):
        free = left & ~np.roll(left, shift, (0, 1))
        texture[free] = np.roll(texture, shift, (0, 1))[free]
        left &= ~free
    texture[left] = 0
    return np.clip(behind + texture, 0, 255).astype(np.uint8)
