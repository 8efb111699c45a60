"""SSIM, luma and down-sampling once more, as slow plain loops over the definitions."""

import math

import numpy as np


def gaussian_window():
    """11x11, sigma 1.5, normalised (Wang 2003)."""
    line = np.array([math.exp(-(k**2) / (2 * 1.5**2)) for k in range(-5, 6)])
    window = np.outer(line, line)
    return window / window.sum()


def ssim_map(x, y, window, ssim_range, correction=1.0):
    """The SSIM map where the window fits; ``correction`` makes moments sample moments."""
    side = len(window)
    c1, c2 = (0.01 * ssim_range) ** 2, (0.03 * ssim_range) ** 2
    values = np.empty((x.shape[0] - side + 1, x.shape[1] - side + 1))
    contrasts = np.empty_like(values)
    for row in range(values.shape[0]):
        for column in range(values.shape[1]):
            a = x[row : row + side, column : column + side]
            b = y[row : row + side, column : column + side]
            mean_a, mean_b = (window * a).sum(), (window * b).sum()
            variances = (window * ((a - mean_a) ** 2 + (b - mean_b) ** 2)).sum() * correction
            covariance = (window * (a - mean_a) * (b - mean_b)).sum() * correction
            luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
            contrasts[row, column] = (2 * covariance + c2) / (variances + c2)
            values[row, column] = luminance * contrasts[row, column]
    return values, contrasts


def gaussian_ssim(x, y, ssim_range=255.0):
    """Section 1, SSIM-G."""
    return ssim_map(x, y, gaussian_window(), ssim_range)[0].mean()


def clipped_ssim(x, y):
    """SSIM-G with the contrast term clipped at 0 (pyiqa)."""
    values, contrasts = ssim_map(x, y, gaussian_window(), 255.0)
    return np.where(contrasts > 0, values, 0.0).mean()


def padded_ssim(x, y, ssim_range=255.0):
    """Section 1, SSIM-Gz."""
    return gaussian_ssim(np.pad(x, 5), np.pad(y, 5), ssim_range)


def uniform_ssim(x, y, ssim_range=255.0):
    """Section 1, SSIM-U7."""
    return ssim_map(x, y, np.full((7, 7), 1 / 49), ssim_range, 49 / 48)[0].mean()


def wang_factor(height, width):
    """Section 1, DOWN: halves away from zero."""
    return max(1, math.floor(min(height, width) / 256 + 0.5))


def wang_shrink(plane, factor):
    """Section 1, DOWN: box mean with symmetric padding, then every ``factor``-th sample from 0."""
    height, width = plane.shape

    def mirrored(index, side):
        while not 0 <= index < side:
            index = -1 - index if index < 0 else 2 * side - 1 - index
        return index

    first = -((factor - 1) // 2)
    rows = []
    for top in range(0, height, factor):
        line = []
        for left in range(0, width, factor):
            total = 0.0
            for down in range(factor):
                for across in range(factor):
                    i = mirrored(top + first + down, height)
                    j = mirrored(left + first + across, width)
                    total += plane[i, j]
            line.append(total / factor**2)
        rows.append(line)
    return np.array(rows)


def luma_601(image):
    """Section 1, Y601."""
    red, green, blue = np.moveaxis(image.astype(float), 2, 0)
    return 16 + (65.481 * red + 128.553 * green + 24.966 * blue) / 255


def psnr(x, y, peak=255.0):
    """Section 1, PSNR(L)."""
    mse = np.mean((x.astype(float) - y.astype(float)) ** 2)
    return math.inf if mse == 0 else 10 * math.log10(peak**2 / mse)
