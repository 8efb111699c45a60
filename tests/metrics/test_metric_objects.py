"""PSNR and SSIM that collect batches, with and without torchmetrics, in one process and in two."""

import importlib
import importlib.util
import subprocess
import sys

import numpy as np
import pytest
import torch
from made_pictures import made_picture

from rainbench import metrics
from rainbench.core.errors import RainbenchError
from rainbench.metrics import mean_score, score_all
from rainbench.metrics.objects import means as module

CLEAN = [made_picture("plain", 40, 48 + 8 * number) for number in range(3)]
RESTORED = [
    (image / np.float32(255) + np.float32(0.01 * (1 + number))).astype(np.float32)
    for number, image in enumerate(CLEAN)
]


def tensor(image):
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))


@pytest.fixture(params=["plain", "torchmetrics"])
def objects(request, monkeypatch):
    """The module with either base class."""
    if request.param == "torchmetrics":
        pytest.importorskip("torchmetrics", reason="torchmetrics is not installed")
        return module
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    spec = importlib.util.find_spec("rainbench.metrics.objects.means")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    assert issubclass(loaded.PSNR, loaded.PlainMetric)
    return loaded


@pytest.mark.parametrize("protocol", ["prenet-y", "rgb", "mprnet-y8"])
def test_the_mean_is_that_of_the_protocol(objects, protocol):
    pairs = zip(RESTORED, CLEAN, strict=True)
    expected = mean_score(score_all(one, other, [protocol])[protocol] for one, other in pairs)
    psnr, ssim = objects.PSNR(protocol), objects.SSIM(protocol)
    for one, other in zip(RESTORED, CLEAN, strict=True):
        psnr.update(tensor(one), tensor(other))
        ssim.update(tensor(one)[None], tensor(other)[None] / 255)
    assert float(psnr.compute()) == pytest.approx(expected.psnr, abs=1e-9)
    assert float(ssim.compute()) == pytest.approx(expected.ssim, abs=1e-9)
    psnr.reset()
    assert np.isnan(float(psnr.compute()))


def test_a_call_returns_the_batch_and_adds_it(objects):
    psnr = objects.PSNR()
    clean = torch.full((2, 3, 16, 16), 100, dtype=torch.uint8)
    first, second = float(psnr(clean + 1, clean)), float(psnr(clean + 4, clean))
    assert first > second
    assert float(psnr.compute()) == pytest.approx((first + second) / 2)


def test_identical_pictures_make_the_mean_infinite(objects):
    psnr = objects.PSNR()
    clean = torch.full((3, 16, 16), 100, dtype=torch.uint8)
    psnr.update(clean + 1, clean)
    psnr.update(clean, clean)
    assert float(psnr.compute()) == float("inf")


@pytest.mark.parametrize(
    ("restored", "clean", "said"),
    [
        (torch.zeros(3, 16, 16), torch.full((3, 16, 16), 0.5011), "neither uint8"),
        (torch.zeros(3, 16, 16), torch.full((3, 16, 16), 2.0), "neither uint8"),
        (torch.zeros(3, 16, 16), torch.full((3, 16, 16), float("nan")), "neither uint8"),
        (torch.zeros(1, 16, 16), torch.zeros(1, 16, 16), "not \\(N, 3, H, W\\)"),
        (torch.zeros(2, 3, 16, 16), torch.zeros(1, 3, 16, 16), "2 restored images, 1 clean"),
        (torch.zeros(3, 16, 16), torch.zeros(3, 16, 17), "16"),
        (torch.full((3, 16, 16), 90.0), torch.full((3, 16, 16), 0.2), "255"),
        (np.zeros((3, 16, 16)), torch.zeros(3, 16, 16), "ndarray"),
    ],
)
def test_what_would_be_another_score_is_refused(objects, restored, clean, said):
    with pytest.raises(RainbenchError, match=said):
        objects.PSNR().update(restored, clean)


def test_protocols_are_checked(objects):
    with pytest.raises(RainbenchError):
        objects.PSNR("prenet-z")
    with pytest.raises(RainbenchError, match="no PSNR"):
        objects.PSNR("rescan-rgb")
    assert objects.SSIM("rescan-rgb").protocol == "rescan-rgb"


WORKER = """
import sys, torch
import torch.distributed as dist
rank, store = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
from rainbench.metrics import PSNR
psnr = PSNR()
clean = torch.full((1 + rank, 3, 16, 16), 100, dtype=torch.uint8)
psnr.update(clean + 1 + rank, clean)
print(float(psnr.compute()))
print(float(psnr.compute()))
dist.destroy_process_group()
"""


def test_processes_add_up(tmp_path):
    if not torch.distributed.is_available():
        pytest.skip("this torch has no torch.distributed")
    command = [sys.executable, "-c", WORKER]
    started = [
        subprocess.Popen(
            [*command, str(rank), str(tmp_path / "store")], stdout=subprocess.PIPE, text=True
        )
        for rank in range(2)
    ]
    found = [process.communicate(timeout=120)[0].split() for process in started]
    alone = module.PSNR()
    clean = torch.full((3, 16, 16), 100, dtype=torch.uint8)
    for more in (1, 2, 2):
        alone.update(clean + more, clean)
    assert all(float(text) == pytest.approx(float(alone.compute())) for text in found[0] + found[1])
    assert len(found[0]) == len(found[1]) == 2


def test_they_are_loaded_when_asked_for():
    code = "import sys, rainbench.metrics; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    assert metrics.PSNR is module.PSNR and metrics.SSIM is module.SSIM
    with pytest.raises(AttributeError):
        metrics.nothing  # noqa: B018
