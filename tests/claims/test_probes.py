"""Claims asked of the shipped weights: what is read, how it is compared, what is refused."""

import csv
import dataclasses
import functools
import json

import numpy as np
import pytest
from embedded import mini_pairs

from rainbench.catalog.folders import content_root
from rainbench.catalog.registry import load_registry
from rainbench.catalog.weights import shipped_weights
from rainbench.claims.document import _weights_grid
from rainbench.claims.measured import Quantity, order
from rainbench.claims.readings import PERFECT, Reading, Weights, area_under_curve
from rainbench.claims.sentences import Finding, load_claims
from rainbench.core.errors import CardError, RainbenchError
from rainbench.metrics import score_all
from rainbench.run.options import RunOptions
from rainbench.run.predict import Predictor

CLAIMS = {claim.id: claim for claim in load_claims()}
REGISTRY = load_registry()
ASKING = [claim for claim in CLAIMS.values() if claim.on_weights]


def reading(entry, dataset="mini-streaks", **others):
    return Reading(entry=entry, dataset=dataset, **others)


def fields(reading):
    given = {field.name: getattr(reading, field.name) for field in dataclasses.fields(reading)}
    return {("map_name" if name == "map" else name): value for name, value in given.items()}


def read(*readings):
    weights = Weights(REGISTRY)
    return [weights(**fields(each)).numbers[each.unit] for each in readings]


class Asked(Weights):
    """Notes what claims ask, and answers each with the same numbers."""

    def __init__(self, *numbers):
        super().__init__(REGISTRY)
        self.numbers = numbers or (0.0,)

    def __call__(self, *args, **others):
        known = dict(zip(("entry", "dataset"), args, strict=False), **others)
        known = {("map" if name == "map_name" else name): value for name, value in known.items()}
        asked = Reading(**known)
        self.values[asked] = self.numbers
        return Quantity(str(asked), {asked.unit: self.numbers})


def readings(claim):
    asked = Asked()
    claim.on_weights(asked)
    return list(asked.values)


def quantity(name, *values, unit="dB"):
    return Quantity(name, {unit: values})


def test_every_reading_of_the_claims_names_what_is_shipped():
    for each in (each for claim in ASKING for each in readings(claim)):
        (entry,) = REGISTRY.entries([each.entry])
        assert entry.name == each.entry
        assert entry.weights is None or shipped_weights(entry) is not None, each
        set_name = f"mini-{each.dataset}" if each.strength else each.dataset
        assert REGISTRY.datasets[set_name].embedded, each


def test_a_clean_picture_is_asked_of_all_that_is_shipped():
    trained = [entry for entry in REGISTRY.entries() if entry.baseline.recipe]
    shipped = {entry.name for entry in trained if shipped_weights(entry)}
    assert {each.entry for each in readings(CLAIMS["X8"])} == shipped
    assert {each.view for each in readings(CLAIMS["X8"])} == {"without rain"}


@pytest.mark.parametrize("wrong", [{"view": "without"}, {"stage": 1, "map": "attention"}])
def test_what_is_no_reading_is_refused(wrong):
    with pytest.raises(CardError, match=r"nasnet.* on mini-drops.* is no reading"):
        reading("nasnet", "mini-drops", **wrong)


def test_a_reading_says_what_is_read():
    assert str(reading("a", "joint", stage=2, strength=0.6)) == "a stage 2 on joint at 0.6"
    assert str(reading("a", map="m", view="where it rains")) == (
        "a map m on mini-streaks where it rains"
    )


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
    upper = quantity("a", *map(sum, zip(lower, gains, strict=True)))
    lower = quantity("b", *lower)
    (comparison,) = order(upper, lower)
    assert comparison.differences["dB"] == pytest.approx(gains)
    assert comparison.verdict == "holds at this scale"  # 2 of 2^6 orders of signs: 3 %
    assert order(lower, upper)[0].verdict == "reversed"
    gain = order(upper - lower, 1)
    assert gain[0].differences["dB"] == pytest.approx([gain - 1 for gain in gains])
    finding = Finding(CLAIMS["D8"], tuple(gain))
    assert finding.verdict == "not distinguishable"
    (row,) = _weights_grid([finding]).rows
    assert [cell.text for cell in row[2:6]] == [
        "a minus b > 1", "-0.12 ± 0.67", "2 of 6", "not distinguishable",
    ]  # fmt: skip


