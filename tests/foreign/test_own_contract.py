"""Every entry keeps the contract, and each way to break it is found."""

import dataclasses

import pytest
import torch
from torch import nn

from rainbench.catalog.registry import Entry, load_registry
from rainbench.foreign.contract import examine
from rainbench.foreign.entry import entry_of
from rainbench.networks.construct import construct
from rainbench.run.options import RunOptions

CARDS = {
    name: card for name, card in load_registry().baselines.items() if card.restores == "images"
}


class Constructed:
    """Makes the network of a card with the parameters that its class gives it."""

    untrained = False

    def __init__(self, card):
        self.card = card

    def facts(self):
        return {"returns": "image"}  # parameters that nobody trained may give anything

    def make(self, weights, file):
        torch.manual_seed(3)
        return construct(self.card, self.card.arguments).eval()


@pytest.mark.parametrize("name", CARDS)
def test_every_baseline_keeps_it(name):
    card = CARDS[name]
    entry = Entry(dataclasses.replace(card, weights=(), maker=Constructed(card)), None)
    found = examine(entry, None, RunOptions())
    wrong = [each for each in found if each.state != "good" and each.what != "stays in the range"]
    assert wrong == [] and len(found) == 8  # parameters that nobody trained may leave the range


class Odd(nn.Module):
    def __init__(self, how):
        super().__init__()
        self.how, self.before, self.norm = how, 0, nn.BatchNorm2d(3)

    def forward(self, rainy):
        return getattr(self, self.how)(rainy)

    def even(self, rainy):
        return nn.functional.interpolate(nn.functional.avg_pool2d(rainy, 2), scale_factor=2)

    def random(self, rainy):
        generator = torch.Generator()  # the common one is put back after each image
        generator.seed()
        return rainy + 0.01 * torch.rand(rainy.shape, generator=generator)

    def remembers(self, rainy):
        now, self.before = rainy.mean(), rainy.mean()
        return rainy + 0.1 * (now - self.before if self.before is now else self.kept(now))

    def kept(self, now):
        last, self.last = getattr(self, "last", now), now
        return last

    def batch(self, rainy):
        return rainy - rainy.mean(0, keepdim=True) + 0.5

    def dark(self, rainy):
        return rainy * 2 - 1.6

    def single(self, rainy):
        assert len(rainy) == 1
        return rainy


BREAKS = {
    "even": {"restores 61x47", "restores 37x50"},
    "random": {"gives the same twice", "forgets the image before", "keeps images of a batch apart"},
    "remembers": {"forgets the image before"},
    "batch": {"keeps images of a batch apart", "returns the restored picture"},  # one colour
    "dark": {"stays in the range"},
    "single": set(),
}


@pytest.mark.parametrize("how", BREAKS)
def test_what_breaks_it_is_found(how):
    found = examine(entry_of(Odd(how)), None, RunOptions())
    wrong = {each.what for each in found if each.state == "wrong"}
    assert wrong >= BREAKS[how] and (how == "remembers" or wrong == BREAKS[how])
    notes = [each for each in found if each.state == "note"]
    assert bool(notes) == (how == "single")
    if how == "even":
        padded = examine(entry_of(Odd(how), size_multiple=2), None, RunOptions())
        assert {each.state for each in padded} == {"good"}


def test_what_cannot_be_made_is_one_finding(tmp_path):
    (tmp_path / "net.py").write_text("raise ValueError('at home')")
    (found,) = examine(entry_of(f"{tmp_path}/net.py:Net"), None, RunOptions())
    assert found.state == "wrong" and "at home" in found.about
