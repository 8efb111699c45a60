"""Our networks with published weights against outputs of the authors' own code.

Single precision: 5e-6 on images of range about [0, 1]; two legal orders of summation differ by up
to 2e-6. Double precision: 1e-10.
"""

import numpy as np
import pytest
import torch
from material import (
    ODD,
    SMALL,
    build,
    by_rule,
    golden,
    read_published,
    read_rainy,
    rescan_shapes,
    worst,
)

pytestmark = pytest.mark.data
SINGLE, DOUBLE = 5e-6, 1e-10

# (class, file of weights, golden stem without the input, arguments)
PRENET = (
    [
        (name, f"{file}_{data}", f"{name}_{data}", {})
        for name, file in (
            ("PReNet", "PReNet6"),
            ("PReNet_r", "PReNet6_r"),
            ("PRN", "PRN6"),
            ("PRN_r", "PRN6_r"),
        )
        for data in ("Rain100H", "Rain100L", "Rain1400")
    ]
    + [
        ("PReNet_LSTM", f"ablation_{run}", f"PReNet_LSTM_abl-{run}", {"iterations": iterations})
        for run, iterations in (
            ("PReNet5_LSTM", 5),
            ("PReNet6_LSTM", 6),
            ("PReNet7_LSTM", 7),
            ("PReNet6_RecSSIM", 6),
        )
    ]
    + [
        ("PReNet_GRU", "ablation_PReNet6_GRU", "PReNet_GRU_abl-PReNet6_GRU", {}),
        ("PReNet_x", "ablation_PReNet6_x", "PReNet_x_abl-PReNet6_x", {}),
        ("Generator_lstm", "real_PReNet1", "Generator_lstm_real1", {}),
        ("Generator_lstm", "real_PReNet2", "Generator_lstm_real2", {}),
    ]
)
RETRAINED = {
    "RainHeavy": "RainHeavy",
    "RainLight": "RainLight",
    "generalization_model": "RainLight",  # byte for byte the same file
}
BRNS = ("Rain100H", "Rain100L", "RainHeavy", "RainLight")
SIANS = ("rain100h", "rain100l", "rain1400")
RESCANS = [
    (f"RESCAN_{unit}_{mode}", unit, mode, True)
    for unit in ("Conv", "RNN", "GRU", "LSTM")
    for mode in ("Full", "Add")
] + [("RESCAN_GRU_Full_noSE", "GRU", "Full", False)]


def run(network, rainy):
    with torch.inference_mode():
        return network(rainy)


def stacked(restoration):
    return torch.cat(restoration.stages)


def in_double(network, rainy):
    return run(network.double(), rainy.double()).image[0]


@pytest.mark.parametrize(("name", "weights", "stem", "arguments"), PRENET, ids=lambda v: str(v))
def test_prenet_family(shared, name, weights, stem, arguments):
    published = read_published(shared / "weights" / "prenet" / f"{weights}.pth")
    network = build(name, published, **arguments)
    for source in (SMALL, ODD) if name == "PReNet" else (SMALL,):
        expected, rainy = golden(shared, f"{stem}_{source}"), read_rainy(shared, source)
        assert worst(stacked(run(network, rainy)), expected["stages"]) <= SINGLE
        if "final_f64" in expected:
            assert worst(in_double(network, rainy), expected["final_f64"]) <= DOUBLE
            network.float()


@pytest.mark.parametrize("rows", [1, 7])
def test_strips_of_few_rows_give_the_same_prenet(shared, rows):
    network = build(
        "PReNet", read_published(shared / "weights" / "prenet" / "PReNet6_Rain100H.pth")
    )
    expected, rainy = golden(shared, f"PReNet_Rain100H_{ODD}"), read_rainy(shared, ODD)
    network.f_recurrent.strip_bytes = rows * rainy.shape[3] * 128 * 4
    assert worst(stacked(run(network, rainy)), expected["stages"]) <= SINGLE


@pytest.mark.parametrize("data", RETRAINED)
def test_retrained_prenet(shared, data):
    file = shared / "weights" / "prenet" / f"PReNet6_{RETRAINED[data]}.pth"
    network = build("PReNet", read_published(file))
    for source in (SMALL, ODD):
        expected = golden(shared, f"PReNet_RecDerain-{data}_{source}")
        ours = run(network, read_rainy(shared, source))
        assert worst(ours.image[0], expected["out"]) <= SINGLE
        if "xs" in expected:
            assert worst(stacked(ours), expected["xs"]) <= SINGLE


@pytest.mark.parametrize("data", BRNS)
def test_brn(shared, data):
    network = build("BRN", read_published(shared / "weights" / "brn" / f"BRN_{data}.pth"))
    for source in (SMALL, ODD):
        expected = golden(shared, f"BRN_RecDerain-{data}_{source}")
        rainy = read_rainy(shared, source)
        ours = run(network, rainy)
        assert worst(ours.image[0], expected["out"]) <= SINGLE
        if "xs" in expected:
            assert worst(stacked(ours), expected["xs"]) <= SINGLE
            # Rounding grows in the rain branch: the authors' own single-precision rain layers
            # are up to 7e-6 away from double precision.
            rain = torch.cat([ours.maps[f"rain_{stage}"] for stage in range(1, 9)])
            assert worst(rain, expected["rs"]) <= 2e-5
            exact = run(network.double(), rainy.double())
            rain = torch.cat([exact.maps[f"rain_{stage}"] for stage in range(1, 9)])
            assert worst(rain, expected["rs"]) <= 1e-5
            network.float()


