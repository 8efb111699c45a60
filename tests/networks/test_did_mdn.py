"""DID-MDN's networks against outputs of the authors' classes, and the way from one to the next."""

import zlib

import numpy as np
import pytest
import torch
from material import Shapes, by_rule, conv

from rainbench.core.images import read_image
from rainbench.networks.did_mdn import DIDMDN, Classifier, Estimator, Restorer

# Of each block: channels in, new, out.
RESTORING = {
    0: (3, [(3, 5, 4), (4, 8, 12), (12, 4, 12), (12, 4, 12), (24, 8, 4), (8, 8, 4)]),
    1: (5, [(3, 13, 8), (8, 16, 16), (16, 16, 16), (16, 16, 16), (32, 8, 8), (16, 8, 4)]),
    2: (7, [(3, 13, 8), (8, 16, 16), (16, 16, 16), (16, 16, 16), (32, 8, 8), (16, 8, 4)]),
}
ESTIMATING = {
    0: (3, [(3, 5, 4), (4, 8, 12), (12, 4, 12), (12, 4, 12), (12, 8, 4), (4, 8, 2)]),
    1: (3, [(3, 13, 8), (8, 16, 16), (16, 16, 16), (16, 16, 16), (16, 8, 8), (8, 8, 2)]),
    2: (3, [(3, 13, 8), (8, 16, 16), (16, 16, 16), (16, 16, 16), (16, 8, 8), (8, 8, 2)]),
}


def norm(name: str, channels: int) -> Shapes:
    kinds = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{kind}": (channels,) for kind in kinds} | {f"{name}.num_batches_tracked": ()}


def streams(table) -> Shapes:
    shapes: Shapes = {}
    for stream, (size, blocks) in table.items():
        for number, (inputs, new, outputs) in enumerate(blocks, start=1):
            dense = f"dense{stream}.dense_block{number}"
            shapes |= norm(f"{dense}.bn1", inputs) | norm(f"{dense}.bn2", 4 * new)
            shapes |= conv(f"{dense}.conv1", 4 * new, inputs, 1, bias=False)
            shapes |= conv(f"{dense}.conv2", new, 4 * new, size, bias=False)
            change = f"dense{stream}.trans_block{number}"
            shapes |= norm(f"{change}.bn1", inputs + new)
            shapes |= {f"{change}.conv1.weight": (inputs + new, outputs, 1, 1)}
    return shapes


def head(inputs: int, width: int, pooled: int) -> Shapes:
    shapes = conv("conv_refin", width, inputs) | conv("refine3", 3, width + 4 * pooled)
    for number in (1, 2, 3, 4):
        shapes |= conv(f"conv10{number}0", pooled, width, 1)
    return shapes


def restorer_shapes() -> Shapes:
    shapes = streams(RESTORING) | head(47, 47, 2)
    shapes |= conv("refineclean1", 8, 3, 7) | conv("refineclean2", 3, 8)
    for stream, (_, blocks) in RESTORING.items():
        shapes |= conv(f"dense{stream}.conv11", 1, blocks[0][2])
        shapes |= conv(f"dense{stream}.conv21", 1, blocks[1][2])  # never called
    return shapes | norm("batchnorm20", 20) | conv("dense1.refine3", 3, 24)


def estimator_shapes() -> Shapes:
    shapes = streams(ESTIMATING) | head(13, 20, 1)
    return shapes | conv("dense2.conv_refin", 20, 11) | norm("dense_block1.bn1", 3)


def formula(shapes: Shapes) -> dict[str, torch.Tensor]:
    state = by_rule({key: shape for key, shape in shapes.items() if shape})
    for key, value in state.items():
        if key.endswith("running_var"):
            drawn = np.random.RandomState(zlib.crc32(key.encode())).standard_normal(value.shape)
            state[key] = torch.from_numpy(1 + 0.1 * np.abs(drawn)).float()
    return state | {key: torch.tensor(0) for key, shape in shapes.items() if not shape}


def loaded(kind, shapes, statistics):
    network = kind(statistics=statistics)
    state = network.convert_published(formula(shapes))
    if statistics == "image":
        stored = ("running_mean", "running_var", "tracked")
        state = {key: value for key, value in state.items() if not key.endswith(stored)}
    network.load_state_dict(state)
    return network.eval()


