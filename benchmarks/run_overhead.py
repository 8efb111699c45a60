"""What the engine costs beyond the network: `run` of one entry against its bare forward loop.

Reading, scoring under every protocol and storing go on behind the network; this measures what of
it still shows. Wall time, interleaved, start-up apart (the network is built and everything is
compiled before the clock starts).

    python benchmarks/run_overhead.py --data DIR --weights DIR
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch

from rainbench.catalog.registry import load_registry
from rainbench.pairs.pictures import load_image
from rainbench.run.evaluate import run_cell
from rainbench.run.options import resolve_options
from rainbench.run.plan import make_plan
from rainbench.run.predict import Predictor


def main() -> None:
    """Print each round's seconds and the median ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--entry", default="prn_r.rain100l")
    parser.add_argument("--dataset", default="rain100l")
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()

    options = resolve_options("cpu")
    plan = make_plan(
        load_registry(),
        datasets=[chosen.dataset],
        baselines=[chosen.entry],
        data_roots=[chosen.data],
        weight_roots=[chosen.weights],
        limit=chosen.images,
    )
    (cell,) = plan.runnable
    predictor = Predictor(cell.entry, cell.weights, options)
    images = [load_image(pair.rainy) for pair in cell.pairs.pairs]
    tensors = [
        (torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255).contiguous(
            memory_format=torch.channels_last
        )
        for image in images
    ]
    run_in_new_folder(cell, options)
    ratios = []
    for number in range(chosen.rounds):
        started = time.perf_counter()
        with torch.inference_mode():
            for tensor in tensors:
                predictor.network(tensor)
        bare = time.perf_counter() - started
        engine = run_in_new_folder(cell, options)
        ratios.append(engine / bare)
        print(f"round {number + 1}: bare loop {bare:.2f} s, run {engine:.2f} s, {ratios[-1]:.3f} x")
    print(f"median of {chosen.rounds}: {statistics.median(ratios):.3f} x")


def run_in_new_folder(cell, options) -> float:
    """Run a cell from nothing and return the seconds that it took."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        run_cell(cell, Path(folder), options)
        return time.perf_counter() - started


if __name__ == "__main__":
    main()
