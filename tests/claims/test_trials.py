"""Trials: trained once, at one budget, and gone on with."""

import dataclasses

import pytest

from rainbench.catalog.registry import load_registry
from rainbench.claims.evaluate import load_claims
from rainbench.claims.trial_verdicts import networks_of
from rainbench.claims.trials import Budget, open_ground, read_trial, run_trial
from rainbench.commands.claim_trials import _trials

CLAIMS = [claim for claim in load_claims() if claim.trial is not None]
REGISTRY = load_registry()


def trials_of(*names, seeds=1, width=8):
    chosen = [claim for claim in CLAIMS if not names or claim.id in names]
    return [trial for _, trial in _trials(REGISTRY, chosen, width, seeds)]


def test_every_network_of_every_trial_is_known():
    """A variant has a folder of its own; a baseline's is called as before there were variants."""
    folders = [trial.folder for trial in trials_of(seeds=2)]
    assert len(folders) == len(set(folders))
    assert "dam,width=8,seed=0" in folders
    assert "nasnet,blocks=3,width=8,seed=1" in folders
    assert "sian-mae,width=8,seed=1" in folders
    for claim in CLAIMS:
        variants = {variant.name for variant in claim.trial.variants}
        assert variants <= set(networks_of(claim)), f"{claim.id} has a variant it never compares"
        assert not variants & set(REGISTRY.baselines), claim.id


def test_a_variant_differs_in_its_losses_alone():
    own, mae, mse = (trials_of("C1")[place] for place in range(3))
    assert own.losses == () and own.name == "sian"
    assert [term.label for term in mae.losses] == ["l1 stages"]
    assert [term.label for term in mse.losses] == ["mse stages"]
    assert (mae.card, mae.arguments, mae.seed) == (own.card, own.arguments, own.seed)
    soft, binary = trials_of("A9")
    terms = [dataclasses.replace(term, mask="soft", threshold=0.0) for term in binary.losses]
    assert tuple(terms) == soft.card.recipe.losses != binary.losses


def test_a_variant_trains_by_its_own_loss_and_is_found_again(photographs, tmp_path):
    budget = Budget(steps=2, batch=1, patch=16, side=32)
    ground = open_ground(REGISTRY, photographs, "streaks", budget)
    own, mae, _ = trials_of("C1", width=4)
    logs = {}
    for trial in (own, mae):
        trial = dataclasses.replace(trial, arguments={**trial.arguments, "stages": 1})
        assert read_trial(trial, ground, budget, tmp_path) is None
        result = run_trial(trial, ground, budget, tmp_path)
        assert result == read_trial(trial, ground, budget, tmp_path)
        logs[trial.name] = (tmp_path / trial.folder / "log.csv").read_text()
    assert "neg_ssim stages" in logs["sian"] and "l1 stages" in logs["sian-mae"]
    assert "neg_ssim" not in logs["sian-mae"]


@pytest.mark.slow
def test_trials_are_trained_once_and_are_not_mixed(rainbench, photographs, tmp_path):
    out = tmp_path / "out"
    call = ["claims", "--run", "--only", "E3", "--width", 4, "--patch", 16, "--batch", 1]
    call += ["--seeds", 2, "--clean", photographs, "--out", out]
    assert rainbench(*call, "--steps", 2).returncode == 0
    results = {file: file.stat().st_mtime_ns for file in out.rglob("trial.json")}
    assert len(results) == 4
    text = (out / "claims.md").read_text()
    assert "nasnet &gt; nasnet_direct" in text and "2 seeds" in text and str(tmp_path) not in text
    lost = next(iter(results))
    lost.unlink()  # as if the call had been killed before this one was done
    content = (out / "claims.csv").read_bytes()
    assert rainbench(*call, "--steps", 2).returncode == 0
    again = {file: file.stat().st_mtime_ns for file in out.rglob("trial.json")}
    assert {file for file in results if again[file] == results[file]} == set(results) - {lost}
    assert (out / "claims.csv").read_bytes() == content
    other = rainbench(*call, "--steps", 3)
    assert other.returncode == 2 and "holds trainings of another budget" in other.stderr