def test_five_images_are_too_few():
    assert order(quantity("a", 1.0, 2.0, 3.0, 4.0, 5.0), 0)[0].verdict == "not distinguishable"


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (quantity("b", 1.0), "a and b cannot be compared one by one"),
        (quantity("b", 0.5, 0.6, unit="AUC"), "a and b are of different units"),
    ],
)
def test_what_does_not_belong_together_is_not_compared(other, message):
    with pytest.raises(CardError, match=message):
        order(quantity("a", 1.0, 2.0), other)


def test_a_claim_is_judged_by_what_was_read():
    asked = Asked(41.0, 42.0, 43.0, 44.0, 45.0, 46.0)
    finding = Finding(CLAIMS["D8"], tuple(CLAIMS["D8"].on_weights(asked)))
    assert list(asked.values) == [reading("rranet.streaks-w8", view="without rain")]
    assert finding.parts[0].differences == {"dB": (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)}
    assert finding.verdict == "holds at this scale"


def test_an_entry_passes_over_a_set_once_for_readings_in_a_row():
    weights, passes = Weights(REGISTRY), []
    restore = weights._outputs.__wrapped__

    def counted(*key):
        passes.append(key)
        return restore(*key)

    weights._outputs = functools.lru_cache(4)(counted)
    one = weights("prenet_r.streaks-w16", stage=1)
    last = weights("prenet_r.streaks-w16", stage=6)
    assert last.numbers == weights("prenet_r.streaks-w16").numbers != one.numbers
    assert passes == [("prenet_r.streaks-w16", "mini-streaks", 0.0, False)]


def test_the_rainy_picture_itself():
    """Against the PSNR that the builder of the set wrote down."""
    with (content_root() / "datasets/mini/streaks/metadata.csv").open() as file:
        written = [float(row["input_psnr_y"]) for row in csv.DictReader(file)]
    streaks, clean, wet = read(
        reading("identity"),
        reading("identity", view="without rain"),
        reading("identity", view="where it rains"),
    )
    assert streaks == pytest.approx(written, abs=5e-3)
    assert set(clean) == {PERFECT}
    assert wet == streaks


def test_rain_that_comes_anew():
    """Stronger streaks over the same drops; the same pictures at the second time."""
    light, heavy = (reading("identity", "joint", strength=each) for each in (0.2, 0.6))
    first = read(light, heavy)
    assert read(light, heavy) == first and len(first[0]) == 8
    assert all(one > other for one, other in zip(*first, strict=True))


def test_where_it_rains_the_rest_is_put_back():
    """Pixels that no streak changes are those of the clean picture: the PSNR can but rise."""
    plain, wet = read(reading("median"), reading("median", view="where it rains"))
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
    plain, last = read(reading(name), reading(name, stage=stages))
    assert plain == pytest.approx(scored, abs=2e-3)
    assert last == plain


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (reading("median", stage=9), "median has . stages"),
        (reading("median", map="attention"), "returns no map attention"),
        (reading("median", "sleet", strength=0.2), "kind 'sleet'"),
        (reading("median", "rain100l"), "does not come with rainbench"),
        (reading("nasnet"), "nasnet names several entries"),
        (reading("median", "mini-mist", view="where it rains"), "no masks of streaks"),
    ],
)
def test_what_does_not_exist_is_named(wrong, message):
    with pytest.raises(RainbenchError, match=message):
        read(wrong)


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
