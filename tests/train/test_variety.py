"""Rain of a wide span, patches without rain, and trainings that start from weights."""

import json
import os
import subprocess
import sys
import time
import tomllib

import numpy as np
import pytest
import torch

from rainbench.catalog.registry import load_registry
from rainbench.core.errors import RainbenchError
from rainbench.rain.streaks import StreakRanges
from rainbench.rain.transform import Synthesis
from rainbench.train.assemble import open_source
from rainbench.train.checkpoints import load_state
from rainbench.train.material.scenes import Window
from rainbench.train.material.sources import open_clean_folder
from rainbench.train.material.variety import WIDE_STREAKS, VariedRain

COMMON = ["--device", "cpu", "--threads", 1, "--workers", 0]
SCENE = np.random.default_rng(0).integers(20, 200, (64, 64, 3), dtype=np.uint8)


def varied(kind="streaks", **settings):
    return VariedRain(rain=Synthesis(kind=kind, seed=3, rows=480), **settings)


@pytest.mark.parametrize("kind", ["streaks", "drops", "mist", "joint"])
def test_the_wanted_share_is_untouched_in_all_its_layers(kind):
    rain = varied(kind, untouched=0.25)
    pairs = [rain(SCENE, "scene", number) for number in range(200)]
    clean = [pair for pair in pairs if np.array_equal(pair.rainy, SCENE)]
    assert 30 <= len(clean) <= 70
    for pair in clean:
        assert not pair.streaks.any() and not pair.joint_mask.any()
        assert not pair.streak_mask.any() and not pair.drop_mask.any()
    assert all(np.array_equal(pair.clean, SCENE) for pair in pairs)


def test_the_same_key_gives_the_same_bytes_and_another_one_others():
    rain = varied(span="wide", untouched=0.1)
    first, again, other = (rain(SCENE, "scene", key).rainy for key in (2, 2, 3))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_a_wide_span_is_wider_on_every_side():
    narrow, wide = (
        [varied(span=span)(SCENE, "scene", number).parameters for number in range(300)]
        for span in ("narrow", "wide")
    )
    for name in ("amount", "angle", "length", "width", "opacity"):
        small, large = ([each[f"streak_{name}"] for each in drawn] for drawn in (narrow, wide))
        low, high = getattr(WIDE_STREAKS, name)
        assert low <= min(large) < min(small), name
        assert max(large) > max(small) or high <= getattr(StreakRanges(), name)[1], name
        assert max(large) <= high, name
    assert {each.get("look", "painted") for each in wide} == {"painted", "natural"}
    assert {each["blend"] for each in wide} == {"screen", "add"}


def test_drops_stay_as_they_are_under_a_wide_span():
    plain, wide = varied("joint"), varied("joint", span="wide")
    one, other = (rain(SCENE, "scene", 1).parameters for rain in (plain, wide))
    drops = [name for name in one if name.startswith("drop_")]
    assert drops and all(one[name] == other[name] for name in drops)


def test_a_plain_call_trains_on_what_it_always_did(photographs):
    source = open_source(load_registry(), "", (), photographs, "streaks", 3)
    before = open_clean_folder(photographs, Synthesis(kind="streaks", seed=3, rows=480))
    assert source == before and source.label == before.label
    assert source.label.startswith("streaks synthesised on ")


def test_what_is_validated_on_has_rain_everywhere(photographs):
    source = open_source(load_registry(), "", (), photographs, "streaks", 3, "wide", 0.9)
    assert source.label.startswith("streaks of a wide span on 0.1 of the patches synthesised on")
    scenes = [
        of.scene(0, Window(64), "validation", number).rainy.tobytes()
        for of in (source, source.rained())
        for number in range(12)
    ]
    clean = source.scene(0, Window(64), "validation", 0).clean.tobytes()
    assert scenes[:12].count(clean) > 6 and clean not in scenes[12:]


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(RainbenchError, match="untouched"):
        varied(untouched=share)


def test_pairs_of_a_set_have_their_own_rain(rainbench, tmp_path):
    done = rainbench("train", "prenet_r", "-d", "rain100l-train", "--untouched", "0.1")
    assert done.returncode == 2 and "--clean FOLDER in the place of -d" in done.stderr


@pytest.fixture
def train(rainbench, photographs):
    """Call ``rainbench train small`` on the photographs."""

    def call(*arguments, **options):
        return rainbench("train", "small", "--clean", photographs, *COMMON, *arguments, **options)

    return call


