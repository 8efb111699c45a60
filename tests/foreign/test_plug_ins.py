"""An installed package offers cards of data sets and of its own networks."""

import logging

import pytest

from rainbench.catalog.registry import load_registry
from rainbench.networks.construct import construct

MODEL = """
name = "plugged"
title = "Plugged"
network = "pluggednets.nets:Net"
parameters = 0
macs_per_pixel = 0
paper = "none"
source = "tests"
licence = "none"
"""


@pytest.fixture
def package(tmp_path, monkeypatch, cards):
    folder = tmp_path / "site/pluggednets"
    (folder / "cards").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('nothing needs me')\n")
    (folder / "cards/plugged.toml").write_text(MODEL)
    (cards / "toy.toml").rename(folder / "cards/toy.toml")
    offers = tmp_path / "site/pluggednets-1.dist-info"
    offers.mkdir()
    (offers / "METADATA").write_text("Metadata-Version: 2.1\nName: pluggednets\nVersion: 1\n")
    points = "[rainbench.models]\nmine = pluggednets.cards\n"
    points += "[rainbench.datasets]\nmine = pluggednets.cards\ngone = pluggednets.gone\n"
    (offers / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(tmp_path / "site")
    return folder


def test_its_cards_are_known_without_importing_it(package, caplog):
    with caplog.at_level(logging.WARNING):
        registry = load_registry()
    assert "plugged" in registry.baselines and "toy" in registry.datasets
    assert not registry.problems and "pluggednets.gone is not there" in caplog.text


def test_its_own_networks_are_trusted(package):
    (package / "__init__.py").write_text("")
    (package / "nets.py").write_text("from torch import nn\nclass Net(nn.Identity): pass\n")
    card = load_registry().baselines["plugged"]
    assert not card.trusted and type(construct(card, {})).__name__ == "Net"
