"""What a GPU does with this package: whether its numbers are right, and whether it is kept busy.

Each part is measured by itself, and one that fails or for which no time is left says so; exit code
1 where a check failed. `--device cpu --quick` does the same with small inputs and the CPU backend
of the pipeline.

    PYTHONPATH=. python benchmarks/gpu.py --data DIR --weights DIR -d rain100l -b prenet.rain100l
    PYTHONPATH=. python benchmarks/gpu.py --device cpu --quick --out gpu-cpu

Without --data and --weights: the embedded sets and the weights that ship with the package.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import math
import platform
import statistics
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch

from rainbench.catalog.registry import load_registry
from rainbench.core.errors import RainbenchError
from rainbench.core.images import read_image, write_png
from rainbench.core.machine import device_kind, hardware, usable_cores
from rainbench.metrics import score_all
from rainbench.metrics.torch_backend import measure, score_all_torch
from rainbench.networks.base import as_restoration
from rainbench.pairs.pictures import load_image
from rainbench.report.golden import golden_file, read_golden
from rainbench.run import evaluate
from rainbench.run.device.graphs import captured
from rainbench.run.device.transfers import CpuTransfers, CudaTransfers
from rainbench.run.evaluate import run_cell
from rainbench.run.options import RunOptions, resolve_options
from rainbench.run.plan import PlannedCell, make_plan
from rainbench.run.predict import Predictor
from rainbench.run.results import RunResults
from rainbench.train.assemble import make_job, make_options, open_source
from rainbench.train.loop import train
from rainbench.train.recipes import resolve_recipe

PSNR_TOLERANCE = 5e-4
"""dB between a score of this device and the golden one, or the CPU's."""

BACKEND_TOLERANCE = 1e-9

SHIPPED = ("prenet_r.streaks-w16", "spanet.streaks-w16", "sian.streaks-w12")


@dataclass
class Bench:
    """A call, and what it has found.

    Attributes:
        call: Its options.
        cells: Entries on data sets.
        until: When no further part is begun.
        found: The results by part.
        failures: Checks that failed.
    """

    call: argparse.Namespace
    cells: list[PlannedCell]
    until: float
    found: dict[str, object] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @property
    def cuda(self) -> bool:
        """Whether it is about a GPU."""
        return device_kind(self.call.device) == "cuda"

    def options(self, **changes) -> RunOptions:
        """Return the options of a run on this device."""
        first = resolve_options(self.call.device, threads=self.call.threads)
        return dataclasses.replace(first, **changes)

    def part(self, name: str, work: Callable[[], object]) -> None:
        """Do a part, unless the time is over; an error is its result."""
        if time.monotonic() > self.until:
            self.found[name] = {"left out": "no time was left"}
            print(f"{name}: left out, no time was left")
            return
        began = time.monotonic()
        try:
            self.found[name] = work()
        except Exception as error:
            traceback.print_exc()
            self.found[name] = {"error": f"{type(error).__name__}: {error}"}
            self.failures.append(f"{name}: {type(error).__name__}: {error}")
        print(f"{name} ({time.monotonic() - began:.1f} s): {json.dumps(self.found[name])}")

    def check(self, what: str, value: float, bound: float) -> None:
        """Note a check that fails."""
        if not value <= bound:
            self.failures.append(f"{what}: {value:.3g} is above {bound:.3g}")