@pytest.mark.slow
def test_varied_rain_is_recorded_and_goes_on_to_the_same_bits(
    train, add_trainable, photographs, cards, tmp_path
):
    card = add_trainable(steps=80)
    rain = ["--span", "wide", "--untouched", "0.2", "--validations", 2]
    target = ["--export", tmp_path / "small.a.safetensors", "--add-to-card", "--name", "a"]
    whole = train(*rain, *target, "--out", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    cut = tmp_path / "cut"
    call = ["train", "small", "--clean", photographs, *COMMON, *rain, "--out", cut]
    with subprocess.Popen(
        [sys.executable, "-m", "rainbench", *map(str, call), "--checkpoint-every", "0.001s"],
        env={**os.environ, "RAINBENCH_PATH": str(cards)},
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    ) as process:
        log = cut / "log.csv"
        while process.poll() is None and (not log.exists() or log.read_text().count("\n") < 2):
            time.sleep(0.01)
        process.kill()
    assert log.read_text().count("\n") < 9, "it was not killed in the middle"
    assert train(*rain, "--out", cut).returncode == 0
    for name in ("log.csv", "validation.csv"):
        assert (cut / name).read_text() == (tmp_path / "whole" / name).read_text()
    ends = [load_state(tmp_path / out / "last.pt") for out in ("whole", "cut")]
    assert all(torch.equal(ends[0][key], ends[1][key]) for key in ends[0])

    record = tomllib.loads(card.read_text())["weights"][0]["training"]
    assert "--span wide --untouched 0.2" in record["command"]
    assert record["data"].startswith("streaks of a wide span on 0.8 of the patches synthesised on")
    other = train("--span", "wide", "--untouched", "0.1", "--out", cut)
    assert other.returncode == 2 and "data was streaks of a wide span on 0.8" in other.stderr


@pytest.mark.slow
def test_a_training_starts_from_an_entry(train, add_trainable, photographs, tmp_path):
    card = add_trainable(steps=20)
    folder = tmp_path / "weights"
    target = ["--export", folder / "small.a.safetensors", "--add-to-card", "--name", "a"]
    assert train("--width", 4, *target, "--out", tmp_path / "first").returncode == 0
    on = ["--from", "small.a", "--weights", folder, "--rain", "drops", "--steps", 10]
    target = ["--export", folder / "small.b.safetensors", "--add-to-card", "--name", "b"]
    done = train(*on, "--learning-rate", "1e-12", *target, "--out", tmp_path / "second")
    assert done.returncode == 0 and "from the weights of small.a" in done.stderr, done.stderr
    before, after = (load_state(tmp_path / out / "best.pt") for out in ("first", "second"))
    assert all(torch.allclose(before[key], after[key], atol=1e-8) for key in before)

    first, second = tomllib.loads(card.read_text())["weights"]
    assert second["arguments"]["width"] == 4 and second["licence"] == first["licence"]
    assert second["trained_on"] == [first["trained_on"][0], f"{photographs.name} + rainbench drops"]
    assert "--from small.a --weights weights --rain drops" in second["training"]["command"]
    assert second["training"]["data"].endswith("; from the weights of small.a")
    facts = json.loads((tmp_path / "second" / "job.json").read_text())
    assert f"small.a {first['sha256']}" in json.dumps(facts)
    fresh = train("--width", 4, "--rain", "drops", "--steps", 10, "--out", tmp_path / "second")
    assert fresh.returncode == 2 and "another" not in fresh.stdout


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ("prenet", "names no weights to start from"),
        ("identity", "names no weights to start from"),
        ("sian.streaks-w12", "weights of sian do not fit prenet_r"),
        ("prenet_r.streaks-w17", "streaks-w17"),
        ("prenet_r.rain100l", "weights not found"),
    ],
)
def test_a_start_that_does_not_do(rainbench, photographs, start, message):
    call = ["train", "prenet_r", "--clean", photographs, "--from", start, *COMMON]
    done = rainbench(*call, "--steps", 1)
    assert done.returncode != 0 and message in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


def test_a_start_of_other_arguments_does_not_fit(rainbench, photographs, tmp_path):
    call = ["train", "prenet_r", "--clean", photographs, "--from", "prenet_r.streaks-w16", *COMMON]
    done = rainbench(*call, "--width", 8, "--steps", 1, "--out", tmp_path / "out")
    assert done.returncode != 0 and "does not fit PReNet_r" in done.stderr, done.stderr