@pytest.mark.data
@pytest.mark.parametrize("source", ["in0_astronaut_64x64", "in1_chelsea_101x75"])
@pytest.mark.parametrize(
    ("statistics", "mode", "bound"), [("stored", "eval", 1e-5), ("image", "train", 5e-4)]
)
def test_weights_by_rule_give_what_the_authors_classes_give(
    shared, source, statistics, mode, bound
):
    """Channels that hardly vary are blown up by their own statistics, and rounding with them: the
    authors' own layers, in the same precision, are as far from these outputs.
    """
    pixels = read_image(shared / "networks" / "inputs" / f"{source}_rainy.png")[:64, :64]
    image = 2 * torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255 - 1
    label = torch.tensor([2.0])
    with torch.inference_mode():
        restored = loaded(Restorer, restorer_shapes(), statistics)(image, label)
        estimate = loaded(Estimator, estimator_shapes(), statistics)(image, label)
    where = shared / "methods" / "golden"
    with np.load(where / "did-mdn_derain_formula.npz") as golden:
        for number, ours in enumerate(restored):
            expected = golden[f"{source[:3]}_{mode}_{number}"]
            assert np.abs(ours[0].numpy() - expected).max() <= bound
    with np.load(where / "did-mdn_residual_formula.npz") as golden:
        assert np.abs(estimate[0].numpy() - golden[f"{source[:3]}_{mode}_0"]).max() <= bound


def test_the_classifier_is_its_four_layers():
    torch.manual_seed(0)
    classifier = Classifier().eval()
    taken = torch.rand(1, 3, 512, 512)
    with torch.inference_mode():
        features = torch.nn.functional.conv2d(taken, classifier.conv1.weight, padding=1)
        features = features + classifier.conv1.bias[:, None, None]
        features -= features.mean((2, 3), keepdim=True)
        features /= (features.var((2, 3), correction=0, keepdim=True) + 1e-5).sqrt()
        features = classifier.conv2(features.clamp(min=0)).clamp(min=0)
        pooled = features[..., :511, :511].unfold(2, 7, 7).unfold(3, 7, 7).mean((-2, -1))
        expected = classifier.out(classifier.hidden(pooled.flatten(1)).clamp(min=0))
        assert torch.allclose(classifier(taken), expected, atol=1e-5)


def test_published_keys_of_the_classifier():
    shapes = conv("feature.0", 64, 3) | norm("feature.1", 64) | conv("conv16", 24, 64)
    published = by_rule({key: shape for key, shape in shapes.items() if shape})
    for name, outputs, inputs in (("dense_classifier", 512, 4), ("dense_classifier1", 4, 512)):
        published |= {f"{name}.weight": torch.zeros(outputs, inputs)}
        published |= {f"{name}.bias": torch.zeros(outputs)}
    found = Classifier.convert_published(published)
    with torch.device("meta"):
        assert found.keys() == Classifier(statistics="stored").state_dict().keys() - {
            "norm.num_batches_tracked"
        }


@pytest.mark.parametrize(
    ("network", "shapes"), [(Restorer, restorer_shapes()), (Estimator, estimator_shapes())]
)
def test_missing_and_odd_keys_are_named(network, shapes):
    published = formula(shapes)
    del published["refine3.bias"]
    published["dense3.conv11.bias"] = torch.zeros(1)
    with pytest.raises(KeyError, match=r"missing refine3\.bias; unexpected dense3\.conv11\.bias"):
        network.convert_published(published)


def test_number_of_parameters():
    with torch.device("meta"):
        network = DIDMDN()
    assert sum(parameter.numel() for parameter in network.parameters()) == 65_969_929


class Watched(torch.nn.Module):
    def __init__(self, answer):
        super().__init__()
        self.answer, self.seen = answer, None

    def forward(self, *seen):
        self.seen = seen
        return self.answer(*seen)


def test_what_each_network_is_given():
    with torch.device("meta"):
        network = DIDMDN()
    network.estimator = Watched(lambda image, label: 0.5 * image)
    network.classifier = Watched(lambda taken: torch.tensor([[0.0, 3, 1, 2], [5, 0, 0, 1]]))
    network.restorer = Watched(lambda image, label: (0.2 + 0 * image, 0.8 * image))
    rainy = torch.rand(2, 3, 33, 40)
    found = network(rainy)
    image, label = network.restorer.seen
    assert image.shape == (2, 3, 64, 64) and label.tolist() == [2, 1]
    assert torch.equal(image[..., :33, :40], 2 * rainy - 1)
    assert torch.equal(image[..., 33, :], image[..., 31, :])  # mirrored
    assert torch.equal(network.classifier.seen[0], 0.5 * image)
    assert network.estimator.seen[1].tolist() == [0, 0]
    assert torch.allclose(found.image, (0.8 * (2 * rainy - 1) + 1) / 2)
    assert torch.allclose(found.maps["rain"], torch.full_like(rainy, 0.1))
    network.density = 3
    network(rainy)
    assert network.restorer.seen[1].tolist() == [3, 3]


@pytest.mark.parametrize("arguments", [{"density": 5}, {"statistics": "batch"}])
def test_wrong_arguments_are_refused(arguments):
    with pytest.raises(ValueError, match="is"):
        DIDMDN(**arguments)
