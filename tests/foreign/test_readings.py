"""A network whose output is read otherwise than it is meant never gets a number without a word."""

import json
import re

import cv2
import numpy as np
import pytest
import torch
from torch import nn

import rainbench as rb
from rainbench.core.errors import RainbenchError
from rainbench.core.images import write_png
from rainbench.pairs.pixels.readings import doubt, look
from rainbench.run.outputs import score_folder

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
SETS = ("mini-streaks", "mini-mist", "mini-joint", "mini-drops", "mini-spa")

WRONG = {
    "the rain:": lambda rainy, right: rainy - right,
    "the change:": lambda rainy, right: right - rainy,
    "the rain about gray:": lambda rainy, right: rainy - right + 0.5,
    "the rain in -1..1": lambda rainy, right: (rainy - right + 1) / 2,
    "the negative:": lambda rainy, right: 1 - right,
    "a picture in -1..1:": lambda rainy, right: 2 * right - 1,
    "a picture in 0..1 where": lambda rainy, right: (right + 1) / 2,
    "divided by 255 once": lambda rainy, right: right / 255,
    "linear light": lambda rainy, right: right**2.2,
    "normalised by ImageNet": lambda rainy, right: (right - MEAN) / DEVIATION,
    "red and blue exchanged": lambda rainy, right: right[..., ::-1],
    "red and green exchanged": lambda rainy, right: right[..., [1, 0, 2]],
    "green and blue exchanged": lambda rainy, right: right[..., [0, 2, 1]],
    "green, blue, red": lambda rainy, right: right[..., [1, 2, 0]],
    "blue, red, green": lambda rainy, right: right[..., [2, 0, 1]],
    "mirrored": lambda rainy, right: right[:, ::-1],
    "upside down": lambda rainy, right: right[::-1],
    "moved by +1.0 pixels": lambda rainy, right: np.roll(right, 1, 1),
    "-1.0 down": lambda rainy, right: np.roll(right, -1, 0),
    "of a single colour": lambda rainy, right: 0 * right,
}
HONEST = {
    "as it is": lambda rainy: rainy,
    "dark": lambda rainy: rainy * 0.5,
    "bright": lambda rainy: (rainy * 1.5).clip(0, 1),
    "pale": lambda rainy: rainy * 0.5 + 0.25,
    "blurred": lambda rainy: cv2.GaussianBlur(rainy, (0, 0), 3.0),
    "eroded": lambda rainy: cv2.erode(rainy, np.ones((5, 5))),
    "gray": lambda rainy: np.repeat(rainy.mean(2, keepdims=True), 3, axis=2),
    "noise": lambda rainy: np.random.default_rng(0).random(rainy.shape),
}


def floats(image):
    return image.astype(np.float32) / np.float32(255)


def seen(pairs, restore):
    looks = []
    for pair in pairs:
        restored = restore(floats(pair.rainy), floats(pair.clean))
        restored = np.ascontiguousarray(restored, np.float32)
        looks.append(look(restored, pair.rainy, pair.clean))
    return doubt(looks)


@pytest.mark.parametrize("name", SETS)
def test_every_wrong_reading_is_known(name):
    """Of a network that takes most of the rain away."""
    pairs = rb.load_dataset(name)[:3]
    for said, way in WRONG.items():
        found = seen(pairs, lambda rainy, clean, way=way: way(rainy, 0.2 * rainy + 0.8 * clean))
        assert found is not None and said in found.said, said


def test_red_and_blue_of_a_nearly_gray_picture():
    def gray(image):
        return 0.4 * image + 0.6 * image.mean(2, keepdims=True)

    looks = []
    for pair in rb.load_dataset("mini-streaks")[:3]:
        rainy, clean = (gray(each).round().astype(np.uint8) for each in (pair.rainy, pair.clean))
        assert look(floats(clean), rainy, clean).others == {}
        looks.append(look(floats(0.2 * rainy + 0.8 * clean)[..., ::-1], rainy, clean))
    assert "red and blue exchanged" in doubt(looks).said


@pytest.mark.parametrize("name", SETS)
def test_what_is_poor_but_meant_is_no_other_reading(name):
    pairs = rb.load_dataset(name)
    for start in (0, 3, 5):
        for kind, way in HONEST.items():
            chosen = pairs[start : start + 3]
            assert seen(chosen, lambda rainy, clean, way=way: way(rainy)) is None, kind
    assert seen(pairs[:1], lambda rainy, clean: clean) is None


