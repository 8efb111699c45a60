"""Claims asked of the shipped weights: what is read, how it is compared, what is refused."""

import csv
import dataclasses
import json

import numpy as np
import pytest
from embedded import mini_pairs

from rainbench.catalog.registry import content_root, load_registry
from rainbench.catalog.weights import shipped_weights
from rainbench.claims.evaluate import load_claims
from rainbench.claims.probe_tables import probes_grid
from rainbench.claims.probe_values import area_under_curve, read_values
from rainbench.claims.probes import PERFECT, judge_probe, parse_reading, readings_of
from rainbench.core.errors import CardError, RainbenchError
from rainbench.metrics import score_all
from rainbench.run.options import RunOptions
from rainbench.run.predict import Predictor

CLAIMS = {claim.id: claim for claim in load_claims()}
REGISTRY = load_registry()


def read(*texts):
    return read_values(REGISTRY, [parse_reading(text) for text in texts])


def asked(*order):
    """A claim that asks for one order."""
    return dataclasses.replace(CLAIMS["D8"], probe=(order,))


def test_every_reading_of_the_claims_names_what_is_shipped():
    for text in readings_of(CLAIMS.values()):
        reading = parse_reading(text)
        (entry,) = REGISTRY.entries([reading.entry])
        assert entry.name == reading.entry
        assert entry.weights is None or shipped_weights(entry) is not None, text
        set_name = f"mini-{reading.dataset}" if reading.strength else reading.dataset
        assert REGISTRY.datasets[set_name].embedded, text


def test_a_clean_picture_is_asked_of_all_that_is_shipped():
    shipped = {entry.name for entry in REGISTRY.entries() if shipped_weights(entry)}
    assert {parse_reading(text).entry for text in readings_of([CLAIMS["X8"]])} == shipped


@pytest.mark.parametrize(
    "text",
    ["nasnet", "nasnet over mini-drops", "nasnet on mini-drops without", "a stage x on mini-drops"],
)
def test_what_is_no_reading_is_refused(text):
    with pytest.raises(CardError, match="is no reading of an entry"):
        parse_reading(text)


def test_the_area_under_the_curve_is_the_share_of_pairs_in_order():
    generator = np.random.default_rng(1)
    scores, is_rain = generator.integers(0, 6, (7, 9)), generator.random((7, 9)) < 0.3
    wet, dry = scores[is_rain], scores[~is_rain]
    pairs = [1.0 * (a > b) + 0.5 * (a == b) for a in wet for b in dry]
    assert area_under_curve(scores, is_rain) == pytest.approx(np.mean(pairs), abs=1e-12)
    assert area_under_curve(-scores, is_rain) == pytest.approx(1 - np.mean(pairs), abs=1e-12)
    with pytest.raises(RainbenchError, match="with rain and without"):
        area_under_curve(scores, np.zeros_like(is_rain))


def test_readings_are_compared_image_by_image():
    lower = (19.0, 29.2, 38.9, 25.0, 31.0, 12.0)
    gains = (1.0, 0.8, 1.1, 0.3, 2.0, 0.1)
    values = {"a on s": tuple(map(sum, zip(lower, gains, strict=True))), "b on s": lower}
    (comparison,) = judge_probe(asked(("a on s",), ("b on s",)), values).comparisons
    assert comparison.differences == pytest.approx(gains)
    assert comparison.verdict == "holds at this scale"  # 2 of 2^6 orders of signs: 3 %
    assert judge_probe(asked(("b on s",), ("a on s",)), values).verdict == "reversed"
    gain = judge_probe(asked(("a on s minus b on s",), ("1",)), values)
    assert gain.comparisons[0].differences == pytest.approx([gain - 1 for gain in gains])
    assert gain.verdict == "not distinguishable"
    (row,) = probes_grid([gain]).rows
    assert [cell.text for cell in row[3:6]] == ["-0.12 ± 0.67", "2 of 6", "not distinguishable"]


def test_five_images_are_too_few():
    values = {"a on s": (1.0, 2.0, 3.0, 4.0, 5.0)}
    assert judge_probe(asked(("a on s",), ("0",)), values).verdict == "not distinguishable"


