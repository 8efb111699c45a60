"""Metrics beside the PSNR/SSIM protocols: with or without a clean picture, ours and yours."""
