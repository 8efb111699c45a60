"""How fast does training run, and how much of the time does it wait for patches?

Trains a baseline for some steps on clean images that are rained upon on the fly, once for each of
the ways to compute, and prints patches per second and the share of the time spent waiting, the
first step left out. A training that waits for more than 5 % of its time needs more workers.

    python benchmarks/training_speed.py PHOTOS --width 16 --threads 1 --most-waiting 0.05
    python benchmarks/training_speed.py PHOTOS --baseline nasnet --device cuda --compile
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
from pathlib import Path

from rainbench.catalog.registry import load_registry
from rainbench.train.assemble import make_job, make_options, open_source
from rainbench.train.job import TrainOptions
from rainbench.train.loop import train
from rainbench.train.recipes import resolve_recipe


def ways(first: TrainOptions, compiled: bool) -> dict[str, TrainOptions]:
    """Return the ways to compute that are held against each other."""
    other = "channels first" if first.channels_last else "channels last"
    found = {
        "as by default": first,
        other: dataclasses.replace(first, channels_last=not first.channels_last),
        "optimiser not fused": dataclasses.replace(first, fused=False),
        "no worker": dataclasses.replace(first, workers=0),
    }
    if first.device == "cuda":
        found["bf16"] = dataclasses.replace(first, precision="bf16")
    if compiled:
        found["torch.compile"] = dataclasses.replace(first, compiled=True)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--baseline", default="prenet_r")
    parser.add_argument("--width", type=int)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--rain", default="streaks")
    parser.add_argument("--compile", action="store_true", help="measure torch.compile, too")
    parser.add_argument("--patch", type=int)
    parser.add_argument("--only", action="append", help="only this way; may be repeated")
    parser.add_argument(
        "--most-waiting", type=float, default=1.0, help="exit 1 where the default waits longer"
    )
    call = parser.parse_args()

    registry = load_registry()
    card = registry.baselines[call.baseline]
    changes = {"steps": call.steps, **({"patch": call.patch} if call.patch else {})}
    recipe = resolve_recipe(card, changes, short=True)
    arguments = {**card.arguments, **({"width": call.width} if call.width else {})}
    first = make_options(
        seconds=0, seed=0, device=call.device, precision="fp32", threads=call.threads,
        workers=None, compiled=False, channels_last=None, fused=True, validations=1,
        checkpoint_seconds=1e9,
    )  # fmt: skip
    source = open_source(registry, "", (), call.photographs, call.rain, 0)
    print(f"{card.name} {arguments}, {recipe.batch} patches of {recipe.patch}, {call.rain}")
    too_slow = False
    for name, options in ways(first, call.compile).items():
        if call.only and name not in call.only:
            continue
        job = make_job(registry, card, arguments, recipe, options, source, ())
        with tempfile.TemporaryDirectory() as folder:
            done = train(job, Path(folder) / "out")
        print(f"  {name:20} {done.patches_per_second:7.1f} patches/s  {done.waiting:5.1%} waiting")
        too_slow |= name == "as by default" and done.waiting > call.most_waiting
    sys.exit(1 if too_slow else 0)


if __name__ == "__main__":
    main()
