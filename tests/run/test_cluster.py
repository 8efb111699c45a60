"""A run on a cluster: the bytes of a plain run, whatever dies, and no run where workers differ."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rainbench.api.evaluation import carry_out
from rainbench.catalog.registry import load_registry
from rainbench.cluster.places import check_place, opened
from rainbench.cluster.slurm import check_slurm, read_options, slurm_cluster
from rainbench.cluster.worker import CODE, unseen_file
from rainbench.core.errors import RainbenchError
from rainbench.core.images import write_png
from rainbench.foreign.entry import entry_of
from rainbench.metrics.quality.registry import open_metrics
from rainbench.run.cluster import crew as crews
from rainbench.run.cluster.crew import scoring_crew_of
from rainbench.run.cluster.drive import Drive, run_on
from rainbench.run.cluster.shards import Pace, blocks, in_order, units
from rainbench.run.cluster.worker import Scorer, Session, score_shard, versions
from rainbench.run.options import RunOptions
from rainbench.run.plan import PlannedCell, make_plan
from rainbench.synthesis.mini import write_clips

distributed = pytest.importorskip("distributed")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills processes")

OWN = """
import torch

class Net(torch.nn.Module):
    def forward(self, rainy):
        return 0.9 * rainy
"""

VARYING = ("timing.csv", "timing.md", ".lock")


@pytest.fixture(scope="module")
def client():
    with opened("local:2") as client:
        yield client


@pytest.fixture
def crew(client):
    client.wait_for_workers(2)
    return scoring_crew_of(client, "cpu", RunOptions(), "local:2")


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return write_clips(tmp_path_factory.mktemp("clips")).parent


@pytest.fixture
def plan_of(cards, toy, clips):
    def plan(*names, datasets=("toy",)):
        return make_plan(
            load_registry([cards]), datasets=datasets, baselines=names, data_roots=[toy, clips],
            limit=20,
        )  # fmt: skip

    return plan


@pytest.fixture
def carried_out(cards, tmp_path):
    """Carry a plan out, plainly or on a crew; return what the run's folder holds, and outcomes."""

    def run(plan, name, crew=None, words=()):
        out, ready = tmp_path / name, open_metrics(words).ready if words else ()
        on = run_on(crew, plan, out, ready, words) if crew else None
        outcomes, _ = carry_out(plan, out, RunOptions(), load_registry([cards]), ready, run=on)
        files = {
            str(file.relative_to(out)): file.read_bytes()
            for file in sorted(out.rglob("*"))
            if file.is_file() and file.name not in VARYING
        }
        return files, [(each.cell.name, each.state, each.note) for each in outcomes]

    return run


@pytest.fixture
def short_shards(monkeypatch):
    """Shards of one image each."""
    monkeypatch.setattr("rainbench.run.cluster.shards.SHORTEST", 1e-9)


def test_the_same_bytes_as_a_plain_run(
    plan_of, carried_out, crew, add_network, short_shards, tmp_path
):
    """Of images and clips, networks that fail half way, meddle or have no card, and metrics."""
    add_network("nan", "NotFinite")
    add_network("meddler", "Meddler")
    videos = plan_of("fastderain", datasets=("toy", "mini-clips"))
    images = plan_of("identity", "nan", "meddler").cells
    (tmp_path / "own.py").write_text(OWN)
    own = PlannedCell(images[0].pairs, entry_of(f"{tmp_path / 'own.py'}:Net"), None)
    plan = replace(videos, cells=(*videos.cells, *images, own))
    plain = carried_out(plan, "plain", words=("streaks-left",))
    assert carried_out(plan, "spread", crew, words=("streaks-left",)) == plain
    states = {state for _, state, _ in plain[1]}
    assert states == {"done", "failed", "missing"}
    assert [state for _, state, _ in carried_out(plan, "spread", crew, ("streaks-left",))[1]] == [
        "kept" if state == "done" else state for _, state, _ in plain[1]
    ]


