"""Fixtures: the reference material, small data sets, and a command line to call."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from rainbench.build.mini import mini_pairs
from rainbench.images import write_png

settings.register_profile("default", deadline=None, derandomize=True)
settings.load_profile("default")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference material; tests that need it are left out where it is not."""
    root = Path(__file__).parents[1]
    folder = Path(os.environ.get("RAINBENCH_SHARED", root / ".." / "shared")).resolve()
    if not folder.is_dir():
        pytest.skip("the reference material is not at hand (RAINBENCH_SHARED)")
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


TOY_CARD = """
name = "toy"
title = "Toy"
revision = "1"
degradation = ["streaks"]
origin = "synthetic"
split = "test"
count = 5
protocol = "prenet-y"
sizes = [[64, 48]]
licence = "none"
sources = ["made in the tests"]
citation = "nobody"

[[layouts]]
name = "input-target"
rainy = "input/{id:d}.png"
clean = "target/{id:d}.png"
"""


@pytest.fixture
def cards(tmp_path) -> Path:
    """A folder of cards that describes the toy data set."""
    folder = tmp_path / "cards"
    folder.mkdir()
    (folder / "toy.toml").write_text(TOY_CARD)
    return folder


@pytest.fixture
def toy(tmp_path, pairs_on_disk) -> Path:
    """A copy of the toy data set's root folder that a test may damage."""
    import shutil

    shutil.copytree(pairs_on_disk, tmp_path / "data" / "toy")
    return tmp_path / "data"
