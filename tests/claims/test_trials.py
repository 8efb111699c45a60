"""Trials: trained once, at one budget, and continued after a kill."""

import dataclasses
import json

import pytest

from rainbench.catalog.registry import load_registry
from rainbench.claims.trials import Budget, open_setting, read_trial, run_trial
from rainbench.claims.verdicts import load_claims
from rainbench.commands.claim_trials import trials_of as all_trials
from rainbench.core.errors import RainbenchError

CLAIMS = [claim for claim in load_claims() if claim.by_training]
REGISTRY = load_registry()


def trials_of(*names, seeds=1, width=8):
    chosen = [claim for claim in CLAIMS if not names or claim.id in names]
    return [trial for _, trial in all_trials(REGISTRY, chosen, width, seeds)]


def test_every_network_of_every_trial_is_known():
    """A variant has a folder of its own; a baseline's is called as before there were variants."""
    folders = [trial.folder for trial in trials_of(seeds=2)]
    assert len(folders) == len(set(folders))
    assert "dam,width=8,seed=0" in folders
    assert "nasnet,blocks=3,width=8,seed=1" in folders
    assert "sian-mae,width=8,seed=1" in folders
    variants = {
        network.name
        for claim in CLAIMS
        for network in claim.networks
        if network.name != network.baseline
    }
    assert variants == {"dam-binary", "sian-mae", "sian-mse"}
    assert not variants & set(REGISTRY.baselines)


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
    setting = open_setting(REGISTRY, photographs, "streaks", budget)
    own, mae, _ = trials_of("C1", width=4)
    logs = {}
    for trial in (own, mae):
        trial = dataclasses.replace(trial, arguments={**trial.arguments, "stages": 1})
        assert read_trial(trial, setting, budget, tmp_path) is None
        result = run_trial(trial, setting, budget, tmp_path)
        assert result == read_trial(trial, setting, budget, tmp_path)
        logs[trial.name] = (tmp_path / trial.folder / "log.csv").read_text()
    assert "neg_ssim stages" in logs["sian"] and "l1 stages" in logs["sian-mae"]
    assert "neg_ssim" not in logs["sian-mae"]


@pytest.fixture
def tiny(photographs, tmp_path):
    """A trial of two steps that is done, with what it takes to read and to run it again."""
    budget = Budget(steps=2, batch=1, patch=16, side=32)
    setting = open_setting(REGISTRY, photographs, "streaks", budget)
    trial = trials_of("C1", width=4)[0]
    trial = dataclasses.replace(trial, arguments={**trial.arguments, "stages": 1})
    return trial, setting, budget, run_trial(trial, setting, budget, tmp_path)


@pytest.mark.parametrize("name", ["result.json", "trial.json"])
@pytest.mark.parametrize("content", ["{}", "", '{"psnr": 99}', "\0\1", None])
def test_a_result_that_was_changed_is_made_again(tiny, tmp_path, name, content):
    trial, setting, budget, result = tiny
    file = tmp_path / trial.folder / name
    if content is None:
        file.unlink()
    else:
        file.write_text(content)
    assert read_trial(trial, setting, budget, tmp_path) is None
    again = run_trial(trial, setting, budget, tmp_path)
    assert again == result == read_trial(trial, setting, budget, tmp_path)


def test_a_number_edited_by_hand_is_not_taken(tiny, tmp_path):
    trial, setting, budget, result = tiny
    file = tmp_path / trial.folder / "result.json"
    edited = {**json.loads(file.read_text()), "psnr": result.psnr + 1}
    file.write_text(json.dumps(edited, indent=1))
    assert run_trial(trial, setting, budget, tmp_path).psnr == result.psnr


def test_a_trial_of_other_settings_is_refused_by_name(tiny, tmp_path):
    trial, setting, budget, _ = tiny
    longer = dataclasses.replace(budget, steps=3)
    assert read_trial(trial, setting, longer, tmp_path) is None
    with pytest.raises(RainbenchError, match="other settings: steps was 2, is 3"):
        run_trial(trial, setting, longer, tmp_path)


def test_a_folder_of_an_earlier_version_is_refused(rainbench, photographs, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "budget.json").write_text('{"budget": "2 steps"}')
    call = ["claims", "--run", "--only", "E3", "--clean", photographs, "--out", tmp_path / "out"]
    done = rainbench(*call, "--steps", 2)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "earlier version" in done.stderr and "another --out" in done.stderr


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
