"""Training: it learns, resumes to the last bit, exports what `run` takes, and explains itself."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

from rainbench.catalog.registry import load_registry
from rainbench.catalog.terms import layers_of
from rainbench.core.images import read_image, write_png
from rainbench.networks.load import construct
from rainbench.train.checkpoints import load_state
from rainbench.train.loop import _explained, _next

COMMON = ["--device", "cpu", "--threads", 1, "--workers", 0]


@pytest.fixture
def train(rainbench, photographs):
    """Call ``rainbench train small`` on the photographs."""

    def call(*arguments, **options):
        return rainbench("train", "small", "--clean", photographs, *COMMON, *arguments, **options)

    return call


@pytest.mark.slow
def test_trains_exports_and_runs(train, rainbench, add_trainable, photographs, cards, tmp_path):
    card = add_trainable(steps=60, rate=3e-3)
    target = tmp_path / "weights" / "small.streaks.safetensors"
    done = train("--out", tmp_path / "out", "--export", target, "--add-to-card")
    assert done.returncode == 0, done.stderr
    checked = done.stderr.partition("leak check against ")[2].partition(": no image shared")[0]
    assert {"mini-streaks (8)", "mini-joint (2)"} <= set(checked.split(", ")), done.stderr
    assert "waiting for patches" in done.stderr
    with (tmp_path / "out" / "log.csv").open() as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert len(losses) == 6 and losses[-1] < 0.8 * losses[0]
    for name in ("samples.png", "last.pt", "best.pt", "validation.csv", "job.json"):
        assert (tmp_path / "out" / name).is_file()

    table = tomllib.loads(card.read_text())["weights"][0]
    assert table["tag"] == "streaks" and table["degradation"] == ["streaks"]
    assert table["trained_on"] == [f"{photographs.name} + rainbench streaks"]
    record = table["training"]
    assert record["steps"] <= 60 and record["seed"] == 0 and record["hours"] >= 0
    assert str(tmp_path) not in card.read_text() and "--clean clean" in record["command"]
    assert record["command"].endswith(f"--export {target.name}")
    assert re.search(r"\d dB / 0\.\d+ \(rainy input", record["score"])
    run = rainbench(
        "run", "-b", "small", "-b", "identity", "-d", "mini-streaks", "--weights", target.parent,
        "--device", "cpu", "--threads", 1,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    scores = dict(re.findall(r"^ +(\S+) +(\d+\.\d+) / ", run.stdout, re.MULTILINE))
    assert float(scores["small.streaks"]) > float(scores["identity"])
    assert "0.003" in rainbench("show", "small").stdout


@pytest.mark.slow
def test_a_finished_training_is_only_exported_again(train, add_trainable, tmp_path):
    add_trainable(steps=10)
    out = ["--out", tmp_path / "out", "--export", tmp_path / "a.safetensors"]
    assert train(*out).returncode == 0
    first = (tmp_path / "a.safetensors").read_bytes()
    log = (tmp_path / "out" / "log.csv").read_bytes()
    again = train(*out)
    assert again.returncode == 0 and "continuing from step 10" in again.stderr
    assert (tmp_path / "a.safetensors").read_bytes() == first
    assert (tmp_path / "out" / "log.csv").read_bytes() == log


@pytest.mark.slow
def test_kill_and_resume_gives_the_same_bits(train, add_trainable, photographs, cards, tmp_path):
    """Kill -9 in the middle, several times: the losses and the weights end the same."""
    add_trainable(steps=120)
    assert train("--out", tmp_path / "whole", "--validations", 4).returncode == 0

    arguments = ["train", "small", "--clean", photographs, *COMMON, "--validations", 4]
    arguments += ["--checkpoint-every", "0.001s", "--out", tmp_path / "killed"]
    environment = {**os.environ, "RAINBENCH_PATH": str(cards)}
    log = tmp_path / "killed" / "log.csv"
    stops = []
    for wanted in (3, 7, None):
        process = subprocess.Popen(
            [sys.executable, "-m", "rainbench", *map(str, arguments)],
            env=environment,
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        while process.poll() is None:
            rows = log.read_text().count("\n") if log.exists() else 0
            if wanted is not None and rows > wanted:
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
                stops.append(rows)
            time.sleep(0.01)
    assert process.returncode == 0
    assert len(stops) == 2 and stops[-1] < 13, "it was not killed in the middle"
    for name in ("log.csv", "validation.csv"):
        whole, killed = ((tmp_path / out / name).read_text() for out in ("whole", "killed"))
        assert whole == killed, name
    for name in ("last.pt", "best.pt"):
        whole, killed = (load_state(tmp_path / out / name) for out in ("whole", "killed"))
        assert all(torch.equal(whole[key], killed[key]) for key in whole), name


@pytest.fixture
def joint_set(rainbench, photographs, tmp_path):
    """Streaks and drops over the photographs, as a folder with its cards."""
    made = rainbench(
        "synth", "joint", photographs, "--out", tmp_path / "joint", "--test-share", "0.01",
        "--workers", 1,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    return tmp_path / "joint"


@pytest.mark.slow
def test_daiam_learns_from_masks_and_goes_on_after_a_stop(rainbench, joint_set, tmp_path):
    """DAiAM's own setting: attention held against the masks that the builder wrote."""
    call = [
        "train", "daiam", "-d", "synth-joint-train", "--data", joint_set, "--cards", joint_set,
        *COMMON, "--width", 4, "--short", "--patch", 32, "--batch", 2, "--validations", 2,
    ]  # fmt: skip
    whole = rainbench(*call, "--steps", 20, "--out", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    with (tmp_path / "whole" / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {"l1 attention_streak (soft streak_mask)", "l1 attention_drop (soft drop_mask)"} <= set(
        rows[-1]
    )
    log = tmp_path / "cut" / "log.csv"
    command = [sys.executable, "-m", "rainbench", *map(str, call), "--steps", "20", "--out"]
    command += [str(tmp_path / "cut"), "--checkpoint-every", "0.001s"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and (not log.exists() or log.read_text().count("\n") < 2):
            time.sleep(0.01)
        process.kill()
    assert rainbench(*command[3:]).returncode == 0
    assert log.read_text() == (tmp_path / "whole" / "log.csv").read_text()
    ends = [load_state(tmp_path / out / "last.pt") for out in ("whole", "cut")]
    assert all(torch.equal(ends[0][key], ends[1][key]) for key in ends[0])


def test_a_set_without_the_masks_that_losses_need_is_refused(rainbench, joint_set, tmp_path):
    call = ["train", "daiam", "-d", "synth-joint-train", "--data", joint_set, "--cards", joint_set]
    call += [*COMMON, "--short", "--steps", 2, "--out", tmp_path / "out"]
    masks = sorted((joint_set / "synth-joint-train" / "streak_mask").iterdir())
    masks[0].unlink()
    masks[1].write_bytes(masks[1].read_bytes()[:100])
    few = rainbench(*call)
    assert f"{masks[0].name} has no streak mask" in few.stderr, few.stderr
    for mask in masks[1:]:
        mask.unlink()
    none = rainbench(*call)
    assert none.returncode == 2 and "Traceback" not in none.stderr
    assert "daiam is trained with a streak mask, which no pair of" in none.stderr


def test_a_training_in_bf16_is_another_one(train, add_trainable, tmp_path):
    add_trainable(steps=10, rate=3e-3)
    done = train("--out", tmp_path / "out", "--precision", "bf16", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["patches_per_second"] > 0 and 0 <= found["waiting_for_data"] < 1
    assert found["psnr"] > 10
    done = train("--out", tmp_path / "out")
    assert done.returncode != 0 and "precision was bf16, is fp32" in done.stderr


def test_another_training_in_the_same_folder_is_refused(train, add_trainable, tmp_path):
    add_trainable(steps=10)
    assert train("--out", tmp_path / "out").returncode == 0
    done = train("--out", tmp_path / "out", "--batch", 2)
    assert done.returncode == 2
    assert "another" not in done.stdout and "batch was 4, is 2" in done.stderr


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"network": "small"}', "\0\1"])
def test_a_folder_that_does_not_say_what_it_holds_is_refused(
    train, add_trainable, tmp_path, content
):
    """Damaged, or in the words of an earlier version."""
    add_trainable(steps=10)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "job.json").write_text(content)
    done = train("--out", tmp_path / "out")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "job.json is damaged, or of an earlier version" in done.stderr
    assert not (tmp_path / "out" / "last.pt").exists()


def test_a_checkpoint_of_another_training_is_refused(train, add_trainable, tmp_path):
    """Its network has the same shapes, so that nothing else would tell."""
    add_trainable(steps=4)
    for seed, out in ((0, "mine"), (1, "other")):
        assert train("--out", tmp_path / out, "--seed", seed).returncode == 0
    for name, more in (("last", ()), ("best", ("--export", tmp_path / "a.safetensors"))):
        mine, other = (tmp_path / out / f"{name}.pt" for out in ("mine", "other"))
        kept = mine.read_bytes()
        mine.write_bytes(other.read_bytes())
        done = train("--out", tmp_path / "mine", "--seed", 0, *more)
        assert done.returncode == 2 and "Traceback" not in done.stderr
        assert f"{name}.pt: a checkpoint of another training" in done.stderr
        mine.write_bytes(kept)
    assert not (tmp_path / "a.safetensors").exists()


def test_a_diverging_training_names_the_step(train, add_trainable, tmp_path):
    add_trainable(loss="mse", steps=50, rate=1e20)
    done = train("--out", tmp_path / "out")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert re.search(r"not finite \(NaN\) at step \d+", done.stderr)
    assert "Start again in another --out with --learning-rate 2.5e+19" in done.stderr


def test_a_training_that_diverges_at_its_end_is_not_told_to_take_a_rate_of_nothing(
    train, add_trainable, tmp_path
):
    add_trainable(loss="mse", steps=2, rate=1e30)
    done = train("--out", tmp_path / "out", "--schedule", "cosine")
    assert done.returncode == 2 and "--learning-rate 2.5e+29" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "prenett"], 'Did you mean "prenet"'),
        (["train", "identity"], "identity cannot be trained"),
        (["train", "prenet_r"], "nothing to train on"),
        (["train", "prenet_r", "-d", "rain100l-trian"], 'Did you mean "rain100l-train"'),
        (["train", "prenet_r", "-d", "rain100l-train"], "no copy of rain100l-train found"),
        (["train", "prenet_r", "--clean", "CLEAN", "--batch", "0"], "0 is not in the range x>=1"),
        (["train", "prenet_r", "--clean", "CLEAN", "--width", "0"], "0 is not in the range x>=1"),
        (["train", "prenet_r", "--clean", "CLEAN", "--patch", "-5"], "is not in the range x>=1"),
        (["train", "prenet_r", "--clean", "CLEAN", "--clip", "-1"], "is not in the range x>=0"),
        (["train", "prenet_r", "--clean", "CLEAN", "--clip", "nan"], "clip nan must be 0 or more"),
        (["train", "prenet_r", "--clean", "CLEAN", "--time", "fast"], "fast is no time"),
        (["train", "prenet_r", "--clean", "CLEAN", "--time", "1m", "--steps", "5"], "two lengths"),
        (["train", "prenet_r", "--clean", "CLEAN", "--argument", "width"], "must be KEY=VALUE"),
        (["train", "prenet_r", "--clean", "CLEAN", "--argument", "with=3"], "does not take these"),
        (["train", "prenet_r", "--clean", "CLEAN", "--name", "a/b"], "characters beyond"),
        (["train", "prenet_r", "--clean", "CLEAN", "--untouched", "nan"], "nan is not a number"),
        (["train", "prenet_r", "--clean", "CLEAN", "--name", ""], "characters beyond"),
        (
            ["train", "prenet_r", "--clean", "CLEAN", "--export", "a.pth"],
            "must end in .safetensors",
        ),
    ],
)
def test_wrong_calls(rainbench, photographs, arguments, message):
    call = [str(photographs) if word == "CLEAN" else word for word in arguments]
    done = rainbench(*call, "--device", "cpu", "--threads", 1)
    assert done.returncode == 2 and message in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


