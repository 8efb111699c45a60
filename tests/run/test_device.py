"""The pipeline of a device, by its CPU backend: the scores of the plain path, and nobody waits."""

import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from rainbench.catalog.registry import Entry, load_registry
from rainbench.core.errors import RainbenchError
from rainbench.core.images import read_image, write_png
from rainbench.foreign.entry import entry_of
from rainbench.metrics.torch_backend import measure
from rainbench.run import evaluate
from rainbench.run.device import pipeline
from rainbench.run.device.pipeline import IN_FLIGHT, accelerated
from rainbench.run.device.transfers import CpuTransfers
from rainbench.run.evaluate import run_plan, score_pairs
from rainbench.run.options import RunOptions
from rainbench.run.plan import make_plan
from rainbench.run.predict import Predictor


class Recorded(CpuTransfers):
    """The CPU backend, and what was asked of it in which order."""

    def __init__(self):
        self.uploads, self.downloads, self.order = [], [], []

    def upload(self, picture):
        self.uploads.append(picture.shape)
        return super().upload(picture)

    def download(self, tensor):
        number = len(self.downloads)
        self.downloads.append(tuple(tensor.shape))
        self.order.append(("begun", number))
        copied = super().download(tensor)

        def arrived():
            self.order.append(("waited", number))
            return copied()

        return arrived


@pytest.fixture
def transfers(monkeypatch):
    """A device that every network of this test is run on."""
    found = Recorded()
    monkeypatch.setattr(evaluate, "accelerated", lambda predictor: found)
    return found


@pytest.fixture
def scored(cards, add_network, toy, monkeypatch):
    """Score the toy set by a network of the tests, as one of ours: id, scores, seconds."""
    monkeypatch.setattr(pipeline, "is_ours", lambda _: True)

    def score(network, extra="", columns=None, **options):
        add_network("net", network, 0, extra)
        registry = load_registry([cards])
        plan = make_plan(registry, datasets=["toy"], baselines=["net"], data_roots=[toy])
        (cell,) = plan.cells
        predictor = Predictor(cell.entry, None, RunOptions(**options))
        wanted = {info.id for info in cell.pairs.manifest}
        return score_pairs(predictor, cell.images, wanted, columns=columns)

    return score


def same(here, there):
    assert [image for image, _, _ in here] == [image for image, _, _ in there]
    for (_, one, _), (_, other, _) in zip(here, there, strict=True):
        assert list(one) == list(other)
        for name in one:
            assert other[name].ssim == pytest.approx(one[name].ssim, abs=1e-9, nan_ok=True), name
            assert other[name].psnr == pytest.approx(one[name].psnr, abs=1e-9), name


@pytest.mark.parametrize(
    ("network", "options"),
    [
        ("Blur", {}),
        ("Brighter", {}),  # beyond white
        ("Bare", {}),
        ("Remember", {}),
        ("Blur", {"tile": 32, "overlap": 16}),
        ("Blur", {"batch": 2}),
        ("Same", {"precision": "bf16"}),
    ],
)
def test_the_pipeline_scores_as_the_plain_path(scored, network, options, monkeypatch):
    plain = list(scored(network, **options))
    monkeypatch.setattr(evaluate, "accelerated", lambda predictor: CpuTransfers())
    there = list(scored(network, **options))
    same(plain, there)
    assert all(seconds > 0 for _, _, seconds in there)


def test_a_run_writes_the_same_bytes(cards, add_network, toy, tmp_path, monkeypatch):
    add_network("net", "Blur")
    plan = make_plan(load_registry([cards]), datasets=["toy"], baselines=["net"], data_roots=[toy])
    for out in ("plain", "device"):
        (outcome,) = run_plan(plan, tmp_path / out, RunOptions())
        assert outcome.state == "done"
        monkeypatch.setattr(evaluate, "accelerated", lambda predictor: CpuTransfers())
    for name in ("images.csv", "key.json", "cell.json"):
        plain, device = (tmp_path / out / "cells/toy/net" / name for out in ("plain", "device"))
        assert plain.read_bytes() == device.read_bytes()


