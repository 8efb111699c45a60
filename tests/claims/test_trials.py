"""Trials: trained once, at one budget, and continued after a kill."""

import dataclasses
import functools

import pytest
import torch
from click.testing import CliRunner

from rainbench.catalog.registry import load_registry
from rainbench.claims.sentences import load_claims
from rainbench.claims.trainings import Trainings, open_setting, reached, run_trials, trials_of
from rainbench.cli import cli
from rainbench.core.progress import unseen

CLAIMS = [claim for claim in load_claims() if claim.by_training]
REGISTRY = load_registry()


def asked(*names, seeds=1):
    trained = Trainings(seeds=seeds)
    for claim in CLAIMS:
        if not names or claim.id in names:
            claim.by_training(trained)
    return trained


@pytest.fixture(scope="module")
def trials(photographs, tmp_path_factory):
    """A function that returns the trials of claims in one folder."""
    setting = functools.cache(lambda rain: open_setting(REGISTRY, photographs, rain, 16))

    def make(*names, out=None, seeds=1, width=4, steps=2):
        trained = asked(*names, seeds=seeds)
        settings = {rain: setting(rain) for rain, _ in trained.asked}
        changes = {"steps": steps, "batch": 1, "patch": 16}
        out = out or tmp_path_factory.mktemp("trials")
        return trials_of(REGISTRY, trained, settings, out, changes, width=width, threads=1)

    return make


def test_every_network_of_every_trial_is_known(trials, tmp_path):
    """A variant has a folder of its own; a baseline's is called as before there were variants."""
    folders = {trial.folder for trial in trials(seeds=2, width=8, out=tmp_path).values()}
    assert len(folders) == 2 * len(asked().asked)
    assert tmp_path / "joint" / "dam,width=8,seed=0" in folders
    assert tmp_path / "streaks" / "nasnet,blocks=3,width=8,seed=1" in folders
    assert tmp_path / "streaks" / "sian-mae,width=8,seed=1" in folders
    networks = {name: network for (_, name), network in asked().asked.items()}
    variants = {name for name, network in networks.items() if name != network.baseline}
    assert variants == {"dam-binary", "sian-mae", "sian-mse"}
    assert not variants & set(REGISTRY.baselines)


def test_no_two_claims_mean_different_networks_by_one_name():
    known = asked().asked
    for claim in CLAIMS:
        for key, network in asked(claim.id).asked.items():
            assert network == known[key], (claim.id, key)


def test_a_variant_differs_in_its_losses_alone(trials):
    own, mae, mse = (trial.job for trial in trials("C1").values())
    assert own.recipe.losses == own.card.recipe.losses and own.card.name == "sian"
    assert [term.label for term in mae.recipe.losses] == ["l1 stages"]
    assert [term.label for term in mse.recipe.losses] == ["mse stages"]
    assert dataclasses.replace(mae, recipe=own.recipe) == own
    soft, binary = (trial.job for trial in trials("A9").values())
    terms = [dataclasses.replace(t, mask="soft", threshold=0.0) for t in binary.recipe.losses]
    assert tuple(terms) == soft.card.recipe.losses != binary.recipe.losses


def small(trials, names):
    """The trials of C1, of one stage."""
    made = trials("C1")
    return {
        key: trial._replace(
            job=dataclasses.replace(trial.job, arguments={**trial.job.arguments, "stages": 1})
        )
        for key, trial in made.items()
        if key[1] in names
    }


def run(trials):
    return list(run_trials(trials, unseen))[-1]


def test_a_variant_trains_by_its_own_loss_and_is_found_again(trials):
    two = small(trials, ("sian", "sian-mae"))
    assert [reached(trial) for trial in two.values()] == [None, None]
    results = run(two)
    assert results == {key: reached(trial) for key, trial in two.items()}
    logs = {key[1]: (trial.folder / "log.csv").read_text() for key, trial in two.items()}
    assert "neg_ssim stages" in logs["sian"] and "l1 stages" in logs["sian-mae"]
    assert "neg_ssim" not in logs["sian-mae"]


