"""The pool on a cluster: results in order, deaths, and nothing begun that cannot end well."""

import logging
import sys
import threading
from concurrent.futures import CancelledError
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from cluster_work import die_at_first, note_and_die, warn_of, where_am_i
from pool_work import name_of, raise_error
from rain_clips import rain, tree, write_clip

from rainbench.cluster import worker
from rainbench.cluster.crew import Crew, crew_of, file_of, files_of
from rainbench.cluster.places import opened
from rainbench.cluster.pool import ClusterPool
from rainbench.cluster.worker import CODE, Look, perform, unshared_folder, versions
from rainbench.core.errors import RainbenchError
from rainbench.core.files import lock_folder
from rainbench.core.pool import run_all
from rainbench.spa.builder import build_spa
from rainbench.spa.options import SpaOptions
from rainbench.spa.plan import plan_build

distributed = pytest.importorskip("distributed")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills processes")


@pytest.fixture(scope="module")
def client():
    with opened("local:2") as client:
        yield client


@pytest.fixture
def pool(client):
    client.wait_for_workers(2)
    return ClusterPool(crew_of(client, "cpu", "local:2"))


def test_results_come_in_order_from_other_processes(pool, tmp_path):
    tasks = [(tmp_path, str(number)) for number in range(30)]
    done = []
    found = pool(name_of, tasks, on_crash=str, on_done=done.append, folder=tmp_path)
    assert found == run_all(name_of, tasks, 1, on_crash=str) and sorted(done) == sorted(found)
    processes = set(pool(where_am_i, [0] * 20, on_crash=str))
    assert processes <= {look.process for look in pool.crew.looks.values()}
    assert pool(name_of, [], on_crash=str) == []


@pytest.mark.parametrize(("deaths", "result", "begun"), [(2, 2, 3), (9, "died: 2", 3)])
def test_a_task_whose_worker_dies_is_begun_three_times(pool, tmp_path, deaths, result, begun):
    found = pool(
        partial(note_and_die, tmp_path, deaths), [1, 2, 3, 4],
        on_crash=lambda task: f"died: {task}", folder=tmp_path,
    )  # fmt: skip
    assert found == [1, result, 3, 4]
    assert (tmp_path / "begun-2").stat().st_size == begun
    for other in (1, 3, 4):  # Dask may begin what waits in a worker that dies once more
        assert (tmp_path / f"begun-{other}").stat().st_size <= 3
        assert (tmp_path / f"made-{other}").read_bytes() == b"done"
    assert not list(tmp_path.glob(".*"))


def test_errors_and_warnings_come_over(pool, tmp_path, caplog):
    with pytest.raises(RainbenchError, match=r"1: is no picture\n  Fetch it again\.$"):
        pool(raise_error, [(tmp_path, "1")] * 4, on_crash=str)
    with caplog.at_level(logging.WARNING, "rainbench"):
        assert pool(warn_of, [1, 2, 3], on_crash=str) == [1, 2, 3]
    assert [record.getMessage() for record in caplog.records] == ["all of them are wet"]


def test_what_cannot_be_sent_is_told(pool):
    with pytest.raises(RainbenchError, match="cannot be sent to a worker"):
        pool(where_am_i, [sys.stdout], on_crash=str)


def looks(*changes):
    return {
        f"tcp://{number}": replace(Look(f"host{number}", number, versions()), **change)
        for number, change in enumerate(({}, *changes))
    }


class Client:
    """A cluster whose workers say what they are told to, and look at files here."""

    def __init__(self, found):
        self.found = found

    def nthreads(self):
        return dict.fromkeys(self.found, 1)

    def submit(self, function, *arguments, workers, **_):
        answer = self.found[workers[0]] if function is worker.look else function(*arguments)
        return type("Future", (), {"result": lambda _, timeout: answer})()


@pytest.mark.parametrize("name", [*versions()])
def test_workers_that_may_write_other_bytes_are_refused(name):
    other = {"versions": {**versions(), name: "0.0"}}
    with pytest.raises(RainbenchError, match=r"host1 has .* as host0 has: numbers could differ"):
        crew_of(Client(looks(other)), "cpu", "tcp://x")
    assert "has" in perform(".", {**versions(), name: "0.0"}, name_of, None).unfit
    both = {at: replace(look, **other) for at, look in looks({}).items()}
    if name in ("rainbench", CODE):
        with pytest.raises(RainbenchError, match=r"host0 has .* as this machine has"):
            crew_of(Client(both), "cpu", "tcp://x")


