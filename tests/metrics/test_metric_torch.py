"""The torch backend gives the values of the NumPy path to 1e-9."""

import math

import numpy as np
import pytest
import torch

from rainbench.core.errors import RainbenchError
from rainbench.core.images import read_image
from rainbench.metrics import score_all
from rainbench.metrics.torch_backend import score_all_torch


@pytest.fixture(autouse=True)
def one_thread():
    """Small operations on many threads only wait for each other on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def as_tensor(picture):
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))


def assert_backends_agree(restored, clean, device="cpu"):
    here = score_all(restored, clean)
    there = score_all_torch(as_tensor(restored).to(device), as_tensor(clean).to(device))
    assert list(here) == list(there)
    for name in here:
        assert (here[name].psnr is None) == (there[name].psnr is None)
        for one, other in zip(here[name], there[name], strict=True):
            if one is not None:
                assert one == other or abs(one - other) <= 1e-9 or (one != one and other != other)


def pair(height, width, kind, seed=0):
    rng = np.random.default_rng(seed)
    clean = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    if kind == "uint8":
        return np.clip(clean + rng.integers(-20, 21, clean.shape), 0, 255).astype(np.uint8), clean
    restored = clean / 255 + rng.normal(0, 0.1, clean.shape)
    return (np.clip(restored, 0, 1) if kind == "inside" else restored).astype(np.float32), clean


@pytest.mark.parametrize("kind", ["uint8", "inside", "overshooting"])
@pytest.mark.parametrize("size", [(5, 9), (9, 30), (31, 45), (385, 390)])
def test_backends_agree(size, kind):
    assert_backends_agree(*pair(*size, kind))


@pytest.mark.slow
@pytest.mark.parametrize("size", [(640, 643), (900, 910)])
def test_backends_agree_on_larger_pictures(size):
    assert_backends_agree(*pair(*size, "overshooting"))


def test_backends_agree_on_identical_and_constant_pictures():
    clean = np.full((20, 21, 3), (100, 150, 200), np.uint8)
    assert_backends_agree(clean, clean)
    assert_backends_agree(clean.astype(np.float32) / np.float32(255), clean)
    assert_backends_agree(np.full_like(clean, (112, 147, 193)), clean)


def test_backends_agree_where_lumas_lie_half_way():
    """Colours that are rounded by rule: Octave's exceptions, and the halves of the float32 sum."""
    from rainbench.metrics.colour import OCTAVE_ROUNDS_DOWN

    rng = np.random.default_rng(7)
    clean = rng.choice(np.array(OCTAVE_ROUNDS_DOWN, np.uint8), (16, 18))
    restored = (rng.integers(0, 51, (16, 18, 3)) * 5).astype(np.uint8)
    assert_backends_agree(restored, clean)


@pytest.mark.data
def test_backends_agree_on_the_golden_pairs(shared):
    for number in range(1, 9):
        folder = shared / "metrics" / "pairs"
        pictures = [read_image(folder / f"{number:02d}_{kind}.png") for kind in ("rainy", "clean")]
        assert_backends_agree(*pictures)


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ["uint8", "inside", "overshooting"])
def test_backends_agree_on_a_gpu(kind):
    if not torch.cuda.is_available():
        pytest.skip("no accelerator")
    assert_backends_agree(*pair(385, 390, kind), device="cuda")


def test_a_batch_of_one_and_some_protocols():
    restored, clean = (as_tensor(each) for each in pair(20, 20, "inside"))
    single = score_all_torch(restored, clean, ["rgb", "prenet-y"])
    assert list(single) == ["rgb", "prenet-y"]
    assert score_all_torch(restored[None], clean[None], ["rgb", "prenet-y"]) == single


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r, c: (r[:, :-1], c), "the restored picture is .3, 19, 20. but the clean one"),
        (lambda r, c: (r.expand(2, 3, 20, 20), c.expand(2, 3, 20, 20)), "one by one"),
        (lambda r, c: (r * math.nan, c), "nan or infinite"),
        (lambda r, c: (r.double(), c), "torch.float64 and torch.uint8"),
        (lambda r, c: (r, r), "torch.float32 and torch.float32"),
    ],
)
def test_wrong_tensors(change, message):
    tensors = (as_tensor(each) for each in pair(20, 20, "inside"))
    with pytest.raises(RainbenchError, match=message):
        score_all_torch(*change(*tensors))