def test_recipes_of_the_cards_name_what_their_networks_give():
    """The terms of every shipped recipe exist on the network's result."""
    from rainbench.train.losses import LossTarget, objective

    for card in load_registry().baselines.values():
        if card.recipe is None:
            continue
        network = construct(card, card.arguments)
        side = max(32, card.minimum_side)
        rainy = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
        mask = torch.zeros(1, 1, side, side)
        layers = dict.fromkeys(layers_of(card.recipe.losses), mask)
        target = LossTarget(rainy, rainy * 0.9, layers)
        with torch.inference_mode():
            loss, _ = objective(card.recipe.losses)(network(rainy), target)
        assert torch.isfinite(loss), card.name
        for name in card.recipe.data:
            assert name in load_registry().datasets, (card.name, name)


@pytest.mark.slow
def test_checkpoint_that_is_damaged(train, add_trainable, tmp_path):
    add_trainable(steps=10)
    assert train("--out", tmp_path / "out").returncode == 0
    (tmp_path / "out" / "last.pt").write_bytes(b"PK\x03\x04 nothing")
    done = train("--out", tmp_path / "out")
    assert done.returncode == 2 and "cannot be read as a checkpoint" in done.stderr
    assert Path(tmp_path / "out" / "last.pt").read_bytes() == b"PK\x03\x04 nothing"