@pytest.mark.parametrize("other", ["b on s at 0.2", "a map attention on s"])
def test_what_does_not_belong_together_is_not_compared(other):
    values = {"a on s": (1.0, 2.0), "b on s at 0.2": (1.0,), "a map attention on s": (0.5, 0.6)}
    with pytest.raises(CardError, match="cannot be compared image by image"):
        judge_probe(asked(("a on s",), (other,)), values)


def test_the_rainy_picture_itself():
    """Against the PSNR that the builder of the set wrote down."""
    with (content_root() / "datasets/mini/streaks/metadata.csv").open() as file:
        written = [float(row["input_psnr_y"]) for row in csv.DictReader(file)]
    streaks, clean, wet = read(
        "identity on mini-streaks",
        "identity on mini-streaks without rain",
        "identity on mini-streaks where it rains",
    )
    assert streaks == pytest.approx(written, abs=5e-3)
    assert set(clean) == {PERFECT}
    assert wet == streaks


def test_rain_that_comes_anew():
    """Stronger streaks over the same drops; the same pictures at the second time."""
    light, heavy = (f"identity on joint at {strength}" for strength in (0.2, 0.6))
    first = read(light, heavy)
    assert read(light, heavy) == first and len(first[0]) == 8
    assert all(one > other for one, other in zip(*first, strict=True))


def test_where_it_rains_the_rest_is_put_back():
    """Pixels that no streak changes are those of the clean picture: the PSNR can but rise."""
    plain, wet = read("median on mini-streaks", "median on mini-streaks where it rains")
    assert all(one < other for one, other in zip(plain, wet, strict=True))


@pytest.mark.parametrize("name", ["prenet_r.streaks-w16", "spanet.streaks-w16"])
def test_a_reading_is_what_a_run_scores(name):
    """Networks in RGB and in BGR, against the engine's own way from image to score."""
    (entry,) = REGISTRY.entries([name])
    predict = Predictor(entry, shipped_weights(entry), RunOptions())
    protocol = REGISTRY.datasets["mini-streaks"].protocol
    scored = [
        score_all(predict(rainy), clean, [protocol])[protocol].psnr
        for _, rainy, clean in mini_pairs()
    ]
    stages = 6 if name.startswith("prenet") else 1
    plain, last = read(f"{name} on mini-streaks", f"{name} stage {stages} on mini-streaks")
    assert plain == pytest.approx(scored, abs=2e-3)
    assert last == plain


def test_what_does_not_exist_is_named():
    for text, message in (
        ("median stage 9 on mini-streaks", "median has . stages"),
        ("median map attention on mini-streaks", "returns no map attention"),
        ("median on sleet at 0.2", "kind 'sleet'"),
        ("median on rain100l", "does not come with rainbench"),
        ("nasnet on mini-streaks", "nasnet names several entries"),
        ("median on mini-mist where it rains", "no masks of streaks"),
    ):
        with pytest.raises(RainbenchError, match=message):
            read(text)


def test_command(rainbench, tmp_path):
    call = ["claims", "--only", "D7", "--only", "D8", "--shipped", "--json", "--out", "claims"]
    done = rainbench(*call)
    assert done.returncode == 0, done.stderr
    shipped = {row["claim"]: row for row in json.loads(done.stdout)["shipped"]}
    assert shipped["D7"]["comparisons"][0]["unit"] == "AUC"
    (comparison,) = shipped["D8"]["comparisons"]
    assert len(comparison["differences"]) == 8 and comparison["verdict"] == shipped["D8"]["verdict"]
    text = (tmp_path / "claims" / "claims.md").read_text()
    assert "Claims asked of the shipped weights" in text and "decides" not in text
    with (tmp_path / "claims" / "claims.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "S"]
    assert [row["claim"] for row in rows] == ["D7", "D8"]
    refused = rainbench("claims", "--shipped", "--only", "A8")
    assert refused.returncode == 2 and "shipped weights can be asked" in refused.stderr