def test_a_run_that_was_begun_goes_on_and_gets_a_metric(plan_of, carried_out, crew, tmp_path):
    plan = plan_of("identity", "median")
    plain = carried_out(plan, "plain", words=("streaks-left",))
    carried_out(plan, "spread")
    images = tmp_path / "spread/cells/toy/median/images.csv"
    (images.parent / "cell.json").unlink()
    images.write_bytes(images.read_bytes()[:500])  # torn in the first image
    assert carried_out(plan, "spread", crew, words=("streaks-left",))[0] == plain[0]


def test_a_network_that_kills_its_worker_is_a_failed_row(
    plan_of, carried_out, crew, add_network, short_shards, tmp_path
):
    add_network("dead", "Deadly", extra='[arguments]\nway = "segfault"\nat = 1\n')
    files, outcomes = carried_out(plan_of("dead", "identity"), "o", crew)
    assert outcomes[0][1:] == ("failed", "its worker died 3 times at image 1")
    assert outcomes[1][1] == "done"
    alone = carried_out(plan_of("identity"), "alone")[0]
    cell = "cells/toy/identity/images.csv"
    assert files[cell] == alone[cell]
    assert b"died 3 times" in files["cells/toy/dead/failed.json"]


def test_a_lost_worker_changes_no_byte(plan_of, carried_out, crew, add_network, short_shards):
    add_network("slow", "Pause", extra="[arguments]\npause = 0.2\n")
    plan = plan_of("slow", "identity")
    plain = carried_out(plan, "plain")
    killed = []

    class Killing(Drive):
        def _wait(self):
            super()._wait()
            at_work = [at for at, keys in crew.client.processing().items() if keys]
            if not killed and at_work:
                killed.append(crew.looks[at_work[0]].process)
                os.kill(killed[-1], signal.SIGKILL)

    spread = _with_drive(carried_out, plan, crew, Killing)
    assert killed and spread == plain


def _with_drive(carried_out, plan, crew, drive):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rainbench.run.cluster.drive.Drive", drive)
        return carried_out(plan, "spread", crew)


def test_a_client_that_stops_goes_on(plan_of, carried_out, crew, add_network, short_shards):
    add_network("slow", "Pause", extra="[arguments]\npause = 0.05\n")
    plan = plan_of("slow", "identity")
    plain = carried_out(plan, "plain")

    class Stopping(Drive):
        def _wait(self):
            super()._wait()
            if len(self.running()) == 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _with_drive(carried_out, plan, crew, Stopping)
    assert carried_out(plan, "spread", crew)[0] == plain[0]


def looks(*changes):
    own = versions()
    made = {"device": "x86_64"}
    return {
        f"tcp://{number}": replace(
            Scorer(f"host{number}", number, own, device="cpu", made=made), **change
        )
        for number, change in enumerate(({}, *changes))
    }


class Client:
    """A cluster whose workers say what they are told to."""

    def __init__(self, found, threads=1):
        self.found, self.threads = found, threads

    def nthreads(self):
        return dict.fromkeys(self.found, self.threads)

    def submit(self, function, *arguments, workers, **_):
        answer = self.found[workers[0]] if function is crews.look else function(*arguments)
        return type("Future", (), {"result": lambda _, timeout: answer})()


@pytest.mark.parametrize("name", ["rainbench", "torch", "numpy", CODE])
def test_workers_of_other_versions_are_refused(name):
    other = {"versions": {**versions(), name: "0.0"}}
    with pytest.raises(RainbenchError, match=r"host1 has .* as host0 has: numbers could differ"):
        scoring_crew_of(Client(looks(other)), "cpu", RunOptions(), "tcp://x")
    both = {at: replace(look, **other) for at, look in looks({}).items()}
    if name in ("rainbench", CODE):  # else the workers' own is what is written down
        with pytest.raises(RainbenchError, match=r"host0 has .* as this machine has"):
            scoring_crew_of(Client(both), "cpu", RunOptions(), "tcp://x")
    else:
        assert scoring_crew_of(Client(both), "cpu", RunOptions(), "tcp://x").looks == both