def main() -> None:
    """Measure, and write JSON and Markdown."""
    call = parsed()
    options = resolve_options(call.device, threads=call.threads)
    call.device = options.device
    torch.set_num_threads(options.threads)
    began = time.monotonic()
    plan = make_plan(
        load_registry(),
        datasets=call.dataset or ["mini-streaks"],
        baselines=call.entry or SHIPPED[: 1 if call.quick else None],
        data_roots=call.data,
        weight_roots=call.weights,
        limit=call.images or (2 if call.quick else 40),
        allow_partial=True,
    )
    for card, reason in plan.unusable:
        print(f"cannot use {card.name}: {reason}")
    if not plan.runnable:
        raise RainbenchError("nothing to measure: no pairs, or no weights, were found")
    bench = Bench(call, list(plan.runnable), began + 60 * call.minutes)
    bench.found["machine"] = {
        "device": hardware(options.device, options.threads),
        "cores": usable_cores(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda or "",
        "numpy": np.__version__,
        "cells": [f"{cell.name}: {len(cell.pairs.pairs)} images" for cell in bench.cells],
    }
    with pipelined(bench), tempfile.TemporaryDirectory() as folder:
        bench.part("check: backend", lambda: check_backend(bench))
        bench.part("check: golden", lambda: check_golden(bench, Path(folder)))
        bench.part("check: precisions", lambda: check_precisions(bench, Path(folder)))
        bench.part("speed: run", lambda: measure_run(bench, Path(folder)))
        bench.part("speed: batches", lambda: measure_batches(bench))
        bench.part("speed: training", lambda: measure_training(bench, Path(folder)))
        bench.part("speed: kernels", lambda: count_kernels(bench))
        bench.part("speed: decoding", lambda: measure_decoding(bench))
        bench.part("speed: ways to call", lambda: measure_ways(bench))
    bench.found["seconds"] = round(time.monotonic() - began, 1)
    bench.found["failures"] = bench.failures
    call.out.mkdir(parents=True, exist_ok=True)
    (call.out / "gpu.json").write_text(json.dumps(bench.found, indent=1) + "\n", encoding="utf-8")
    (call.out / "gpu.md").write_text(as_markdown(bench.found), encoding="utf-8")
    print(f"{call.out / 'gpu.md'}: {len(bench.failures)} checks failed")
    for failure in bench.failures:
        print(f"FAILED {failure}")
    sys.exit(1 if bench.failures else 0)


def parsed() -> argparse.Namespace:
    """Return the call's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, action="append", default=[])
    parser.add_argument("--weights", type=Path, action="append", default=[])
    parser.add_argument("-d", "--dataset", action="append", default=[])
    parser.add_argument("-b", "--entry", action="append", default=[])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--images", type=int, help="of each data set [40; quick: 2]")
    parser.add_argument("--minutes", type=float, default=7.0, help="no part is begun after")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("gpu"))
    return parser.parse_args()


class Marked:
    """Transfers that remember between which marks the device was at work."""

    def __init__(self, inner: CpuTransfers | CudaTransfers) -> None:
        self.inner, self.marks = inner, []
        self.upload, self.seconds = inner.upload, inner.seconds

    def mark(self) -> object:
        """Remember a mark: one before the network, one behind it."""
        self.marks.append(self.inner.mark())
        return self.marks[-1]

    def download(self, tensor: torch.Tensor) -> Callable[[], object]:
        """Remember when the scores were ready, too."""
        self.marks.append(self.inner.mark())
        return self.inner.download(tensor)

    def busy(self) -> tuple[float, float]:
        """Return the seconds of the networks and those of the scores."""
        began, restored, scored = (self.marks[place::3] for place in range(3))
        between = self.inner.seconds
        return (
            sum(between(first, last) for first, last in zip(began, restored, strict=True)),
            sum(between(first, last) for first, last in zip(restored, scored, strict=True)),
        )


@contextlib.contextmanager
def pipelined(bench: Bench) -> Iterator[None]:
    """Send every network through the pipeline, on a CPU by its CPU backend."""
    before = evaluate.accelerated

    def marked(predictor: Predictor) -> Marked:
        bench.call.marked = Marked(before(predictor) or CpuTransfers())
        return bench.call.marked

    evaluate.accelerated = marked
    try:
        yield
    finally:
        evaluate.accelerated = before


def wait(bench: Bench) -> None:
    """Wait until the device has nothing to do."""
    if bench.cuda:
        torch.cuda.synchronize()


def pictures(cell: PlannedCell, count: int | None = None) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the first pairs of a cell."""
    pairs = cell.pairs.pairs[:count]
    return [(load_image(pair.rainy), load_image(pair.clean)) for pair in pairs]


def on_device(bench: Bench, image: np.ndarray) -> torch.Tensor:
    """Return an image as ``(1, H, W, 3)`` on the device."""
    return torch.from_numpy(image)[None].to(bench.call.device)


def check_backend(bench: Bench) -> dict[str, float]:
    """Compare the torch backend on the device with NumPy, on restored and on hard pictures."""
    cell = bench.cells[0]
    chance = np.random.default_rng(0)
    rainy, clean = pictures(cell, 1)[0]
    predictor = Predictor(cell.entry, cell.weights, bench.options())
    noisy = (clean / 255 + chance.normal(0, 0.1, clean.shape)).astype(np.float32)
    cases = {
        "restored": (predictor(rainy), clean),
        "beyond white": (noisy, clean),
        "8 bits": (rainy, clean),
        "large": (np.tile(noisy, (2, 2, 1)), np.tile(clean, (2, 2, 1))),
    }
    worst = {}
    for name, (restored, truth) in cases.items():
        here = score_all(restored, truth)
        pair = [
            torch.from_numpy(np.ascontiguousarray(each.transpose(2, 0, 1))).to(bench.call.device)
            for each in (restored, truth)
        ]
        there = score_all_torch(*pair)
        worst[name] = max(
            0.0 if one == other or (one != one and other != other) else abs(one - other)
            for protocol in here
            for one, other in zip(here[protocol], there[protocol], strict=True)
            if one is not None
        )
        bench.check(f"torch backend, {name}", worst[name], BACKEND_TOLERANCE)
    return worst


def check_golden(bench: Bench, folder: Path) -> dict[str, object]:
    """Compare a run with golden numbers, and with a plain run of some images on the CPU."""
    found = {}
    for cell in bench.cells:
        run_cell(cell, folder / "fp32", bench.options())
        result = RunResults(folder / "fp32").cell(cell.pairs.card.name, cell.entry.name)
        expected, how = {}, "golden numbers"
        with contextlib.suppress(RainbenchError, OSError):
            file = golden_file(cell.pairs.label, cell.entry.name)
            expected = read_golden(file).values
        if not expected:
            how = "the CPU"
            predictor = Predictor(cell.entry, cell.weights, resolve_options("cpu"))
            few = list(zip(cell.pairs.pairs, pictures(cell, 2), strict=False))
            expected = {pair.id: score_all(predictor(one), two) for pair, (one, two) in few}
        apart = [
            abs(score.psnr - expected[image][protocol][0])
            for image, scores in result.scores.items()
            if image in expected
            for protocol, score in scores.items()
            if score.psnr is not None and math.isfinite(score.psnr)
            and protocol in expected[image]
        ]  # fmt: skip
        worst = max(apart, default=math.inf)
        bench.check(f"{cell.name} against {how}", worst, PSNR_TOLERANCE)
        found[cell.name] = {"against": how, "values": len(apart), "largest dB": worst}
    return found


def check_precisions(bench: Bench, folder: Path) -> dict[str, object]:
    """Run reduced precisions; their results must have keys of their own."""
    cell, found = bench.cells[0], {}
    base = RunResults(folder / "fp32").cell(cell.pairs.card.name, cell.entry.name)
    for precision in ("tf32", "bf16") if bench.cuda else ("bf16",):
        out = folder / precision
        run_cell(cell, out, resolve_options(bench.call.device, precision))
        own = RunResults(out).cell(cell.pairs.card.name, cell.entry.name)
        same_key = own.parts.get("options") == base.parts.get("options")
        bench.check(f"{precision} has the key of fp32", float(same_key), 0.0)
        protocol = cell.pairs.card.protocol
        moved = [
            abs(own.scores[image][protocol].psnr - scores[protocol].psnr)
            for image, scores in base.scores.items()
            if math.isfinite(scores[protocol].psnr)
        ]
        found[precision] = {"mean dB moved": statistics.mean(moved), "largest": max(moved)}
    return found


def measure_run(bench: Bench, folder: Path) -> dict[str, object]:
    """Compare `run` with the bare loop over tensors that lie on the device."""
    found = {}
    for number, cell in enumerate(bench.cells):
        predictor = Predictor(cell.entry, cell.weights, bench.options())
        tensors = [on_device(bench, rainy) for rainy, _ in pictures(cell)]
        predictor.restore_on_device(tensors[0])
        wait(bench)
        began = time.perf_counter()
        for tensor in tensors:
            predictor.restore_on_device(tensor)
        wait(bench)
        bare = time.perf_counter() - began
        del tensors
        if bench.cuda:
            torch.cuda.reset_peak_memory_stats()
        began = time.perf_counter()
        ends: list[float] = []
        run_cell(
            cell,
            folder / f"speed{number}",
            bench.options(),
            advance=lambda _count, _what, ends=ends: ends.append(time.perf_counter()),
        )
        whole = time.perf_counter() - began
        wait(bench)
        network, scoring = bench.call.marked.busy()
        images = len(cell.pairs.pairs)
        found[cell.name] = {
            "images/s of the bare loop": images / bare,
            "images/s of run": (images - 1) / (ends[-1] - ends[-images]) if images > 1 else None,
            "images/s with its start": images / whole,
            "run with its start over the bare loop": whole / bare,
            "share of the device for the network": network / whole,
            "share of the device for the scores": scoring / whole,
            "peak MB": torch.cuda.max_memory_allocated() / 1e6 if bench.cuda else None,
        }
    return found


def measure_batches(bench: Bench) -> dict[str, object]:
    """Return images per second and the distance from single images by batch size."""
    cell, found = bench.cells[0], {}
    predictor = Predictor(cell.entry, cell.weights, bench.options())
    rainy = on_device(bench, pictures(cell, 1)[0][0])
    alone = predictor.restore_on_device(rainy)
    for size in (1, 2) if bench.call.quick else (1, 2, 4, 8, 16):
        batch = rainy.expand(size, -1, -1, -1).contiguous()
        together = predictor.restore_on_device(batch)
        seconds = best(bench, lambda batch=batch: predictor.restore_on_device(batch))
        apart = float((together - alone).abs().max())
        found[str(size)] = {"images/s": size / seconds, "largest difference": apart}
    return found


def best(bench: Bench, run: Callable[[], object], rounds: int = 3) -> float:
    """Return the shortest time of some calls."""
    times = []
    for _ in range(rounds):
        wait(bench)
        began = time.perf_counter()
        run()
        wait(bench)
        times.append(time.perf_counter() - began)
    return min(times)


def measure_training(bench: Bench, folder: Path) -> dict[str, object]:
    """Train for some steps in each precision."""
    clean = folder / "clean"
    clean.mkdir()
    for number, (_, image) in enumerate(pictures(bench.cells[0])):
        for turn in range(4):  # a training wants some images, and few may be here
            write_png(clean / f"{number}-{turn}.png", np.ascontiguousarray(np.rot90(image, turn)))
    registry = load_registry()
    card = registry.baselines["prenet_r"]
    steps, patch = (3, 32) if bench.call.quick else (150, 100)
    recipe = resolve_recipe(card, {"steps": steps, "patch": patch, "batch": 4 if bench.call.quick
                                   else 16}, short=True)  # fmt: skip
    arguments = {**card.arguments, **({"width": 8} if bench.call.quick else {})}
    source = open_source(registry, "", (), clean, "streaks", 0)
    found = {}
    for precision in ("fp32", "bf16"):
        options = make_options(
            seconds=0, seed=0, device=bench.call.device, precision=precision,
            threads=bench.call.threads, workers=1 if bench.call.quick else None, compiled=False,
            channels_last=None, fused=True, validations=1, checkpoint_seconds=1e9,
        )  # fmt: skip
        job = make_job(registry, card, arguments, recipe, options, source, ())
        done = train(job, folder / f"training-{precision}")
        found[precision] = {
            "patches/s": done.patches_per_second,
            "share of waiting": done.waiting,
            "held-out dB": done.progress.best_psnr,
        }
    return found


def count_kernels(bench: Bench) -> dict[str, object]:
    """Count what the device, or the CPU's operators, is given for an image."""
    from torch.profiler import ProfilerActivity, profile

    found = {}
    for cell in bench.cells:
        predictor = Predictor(cell.entry, cell.weights, bench.options())
        rainy, clean = (on_device(bench, each) for each in pictures(cell, 1)[0])
        truth = clean[0].permute(2, 0, 1).contiguous()
        restored = predictor.restore_on_device(rainy)
        parts = {
            "network": lambda rainy=rainy, p=predictor: p.restore_on_device(rainy),
            "scores": lambda restored=restored, truth=truth: measure(restored[0], truth),
        }
        for name, work in parts.items():
            work()
            wait(bench)
            kinds = [ProfilerActivity.CPU, *[ProfilerActivity.CUDA] * bench.cuda]
            with profile(activities=kinds) as profiler:
                work()
                wait(bench)
            events = [
                each for each in profiler.events()
                if not bench.cuda or "cuda" in str(each.device_type).lower()
            ]  # fmt: skip
            spent = sum(each.time_range.elapsed_us() for each in events)
            found[f"{cell.entry.name}, {name}"] = {
                "kernels" if bench.cuda else "operators": len(events),
                "ms of the device": spent / 1000 if bench.cuda else None,
                "ms in all": 1000 * best(bench, work),
            }
    return found


def measure_decoding(bench: Bench) -> dict[str, object]:
    """Return what it takes to read a PNG on one core, and how many threads keep up with it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "image.png"
        image = pictures(bench.cells[0], 1)[0][0]
        write_png(file, image)
        times = []
        for _ in range(10):
            began = time.perf_counter()
            read_image(file)
            times.append(time.perf_counter() - began)
    return {"size": f"{image.shape[1]}x{image.shape[0]}", "ms": 1000 * statistics.median(times)}


def measure_ways(bench: Bench) -> dict[str, object]:
    """Compare orders of memory, graphs and compilers: time, and the distance of the results."""
    found = {}
    for cell in bench.cells:
        network = Predictor(cell.entry, cell.weights, bench.options()).network
        rainy, _ = pictures(cell, 1)[0]
        plain = on_device(bench, rainy).permute(0, 3, 1, 2).float() / 255
        last = plain.contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():

            def image(batch: torch.Tensor, call: Callable = network) -> torch.Tensor:
                return as_restoration(call(batch)).image

            expected = image(last)
            found[f"{cell.entry.name}, channels last"] = {"ms": 1000 * best(
                bench, lambda image=image, last=last: image(last))}  # fmt: skip
            ways: dict[str, Callable[[], Callable[[], torch.Tensor]]] = {
                "channels first": lambda image=image, plain=plain: lambda: image(
                    plain.contiguous()),
            }  # fmt: skip
            if bench.cuda:
                ways["CUDA graph"] = partial(graphed, image, last)
                ways["torch.compile"] = partial(compiled, image, last, network)
            for name, make in ways.items():
                if time.monotonic() > bench.until:
                    break
                try:
                    way = make()
                    began = time.perf_counter()
                    apart = float((way() - expected).abs().max())
                    way()
                    found[f"{cell.entry.name}, {name}"] = {
                        "ms": 1000 * best(bench, way),
                        "largest difference": apart,
                        "seconds to begin": time.perf_counter() - began,
                    }
                except Exception as error:  # a network that cannot be captured is a result, too
                    text = f"{type(error).__name__}: {error}".splitlines()[0][:200]
                    found[f"{cell.entry.name}, {name}"] = {"error": text}
    return found


def graphed(image: Callable, batch: torch.Tensor) -> Callable[[], torch.Tensor]:
    """Return the call as a CUDA graph."""
    replay = captured(image, batch)
    return lambda: replay(batch)


def compiled(
    image: Callable, batch: torch.Tensor, network: torch.nn.Module
) -> Callable[[], torch.Tensor]:
    """Return the call through PyTorch's compiler."""
    call = torch.compile(network, mode="reduce-overhead")
    return lambda: image(batch, call)


def as_markdown(found: dict[str, object]) -> str:
    """Return the results as tables."""
    lines = ["# What a GPU does with rainbench", ""]
    for part, rows in found.items():
        if not isinstance(rows, dict):
            lines += [f"- {part}: {rows if rows else 'none'}"]
            continue
        lines += ["", f"## {part}", ""]
        tables = {key: row for key, row in rows.items() if isinstance(row, dict)}
        lines += [f"- {key}: {shown(row)}" for key, row in rows.items() if key not in tables]
        heads = list(dict.fromkeys(head for row in tables.values() for head in row))
        if tables:
            lines += ["| | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
            lines += [
                f"| {key} | " + " | ".join(shown(row.get(head, "")) for head in heads) + " |"
                for key, row in tables.items()
            ]
    return "\n".join(lines) + "\n"


def shown(value: object) -> str:
    """Return a value as text."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return "; ".join(map(str, value))
    return "" if value is None else str(value)


if __name__ == "__main__":
    main()