RECIPE = """
[recipe]
losses = [{ name = "l1" }]
patch = 64
batch = 6
steps = 10
learning_rate = 1e-3
"""


def test_memory_that_runs_out_says_what_to_give(rainbench, photographs, add_network):
    add_network("hungry", "OutOfMemory", 3, RECIPE)
    done = rainbench("train", "hungry", "--clean", photographs, *COMMON)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "memory ran out with a batch of 6 patches of 64x64 pixels" in done.stderr
    assert "Give --batch 3 or --patch 32, and another --out." in done.stderr


def test_a_batch_beyond_the_memory_is_refused_before_the_first_step(train, add_trainable, tmp_path):
    add_trainable()
    done = train("--out", tmp_path / "out", "--batch", 10**8)
    assert done.returncode == 2 and "takes more memory than is free" in done.stderr
    batch = int(re.search(r"Give --batch (\d+) or fewer", done.stderr)[1])
    assert 1 <= batch < 10**8


@pytest.fixture
def toy_train(cards, toy):
    """A training set whose pairs are those of the toy test set."""
    shutil.copytree(toy / "toy", toy / "toy-train")
    text = (cards / "toy.toml").read_text().replace('name = "toy"', 'name = "toy-train"')
    (cards / "toy-train.toml").write_text(text.replace('split = "test"', 'split = "train"'))
    return toy