def test_workers_that_do_not_fit_are_refused():
    for found, threads, said in (
        (looks({"process": 0, "host": "host0"}), 1, "are one process"),
        (looks({}), 4, "has 4 threads"),
        (looks({"device": "cuda"}), 1, "last digits"),
        (looks({"problem": "no such device"}), 1, "cannot work: no such device"),
    ):
        with pytest.raises(RainbenchError, match=said):
            scoring_crew_of(Client(found, threads), "auto", RunOptions(), "tcp://x")
    gpu = {"device": "cuda", "made": {"device": "A"}, "resources": {"GPU": 1, "MEMORY": 9e9}}
    crew = scoring_crew_of(Client(looks(gpu)), "auto", RunOptions(), "tcp://x")
    assert crew.options.device == "cuda" and list(crew.looks) == ["tcp://1"] and crew.others == 1
    assert crew.asked("cuda", 1 << 50) == {"GPU": 1, "MEMORY": 9e9}
    assert crew.asked("cpu", 5) == {"MEMORY": 5}


def test_a_worker_that_came_later_and_differs_does_nothing(plan_of):
    session = Session("run", ".", {**versions(), "torch": "0.0"})
    assert "has torch" in score_shard(session, None).unfit


def test_data_that_a_machine_does_not_see_is_named_before_anything_runs(
    plan_of, carried_out, toy, tmp_path, monkeypatch
):
    """A machine that has another folder in the place of the shared one."""
    plan = plan_of("identity")

    def elsewhere(folder, files):
        moved = [(Path(str(path).replace(str(toy), str(there))), *rest) for path, *rest in files]
        return unseen_file(folder, moved)

    monkeypatch.setattr("rainbench.cluster.crew.unseen_file", elsewhere)
    crew = scoring_crew_of(Client(looks({})), "cpu", RunOptions(), "tcp://x")
    there = toy
    crew.check_cells(plan.cells)
    there = tmp_path / "elsewhere"
    with pytest.raises(RainbenchError, match=r"cannot see .*elsewhere/toy/.*No such file"):
        carried_out(plan, "o", crew)
    assert not (tmp_path / "o/cells").exists()


def test_shards_are_blocks_of_about_the_same_time(plan_of):
    cells = plan_of("identity", "fastderain", datasets=("toy", "mini-clips")).runnable
    for cell in cells:
        pace = Pace(1.0, 2.5 * Pace(1.0, 1).seconds(cell.entry, units(cell)[0]))
        images = {pair.id for pair, _ in cell.images}
        cut = list(blocks(cell, images, pace))
        assert [image for block in cut for image in block] == cell.images
        whole = [{pair.clip for pair, _ in block} for block in cut]
        if cell.entry.is_video:
            assert sum(map(len, whole)) == len({pair.clip for pair, _ in cell.images})  # none cut
        else:
            assert max(map(len, cut)) == 2 or len(cell.images) == 1
        last = cell.images[-1][0]
        assert [pair.id for pair, _ in next(blocks(cell, {last.id}, pace))][-1] == last.id
    first = in_order(cells, Pace(1e9, 0.0))[0]
    assert first.entry.name == "fastderain"  # whose clips cannot be cut


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("local", "names no cluster"), ("local:0", "no number of processes"),
        ("local:x", "no number"), ("ssh:host", "names no cluster"),
        ("file:none.json", "cannot be read"), ("tcp://127.0.0.1:9", "no scheduler answers"),
    ],
)  # fmt: skip
def test_a_cluster_that_is_none_is_refused(place, said, monkeypatch):
    monkeypatch.setattr("rainbench.cluster.places.PATIENCE", 0.5)
    began = time.monotonic()
    with pytest.raises(RainbenchError, match=said), opened(place):
        pass
    assert time.monotonic() - began < 20


