"""Recipes put to work: overrides, the learning rate over a training, optimiser, first weights."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn

from rainbench.catalog.cards import BaselineCard, Recipe
from rainbench.core.errors import RainbenchError

SHORT: Mapping[str, object] = {
    "patch": 48,
    "batch": 4,
    "optimiser": "adam",
    "betas": (0.9, 0.999),
    "learning_rate": 2e-3,
    "schedule": "cosine",
    "floor": 0.0,
    "warmup": 0.03,
    "clip": 1.0,
    "initial_std": 0.0,
    "flip": True,
    "rotate": False,
    "scale": (1.0, 1.0),
    "stride": 0,
}
"""What ``--short`` puts in the place of a paper's values: ours, for minutes instead of days. The
losses stay the paper's."""

_OPTIMISERS: Mapping[str, Any] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "radam": torch.optim.RAdam,
    "sgd": torch.optim.SGD,
}
_FUSED = ("adam", "adamw", "sgd")
"""Those that PyTorch has a fused kernel for."""

_FIRST_SHARE = 0.01
"""Of the learning rate, at the first step of a warm-up, which a rate of nothing would waste."""


def resolve_recipe(
    card: BaselineCard,
    changes: Mapping[str, object],
    *,
    short: bool,
    by_time: bool = False,
    dataset: str = "",
) -> Recipe:
    """Return a card's recipe with a call's changes.

    Args:
        card: The baseline.
        changes: Values by key that the call gives; they win over everything else.
        short: Take `SHORT` in the place of the paper's values.
        by_time: The length is given in time: a learning rate that would stay constant comes down
            along a cosine, since the training ends before it has converged.
        dataset: The card's name of what is trained on: its recipe may differ, see `Recipe.on`.

    Raises:
        RainbenchError: The card has no recipe, or a value is out of range.
    """
    if card.recipe is None:
        raise RainbenchError(
            f"{card.name} cannot be trained: its card {card.file} has no [recipe]",
            hint="Add one, as in baselines/prenet_r.toml, or train another baseline.",
        )
    there = card.recipe.on.get(dataset, {})
    recipe = dataclasses.replace(card.recipe, **{**there, **(SHORT if short else {}), **changes})  # type: ignore[arg-type]
    for key in ("patch", "batch", "steps", "learning_rate"):
        value = getattr(recipe, key)
        if not (value > 0 and math.isfinite(value)):
            raise RainbenchError(f"{key.replace('_', ' ')} {value} must be more than 0")
    if not 0 <= recipe.clip < math.inf:  # a norm below 0 turns gradients round
        raise RainbenchError(f"clip {recipe.clip} must be 0 or more")
    if by_time and recipe.schedule == "constant" and "schedule" not in changes:
        recipe = dataclasses.replace(recipe, schedule="cosine")
    if recipe.schedule == "steps" and not recipe.drops:
        recipe = dataclasses.replace(recipe, drops=(0.5, 0.75, 0.9))
    return recipe


def learning_rate(recipe: Recipe, share: float) -> float:
    """Return the learning rate after a share of the training, 0 to 1.

    Example:
        >>> from rainbench.catalog.terms import LossTerm
        >>> recipe = Recipe(losses=(LossTerm(name="l1"),), patch=64, batch=8, steps=100,
        ...     learning_rate=1e-3, schedule="steps", drops=(0.3, 0.5), factor=0.2)
        >>> [f"{learning_rate(recipe, share):.0e}" for share in (0.0, 0.3, 0.9)]
        ['1e-03', '2e-04', '4e-05']
    """
    rate = recipe.learning_rate
    if recipe.warmup and share < recipe.warmup:
        return rate * max(share / recipe.warmup, _FIRST_SHARE)
    if recipe.schedule == "steps":
        return rate * recipe.factor ** sum(share >= drop for drop in recipe.drops)
    if recipe.schedule == "cosine":
        done = (share - recipe.warmup) / (1 - recipe.warmup)
        half_wave = (1 + math.cos(math.pi * min(max(done, 0.0), 1.0))) / 2
        return recipe.floor + (rate - recipe.floor) * half_wave
    return rate


def make_optimiser(
    recipe: Recipe, parameters: Iterable[nn.Parameter], *, fused: bool
) -> torch.optim.Optimizer:
    """Make a recipe's optimiser.

    Args:
        recipe: Names it.
        parameters: What it changes.
        fused: All parameters in one kernel, where PyTorch has one.
    """
    options: dict[str, object] = {"lr": recipe.learning_rate, "weight_decay": recipe.weight_decay}
    if recipe.optimiser == "sgd":
        options["momentum"] = recipe.betas[0]
    else:
        options["betas"] = recipe.betas
    if fused and recipe.optimiser in _FUSED:
        options["fused"] = True
    made: torch.optim.Optimizer = _OPTIMISERS[recipe.optimiser](parameters, **options)
    return made


def initialise(network: nn.Module, recipe: Recipe) -> None:
    """Draw new initial weights for all convolutions where the recipe says how.

    Gaussian of mean zero, biases zero (DAiAM, Sec. 5: standard deviation 0.01). Uses PyTorch's
    global generator.
    """
    if not recipe.initial_std:
        return
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, 0.0, recipe.initial_std)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
