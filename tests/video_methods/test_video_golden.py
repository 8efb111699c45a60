"""The video methods against the results of their authors' code."""

import numpy as np
import pytest

from rainbench.video_methods.fastderain import FastDeRain
from rainbench.video_methods.jiang2017 import MARGIN, Jiang2017, mirrored
from rainbench.video_methods.ms_csc import MSCSC
from rainbench.video_methods.wei2017 import Wei2017

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def golden(shared):
    """The arrays of a golden file, frames first."""

    def read(name):
        folder = shared / "methods" / "golden"
        if not (folder / f"{name}.npz").is_file():
            pytest.skip(f"{name} is kept back")
        with np.load(folder / f"{name}.npz") as found:
            return {
                key: np.moveaxis(found[key], 2, 0) if found[key].ndim == 3 else found[key]
                for key in found.files
            }

    return read


@pytest.mark.parametrize("clip", ["vid0", "vid1"])
def test_fastderain(golden, clip):
    known = golden(f"fastderain_{clip}")
    observed = known["input_u8"] / 255
    background, rain, steps = FastDeRain().separate(observed)
    assert steps == known["iterations"]
    assert np.abs(background - known["background"]).max() < 1e-9
    assert np.abs(rain - known["rain"]).max() < 1e-9


@pytest.mark.parametrize("clip", ["vid0", "vid1"])
def test_jiang2017(golden, clip):
    known = golden(f"dip-jiang2017_{clip}")
    observed = mirrored(known["input_u8"] / 255)
    if "padded" in known:
        assert np.array_equal(observed, known["padded"])
    background, rain = Jiang2017().separate(observed)
    inner = (slice(MARGIN, -MARGIN),) * 3
    assert np.abs(background[inner] - known["background"]).max() < 1e-9
    assert np.abs(rain[inner] - known["rain"]).max() < 1e-9


def psnr(clip, known):
    return -10 * np.log10(np.mean((clip - known["clean_u8"] / 255) ** 2))


@pytest.mark.parametrize("clip", ["vid0", "vid1"])
def test_wei2017(golden, clip):
    """Their start is random, so that PSNR, mask and likelihood are compared and no values."""
    known = golden(f"wei-mog_{clip}")
    seen = known["input_u8"] / 255
    low, span = seen.min(), np.ptp(seen)
    found = Wei2017().separate((seen - low) / span)
    shown = np.where(found.mask, (seen - low) / span, found.background)
    mask = known["mask"].astype(bool)
    assert psnr(shown * span + low, known) == pytest.approx(
        psnr(known["background"] * span + low, known), abs=0.2
    )
    assert (found.mask != mask).mean() < 0.002
    assert np.all(np.diff(found.likelihoods[1:]) > -0.05)
    assert found.likelihoods[-1] == pytest.approx(known["llh"].ravel()[-1], abs=0.2)


@pytest.mark.parametrize("clip", ["vid0", "vid1"])
def test_ms_csc(golden, clip):
    """Ties of the cut and the last digits are the libraries'; the parts stay close."""
    known = golden(f"mscsc_{clip}")
    found = MSCSC().separate(known["input_u8"] / 255)
    assert psnr(found.clean, known) == pytest.approx(psnr(known["out"], known), abs=0.2)
    assert np.abs(found.background - known["background"]).mean() < 1e-3
    assert (found.mask != known["mask"].astype(bool)).mean() < 0.002
    assert np.abs(found.rain - known["rain"]).mean() < 2e-3
    assert np.abs(found.filters - known["filters"]).max() < 0.05