def test_dask_is_imported_for_clusters_alone():
    code = (
        "import sys, rainbench, rainbench.run.cluster.drive\n"
        "from rainbench.cli import cli\n"
        "cli(['run', '--help'], standalone_mode=False)\n"
        "assert not {'dask', 'distributed'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_a_cluster_is_opened_twice_by_one_program():
    code = (
        "from rainbench.cluster.places import opened\n"
        "if __name__ == '__main__':\n"
        "    for _ in range(2):\n"
        "        with opened('local:1') as client:\n"
        "            assert client.submit(sum, [1, 2]).result() == 3\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr


def a_picture(folder):
    folder.mkdir()
    write_png(folder / "a.png", np.full((64, 64, 3), 9, np.uint8))
    return folder


@pytest.mark.parametrize("command", ["run", "build-spa", "synth"])
def test_a_dry_run_refuses_a_cluster_that_is_none(rainbench, tmp_path, command):
    """What the run would refuse, before it works for an hour: nothing is started for that."""
    clean = a_picture(tmp_path / "clean")
    call = {
        "run": ["run", "-d", "mini-streaks", "-b", "identity", "--limit", "1"],
        "build-spa": ["build-spa", clean],
        "synth": ["synth", "streaks", clean],
    }[command]
    call += ["--out", tmp_path / "out", "--dry-run", "--cluster"]
    places = {
        "ssh:host": "names no cluster",
        "local:0": "no number of processes",
        f"file:{tmp_path}/none.json": "cannot be read",
        f"slurm:{tmp_path}/none.toml": "cannot be read",
    }
    for place, said in places.items() if command == "run" else [*places.items()][::2]:
        done = rainbench(*call, place)
        assert done.returncode == 2 and said in done.stderr, (place, done.stderr)
    done = rainbench(*call, "local:2")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "out").exists()


def test_a_dry_run_asks_the_scheduler_that_is_there(monkeypatch, tmp_path):
    from click.testing import CliRunner

    from rainbench.cli import cli

    monkeypatch.setattr("rainbench.cluster.places.PATIENCE", 0.5)
    call = [
        "run",
        "-d",
        "mini-streaks",
        "-b",
        "identity",
        "--dry-run",
        "--out",
        str(tmp_path / "o"),
    ]
    done = CliRunner().invoke(cli, [*call, "--cluster", "tcp://127.0.0.1:9"])
    assert "no scheduler answers" in f"{done.exception}{done.output}"


def test_slurm_is_looked_for_before_jobs_are_asked_for(tmp_path, monkeypatch):
    """Without sbatch jobs were never started, and the run waited for them without end."""
    pytest.importorskip("dask_jobqueue")
    file = tmp_path / "slurm.toml"
    file.write_text('memory = "1 GB"')
    monkeypatch.setenv("PATH", str(tmp_path))
    for ask in (slurm_cluster, check_slurm):
        with pytest.raises(RainbenchError, match="there is no sbatch here"):
            ask(file)


def sbatch(folder, monkeypatch):
    """Put a program of that name into a folder, which says that it was called."""
    folder.mkdir()
    (folder / "sbatch").write_text(f"#!/bin/sh\ntouch {folder}/called\n")
    (folder / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


def test_no_job_is_asked_for_by_a_check(tmp_path, monkeypatch):
    pytest.importorskip("dask_jobqueue")
    sbatch(tmp_path / "bin", monkeypatch)
    file = tmp_path / "slurm.toml"
    file.write_text('memory = "1 GB"')
    assert check_place(f"slurm:{file}") is False
    assert not (tmp_path / "bin/called").exists()


def test_options_of_slurm_go_to_its_jobs(tmp_path, monkeypatch):
    jobqueue = pytest.importorskip("dask_jobqueue")
    sbatch(tmp_path / "bin", monkeypatch)
    file = tmp_path / "slurm.toml"
    file.write_text(
        'queue = "gpu"\ncores = 4\nmemory = "16 GB"\nwalltime = "04:00:00"\njobs = 3\n'
        'job_extra_directives = ["--gres=gpu:1"]\nworker_extra_args = ["--resources", "GPU=1"]\n'
    )
    options = read_options(file)
    assert options.pop("jobs") == 3
    with jobqueue.SLURMCluster(**options, dashboard_address=None) as cluster:
        script = cluster.job_script()
    for line in ("-p gpu", "--cpus-per-task=4", "-t 04:00:00", "--gres=gpu:1"):
        assert f"#SBATCH {line}\n" in script
    assert script.index("--nthreads 4") < script.index("--resources GPU=1 --nthreads 1")
    for wrong, said in (
        ("x", "is no TOML"), ("cores = 1", "says no memory"), ('jobs = "many"', "is no number"),
        ('memory = "1 GB"\nqeue = "x"', "qeue"),
    ):  # fmt: skip
        file.write_text(wrong)
        for ask in (slurm_cluster, check_slurm):
            with pytest.raises(RainbenchError, match=said):
                ask(file)
