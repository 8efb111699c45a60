"""Networks whose weights are published in other frameworks' files, against the authors' programs.

Every file is read as it is published, and its export under our names has to give the same values.
The bounds are those of the reference outputs.
"""

import zlib

import numpy as np
import pytest
import torch
from material import read_rainy, worst
from safetensors.torch import load_file

from rainbench.networks.ddn import DDN
from rainbench.networks.ddn_preactivation import DDNPreActivation
from rainbench.networks.drn import DRN
from rainbench.networks.fit import load_weights
from rainbench.networks.jorder import JORDER, to_ycbcr
from rainbench.networks.jorder_e import JORDERE
from rainbench.networks.lpnet import LPNet

pytestmark = pytest.mark.data

SMALL = "in0_astronaut_64x64"
OF_IMAGE = {
    "ddn_RainHeavy": ("ddn/RainHeavy/model-epoch-15", "ddn/ddn.RainHeavy"),
    "ddn_RainLight": ("ddn/RainLight/model-epoch-15", "ddn/ddn.RainLight"),
    "sirr_official": ("sirr/published/model", "sirr/sirr.official"),
    "sirr_RainHeavy": ("sirr/RainHeavy/model-epoch-15", "sirr/sirr.RainHeavy"),
    "sirr_RainLight": ("sirr/RainLight/model-epoch-15", "sirr/sirr.RainLight"),
}
DATA = ".data-00000-of-00001"


def golden(shared, stem):
    with np.load(shared / "methods" / "golden" / f"{stem}_{SMALL}.npz") as arrays:
        return dict(arrays)


def loaded(network, shared, published, converted=""):
    """The network with published weights, which have to be those of the export."""
    load_weights(network, shared / "weights" / published)
    if converted:
        export = load_file(shared / "weights" / f"{converted}.safetensors")
        state = network.state_dict()
        assert export.keys() == {key for key in state if not key.endswith("tracked")}
        assert all(torch.equal(state[key], value) for key, value in export.items())
        load_weights(network, shared / "weights" / f"{converted}.safetensors")
    return network.eval()


def run(network, rainy):
    with torch.inference_mode():
        return network(rainy)


@pytest.mark.parametrize("name", ["light", "heavy"])
def test_lpnet(shared, name):
    files = f"lpnet/published/{name}_model{DATA}", f"lpnet/lpnet.{name}"
    network = loaded(LPNet(), shared, *files)
    expected, rainy = golden(shared, f"lpnet_{name}"), read_rainy(shared, SMALL)
    ours = run(network, rainy)
    levels = [*ours.maps.values(), ours.image]
    for number, (level, image) in enumerate(
        zip(network.pyramid(rainy), levels, strict=True), start=1
    ):
        assert worst(level[0], expected[f"lap{number}"]) <= 1e-6
        assert worst(image[0], expected[f"out{number}"]) <= 5e-6


@pytest.mark.parametrize("name", OF_IMAGE)
def test_ddn_by_statistics_of_the_image(shared, name):
    published, converted = OF_IMAGE[name]
    network = loaded(DDN(), shared, published + DATA, converted)
    expected = golden(shared, name)
    ours = run(network, read_rainy(shared, SMALL))
    assert worst(ours.maps["detail"][0], expected["detail"]) <= 1e-7
    assert worst(ours.maps["residual"][0], expected["residual"]) <= 1e-5
    assert worst(ours.image[0], expected["out"]) <= 1e-5


def test_ddn_by_stored_statistics(shared):
    files = f"ddn/published/rain1400_model{DATA}", "ddn/ddn.official-rain1400"
    network = loaded(DDN(statistics="stored"), shared, *files)
    expected, rainy = golden(shared, "ddn_official-rain1400"), read_rainy(shared, SMALL)
    ours = run(network, rainy)
    assert worst(rainy[0] - ours.maps["detail"][0], expected["base"]) <= 2e-6
    assert worst(ours.image[0], expected["out"]) <= 2e-6


