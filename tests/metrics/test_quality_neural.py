"""LPIPS and DISTS, where torchmetrics and a torchvision that loads are installed.

The networks' weights are random here: the published ones are not in any package.
"""

import numpy as np
import pytest
import torch
from made_pictures import made_picture

from rainbench.metrics.quality import neural
from rainbench.metrics.quality.registry import open_metrics

try:
    import torchmetrics  # noqa: F401
    import torchvision

    MISSING = ""
except Exception as error:
    MISSING = f"torchmetrics or torchvision does not load: {error}"

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)

CASES = {
    "lpips": (neural._load_lpips, neural.ALEXNET, "alexnet"),
    "dists": (neural._load_dists, neural.VGG16, "vgg16"),
}


@pytest.fixture(scope="module", params=CASES)
def metric(request, tmp_path_factory):
    load, needed, network = CASES[request.param]
    torch.manual_seed(1)
    file = tmp_path_factory.mktemp("weights") / needed.name
    torch.save(getattr(torchvision.models, network)(weights=None).state_dict(), file)
    before = torch.hub.get_dir()
    measure = load({needed.name: file})
    assert torch.hub.get_dir() == before
    return request.param, measure, file


def test_the_same_picture_is_0_apart_and_a_worse_one_further(metric):
    _, measure, _ = metric
    clean = made_picture("plain", 96, 96)
    noise = np.random.default_rng(0).integers(-1, 2, clean.shape)
    scores = [
        measure(np.clip(clean + strength * noise, 0, 255).astype(np.uint8), clean)
        for strength in (0, 8, 40)
    ]
    assert scores[0] == pytest.approx(0, abs=1e-5) and scores == sorted(scores)
    assert measure(clean, clean) == scores[0]  # nothing is left of the pictures before


def test_weights_of_another_hash_are_refused(metric):
    name, _, file = metric
    missing = open_metrics([name], [file.parent]).missing
    assert file.name in missing[name] and "https://" in missing[name]