def test_a_pair_goes_up_once_and_one_row_comes_down(scored, transfers):
    assert len(list(scored("Blur"))) == 5
    assert sorted(transfers.uploads) == [(48, 64, 3)] * 10
    assert len(transfers.downloads) == 5
    assert all(rows == 1 and numbers < 200 for rows, numbers in transfers.downloads)


def test_the_first_images_of_a_network_that_is_none_of_ours_come_down(
    scored, transfers, monkeypatch
):
    monkeypatch.setattr(pipeline, "is_ours", lambda _: False)
    assert len(list(scored("Blur"))) == 5
    images = [shape for shape in transfers.downloads if shape[1:] == (48, 64, 3)]
    assert len(images) == 3 and len(transfers.downloads) == 8


def test_a_batch_comes_down_together(scored, transfers):
    assert len(list(scored("Blur", batch=2))) == 5
    assert sorted(rows for rows, _ in transfers.downloads) == [1, 2, 2]


def test_nobody_waits_for_an_image_before_others_are_on_their_way(scored, transfers):
    list(scored("Blur"))
    for number in range(5):
        waited = transfers.order.index(("waited", number))
        begun = sum(what == "begun" for what, _ in transfers.order[:waited])
        assert begun == min(5, number + IN_FLIGHT)


class NoWaiting(TorchDispatchMode):
    """Refuses every operation that would wait for a device."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.__name__.partition(".")[0]
        assert name not in ("_local_scalar_dense", "nonzero", "equal", "is_nonzero"), name
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("size", [(40, 50), (400, 411)])
def test_neither_restoring_nor_scoring_looks_at_a_value(size, cards, add_network):
    add_network("net", "Blur")
    predictor = Predictor(Entry(load_registry([cards]).baselines["net"], None), None, RunOptions())
    chance = np.random.default_rng(2)
    rainy = torch.from_numpy(chance.integers(0, 256, (1, *size, 3), dtype=np.uint8))
    with NoWaiting():
        restored = predictor.restore_on_device(rainy)
        unread = measure(restored[0], rainy[0].permute(2, 0, 1))
    with pytest.raises(AssertionError), NoWaiting():
        bool(restored.isfinite().all())
    assert unread.values.ndim == 1


def test_an_image_that_is_not_finite_is_named_and_those_before_it_kept(scored, transfers, toy):
    file = toy / "toy/input/3.png"
    picture = read_image(file)
    picture[0, 0] = 0
    write_png(file, picture)
    found = []
    with pytest.raises(RainbenchError, match=r"3\.png: net returned values that are not finite"):
        for each in scored("Blind"):
            found.append(each[0])
    assert found == ["1", "2"]


def test_another_scale_is_refused_with_the_words_of_the_plain_path(scored, monkeypatch):
    with pytest.raises(RainbenchError) as plain:
        list(scored("Loud"))
    monkeypatch.setattr(evaluate, "accelerated", lambda predictor: CpuTransfers())
    with pytest.raises(RainbenchError) as there:
        list(scored("Loud"))
    assert there.value.message.endswith(plain.value.message)
    assert "input/1.png: " in there.value.message


def test_an_image_that_cannot_be_read_fails_after_those_before_it(scored, transfers, toy):
    found = []
    rows = scored("Blur")
    file = toy / "toy/input/4.png"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(RainbenchError, match=r"4\.png"):
        for each in rows:
            found.append(each[0])
    assert found == ["1", "2", "3"]


class Bright:
    """Measures by a mean."""

    def __init__(self):
        self.found = {}

    def measure(self, image, restored, clean):
        self.found[image] = float(restored.mean()), int(clean.sum())


def test_a_metric_gets_the_restored_image(scored, monkeypatch):
    here, there = Bright(), Bright()
    list(scored("Blur", columns=here))
    recorded = Recorded()
    monkeypatch.setattr(evaluate, "accelerated", lambda predictor: recorded)
    list(scored("Blur", columns=there))
    assert here.found == there.found and len(there.found) == 5
    assert (1, 48, 64, 3) in recorded.downloads


class Mirror(torch.nn.Module):
    def forward(self, rainy):
        return rainy.flip(-1)


def test_a_network_without_a_card_is_watched_over(cards, toy, transfers):
    plan = make_plan(load_registry([cards]), datasets=["toy"], baselines=["identity"],
                     data_roots=[toy])  # fmt: skip
    (cell,) = plan.cells
    predictor = Predictor(entry_of(Mirror()), None, RunOptions())
    with pytest.raises(RainbenchError, match="returned the scene mirrored"):
        list(score_pairs(predictor, cell.images, {"1", "2"}))


def test_the_plain_path_is_taken_on_a_cpu(cards, add_network):
    add_network("net", "Blur")
    predictor = Predictor(Entry(load_registry([cards]).baselines["net"], None), None, RunOptions())
    assert accelerated(predictor) is None
    assert predictor.call is predictor.network


def test_on_cuda_a_network_gets_the_pipeline(cards, add_network, monkeypatch):
    """As far as can be shown without one: what is made of a predictor that says it is there."""
    add_network("net", "Blur")
    entry = Entry(load_registry([cards]).baselines["net"], None)
    monkeypatch.setattr(pipeline, "CudaTransfers", lambda device: device)
    for precision, graphed in (("fp32", True), ("tf32", True), ("bf16", False)):
        predictor = Predictor(entry, None, RunOptions())
        predictor.options = RunOptions("cuda:1", precision)
        assert accelerated(predictor) == "cuda:1"
        assert (predictor.call is not predictor.network) == graphed


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device at hand")
def test_copies_of_a_gpu():
    from rainbench.run.device.transfers import CudaTransfers

    transfers = CudaTransfers("cuda")
    began = transfers.mark()
    pictures = [np.full((50, 60, 3), value, np.uint8) for value in range(20)]
    copies = [transfers.upload(picture) for picture in pictures]
    waiting = [transfers.download(copy() * 2) for copy in copies]
    for value, arrived in enumerate(waiting):
        assert (arrived() == 2 * value).all()
    ended = transfers.mark()
    torch.cuda.synchronize()
    assert transfers.seconds(began, ended) > 0


def test_the_first_image_that_cannot_be_scored_is_the_one_that_is_named(scored, monkeypatch):
    """Whichever was scored first, and no image behind it is given out."""
    late, calls = {"1": 0.3}, []

    def evaluate_late(pair, *rest):
        time.sleep(late.get(pair.id, 0))
        calls.append(pair.id)
        raise RainbenchError(f"{pair.id} cannot be scored")

    monkeypatch.setattr(evaluate, "_evaluate", evaluate_late)
    monkeypatch.setattr(evaluate, "_scorers", lambda device: 2)
    with pytest.raises(RainbenchError, match=r"^1 cannot be scored"):
        list(scored("Remember"))
    assert calls.index("1") > 0


def test_no_image_behind_one_that_fails_is_given_out(monkeypatch):
    """The failing one is waited for while the one behind it has its scores already."""

    def evaluate_one(pair, *rest):
        time.sleep(0.2 if pair.id == "1" else 0)
        if pair.id == "1":
            raise RainbenchError("1 cannot be scored")
        return {}

    monkeypatch.setattr(evaluate, "_evaluate", evaluate_one)
    monkeypatch.setattr(evaluate, "_scorers", lambda device: 2)
    pairs = [(SimpleNamespace(id=str(n)), None, None, 0.0) for n in range(4)]
    given = []
    with pytest.raises(RainbenchError, match=r"^1 cannot"):
        for each in evaluate._scored(iter(pairs), "cpu", ()):
            given.append(each[0])
    assert given == ["0"]
