"""One network, image or data set that goes wrong ends nothing but itself."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from rainbench.catalog.registry import Entry, load_registry
from rainbench.core.images import write_png
from rainbench.derain.file import Style
from rainbench.derain.folder import derain, find_tasks
from rainbench.run.evaluate import run_plan
from rainbench.run.options import RunOptions
from rainbench.run.plan import make_plan
from rainbench.run.predict import PredictionError, Predictor
from rainbench.run.results import RunResults

RAINY = np.random.default_rng(1).integers(0, 256, (40, 56, 3), dtype=np.uint8)

HARMS = {
    "raises": "ZeroDivisionError: nothing",
    "exits": "failed on an image of 64x48: SystemExit",
    "ends": "failed on an image of 64x48: SystemExit: os._exit(0)",
    "ends by posix": "failed on an image of 64x48: SystemExit: os._exit(0)",
    "recursion": "RecursionError",
    "unspeakable": "Unspeakable",
    "cancelled": "GeneratorExit",
    "lines": "RuntimeError: one two",
    "no memory": "ran out of memory on an image of 64x48",
    "cpu allocator": "ran out of memory on an image of 64x48",
    "none": "returned a NoneType, not a Restoration or a tensor",
    "a list": "returned a list, not",
    "smaller": "returned 1x3x48x63 of torch.float32 for a batch of 1x3x48x64",
    "gray": "returned 1x1x48x64",
    "bytes ": "of torch.uint8",
    "infinite": "not finite",
    "trains": "sets itself into training mode",
    "constructor": "cannot be made with the arguments of its card: SystemExit",
}


def predictor(cards, name="net", **options):
    return Predictor(
        Entry(load_registry([cards]).baselines[name], None), None, RunOptions(**options)
    )


@pytest.fixture
def harmful(add_network):
    """Write the card of a network that does a harm."""

    def add(what, name="net"):
        add_network(name, "Harm", extra=f'[arguments]\nwhat = "{what}"\n')

    return add


def test_a_harm_is_a_failed_row_and_the_others_are_done(cards, toy, tmp_path, harmful):
    for index, what in enumerate(HARMS):
        harmful(what, f"a{index}")
    names = [f"a{index}" for index in range(len(HARMS))]
    plan = make_plan(
        load_registry([cards]), datasets=["toy"], baselines=[*names, "identity"], data_roots=[toy]
    )
    outcomes = {o.cell.entry.name: o for o in run_plan(plan, tmp_path / "out", RunOptions())}
    assert outcomes["identity"].state == "done"
    for name, message in zip(names, HARMS.values(), strict=True):
        assert outcomes[name].state == "failed" and message in outcomes[name].note, name
        assert "\n" not in outcomes[name].note and len(outcomes[name].note) < 600
        said = RunResults(tmp_path / "out").cell("toy", name).failure
        assert said == outcomes[name].note
        if "image of" in message:
            assert str(toy / "toy" / "input" / "1.png") in said


def test_ctrl_c_is_not_taken_for_an_error_of_a_network(cards, add_network, monkeypatch):
    import toynets

    add_network("net", "Bare")
    monkeypatch.setattr(
        toynets.Bare, "forward", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        predictor(cards)(RAINY)


def test_a_bare_tensor_is_an_image(cards, add_network):
    add_network("net", "Bare")
    assert np.allclose(predictor(cards)(RAINY), RAINY / 255 / 2)
    assert np.allclose(predictor(cards, tile=64)(np.tile(RAINY, (3, 3, 1)))[:40], np.tile(RAINY, (1, 3, 1)) / 255 / 2, atol=1e-6)  # fmt: skip # noqa: E501
    assert predictor(cards).with_maps(RAINY)[1] == {}


def test_a_network_that_wants_even_sizes_is_told_of_the_key_of_its_card(cards, add_network):
    add_network("net", "Even")
    assert predictor(cards)(RAINY).shape == RAINY.shape
    with pytest.raises(PredictionError, match=r"on an image of 55x39: .*size_multiple = 8 \(now 1"):
        predictor(cards)(RAINY[:39, :55])
    add_network("net", "Even", extra="size_multiple = 2")
    assert predictor(cards)(RAINY[:39, :55]).shape == (39, 55, 3)


def test_what_a_network_changes_is_put_back(cards, add_network, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    add_network("net", "Meddler")
    predict = predictor(cards)
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    random.seed(1)
    given = RAINY.copy()
    first = predict(given)
    assert np.array_equal(predict(given), first) and np.array_equal(given, RAINY)
    assert torch.get_default_dtype() == torch.float32 and Path.cwd() == tmp_path
    assert not torch.are_deterministic_algorithms_enabled()
    drawn = float(torch.rand(1)), float(np.random.random()), random.random()  # noqa: NPY002
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    random.seed(1)
    again = float(torch.rand(1)), float(np.random.random()), random.random()  # noqa: NPY002
    assert drawn == again
    said = capsys.readouterr()
    assert said.out == "" and "hello" in said.err
    with torch.no_grad():
        predict(given)
        assert not torch.is_grad_enabled()


@pytest.mark.parametrize(
    "rainy",
    [
        RAINY / 255, (RAINY / 255).astype(np.float32), RAINY.astype(np.float32), RAINY > 99,
        RAINY.astype(np.uint16), RAINY[..., 0], RAINY[None], np.dstack([RAINY, RAINY[..., :1]]),
        np.zeros((0,), np.float32),
    ],
)  # fmt: skip
def test_images_of_another_range_are_refused(rainy):
    predict = Predictor(load_registry().entries(["identity"])[0], None, RunOptions())
    with pytest.raises(PredictionError, match="was given") as told:
        predict(rainy)
    assert str(rainy.dtype) in told.value.message and "0 to 255" in told.value.hint


def test_float64_on_metal_is_done_by_the_cpu(cards, add_network, caplog):
    """Pretended: a network with float64 parts never gets to the device, which is not here."""
    add_network("net", "Doubled")
    import toynets

    toynets.Doubled = type(
        "Doubled", (toynets.Bare,), {"__init__": lambda self: doubled(self, toynets.Bare)}
    )

    def doubled(self, base):
        base.__init__(self)
        self.register_buffer("kernel", torch.zeros(2, dtype=torch.float64))

    found = predictor(cards, device="mps")(RAINY)
    assert np.allclose(found, RAINY / 255 / 2)
    assert "works in float64, which mps has not" in caplog.text


def test_a_data_set_that_raises_anything_is_unusable(cards, toy, monkeypatch):
    monkeypatch.setattr("rainbench.run.plan.load_first_copy", lambda *_, **__: 1 / 0)
    plan = make_plan(
        load_registry([cards]), datasets=["toy"], baselines=["identity"], data_roots=[toy]
    )
    ((card, reason),) = plan.unusable
    assert card.name == "toy" and "ZeroDivisionError" in reason


def test_derain_goes_on_after_anything(tmp_path, cards, harmful):
    photos = tmp_path / "photos"
    photos.mkdir()
    write_png(photos / "a.png", RAINY)
    for name in ("b", "c" * 249, "d"):
        (photos / f"{name}.png").write_bytes((photos / "a.png").read_bytes())
    (photos / "dangling.png").symlink_to("/nowhere")
    (photos / "looping.png").symlink_to("looping.png")
    (photos / "zero.png").symlink_to("/dev/zero")
    os.mkfifo(photos / "fifo.png")
    tasks = find_tasks(photos, tmp_path / "out", Style())
    identity = Predictor(load_registry().entries(["identity"])[0], None, RunOptions())
    results = {r.task.source.stem[:8]: r for r in derain(tasks, identity, Style())}
    done = {name for name, result in results.items() if result.state == "done"}
    assert done == {"a", "b", "d"}
    assert "File name too long" in results["cccccccc"].note
    for name in ("dangling", "looping", "zero", "fifo"):
        assert f"{name}.png: is a pipe, a device or a link to nothing" in results[name].note
    for what, message in HARMS.items():
        if what == "constructor":
            continue
        harmful(what)
        net = predictor(cards)
        (first, second) = derain(tasks[:2], net, Style(), overwrite=True)
        assert first.state == second.state == "failed"
        if "48" not in message:
            assert message in first.note
        assert str(photos / "a.png") in first.note


def test_an_image_beyond_the_memory_fails_alone(tmp_path, cards, add_network):
    """It is the C++ of PyTorch that says so, in words of its own."""
    add_network("greedy", "Greedy")
    (tmp_path / "in").mkdir()
    for name, size in (("a", 50), ("b", 70), ("c", 60)):
        write_png(tmp_path / "in" / f"{name}.png", np.zeros((size, size, 3), np.uint8))
    tasks = find_tasks(tmp_path / "in", tmp_path / "out", Style())
    done = {
        each.task.source.stem: each for each in derain(tasks, predictor(cards, "greedy"), Style())
    }
    assert [done[name].state for name in "abc"] == ["done", "failed", "done"]
    assert "ran out of memory on an image of 70x70" in done["b"].note


def test_the_commands_say_what_failed_and_in_their_exit_code(rainbench, toy, tmp_path, harmful):
    harmful("raises", "raiser")
    done = rainbench(
        "run", "-b", "raiser", "-b", "identity", "-d", "toy", "--data", toy, "--out", "o",
        "--device", "cpu", "--json",
    )  # fmt: skip
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert json.loads(done.stdout)["cells"] == {"done": 1, "failed": 1}
    again = rainbench(
        "-vv", "run", "-b", "raiser", "-d", "toy", "--data", toy, "--out", "o", "--device", "cpu"
    )
    assert again.returncode == 1 and "failed: raiser on toy: " in again.stderr
    assert "Traceback" in again.stderr  # where somebody looks for a mistake of his network


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_child_of_a_network_may_end_itself(cards, harmful):
    harmful("forks")
    end = os._exit
    assert (predictor(cards)(RAINY) == np.float32(RAINY / np.float32(255))).all()
    assert os._exit is end


def test_nothing_but_json_is_on_standard_output(rainbench, toy, harmful):
    harmful("writes")
    done = rainbench(
        "run", "-b", "net", "-d", "toy", "--data", toy, "--out", "o", "--device", "cpu", "--json"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["cells"] == {"done": 1}
    for words in ("raw", "by print", "by name", "by a child"):
        assert words in done.stderr


def test_output_without_a_stream_or_a_reader(rainbench):
    """As for a daemon, and for ``| head``."""
    listing = f"{sys.executable} -m rainbench list protocols"
    for end in (">&-", "2>&-", "| true"):
        call = ["bash", "-c", f"{listing} {end}"]
        done = subprocess.run(call, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and "Traceback" not in done.stderr
        assert ("prenet-y" in done.stdout) is (end == "2>&-")