def test_ddn_reconstructed(shared):
    """Against another reconstruction: the authors' program cannot be read."""
    files = "ddn/published/network.mat", "ddn/ddn.cvpr17-matlab"
    network = loaded(DDNPreActivation(), shared, *files)
    expected = golden(shared, "ddn-cvpr17-matlab-RECONSTRUCTED")
    rainy = read_rainy(shared, SMALL)
    ours = run(network, rainy)
    assert worst(rainy[0] - ours.maps["detail"][0], expected["base"]) <= 1e-6
    assert worst(ours.image[0], expected["out"]) <= 2e-6


@pytest.mark.parametrize("name", ["light", "heavy", "practical_heavy", "practical_light"])
def test_jorder(shared, name):
    file = "light" if name == "practical_light" else name  # byte for byte the same
    published = f"jorder/published/rain_removal_single_{file}.caffemodel"
    network = loaded(JORDER(), shared, published, f"jorder/jorder.{file}")
    expected, rainy = golden(shared, f"jorder_{name}"), read_rainy(shared, SMALL)
    luma = torch.floor(to_ycbcr(rainy)[:, :1] + 0.5) / 255
    assert worst(luma[0, 0], expected["luma_in"]) == 0
    assert worst(run(network, rainy).maps["luma"][0, 0], expected["luma_out_tiled"]) <= 1e-5
    with torch.inference_mode():
        whole = network.restore_tile(luma.float())
    assert worst(whole[0, 0], expected["luma_out_whole"]) <= 1e-5
    assert np.abs(expected["luma_out_whole"] - expected["luma_out_tiled"]).max() > 0.01


def test_jorder_e(shared):
    files = "jorder_e/published/model_practical.pt", "jorder_e/jorder_e.practical"
    network = loaded(JORDERE(width=32, blocks=3), shared, *files)
    expected, rainy = golden(shared, "jorder_e_practical"), 255 * read_rainy(shared, SMALL)
    ours = run(network, rainy)
    assert worst(ours.image[0], expected["out"]) <= 1e-3
    assert worst(ours.stages[0][0], expected["out_stage1"]) <= 1e-3
    assert worst(ours.maps["mask_logits"][0], expected["mask"]) <= 1e-3
    assert worst(ours.maps["level"][0], expected["level"]) <= 1e-3
    exact = run(network.double(), rainy.double().round())
    assert worst(exact.image[0], expected["out_f64"]) <= 1e-9


def test_jorder_e_of_the_papers_size_by_rule(shared):
    network = JORDERE().double().eval()
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    network.load_state_dict(network.convert_published(by_rule_in_single(shapes, 0.3)))
    with np.load(shared / "methods" / "golden" / "jorder_e_full_formula.npz") as arrays:
        expected = {key.partition("__")[2]: arrays[key] for key in arrays if SMALL in key}
    rainy = (255 * read_rainy(shared, SMALL)).double().round()
    ours = run(network, rainy)
    for found, name in (
        (ours.image, "out"),
        (ours.stages[0], "stage1"),
        (ours.maps["mask_logits"], "mask"),
        (ours.maps["level"], "level"),
    ):
        bound = 1e-9 * np.abs(expected[name]).max()
        assert worst(found[0], expected[name]) <= bound, name


def by_rule_in_single(shapes, gain):
    """The rule of `by_rule`, every product in single precision: at 1e-9 that is a difference."""
    state = {}
    for key, shape in shapes.items():
        drawn = np.random.RandomState(zlib.crc32(key.encode())).standard_normal(shape)
        drawn = torch.from_numpy(drawn).float()
        fan = np.float32(np.sqrt(np.prod(shape[1:])))
        state[key] = drawn * gain / fan if len(shape) > 1 else drawn * 0.05
    return state


@pytest.mark.parametrize("name", ["Rain100L", "Rain100H"])
def test_drn(shared, name):
    network = loaded(DRN(), shared, f"drn/DRN_{name}_inter7_intra7.pth")
    expected, rainy = golden(shared, f"drn_{name}"), read_rainy(shared, SMALL)
    ours = run(network, rainy)
    assert worst(torch.cat(ours.stages), expected["stages"]) <= 5e-6
    assert worst(ours.image[0], expected["out"]) <= 5e-6
    assert worst(run(network.double(), rainy.double()).image[0], expected["out_f64"]) <= 1e-10