def test_trials_on_a_cluster_reach_the_same(photographs, tmp_path):
    pytest.importorskip("distributed")
    call = ["claims", "--run", "--only", "E3", "--width", 4, "--patch", 16, "--batch", 1]
    call += ["--steps", 1, "--seeds", 1, "--clean", photographs]
    for out, how in (("plain", ()), ("spread", ("--cluster", "local:2"))):
        words = [str(word) for word in [*call, "--out", tmp_path / out, *how]]
        done = CliRunner().invoke(cli, words)
        assert done.exit_code == 0, (done.output, done.exception)
    tables = [(tmp_path / out / "claims.csv").read_text() for out in ("plain", "spread")]
    assert tables[0] == tables[1]
    found = [
        {file.parent.name: torch.load(file, weights_only=False)["network"] for file in files}
        for files in ((tmp_path / out).rglob("last.pt") for out in ("plain", "spread"))
    ]
    assert found[0].keys() == found[1].keys() and len(found[0]) > 1
    for name, network in found[0].items():
        assert all(torch.equal(each, found[1][name][key]) for key, each in network.items()), name


def test_a_trial_whose_process_died_costs_its_own_claims_alone(trials, caplog):
    two = small(trials, ("sian", "sian-mae"))

    def pool(work, tasks, *, on_crash, on_done):
        results = [on_crash(tasks[0]), *map(work, tasks[1:])]
        for result in results:
            on_done(result)
        return results

    counted = []
    (*_, found) = run_trials(two, lambda amount, what: counted.append(amount), pool)
    assert list(found) == list(two)[1:] and sum(counted) == 2
    assert "the process that trained it died" in caplog.text


@pytest.fixture
def tiny(trials):
    """A trial of two steps that is done."""
    one = small(trials, ("sian",))
    return one, run(one)


@pytest.mark.parametrize("content", [b"{}", b"", b"PK\x03\x04 nothing", b"\0\1", None, "edited"])
@pytest.mark.parametrize("name", ["last.pt", "trial.json"])
def test_a_result_that_was_changed_is_made_again(tiny, name, content):
    one, before = tiny
    ((key, trial),) = one.items()
    file = trial.folder / name
    if content is None:
        file.unlink()
    elif content == "edited":
        data = file.read_bytes()
        place = data.index(b"best_psnr" if name == "last.pt" else b"last.pt")
        file.write_bytes(data[: place + 12] + bytes([data[place + 12] ^ 1]) + data[place + 13 :])
    else:
        file.write_bytes(content)
    assert reached(trial) is None
    again = run(one)[key]
    assert again == reached(trial)
    assert dataclasses.replace(again, seconds=0) == dataclasses.replace(before[key], seconds=0)


def test_a_trial_of_other_settings_is_refused_by_name(tiny, trials, caplog):
    one, _ = tiny
    ((key, trial),) = one.items()
    recipe = dataclasses.replace(trial.job.recipe, steps=3)
    longer = trial._replace(job=dataclasses.replace(trial.job, recipe=recipe))
    assert reached(longer) is None
    assert run({key: longer}) == {}
    assert "other settings: steps was 2, is 3" in caplog.text


def test_a_trial_that_is_not_finished_is_not_a_result(tiny):
    one, _ = tiny
    ((key, trial),) = one.items()
    (trial.folder / "trial.json").unlink()
    shorter = torch.load(trial.folder / "best.pt", weights_only=True)
    shorter["progress"]["step"] = 1
    torch.save(shorter, trial.folder / "last.pt")
    assert reached(trial) is None
    assert run(one)[key].step == 2


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
    results = {file: file.stat().st_mtime_ns for file in out.rglob("last.pt")}
    assert len(results) == 4
    text = (out / "claims.md").read_text()
    assert "nasnet &gt; nasnet_direct" in text and "2 seeds" in text and str(tmp_path) not in text
    lost = next(iter(results))
    lost.unlink()  # as if the call had been killed before this one was done
    content = (out / "claims.csv").read_bytes()
    assert rainbench(*call, "--steps", 2).returncode == 0
    again = {file: file.stat().st_mtime_ns for file in out.rglob("last.pt")}
    assert {file for file in results if again[file] == results[file]} == set(results) - {lost}
    assert (out / "claims.csv").read_bytes() == content
    other = rainbench(*call, "--steps", 3)
    assert other.returncode == 2 and "holds trainings of another budget" in other.stderr
