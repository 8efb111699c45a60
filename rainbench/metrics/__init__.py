"""PSNR and SSIM under every published convention."""
