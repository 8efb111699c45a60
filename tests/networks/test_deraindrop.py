"""DeRaindrop against outputs of the authors' class, and its parts against plain readings."""

import numpy as np
import pytest
import torch
from material import Shapes, by_rule, conv
from torch.nn import functional as F

from rainbench.core.images import read_image
from rainbench.networks.deraindrop import DeRaindrop, Doubled


def published_shapes() -> Shapes:
    shapes = conv("det_conv0.0", 32, 4) | conv("det_conv_mask.0", 1, 32)
    for block in range(1, 6):
        shapes |= conv(f"det_conv{block}.0", 32, 32) | conv(f"det_conv{block}.2", 32, 32)
    for gate in "ifgo":
        shapes |= conv(f"conv_{gate}.0", 32, 64)
    shapes |= conv("conv1.0", 64, 4, 5) | conv("conv2.0", 128, 64) | conv("conv3.0", 128, 128)
    shapes |= conv("conv4.0", 256, 128)
    for name in ("conv5", "conv6", "diconv1", "diconv2", "diconv3", "diconv4", "conv7", "conv8"):
        shapes |= conv(f"{name}.0", 256, 256)
    for name, inputs, outputs in (("deconv1", 256, 128), ("deconv2", 128, 64)):
        shapes |= {f"{name}.0.weight": (inputs, outputs, 4, 4), f"{name}.0.bias": (outputs,)}
    shapes |= conv("conv9.0", 128, 128) | conv("conv10.0", 32, 64)
    shapes |= conv("outframe1.0", 3, 256) | conv("outframe2.0", 3, 128)
    return shapes | conv("output.0", 3, 32)


@pytest.mark.data
@pytest.mark.parametrize("name", ["in0_astronaut_64x64", "in1_chelsea_101x75"])
def test_weights_by_rule_give_what_the_authors_class_gives(shared, name):
    network = DeRaindrop()
    network.load_state_dict(network.convert_published(by_rule(published_shapes())))
    rainy = read_image(shared / "networks" / "inputs" / f"{name}_rainy.png")
    height, width = (side // 4 * 4 for side in rainy.shape[:2])
    bgr = torch.from_numpy(rainy[:height, :width, ::-1].copy()).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        found = network.eval()(bgr)
    with np.load(shared / "networks" / "golden" / "DeRaindrop_generator_formula.npz") as golden:
        expected = [torch.from_numpy(golden[f"{name}__{number}"]) for number in range(5)]
    maps = [found.maps[key] for key in ("attention_1", "attention_4", "quarter", "half")]
    for ours, theirs in zip([*maps, found.image], expected, strict=True):
        assert (ours[0] - theirs).abs().max() < 5e-6


def test_number_of_parameters_and_what_it_returns():
    with torch.device("meta"):
        assert sum(p.numel() for p in DeRaindrop().parameters()) == 6_244_362
    found = DeRaindrop(width=4)(torch.rand(2, 3, 12, 20))
    sizes = {name: tuple(value.shape[1:]) for name, value in found.maps.items()}
    assert sizes == {
        **{f"attention_{step}": (1, 12, 20) for step in (1, 2, 3, 4)},
        "attention": (1, 12, 20), "quarter": (3, 3, 5), "half": (3, 6, 10),
    }  # fmt: skip
    assert torch.equal(found.maps["attention"], found.maps["attention_4"])


def test_an_odd_key_is_refused():
    state = by_rule(published_shapes())
    state["conv11.0.weight"] = torch.zeros(1)
    with pytest.raises(KeyError, match="unexpected conv11"):
        DeRaindrop.convert_published(state)


def test_doubling_pixel_by_pixel():
    torch.manual_seed(0)
    doubled = Doubled(2, 1)
    features = torch.rand(1, 2, 3, 4)
    wide = F.conv_transpose2d(features, doubled.conv.weight, doubled.conv.bias, 2, 1)[0, 0]
    found = doubled(features)[0, 0]
    for y in range(6):
        for x in range(8):
            rows = (abs(y - 1), y)  # above the first row stands the second
            columns = (abs(x - 1), x)
            mean = sum(wide[r, c] for r in rows for c in columns) / 4
            assert found[y, x].item() == pytest.approx(max(mean.item(), 0), abs=1e-6)
