"""DAF-Net against a plain reading of its layer files."""

import pytest
import torch
from material import Shapes, by_rule, conv
from torch.nn import functional as F

from rainbench.networks.daf_net import DAFNet

ENCODER = [
    ("conv1_1", 3, 64), ("conv1_2", 64, 64), "2", ("conv2_1", 64, 128), ("conv2_2", 128, 128), "2",
    ("conv3_1", 128, 256), ("conv3_2", 256, 256), ("conv3_3", 256, 256), "2",
    ("conv4_1", 256, 512), ("conv4_2", 512, 512), ("conv4_3", 512, 512), "3",
    ("conv5_1", 512, 512), ("conv5_2", 512, 512), ("conv5_3", 512, 512), "3",
]  # fmt: skip
DECODER = [
    ("conv2-dsn5", "conv5_3", 1024, 512), ("conv2-dsn4", "conv4_3", 1024, 384),
    ("conv2-dsn3", "conv3_3", 640, 256), ("conv2-dsn2", "conv2_2", 384, 160),
    ("conv2-dsn1", "conv1_2", 224, 128),
]  # fmt: skip
ATTENTION = [
    ("atten1_c1", 1, 32), ("atten1_c2", 32, 32), "conv2_1", ("atten2_c1", 32, 64),
    ("atten2_c2", 64, 64), "conv1_1", ("atten3_c1", 64, 128), ("atten3_c2", 128, 128),
]  # fmt: skip
UNBIASED = ("conv1_group_1x1", "conv1_group_3x3", "conv2_group_1x1", "attentional_conv1",
            "attentional_conv3")  # fmt: skip


def published_shapes() -> Shapes:
    shapes: Shapes = {}
    for layer in (*ENCODER, *ATTENTION):
        if isinstance(layer, tuple):
            shapes |= conv(layer[0], layer[2], layer[1])
    for name in ("conv1-dsn6", "conv2-dsn6", "conv2-dsn6-d"):
        shapes |= conv(name, 512, 512)
    for name, _, inputs, outputs in DECODER:
        shapes |= conv(name, outputs, inputs)
        shapes |= conv(f"{name}-d", outputs, inputs) if name > "conv2-dsn2" else {}
    shapes |= conv("depth_predict", 1, 256, 1) | conv("atten_weight", 64, 128, 1)
    shapes |= conv("conv1_group_1x1", 256, 128, 1) | conv("conv1_group_3x3", 256, 256)
    shapes |= conv("conv2_group_1x1", 256, 256, 1) | conv("attentional_conv1", 192, 4, 1)
    shapes |= conv("attentional_conv2", 192, 3) | conv("attentional_conv3", 3, 192, 1)
    shapes = {key: shape for key, shape in shapes.items() if key[:-5] not in UNBIASED}
    return {
        key.replace(".weight", ".0").replace(".bias", ".1"): shape for key, shape in shapes.items()
    }


def plain(published, image):
    """What the files say, layer by layer."""
    blobs = {}

    def layer(name, x, **options):
        kernel = published[f"{name}.0"]
        reach = options.get("dilation", 1) * (kernel.shape[-1] // 2)
        return F.conv2d(x, kernel, published.get(f"{name}.1"), padding=reach, **options)

    def up(x, like):
        return F.interpolate(x, blobs[like].shape[-2:], mode="bilinear", align_corners=True)

    def decode(suffix, count):
        x = layer(f"conv2-dsn6{suffix}", deep).relu()
        for name, beside, _, _ in DECODER[:count]:
            x = layer(f"{name}{suffix}", torch.cat((blobs[beside], up(x, beside)), 1)).relu()
        return x

    x = image
    for each in ENCODER:
        if isinstance(each, tuple):
            x = blobs[each[0]] = layer(each[0], x).relu()
        elif each == "2":
            x = F.max_pool2d(x, 2, 2, ceil_mode=True)
        else:
            # Of Caffe: windows of 3 begin every 2 pixels from -1 on, the last one within the image.
            starts = [range(-1, side, 2) for side in x.shape[-2:]]
            x = torch.stack([
                torch.stack([
                    x[..., max(top, 0) : top + 3, max(left, 0) : left + 3].amax((-2, -1))
                    for left in starts[1]
                ], -1) for top in starts[0]
            ], -2)  # fmt: skip
    deep = layer("conv1-dsn6", F.avg_pool2d(x, 3, 1, 1)).relu()
    depth = torch.sigmoid(layer("depth_predict", decode("-d", 3)))
    x = depth
    for each in ATTENTION:
        if isinstance(each, tuple):
            x = layer(each[0], x, dilation=2 if each[0].endswith("c2") else 1).relu()
        else:
            x = up(x, each)
    attention = layer("atten_weight", x).softmax(1)
    x = layer("conv1_group_1x1", decode("", 5)).relu()
    x = layer("conv2_group_1x1", layer("conv1_group_3x3", x).relu())
    x = torch.stack([x[:, c] * attention[:, c // 4] for c in range(256)], 1)
    x = layer("attentional_conv2", layer("attentional_conv1", x, groups=64).relu(), groups=64)
    return image + torch.tanh(layer("attentional_conv3", x)), depth, attention


@pytest.mark.parametrize("size", [(33, 42), (64, 32)])
def test_layer_by_layer(size):
    shapes = {f"{key}.weight": shape for key, shape in published_shapes().items()}
    published = {
        key.removesuffix(".weight"): value if value.ndim > 1 else 0.1 * value - 0.1
        for key, value in by_rule(shapes, 1.4).items()
    }
    network = DAFNet()
    network.load_state_dict(network.convert_published(published))
    image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        found = network(image)
        expected, depth, attention = plain(published, image)
    assert (expected - image).abs().max() > 0.01 and attention.std() > 1e-4
    assert torch.allclose(found.image, expected, atol=1e-5)
    assert torch.allclose(found.maps["depth"], depth, atol=1e-5)
    assert torch.allclose(found.maps["attention"], attention, atol=1e-6)


def test_number_of_parameters():
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in DAFNet().parameters()) == 43_061_697


def test_odd_and_missing_layers_are_named():
    published = {key: torch.zeros(1) for key in published_shapes()}
    del published["depth_predict.1"]
    published["conv6.0"] = torch.zeros(1)
    with pytest.raises(KeyError, match=r"DAF-Net: missing depth_predict\.1; unexpected conv6\.0"):
        DAFNet.convert_published(published)