def test_a_device_that_a_worker_has_not_is_its_problem(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "sees no CUDA device" in worker.look("cuda").problem


def test_machines_are_counted():
    crew = Crew(None, looks({"host": "host0", "memory": 5}, {"memory": 3}))
    assert crew.most_on_a_machine == 2 and crew.least_memory == 0
    gpus = Crew(None, looks({"resources": {"GPU": 1, "MEMORY": 8}}))
    assert gpus.asked("cuda:0", 9) == {"GPU": 1, "MEMORY": 8} and gpus.asked("cpu") == {}


class Future:
    """Something that was handed out, and does not come back."""

    def __init__(self, key):
        self.key = key

    def add_done_callback(self, deed):
        self.deed = deed

    def result(self):
        raise CancelledError

    def cancelled(self):
        return True


class Going(Client):
    """A cluster that takes a task, and is gone then; its tasks are told of it, or are not."""

    def __init__(self, told):
        super().__init__(looks({"resources": {"GPU": 1}}))
        self.told, self.status, self.sent = told, "running", []

    def submit(self, function, *arguments, key="", resources=None, workers=None, **how):
        if workers:
            return super().submit(function, *arguments, workers=workers, **how)
        self.sent.append(resources)
        self.status = "closed"
        future = Future(key)
        if self.told:
            threading.Timer(0.05, lambda: future.deed(future)).start()
        return future

    def cancel(self, futures):
        raise OSError("nobody is there")


@pytest.mark.parametrize("told", [True, False])
def test_a_scheduler_that_is_gone_is_told_with_what_to_do(told, monkeypatch):
    monkeypatch.setattr("rainbench.cluster.flights.COUNT_AGAIN", 0.2)
    client = Going(told)
    pool = ClusterPool(crew_of(client, "cpu", "tcp://x"), "cuda")
    with pytest.raises(RainbenchError, match="the scheduler of the cluster is gone") as error:
        pool(where_am_i, [1, 2, 3], on_crash=str)
    assert "run the same command again" in error.value.hint
    assert client.sent == [{"GPU": 1}]  # one of the two workers has one


def test_a_file_that_a_machine_does_not_see_is_named(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"video")
    crew = Crew(Client(looks()), looks())
    crew.check_files(files_of([tmp_path / "a.mp4", tmp_path]))
    wanted = file_of(tmp_path / "a.mp4", "0" * 64)
    with pytest.raises(RainbenchError, match=r"a\.mp4: is another file there: its SHA-256"):
        crew.check_files([wanted])
    (tmp_path / "a.mp4").write_bytes(b"another")
    with pytest.raises(RainbenchError, match=r"a\.mp4: is another file there, of 7 bytes"):
        crew.check_files([wanted])
    (tmp_path / "a.mp4").unlink()
    with pytest.raises(RainbenchError, match=r"^\S+ cannot see .*a\.mp4: No such file") as told:
        crew.check_files([wanted])
    assert "all machines share" in told.value.hint


def test_a_folder_that_is_another_one_there_is_named(tmp_path, monkeypatch):
    """A machine whose folder of that path is its own."""
    crew = Crew(Client(looks()), looks())
    crew.check_shared(tmp_path / "out")
    assert [*(tmp_path / "out").iterdir()] == []
    own = tmp_path / "own"

    def elsewhere(folder, _shared, *rest):
        return unshared_folder(folder, own, *rest)

    monkeypatch.setattr("rainbench.cluster.crew.unshared_folder", elsewhere)
    with pytest.raises(RainbenchError, match=r"cannot write into .*own: there is no such folder"):
        crew.check_shared(tmp_path / "out")
    own.mkdir()
    with pytest.raises(RainbenchError, match=r"cannot write into .*own: is another folder there"):
        crew.check_shared(tmp_path / "out")
    assert [*(tmp_path / "out").iterdir()] == []


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spa") / "videos"
    write_clip(folder / "yard.mp4", rain("coffee").frames[:24])
    write_clip(folder / "b/cup.mkv", rain("cup").frames[:24])
    (folder / "bad.mp4").write_text("this is no video")
    return folder


def test_build_spa_writes_the_same_bytes_whatever_dies(videos, pool, tmp_path, monkeypatch):
    """With a worker killed in each of its two passes, from a folder that is not the workers'."""
    monkeypatch.chdir(videos.parent)
    options = SpaOptions(method="exact", layout="pairs", max_frames=3, name="toy")
    plan = plan_build([Path("videos")], tmp_path / "x", options)
    build_spa(plan, tmp_path / "plain", options)

    class Dying:
        def __call__(self, work, tasks, **how):
            mark = tmp_path / f"died in {work.func.__name__}"
            found = pool(partial(die_at_first, mark, work), tasks, **how)
            assert mark.exists()
            return found

    with lock_folder(tmp_path / "spread", "build"):
        report = build_spa(plan, tmp_path / "spread", options, pool=Dying())
    assert tree(tmp_path / "spread") == tree(tmp_path / "plain")
    assert sum(row.pairs for row in report.rows) and len(list(tmp_path.glob("died*"))) == 2
