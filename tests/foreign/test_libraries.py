"""Networks by huggingface-hub and spandrel, which stand-ins play: they need not be installed."""

import importlib
import sys
import types

import numpy as np
import pytest
import torch
from torch import nn

from rainbench.core.errors import RainbenchError
from rainbench.foreign.entry import entry_of
from rainbench.run.options import RunOptions
from rainbench.run.predict import Predictor

GRAY = np.full((9, 11, 3), 102, np.uint8)
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def restored(entry):
    return Predictor(entry, None, RunOptions())(GRAY)


def spandrel(scale=1, channels=3):
    class Described:
        def __init__(self):
            self.scale, self.input_channels, self.output_channels = scale, channels, 3
            self.model = nn.Conv2d(3, 3, 1, bias=False)
            self.model.weight.data = 0.5 * torch.eye(3)[:, :, None, None]

        def __call__(self, image):
            return self.model(image)

    class Loader:
        def __init__(self, device):
            pass

        def load_from_file(self, path):
            if "unknown" in path:
                raise RuntimeError("unsupported")
            return Described()

    module = types.ModuleType("spandrel")
    module.ModelLoader = Loader
    return module


def test_spandrel(tmp_path, monkeypatch):
    file = tmp_path / "net.pth"
    file.write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "spandrel", spandrel())
    entry = entry_of(f"spandrel:{file}")
    assert restored(entry) == pytest.approx(0.2)
    assert (entry.name, entry.parameters, entry.macs_per_pixel) == ("net", 9, 9)
    (tmp_path / "unknown.pth").write_bytes(b"x")
    with pytest.raises(RainbenchError, match="cannot read it: RuntimeError: unsupported"):
        restored(entry_of(f"spandrel:{tmp_path}/unknown.pth"))
    monkeypatch.setitem(sys.modules, "spandrel", spandrel(scale=4))
    with pytest.raises(RainbenchError, match="enlarges 4 times"):
        restored(entry_of(f"spandrel:{file}"))
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(RainbenchError, match=r"rainbench\[spandrel\]"):
        restored(entry_of(f"spandrel:{file}"))


def hub(folder, *, online=True):
    """What stands for huggingface-hub: a repository of the files of a folder."""
    module = types.ModuleType("huggingface_hub")
    asked = []

    class Api:
        def model_info(self, repository, revision=None):
            asked.append((repository, revision))
            if not online:
                raise ConnectionError("no route to host")
            files = [types.SimpleNamespace(rfilename=file.name) for file in folder.iterdir()]
            return types.SimpleNamespace(sha=COMMIT, siblings=files)

    def snapshot_download(repository, revision=None, local_files_only=False):
        assert local_files_only
        if folder.name != COMMIT:
            raise ConnectionError("no copy of it")
        return str(folder)

    def hf_hub_download(repository, path, revision=None):
        assert revision == COMMIT
        return str(folder / path)

    module.HfApi, module.asked = Api, asked
    module.snapshot_download, module.hf_hub_download = snapshot_download, hf_hub_download
    return module


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / COMMIT
    folder.mkdir()
    script = torch.jit.script(nn.Identity())
    script.save(folder / "net.pt")
    (folder / "README.md").write_text("a network")
    return folder


def test_a_repository(repository, monkeypatch):
    module = hub(repository)
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    entry = entry_of("hf://me/derain@v1")
    assert module.asked == [("me/derain", "v1")]
    assert restored(entry) == pytest.approx(0.4) and entry.name == "me-derain"
    facts = entry.baseline.maker.facts()
    assert facts["revision"] == COMMIT and facts["title"] == "me/derain/net.pt"
    (repository / "other.onnx").write_bytes(b"x")
    with pytest.raises(RainbenchError, match="holds 2 files"):
        entry_of("hf://me/derain")
    assert restored(entry_of("hf://me/derain/net.pt")) == pytest.approx(0.4)


def test_without_a_connection(repository, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub(repository, online=False))
    entry = entry_of("hf://me/derain")
    assert restored(entry) == pytest.approx(0.4)
    assert entry.baseline.maker.facts()["revision"] == COMMIT
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub(tmp_path, online=False))
    with pytest.raises(RainbenchError, match="Without a connection"):
        entry_of("hf://me/derain")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(RainbenchError, match=r"rainbench\[hub\]"):
        entry_of("hf://me/derain")
    with pytest.raises(RainbenchError, match="no address"):
        entry_of("hf://derain")


def loads(name):
    """Return whether a library loads here; torchvision may be of another PyTorch."""
    try:
        importlib.import_module(name)
    except Exception:
        return False
    return True


@pytest.mark.skipif(not loads("spandrel"), reason="spandrel does not load here")
@pytest.mark.parametrize("nested", ["", "params", "params_ema"])
def test_a_small_network_of_spandrel_itself(tmp_path, nested):
    from spandrel.architectures.NAFNet import NAFNet

    torch.manual_seed(1)
    network = NAFNet(
        img_channel=3, width=4, middle_blk_num=1, enc_blk_nums=[1, 1], dec_blk_nums=[1, 1]
    ).eval()
    for name, parameter in network.named_parameters():
        if name.endswith(("beta", "gamma")):  # zero at first: the blocks would do nothing
            torch.nn.init.normal_(parameter, std=0.3)
    state = network.state_dict()
    torch.save({nested: state} if nested else state, tmp_path / "nafnet.pth")
    entry = entry_of(f"spandrel:{tmp_path / 'nafnet.pth'}")
    image = np.random.default_rng(1).integers(0, 256, (24, 32, 3)).astype(np.uint8)
    found = Predictor(entry, None, RunOptions())(image)
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        wanted = network(tensor)[0].permute(1, 2, 0).numpy()
    assert entry.parameters == sum(each.numel() for each in network.parameters())
    np.testing.assert_allclose(found.clip(0, 1), wanted.clip(0, 1), atol=1e-5)
    assert np.abs(found - image / 255).max() > 0.1  # it does something
    assert Predictor(entry, None, RunOptions())(image[:21, :30]).shape == (21, 30, 3)
