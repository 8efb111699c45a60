"""Fixtures: the reference material, small data sets, and a command line to call."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # a worker of the test run has one core
os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as `rainbench.__main__` does, for the same reason
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # else each process compiles the package anew

import numpy as np
import pytest
from embedded import mini_pairs
from hypothesis import settings
from toynets import TOY_CARD
from warm import WarmProcess, environment
from webdriver import Browser

from rainbench.core.images import write_png

settings.register_profile("default", deadline=None, derandomize=True)
settings.load_profile("default")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference material; tests that need it are left out where it is not."""
    root = Path(__file__).parents[1]
    folder = Path(os.environ.get("RAINBENCH_SHARED", root / ".." / "shared")).resolve()
    if not folder.is_dir():
        pytest.skip("the reference material is not there (RAINBENCH_SHARED)")
    return folder


@pytest.fixture(scope="session")
def pairs_on_disk(tmp_path_factory) -> Path:
    """Five small pairs as ``input/N.png`` and ``target/N.png``, the layout of a known card."""
    folder = tmp_path_factory.mktemp("data") / "toy"
    (folder / "input").mkdir(parents=True)
    (folder / "target").mkdir()
    for number, rainy, clean in mini_pairs():
        if number <= 5:
            write_png(folder / "input" / f"{number}.png", np.ascontiguousarray(rainy[:48, :64]))
            write_png(folder / "target" / f"{number}.png", np.ascontiguousarray(clean[:48, :64]))
    return folder


@pytest.fixture
def cards(tmp_path) -> Path:
    """A folder of cards that describes the toy data set."""
    folder = tmp_path / "cards"
    folder.mkdir()
    (folder / "toy.toml").write_text(TOY_CARD)
    return folder


@pytest.fixture
def add_network(cards):
    """A function that adds the card of a test's network."""
    import toynets

    def add(name, network, parameters=0, extra=""):
        text = toynets.card(name, network, parameters)
        (cards / f"{name}.toml").write_text(text + extra)

    return add


@pytest.fixture(scope="session")
def warm():
    """A process that has what takes long to import, forked for each call of the command line."""
    process = WarmProcess()
    yield process
    process.close()


@pytest.fixture
def rainbench(tmp_path, cards, warm):
    """Call the command line as a person would, in a process of its own."""

    def call(*arguments, timeout=300, env=None, **options):
        arguments = [str(argument) for argument in arguments]
        variables = {**environment(RAINBENCH_PATH=str(cards)), **(env or {})}
        if not options and warm.fits(variables):
            return warm.call(arguments, variables, tmp_path, timeout)
        return subprocess.run(
            [sys.executable, "-c", "from rainbench.cli import main; main()", *arguments],
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=tmp_path,
            env=variables,
            **options,
        )

    return call


@pytest.fixture
def toy(tmp_path, pairs_on_disk) -> Path:
    """A copy of the toy data set's root folder that a test may damage."""
    shutil.copytree(pairs_on_disk, tmp_path / "data" / "toy")
    return tmp_path / "data"


RECIPE = """
arguments = {{ iterations = 2, width = 6 }}

[recipe]
losses = [{{ name = "{loss}" }}]
patch = 24
batch = 4
steps = {steps}
learning_rate = {rate}
schedule = "cosine"
flip = true
rotate = true
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A browser window, for tests that are left out where there is none."""
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.quit()


@pytest.fixture(scope="session")
def photographs(tmp_path_factory):
    """Eight clean images in a folder."""
    folder = tmp_path_factory.mktemp("clean")
    for number, _, clean in mini_pairs():
        write_png(folder / f"{number}.png", clean[:96, :128])
    return folder


@pytest.fixture
def add_trainable(cards):
    """A function that writes the card ``small``: PReNet_r of six channels."""

    def add(loss="l1", steps=30, rate=1e-3, network="rainbench.networks.prenet:PReNet_r"):
        text = f"""
name = "small"
title = "Small"
network = "{network}"
parameters = 3_837
macs_per_pixel = 0
paper = "none"
source = "tests"
licence = "none"
"""
        recipe = RECIPE.format(loss=loss, steps=steps, rate=rate)
        (cards / "small.toml").write_text(text + recipe)
        return cards / "small.toml"

    return add