NETS = """
import torch
from torch import nn
import rainbench as rb

inner = rb.load_model("prenet_r.streaks-w16").predictor.network


class Right(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = inner

    def forward(self, x):
        return self.net(x).image


class Rain(Right):
    def forward(self, x):
        return x - super().forward(x)


class Change(Right):
    def forward(self, x):
        out = super().forward(x) - x
        x.zero_()  # it may write into what it is given
        return out


class Padded(Right):
    def forward(self, x):
        return nn.functional.pad(super().forward(x), (1, 0, 0, 0), mode="replicate")[..., :-1]
"""


def run(rainbench, tmp_path, *words):
    (tmp_path / "nets.py").write_text(NETS)
    args = ("-d", "mini-streaks", "--limit", "4", "--out", "o", "--json", "--threads", "1")
    done = rainbench("run", *words, *args)
    rows = [row for row in json.loads(done.stdout)["rows"] if row["protocol"] == "prenet-y"]
    return done, {row["entry"]: row for row in rows}


def test_the_rain_is_refused_and_taken_as_such_when_said(rainbench, tmp_path):
    names = ("Right", "Rain", "Change", "Padded")
    done, rows = run(rainbench, tmp_path, *(w for n in names for w in ("-b", f"{n}=nets.py:{n}")))
    assert done.returncode == 1
    assert "looks like the rain" in rows["rain"]["note"]
    assert "looks like the change" in rows["change"]["note"]
    assert "moved by +0.9 pixels" in rows["padded"]["note"]
    assert {row["state"] for name, row in rows.items() if name != "right"} == {"failed"}
    for name in ("rain", "change"):
        words = ("-b", f"{name}=nets.py:{name.title()}", "--returns", name)
        done, said = run(rainbench, tmp_path, *words)
        assert done.returncode == 0, done.stderr
        assert abs(float(said[name]["psnr"]) - float(rows["right"]["psnr"])) < 1e-3
    done, said = run(rainbench, tmp_path, "-b", "rain=nets.py:Rain", "--returns", "image")
    assert done.returncode == 0 and float(said["rain"]["psnr"]) < 10


@pytest.mark.parametrize("value_range", ["", "0..1", "0..255", "-1..1"])
def test_what_a_function_returns_is_read_in_its_range(value_range):
    """Of a function that takes a level of 51 away, in every range."""
    rainy = np.full((8, 8, 3), 153, np.uint8)
    length = {"": 255, "0..255": 255, "0..1": 1, "-1..1": 2}[value_range]

    def rain(image):
        kind = np.uint8 if value_range == "" else np.float32
        found = np.full(image.shape, 0.2 * length, kind)
        image[:] = 0
        return found

    for returns, wanted in (("rain", 0.4), ("change", 0.8)):
        model = rb.load_model(rain, value_range=value_range, returns=returns)
        assert np.abs(model(rainy) - wanted).max() < 1e-3

    class Net(nn.Module):
        def forward(self, x):
            out = torch.full_like(x, 0.2 * length)
            x.zero_()
            return out

    if value_range:
        model = rb.load_model(Net(), value_range=value_range, returns="rain")
        assert np.abs(model(rainy) - 0.4).max() < 1e-3


def test_a_single_picture_is_enough(tmp_path):
    (note,) = rb.evaluate(
        rb.load_model(lambda image: 255 - image, name="negative"),
        "mini-streaks", out=tmp_path, limit=1,
    ).failures.values()  # fmt: skip
    assert re.search(r"the negative: white minus it scores 2\d\.\d dB", note)
    assert "--returns image" in note


def folder_of(path, way, name="mini-streaks"):
    path.mkdir()
    for pair in rb.load_dataset(name):
        right = 0.2 * floats(pair.rainy) + 0.8 * floats(pair.clean)
        shown = np.rint(way(floats(pair.rainy), right).clip(0, 1) * 255).astype(np.uint8)
        write_png(path / f"{pair.id}.png", np.ascontiguousarray(shown))
    return path


