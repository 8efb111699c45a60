"""What is chosen by measuring: by clocks that say what they are told."""

import pytest
import torch

from rainbench.networks.base import Restoration
from rainbench.run.device import graphs
from rainbench.run.device.graphs import AFTER, Graphed, quickest

ONE = [torch.arange(6.0).reshape(1, 1, 2, 3)]


def clock_of(*seconds):
    """A clock that gives each way in turn its time, three calls of each."""
    times = [second for second in seconds for _ in range(3)]

    def clock(run):
        run()
        return 0.0, times.pop(0)

    return clock


def double(batch):
    return 2 * batch


def test_the_quickest_is_taken():
    ways = {"plain": double, "sum": lambda batch: batch + batch, "other": lambda batch: batch * 2.0}
    assert quickest(ways, ONE, clock_of(3.0, 2.0, 1.0)) == "other"
    assert quickest(ways, ONE, clock_of(3.0, 1.0, 2.0)) == "sum"


def test_a_way_that_is_hardly_quicker_is_not_worth_it():
    ways = {"plain": double, "sum": lambda batch: batch + batch}
    assert quickest(ways, ONE, clock_of(1.0, 0.96)) == "plain"
    assert quickest(ways, ONE, clock_of(1.0, 0.94)) == "sum"


def test_a_way_with_other_bits_is_never_taken():
    ways = {"plain": double, "near": lambda batch: batch * 2 * (1 + 2**-23)}
    assert quickest(ways, ONE, clock_of(9.0, 1.0)) == "plain"
    wrong_on_the_second = {"plain": double, "stale": lambda batch: 2 * ONE[0]}
    assert quickest(wrong_on_the_second, [*ONE, ONE[0] + 1], clock_of(9.0, 1.0)) == "plain"


class Network:
    calls = 0

    def __call__(self, batch):
        self.calls += 1
        return Restoration(2 * batch)


class Case:
    """A network with captures that are counted, and a clock that knows what runs."""

    def __init__(self, launching, plain, graph, result=double, error=None):
        self.network, self.captures, self.replays = Network(), 0, 0
        self.times, self.result, self.error = (launching, plain, graph), result, error

    def capture(self, call, batch):
        self.captures += 1
        if self.error:
            raise self.error

        def replay(other):
            self.replays += 1
            return self.result(other)

        return replay

    def clock(self, run):
        before = self.replays
        run()
        launching, plain, graph = self.times
        return (launching, plain) if self.replays == before else (0.0, graph)

    def graphed(self):
        return Graphed(self.network, self.capture, self.clock)


def call(graphed, times, batch=ONE[0]):
    for _ in range(times):
        assert torch.equal(graphed(batch), 2 * batch)


def test_a_graph_is_taken_where_launching_takes_the_time():
    case = Case(launching=0.9, plain=1.0, graph=0.2)
    graphed = case.graphed()
    call(graphed, AFTER - 1)
    assert case.captures == 0
    call(graphed, 20)
    replays, calls = case.replays, case.network.calls
    call(graphed, 10)
    assert (case.captures, case.replays, case.network.calls) == (1, replays + 10, calls)


@pytest.mark.parametrize(
    "case",
    [
        Case(launching=0.5, plain=1.0, graph=0.1),  # the kernels take the time: not even tried
        Case(launching=0.9, plain=1.0, graph=0.99),
        Case(launching=0.9, plain=1.0, graph=0.1, result=lambda batch: batch),
        Case(launching=0.9, plain=1.0, graph=0.1, error=RuntimeError("it waits")),
    ],
    ids=["bound by kernels", "no gain", "other bits", "cannot be captured"],
)
def test_otherwise_the_network_is_called(case):
    graphed = case.graphed()
    call(graphed, AFTER + 5)
    replays = case.replays
    call(graphed, 5)
    assert case.replays == replays
    assert case.captures == (case.times[0] > 0.5)


def test_shapes_that_come_seldom_get_no_graph():
    case = Case(launching=1.0, plain=1.0, graph=0.1)
    graphed = case.graphed()
    for width in range(1, 30):
        call(graphed, AFTER - 1, torch.ones(1, 3, 4, width))
    assert case.captures == 0
    for width in range(1, 30):
        call(graphed, AFTER, torch.ones(1, 3, 4, width))
    assert case.captures == graphs.MOST_GRAPHS
