"""Counts on a card of which no network can be made, or none that ends: refused, in little time."""

import dataclasses
import time

import pytest
import torch

from rainbench.catalog.registry import load_registry
from rainbench.core.errors import CardError
from rainbench.networks import construct as module
from rainbench.networks.construct import construct
from rainbench.networks.work import TooMuchWorkError, multiply_adds


def user_card(name, folder, **changed):
    """Return a shipped card as a user's, in a folder of theirs, with some arguments changed."""
    card = load_registry().baselines[name]
    arguments = {**card.arguments, **changed}
    return dataclasses.replace(card, file=folder / f"{name}.toml", arguments=arguments)


@pytest.mark.parametrize(
    ("name", "changed", "message"),
    [
        ("prenet", {"iterations": 100_000}, "many more multiply-adds or steps .* 1,010,880"),
        ("rescan", {"stages": 100_000}, "many more multiply-adds"),
        ("rcdnet", {"stages": 100_000}, "more than 20,000 layers"),
        (
            "jorder",
            {"blocks": 100_000},
            "more than 2.*,.* parameters, many more than the card says",
        ),
        ("brn", {"width": 100_000}, "parameters, many more than the card says"),
    ],
)
@pytest.mark.timeout(120)
def test_a_count_that_no_network_bears_is_refused(tmp_path, name, changed, message):
    card = user_card(name, tmp_path, **changed)
    with pytest.raises(CardError, match=message) as told:
        construct(card, card.arguments)
    assert str(told.value).startswith(str(card.file))


def test_arguments_that_replace_those_of_a_shipped_card_are_looked_at():
    """As `rainbench train --argument` does."""
    card = load_registry().baselines["prenet"]
    with pytest.raises(CardError, match="many more multiply-adds"):
        construct(card, {**card.arguments, "iterations": 100_000})


def test_a_card_of_a_users_with_a_network_as_it_is_stays_right(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_BEARABLE", set())
    state = torch.get_rng_state()
    card = user_card("prenet", tmp_path, iterations=12)
    torch.manual_seed(1)
    counted = construct(card, card.arguments)
    torch.manual_seed(1)
    again = construct(card, card.arguments)
    assert counted.training and len(module._BEARABLE) == 1
    for ours, known in zip(counted.parameters(), again.parameters(), strict=True):
        assert torch.equal(ours, known)
    torch.set_rng_state(state)


def test_a_card_that_says_itself_that_it_takes_long_is_believed(tmp_path):
    """To count 10^9 multiply-adds for a pixel would take as long as to use them."""
    card = user_card("prenet", tmp_path, iterations=6000)
    started = time.monotonic()
    construct(dataclasses.replace(card, macs_per_pixel=1_010_880_000, weights=()), card.arguments)
    assert time.monotonic() - started < 20


def test_more_memory_than_there_is(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "free_memory", lambda: 600_000)
    card = user_card("prenet", tmp_path)
    with pytest.raises(CardError, match=r"168,963 parameters .* 0.0 GB of memory, more than there"):
        construct(card, card.arguments)


def test_a_pass_without_end_is_given_up():
    class Endless(torch.nn.Module):
        def forward(self, picture):
            while True:
                picture = picture + 1

    started = time.monotonic()
    with pytest.raises(TooMuchWorkError):
        multiply_adds(Endless(), torch.zeros(1, 3, 8, 8))
    assert time.monotonic() - started < 30
