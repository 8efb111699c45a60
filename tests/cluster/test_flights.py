"""Tasks handed out to the workers of a cluster: each to one that has nothing to do."""

import itertools
import time

import pytest

from rainbench.cluster.crew import Crew
from rainbench.cluster.flights import Flights

distributed = pytest.importorskip("distributed")

WORKERS, TASKS = 24, 150


def sleep_there(seconds):
    began = time.monotonic()
    time.sleep(seconds)
    return distributed.get_worker().address, began, time.monotonic()


def test_no_task_waits_behind_another_one():
    """Of 20 workers and more Dask takes one in turn, although others have nothing to do."""
    options = {"nthreads": 1, "memory_limit": 0}
    spec = {number: {"cls": distributed.Worker, "options": options} for number in range(WORKERS)}
    scheduler = {"cls": distributed.Scheduler, "options": {"host": "127.0.0.1", "port": 0}}
    sent, ends = {}, {}
    with (
        distributed.SpecCluster(workers=spec, scheduler=scheduler, silence_logs=50) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        client.wait_for_workers(WORKERS, timeout=60)
        waiting = list(range(TASKS))
        with Flights(Crew(client, {}), "") as flights:
            while waiting or not flights.over:
                while waiting and flights.free()[0]:
                    number = waiting.pop()
                    sent[number] = time.monotonic()
                    seconds = 0.02 if number % 3 else 0.3
                    flights.send(number, f"task {number}", {}, sleep_there, seconds)
                landed = flights.wait()
                if landed is not None:
                    assert not landed.problem
                    ends[landed.item] = landed.answer
    assert sorted(ends) == list(range(TASKS))
    runs = sorted((at, began, end, sent[number]) for number, (at, began, end) in ends.items())
    pairs = itertools.pairwise(runs)
    assert not [pair for pair in pairs if pair[0][0] == pair[1][0] and pair[1][3] < pair[0][2]]
    assert len({at for at, *_ in runs}) == WORKERS


def test_what_waits_for_workers_that_have_gone_is_handed_out_anew(monkeypatch):
    """Dask gives it to no worker that comes later, where there was none at all for a while."""
    monkeypatch.setattr("rainbench.cluster.flights.COUNT_AGAIN", 0.5)
    with (
        distributed.LocalCluster(n_workers=0, processes=False, dashboard_address=None) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
        Flights(Crew(client, {}), "") as flights,
    ):
        flights.free()
        flights._there = tuple(f"inproc://gone/{number}" for number in range(WORKERS))
        flights.send(1, "task", {}, sleep_there, 0.0)
        cluster.scale(1)
        client.wait_for_workers(1, timeout=60)
        until = time.monotonic() + 30
        landed = None
        while landed is None and time.monotonic() < until:
            landed = flights.wait()
        assert landed is not None and landed.item == 1 and not landed.problem
