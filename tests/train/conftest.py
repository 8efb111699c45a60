"""Fixtures: photographs to rain upon, and the card of a small network with a recipe."""

import pytest
from embedded import mini_pairs

from rainbench.core.images import write_png

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
