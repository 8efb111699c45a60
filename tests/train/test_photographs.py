"""Recipes of LPNet, JORDER-E and SIRR: they train, go on after a stop as if there were none."""

import dataclasses

import numpy as np
import pytest
import torch

from rainbench.catalog.cards import FromPhotographs
from rainbench.catalog.registry import load_registry
from rainbench.core.errors import RainbenchError
from rainbench.core.images import write_png
from rainbench.train.assemble import make_job, make_options, open_photographs, open_source
from rainbench.train.checkpoints import load_state
from rainbench.train.export import training_record
from rainbench.train.loop import train
from rainbench.train.photographs import RainOfPhotographs
from rainbench.train.recipes import resolve_recipe

NARROW = {"lpnet": {"recursions": 1}, "jorder_e": {"width": 4, "blocks": 1}, "sirr": {"width": 4}}


class StoppedError(Exception):
    """Stands for a kill."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Clean pictures, and others with streaks of which nobody has the clean ones."""
    root, chance = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for name in ("clean", "rainy"):
        (root / name).mkdir()
        for number in range(5):
            picture = np.kron(chance.integers(0, 200, (6, 6, 3)), np.ones((12, 12, 1)))
            picture[:, 5::9] += 50 * (name == "rainy")
            write_png(root / name / f"{number}.png", picture.astype(np.uint8))
    return root


def job_of(name, folders, photographs=True):
    registry = load_registry()
    card = registry.baselines[name]
    changes = {"patch": 48, "batch": 2, "steps": 4}
    recipe = resolve_recipe(card, changes, short=True)
    options = make_options(
        seconds=0.0, seed=3, device="cpu", precision="fp32", threads=1, workers=0, compiled=False,
        channels_last=False, fused=True, validations=2, checkpoint_seconds=0.0,
    )  # fmt: skip
    options = dataclasses.replace(options, log_every=1)
    source = open_source(registry, "", (), folders / "clean", "streaks", 3)
    wanted = recipe.photographs is not None and photographs
    photos = open_photographs(card, folders / "rainy" if wanted else None)
    arguments = {**card.arguments, **NARROW[name]}
    return make_job(registry, card, arguments, recipe, options, source, (), photos)


@pytest.mark.parametrize("name", NARROW)
def test_a_training_that_was_stopped_ends_with_the_same_bits(name, folders, tmp_path):
    job = job_of(name, folders)
    whole = train(job, tmp_path / "whole")
    assert whole.progress.step == 4 and np.isfinite(whole.progress.best_psnr)

    def stop(_done, what):
        if what.startswith("step 2"):
            raise StoppedError

    with pytest.raises(StoppedError):
        train(job, tmp_path / "cut", advance=stop)
    assert train(job, tmp_path / "cut").progress.step == 4
    logs = [(tmp_path / out / "log.csv").read_text() for out in ("whole", "cut")]
    assert logs[0] == logs[1] and logs[0].count("\n") == 5
    ends = [load_state(tmp_path / out / "last.pt") for out in ("whole", "cut")]
    assert all(torch.equal(ends[0][key], ends[1][key]) for key in ends[0])
    begun = load_state(tmp_path / "whole" / "best.pt")
    assert begun.keys() == ends[0].keys()
    beside = "; without truth: 5 photographs of rainy" if name == "sirr" else ""
    assert training_record(job, whole, "").data.endswith(f"in training{beside}")
    if name == "sirr":
        assert "mixture photographs" in logs[0]
        states = [torch.load(tmp_path / out / "last.pt")["rain"] for out in ("whole", "cut")]
        assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
        first = RainOfPhotographs(job.recipe.photographs).state_dict()
        assert not torch.equal(states[0]["variances"], first["variances"])


def test_photographs_are_asked_for_where_a_recipe_learns_from_them(folders):
    with pytest.raises(RainbenchError, match="sirr learns from photographs of rain, too"):
        job_of("sirr", folders, photographs=False)
    with pytest.raises(RainbenchError, match="nowhere: there is no such folder of photographs"):
        open_photographs(load_registry().baselines["sirr"], folders / "nowhere")
    card = load_registry().baselines["lpnet"]
    with pytest.raises(RainbenchError, match="recipe of lpnet learns nothing from them"):
        open_photographs(card, folders / "rainy")


def test_a_training_on_other_photographs_is_another_one(folders):
    job = job_of("sirr", folders)
    other = dataclasses.replace(job, photographs=open_photographs(job.card, folders / "clean"))
    assert job.key != other.key and "photographs" in job.key_parts()
    assert "photographs" not in job_of("lpnet", folders).key_parts()["recipe"]


def test_one_step_of_em_and_the_losses_are_those_of_the_formulas():
    chance = np.random.default_rng(1)
    photographs, restored = chance.random((2, 2, 3, 5, 6))
    rain = RainOfPhotographs(FromPhotographs(mixture=0.5, variation=1e-2, components=2))
    shares, variances = (each.double().numpy().copy() for each in (rain.shares, rain.variances))
    e = (photographs - restored).ravel()
    density = shares * np.exp(-(e[:, None] ** 2) / 2 / variances) / np.sqrt(variances)
    member = density / density.sum(1, keepdims=True)
    variances = (member * e[:, None] ** 2).sum(0) / member.sum(0)
    mixture = (member * e[:, None] ** 2 / 2 / variances).sum(1).mean()
    variation = np.abs(np.diff(restored, axis=2)).sum() + np.abs(np.diff(restored, axis=3)).sum()
    taken = torch.tensor(restored, dtype=torch.float32, requires_grad=True)
    total, parts = rain(taken, torch.tensor(photographs, dtype=torch.float32))
    assert rain.variances.numpy() == pytest.approx(variances, rel=1e-4)
    assert rain.shares.numpy() == pytest.approx(member.mean(0), rel=1e-4)
    assert parts["mixture photographs"].item() == pytest.approx(0.5 * mixture, rel=1e-4)
    assert parts["variation photographs"].item() == pytest.approx(1e-2 * variation / 2, rel=1e-4)
    total.backward()
    assert taken.grad.abs().sum() > 0 and not rain.variances.requires_grad


def test_nothing_taken_away_is_no_rain_of_no_size():
    rain = RainOfPhotographs(FromPhotographs(mixture=1.0, variation=0.0))
    still = torch.full((1, 3, 8, 8), 0.5)
    for _ in range(3):
        total, _ = rain(still, still)
        assert torch.isfinite(total) and torch.isfinite(rain.variances).all()
    assert rain.variances.min() >= 1e-6
