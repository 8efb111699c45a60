"""What is damaged: by name, what makes a kind of files in a folder of its own."""

from files import GifKind, ImageKind, MatKind, VideoKind
from frameworks import CaffeKind, MatWeightsKind, TensorFlowKind
from records import CardKind, CheckpointKind, ListKind, RunKind

KINDS = {
    "png": ImageKind("png", {}, {"optimize": True}),
    "jpeg": ImageKind("jpg", {"quality": 90}, {"progressive": True, "quality": 60}, slack=3),
    "webp": ImageKind("webp", {"lossless": True}, {"quality": 80}, slack=0),
    "tiff": ImageKind(
        "tif", *({"compression": each} for each in (None, "tiff_lzw", "tiff_deflate", "packbits"))
    ),
    "bmp": ImageKind("bmp"),
    "ppm": ImageKind("ppm"),
    "gif": GifKind("gif"),
    "mp4": VideoKind("a.mp4", "libx264", "yuv420p", 2),
    "mjpeg": VideoKind("a.avi", "mjpeg", "yuvj420p", 2),
    "raw-avi": VideoKind("b.avi", "rawvideo", "bgr24", 2),
    "ffv1": VideoKind("a.mkv", "ffv1", "bgr0", 2),
    "mat": MatKind,
    "pth": CheckpointKind(".pth"),
    "safetensors": CheckpointKind(".safetensors"),
    "tensorflow": TensorFlowKind("model.data-00000-of-00001"),
    "caffemodel": CaffeKind("a.caffemodel"),
    "mat-weights": MatWeightsKind("weights.mat"),
    "dataset-card": CardKind("datasets/mini-streaks.toml", "datasets/rain12.toml"),
    "network-card": CardKind("baselines/prenet_r.toml", "baselines/prenet.toml"),
    "list": ListKind,
    "run": RunKind,
}
"""By name, what makes a kind in a folder of its own."""
