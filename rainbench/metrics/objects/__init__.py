"""PSNR and SSIM as objects that collect batches."""

from rainbench.metrics.objects.means import PSNR, SSIM

__all__ = ["PSNR", "SSIM"]
