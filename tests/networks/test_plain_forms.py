"""Every network against a slow, plain form of itself, in double precision."""

import runpy
from pathlib import Path

import pytest
import references
import torch
from material import PUBLISHED, build, by_rule, image, rescan_shapes, tame

EXACT = 1e-10
PRENETS = [name for name in PUBLISHED if name.startswith(("PRe", "PRN", "Generator"))]


def both(published):
    """The weights in single precision for ours and in double for the reference."""
    return published, {key: value.double() for key, value in published.items()}


def largest(ours, reference):
    assert len(ours) == len(reference)
    return max((a - b).abs().max().item() for a, b in zip(ours, reference, strict=True))


@pytest.mark.parametrize("name", PRENETS)
def test_prenet_family(name):
    published, exact = both(tame(name))
    rainy = image(11, 14, batch=2).double()
    ours = build(name, published, iterations=3).double()(rainy)
    assert largest(ours.stages, references.prenet(name, exact, rainy, 3)) < EXACT
    assert ours.image is ours.stages[-1]


def test_brn():
    published, exact = both(tame("BRN"))
    rainy = image(11, 14).double()
    ours = build("BRN", published, iterations=3).double()(rainy)
    images, rains = references.brn(exact, rainy, 3)
    assert largest(ours.stages, images) < EXACT
    assert largest([ours.maps[f"rain_{stage}"] for stage in (1, 2, 3)], rains) < EXACT
    assert ours.maps["rain"] is ours.maps["rain_3"]


@pytest.mark.parametrize("size", [(4, 4), (17, 23), (16, 13)])
def test_sian(size):
    published, exact = both(tame("SIAN"))
    rainy = image(*size).double()
    ours = build("SIAN", published, stages=3).double()(rainy)
    assert largest(ours.stages, references.sian(exact, rainy, 3)) < EXACT
    assert torch.equal(rainy - ours.maps["rain"], ours.image)


@pytest.mark.parametrize("excited", [True, False], ids=["se", "no-se"])
@pytest.mark.parametrize("mode", ["Full", "Add"])
@pytest.mark.parametrize("unit", ["Conv", "RNN", "GRU", "LSTM"])
def test_rescan(unit, mode, excited):
    published, exact = both(by_rule(rescan_shapes(unit, excited)))
    rainy = image(11, 14, batch=2).double()
    network = build("RESCAN", published, unit=unit, mode=mode, squeeze_excitation=excited)
    ours = network.double()(rainy)
    rains = references.rescan(unit, mode == "Add", excited, exact, rainy)
    assert largest(ours.stages, [rainy - rain for rain in rains]) < EXACT
    assert largest([ours.maps["rain"]], rains[-1:]) < EXACT


@pytest.mark.parametrize("gate", [False, True])
def test_spanet(gate):
    published, exact = both(tame("SPANet"))
    rainy = image(9, 12).double()
    ours = build("SPANet", published, gate=gate).double()(rainy)
    restored, masks = references.spanet(exact, rainy, gate=gate)
    assert largest([ours.image], [restored]) < EXACT
    names = ["attention", "attention_2", "attention_3", "attention_4"]
    assert largest([ours.maps[name] for name in names], masks) < EXACT


def test_the_gate_matters_only_where_it_is_on():
    rainy = image(9, 12)
    published = tame("SPANet")
    other = {
        key: torch.rand_like(value) if "attention_layer" in key else value
        for key, value in published.items()
    }
    for gate in (False, True):
        images = [build("SPANet", state, gate=gate)(rainy).image for state in (published, other)]
        assert torch.equal(*images) == (not gate)


def test_the_plain_form_of_the_benchmark_is_prenet():
    file = Path(__file__).parents[2] / "benchmarks" / "prenet_speed.py"
    benchmark = runpy.run_path(str(file))
    published = benchmark["random_published"]()
    rainy = image()
    plain = benchmark["plain_prenet"](published, rainy)
    with torch.inference_mode():
        ours = build("PReNet", published).to(memory_format=torch.channels_last)(rainy).image
    assert (plain - ours).abs().max() < 5e-6