def test_trains_on_the_pairs_of_a_data_set(rainbench, add_trainable, toy_train, tmp_path):
    add_trainable(steps=10)
    call = ["train", "small", "-d", "toy-train", "--data", toy_train, *COMMON]
    leaking = rainbench(*call, "--out", tmp_path / "out")
    assert leaking.returncode == 2, leaking.stderr
    assert "every image is also in a test set" in leaking.stderr

    shutil.rmtree(toy_train / "toy")
    target = tmp_path / "small.toy-train.safetensors"
    done = rainbench(*call, "--out", tmp_path / "out", "--export", target)
    assert done.returncode == 0, done.stderr
    table = tomllib.loads(target.with_suffix(".toml").read_text())["weights"][0]
    assert table["tag"] == "toy-train" and table["trained_on"] == ["toy"]
    assert table["training"]["data"] == "5 pairs of toy-train, 4 of them in training"
    assert "prenet-y, 1 held-out image" in table["training"]["score"]
    assert "held-out images" not in table["training"]["score"]


def test_the_first_complete_copy_is_trained_on(rainbench, add_trainable, toy_train, tmp_path):
    """As in `run`: one that lacks a clean image or has one cut short is passed over."""
    shutil.rmtree(toy_train / "toy")
    add_trainable(steps=2)
    for place, damage in (("a", "lost"), ("b", "cut"), ("c", "")):
        copy = tmp_path / place / "toy-train"
        shutil.copytree(toy_train / "toy-train", copy)
        file = copy / "target" / "2.png"
        if damage == "lost":
            file.unlink()
        elif damage == "cut":
            file.write_bytes(file.read_bytes()[:600])
    call = ["train", "small", "-d", "toy-train", *COMMON]
    roots = [word for place in "abc" for word in ("--data", tmp_path / place)]
    done = rainbench(*call, *roots, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "5 pairs of toy-train, 4 in training" in done.stderr
    partial = rainbench(*call, "--data", tmp_path / "b", "--out", tmp_path / "part")
    assert partial.returncode == 2 and "4 pairs of toy-train: too few" in partial.stderr
    assert "2.png" in partial.stderr and "Traceback" not in partial.stderr


@pytest.fixture
def mixed(photographs, tmp_path):
    """A function that puts so many whole photographs beside some of other sizes into a folder."""

    def make(whole, sizes):
        folder = tmp_path / "mixed"
        folder.mkdir()
        for number in range(1, whole + 1):
            shutil.copy(photographs / f"{number}.png", folder / f"{number}.png")
        clean = read_image(photographs / "1.png")
        for name, (width, height) in sizes.items():
            write_png(folder / f"{name}.png", np.ascontiguousarray(clean[:height, :width]))
        return folder

    return make


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_photographs_too_small_for_a_patch_are_named(
    rainbench, add_trainable, mixed, tmp_path, seed
):
    """Whichever would have been held out."""
    add_trainable(steps=2)
    folder = mixed(7, {"strip": (120, 12), "dot": (1, 1), "narrow": (23, 96)})
    call = ["train", "small", "--clean", folder, *COMMON, "--seed", seed]
    done = rainbench(*call, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    for name, size in (("strip", "120x12"), ("dot", "1x1"), ("narrow", "23x96")):
        assert f"{name}.png is {size}, smaller than a patch of 24x24" in done.stderr
    assert "6 in training; 1 held-out image\n" in done.stderr


@pytest.mark.parametrize("whole", [0, 2])
def test_too_few_photographs_are_a_clear_error(rainbench, add_trainable, mixed, tmp_path, whole):
    add_trainable(steps=2)
    folder = mixed(whole, {f"small-{number}": (120, 12) for number in range(12)})
    (folder / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n cut short")
    done = rainbench("train", "small", "--clean", folder, *COMMON, "--out", tmp_path / "out")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert f"streaks synthesised on {13 + whole} images of mixed: too few" in done.stderr
    assert "cut.png" in done.stderr and "small-8.png is 120x12" in done.stderr
    assert "and 3 others" in done.stderr and "24x24 pixels or more" in done.stderr


def test_a_training_that_ends_worse_than_its_input_says_so(train, add_trainable, tmp_path):
    """In the log, in the summary, on the exported card and for machines."""
    add_trainable(steps=3, rate=1.0)
    target = tmp_path / "small.streaks.safetensors"
    options = ["--out", tmp_path / "out", "--validations", 1]
    done = train(*options, "--export", target)
    assert done.returncode == 0, done.stderr
    assert re.search(r"INFO: step 3 .*worse than the rainy input", done.stderr)
    assert f"WARNING: {tmp_path / 'out'}: the training ended worse" in done.stderr
    assert "worse than the rainy input" in done.stdout and "train longer" in done.stderr
    table = tomllib.loads(target.with_suffix(".toml").read_text())["weights"][0]
    assert "worse than the rainy input" in table["training"]["score"]
    plain = json.loads(train(*options, "--json").stdout)
    assert plain["worse_than_input"] and plain["psnr"] < plain["input_psnr"]


def test_the_command_on_a_card_counts_steps_where_time_was_given(
    rainbench, add_trainable, photographs, tmp_path
):
    """So long takes another number of steps elsewhere; `.` is the name of the folder."""
    add_trainable()
    photos = tmp_path / "photos"
    shutil.copytree(photographs, photos)
    target = tmp_path / "small.streaks.safetensors"
    call = ["train", "small", "--clean", "photos/.", "--time", "1s", "--threads", 1, "--workers", 0]
    done = rainbench(*call, "--export", target)
    assert done.returncode == 0, done.stderr
    training = tomllib.loads(target.with_suffix(".toml").read_text())["weights"][0]["training"]
    words = training["command"].split()
    assert "--time" not in words and words[words.index("--clean") + 1] == "photos"
    assert int(words[words.index("--steps") + 1]) >= training["steps"] > 0
    again = rainbench(*words[1:], "--out", tmp_path / "again")
    assert again.returncode == 0, again.stderr
    assert (tmp_path / target.name).read_bytes() != b""


def test_a_folder_that_cannot_be_written_is_one_line(train, add_trainable, tmp_path):
    add_trainable(steps=2)
    (tmp_path / "file").write_text("no folder")
    for out in (tmp_path / "file" / "out", Path("/proc/nowhere/out")):
        done = train("--out", out)
        assert done.returncode == 2 and "Traceback" not in done.stderr
        assert f"{out}: cannot be written" in done.stderr or "/proc/nowhere" in done.stderr


@pytest.mark.parametrize("when", ["training", "starting"])
def test_an_interrupt_keeps_the_training(train, add_trainable, photographs, cards, tmp_path, when):
    add_trainable(steps=100_000)
    out = tmp_path / "out"
    call = ["train", "small", "--clean", photographs, *COMMON, "--out", out]
    process = subprocess.Popen(
        [sys.executable, "-m", "rainbench", *map(str, call)],
        env={**os.environ, "RAINBENCH_PATH": str(cards)},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # A shell lets what it starts in the background ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    awaited = out / ("log.csv" if when == "training" else ".lock")
    deadline = time.monotonic() + 120
    while not awaited.exists() or (when == "training" and not awaited.stat().st_size):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors and "Interrupted" in errors
    if when == "training":
        assert load_state(out / "last.pt")
        rows = (out / "log.csv").read_text()
        assert int(rows.splitlines()[-1].split(",")[0]) > 0


def test_a_worker_that_dies_in_the_midst_of_anything_is_told():
    """Its death is told by a signal, during which another error may be raised."""
    with pytest.raises(KeyError) as caught:
        try:
            raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed.")
        finally:
            {}["what was done just then"]
    assert "prepares patches has died" in str(_explained(caught.value, None))
    other = KeyError("no worker's")
    assert _explained(other, None) is other


@pytest.mark.parametrize(
    "kind", [ConnectionRefusedError, ConnectionResetError, EOFError, FileNotFoundError]
)
def test_a_worker_that_dies_while_it_hands_a_batch_over_is_told(kind):
    def batches(said):
        yield from ()
        raise kind(said)

    def dying():
        yield 1
        raise kind("the socket is gone")

    handed = dying()
    assert _next(handed) == 1
    with pytest.raises(RuntimeError) as caught:
        _next(handed)
    assert "prepares patches has died" in str(_explained(caught.value, None))
    with pytest.raises(kind, match="Caught"):
        _next(batches("Caught it in DataLoader worker process 0."))


@pytest.mark.skipif(sys.platform != "linux", reason="finds the worker in /proc")
def test_a_worker_that_the_system_kills_is_told(add_trainable, photographs, cards, tmp_path):
    add_trainable(steps=100_000)
    out = tmp_path / "out"
    call = ["train", "small", "--clean", photographs, *COMMON, "--workers", 1, "--out", out]
    process = subprocess.Popen(
        [sys.executable, "-m", "rainbench", *map(str, call)],
        env={**os.environ, "RAINBENCH_PATH": str(cards)}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not (out / "log.csv").exists() or not (out / "log.csv").stat().st_size:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    (worker,) = (
        int(child)
        for child in children
        if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
    )
    os.kill(worker, signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2, errors
    assert "Traceback" not in errors and "prepares patches has died" in errors