@pytest.mark.parametrize(
    ("said", "way"),
    [
        ("looks like the rain", lambda rainy, right: rainy - right),
        ("looks like the rain about gray", lambda rainy, right: rainy - right + 0.5),
        ("red and blue exchanged", lambda rainy, right: right[..., ::-1]),
        ("looks like the negative", lambda rainy, right: 1 - right),
        ("moved by +1.0 pixels", lambda rainy, right: np.roll(right, 1, 1)),
        ("linear light", lambda rainy, right: right**2.2),
        ("a single colour", lambda rainy, right: 0 * right),
    ],
)
def test_a_folder_of_something_else_is_refused(rainbench, tmp_path, said, way):
    folder = folder_of(tmp_path / "results", way)
    words = ("-d", "mini-streaks", "--out", tmp_path / "o")
    done = rainbench("score", folder, *words)
    assert done.returncode == 2 and said in done.stderr, done.stderr
    done = rainbench("score", folder, *words, "--allow-partial")
    assert done.returncode == 2 and said in done.stderr, done.stderr


def test_frames_that_are_numbered_one_off_are_refused(rainbench, tmp_path):
    """Of one scene, in which somebody walks: every picture looks like the others."""
    folders = [tmp_path / name for name in ("rainy", "clean", "right", "late")]
    for folder in folders:
        folder.mkdir()
    scene = rb.load_dataset("mini-streaks")[0].clean // 2
    rng = np.random.default_rng(0)
    for number in range(6):
        clean = scene.copy()
        clean[20:60, 10 * number : 10 * number + 12] = 250
        rainy = cv2.add(clean, (rng.random(clean.shape[:2]) < 0.1)[..., None] * np.uint8([90] * 3))
        for folder, image in zip(folders, (rainy, clean, clean, clean), strict=True):
            write_png(folder / f"{number + (folder.name == 'late')}.png", image)
    (tmp_path / "late/6.png").rename(tmp_path / "late/0.png")
    pairs = rb.load_dataset(rainy=folders[0], clean=folders[1]).pairs
    score_folder(folders[2], pairs, "right", tmp_path / "o")
    with pytest.raises(RainbenchError, match=r"3\.png fits .*2\.png better than .*3\.png"):
        score_folder(folders[3], pairs, "late", tmp_path / "o")


def test_what_does_nothing_or_harm_is_doubtful(rainbench, tmp_path):
    (tmp_path / "nets.py").write_text(
        "def nothing(image):\n    return image\n\n\ndef dark(image):\n    return image // 2\n"
    )
    words = ("-b", "nothing=nets.py:nothing", "-b", "dark=nets.py:dark", "-b", "median")
    done = rainbench("run", *words, "-d", "mini-streaks", "--limit", "3", "--out", "o")
    assert done.returncode == 0, done.stderr
    said = {line.split()[0]: line for line in done.stdout.splitlines() if line.startswith("  ")}
    assert "doubtful: gives the rainy images back as they are" in said["nothing"]
    assert re.search(r"doubtful: 1\d\.\d dB below the rainy images", said["dark"])
    assert "doubtful" not in said["median"]
    assert (tmp_path / "o/table.md").read_text().count("doubtful") >= 2
    again = rainbench("run", *words, "-d", "mini-streaks", "--limit", "3", "--out", "o")
    assert "3 kept" in again.stderr and again.stdout == done.stdout


def test_a_folder_that_does_harm_is_doubtful(rainbench, tmp_path):
    folder = folder_of(tmp_path / "results", lambda rainy, right: right / 2)
    done = rainbench("score", folder, "-d", "mini-streaks", "--out", tmp_path / "o")
    assert done.returncode == 0 and "Warning: doubtful: 1" in done.stderr
    assert "below the rainy images" in (tmp_path / "o/table.csv").read_text()


def test_check_tells_the_rain_from_the_picture(rainbench, tmp_path):
    (tmp_path / "nets.py").write_text(
        "import cv2\n\n\ndef right(image):\n    return cv2.erode(image, None, iterations=1)\n\n\n"
        "def rain(image):\n    return image - right(image)\n\n\n"
        "def bgr(image):\n    return right(image)[..., ::-1].copy()\n"
    )
    right, rain, bgr = (rainbench("check", f"nets.py:{n}") for n in ("right", "rain", "bgr"))
    assert right.returncode == 0 and "returns the restored picture" in right.stdout
    assert rain.returncode == 1 and "looks like the rain" in rain.stdout
    assert bgr.returncode == 1 and "red and blue exchanged" in bgr.stdout
    assert rainbench("check", "nets.py:rain", "--returns", "rain").returncode == 0
