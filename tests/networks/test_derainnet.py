"""DerainNet against a plain reading of its three layers."""

import numpy as np
import pytest
import torch
from scipy.signal import correlate

from rainbench.networks.derainnet import DerainNet
from rainbench.networks.guided_filter import guided_filter


@pytest.mark.parametrize("size", [(23, 17), (6, 9)])
def test_layer_by_layer(size):
    torch.manual_seed(0)
    network = DerainNet(width=3).double()
    rainy = torch.rand(1, 3, *size, dtype=torch.float64)
    wide = np.pad(rainy[0].numpy(), ((0, 0), (10, 10), (10, 10)), mode="symmetric")
    base = guided_filter(torch.from_numpy(wide)[None], 15, 1.0)[0].numpy()
    state = {key: value.numpy() for key, value in network.state_dict().items()}
    first = [
        correlate(wide - base, kernel, mode="valid")[0] + bias
        for kernel, bias in zip(state["conv1.weight"], state["conv1.bias"], strict=True)
    ]
    second = np.tensordot(state["conv2.weight"][:, :, 0, 0], np.maximum(first, 0), 1)
    second = np.maximum(second + state["conv2.bias"][:, None, None], 0)
    # A transposed convolution adds a kernel at every place.
    third = np.zeros((3, second.shape[1] + 7, second.shape[2] + 7))
    for y in range(second.shape[1]):
        for x in range(second.shape[2]):
            added = np.tensordot(second[:, y, x], state["conv3.weight"], 1)
            third[:, y : y + 8, x : x + 8] += added
    third += state["conv3.bias"][:, None, None]
    detail = third[:, 6:-6, 6:-6]
    with torch.inference_mode():
        found = network(rainy)
    assert found.maps["detail"][0].numpy() == pytest.approx(detail, abs=1e-10)
    assert found.image[0].numpy() == pytest.approx(detail + base[:, 10:-10, 10:-10], abs=1e-10)


def test_number_of_parameters():
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in DerainNet().parameters()) == 754_691


def test_a_trained_detail_is_added_to_the_base():
    network = DerainNet(width=2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        rainy = torch.rand(2, 3, 20, 30)
        found = network(rainy).image
    assert found.shape == rainy.shape and not torch.equal(found, rainy)
    assert found.std() < rainy.std()