@pytest.mark.parametrize("source", [SMALL, ODD])
@pytest.mark.parametrize("weights", SIANS)
def test_sian(shared, weights, source):
    network = build("SIAN", read_published(shared / "weights" / "sian" / f"{weights}.pth"))
    expected = golden(shared, f"SIAN_{weights}_{source}")
    ours = run(network, read_rainy(shared, source))
    assert worst(ours.image[0], expected["out"]) <= SINGLE
    pixels = (slice(None), slice(None), expected["sample_y"], expected["sample_x"])
    assert worst(stacked(ours)[pixels], expected["stage_sample"]) <= SINGLE
    sums = stacked(ours).double().sum((1, 2, 3)).numpy()
    np.testing.assert_allclose(sums, expected["stage_sum"], rtol=1e-5)


@pytest.mark.parametrize(("stem", "unit", "mode", "excited"), RESCANS, ids=lambda v: str(v))
def test_rescan_by_rule(shared, stem, unit, mode, excited):
    """Outputs are the rain layers of the first and the last stage."""
    published = by_rule(rescan_shapes(unit, excited))
    network = build("RESCAN", published, unit=unit, mode=mode, squeeze_excitation=excited)
    expected, rainy = golden(shared, f"{stem}_formula"), read_rainy(shared, SMALL, bgr=True)
    ours = run(network, rainy)
    assert worst((rainy - ours.stages[0])[0], expected[f"{SMALL}__0"]) <= SINGLE
    assert worst(ours.maps["rain"][0], expected[f"{SMALL}__1"]) <= SINGLE


@pytest.mark.parametrize("data", RETRAINED)
def test_rescan(shared, data):
    file = shared / "weights" / "rescan" / f"RESCAN_{RETRAINED[data]}.pth"
    network = build("RESCAN", read_published(file))
    for source in (SMALL, ODD):
        expected = golden(shared, f"RESCAN_RecDerain-{data}_{source}")
        rainy = read_rainy(shared, source, bgr=True)
        ours = run(network, rainy)
        assert worst(ours.image[0], expected["out"]) <= SINGLE
        if "rain" in expected:
            assert worst(rainy - stacked(ours), expected["rain"]) <= SINGLE


@pytest.mark.parametrize("source", [SMALL, ODD])
def test_spanet(shared, source):
    network = build("SPANet", read_published(shared / "weights" / "spanet" / "SPANet_spa.pth"))
    expected = golden(shared, f"SPANet_latest_{source}")
    rainy = read_rainy(shared, source, bgr=True)
    ours = run(network, rainy)
    assert worst(ours.image[0], expected["out_bgr"]) <= SINGLE
    assert worst(torch.cat(list(ours.maps.values())), expected["attention"]) <= SINGLE
    assert worst(in_double(network, rainy), expected["out_bgr_f64"]) <= DOUBLE


@pytest.mark.parametrize("data", RETRAINED)
def test_retrained_spanet(shared, data):
    file = shared / "weights" / "spanet" / f"SPANet_{RETRAINED[data]}.pth"
    network = build("SPANet", read_published(file))
    for source in (SMALL, ODD):
        expected = golden(shared, f"SPANet_RecDerain-{data}_{source}")
        ours = run(network, read_rainy(shared, source, bgr=True))
        assert worst(ours.image[0], expected["out"]) <= SINGLE
        if "att" in expected:
            assert worst(ours.maps["attention"], expected["att"]) <= SINGLE


def test_no_golden_file_of_these_networks_is_left_out(shared):
    covered = {f"{stem}_{SMALL}" for _, _, stem, _ in PRENET}
    covered |= {f"{stem}_{ODD}" for name, _, stem, _ in PRENET if name == "PReNet"}
    covered |= {
        f"{name}_RecDerain-{data}_{source}"
        for name in ("PReNet", "RESCAN", "SPANet")
        for data in RETRAINED
        for source in (SMALL, ODD)
    }
    covered |= {f"BRN_RecDerain-{data}_{source}" for data in BRNS for source in (SMALL, ODD)}
    covered |= {f"SIAN_{weights}_{source}" for weights in SIANS for source in (SMALL, ODD)}
    covered |= {f"{stem}_formula" for stem, *_ in RESCANS}
    covered |= {f"SPANet_latest_{source}" for source in (SMALL, ODD)}
    ours = ("PReNet", "PRN", "Generator_lstm", "BRN", "SIAN", "SPANet", "RESCAN")
    stems = {file.stem for file in (shared / "networks" / "golden").glob("*.npz")}
    assert {stem for stem in stems if stem.startswith(ours)} == covered
