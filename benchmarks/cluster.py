"""What a run on a cluster costs and gains, and whether it bears losses: measured and simulated.

    python benchmarks/cluster.py --out FOLDER [--only overhead virtual ...]

``overhead``: seconds per shard that does nothing, by client, scheduler and two processes.
``speed``: one, two, ... processes against a plain run, one torch thread each. ``kills``: runs in
which workers are killed at random moments, each compared byte by byte with a plain run.
``scheduler-kills``: the same of the scheduler; the run ends, and goes on without a cluster.
``simulate``: many workers as threads of this process, whose networks sleep for the times of the
cards on images of the papers' sets, with the real client, scheduler and writer; efficiency is the
time slept over workers times makespan. ``virtual``: the whole matrix in virtual time, with the
client's work on a shard and an image as it was measured by ``overhead``. ``build-spa`` and
``synth``: one, two, ... processes against one without a cluster, the bytes compared, and builds of
which a worker is killed at a random moment (``--kills``).
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import heapq
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from unittest import mock

import av
import cv2
import numpy as np

from rainbench.api.evaluation import carry_out
from rainbench.catalog.registry import load_registry
from rainbench.cluster.crew import crew_of
from rainbench.cluster.places import opened
from rainbench.cluster.pool import ClusterPool
from rainbench.core.errors import RainbenchError
from rainbench.core.images import write_png
from rainbench.core.pool import Pool
from rainbench.core.progress import Advance, unseen
from rainbench.metrics import PROTOCOLS, Score
from rainbench.pairs.layouts import Pair, Source
from rainbench.pairs.load import PairSet
from rainbench.pairs.manifest import PairInfo
from rainbench.rain.transform import Synthesis
from rainbench.run.cluster.cells import OpenCell
from rainbench.run.cluster.crew import ScoringCrew, scoring_crew_of
from rainbench.run.cluster.drive import Drive
from rainbench.run.cluster.shards import Pace, blocks, in_order
from rainbench.run.cluster.worker import Answer, Scorer, Session, Shard
from rainbench.run.cost import pixels_of, seconds_per_pixel
from rainbench.run.evaluate import Outcome
from rainbench.run.options import RunOptions
from rainbench.run.plan import Plan, PlannedCell, make_plan
from rainbench.spa.builder import build_spa
from rainbench.spa.options import SpaOptions
from rainbench.spa.plan import plan_build
from rainbench.synthesis.cards import synth_cards
from rainbench.synthesis.dataset import SynthPlan, build_set
from rainbench.synthesis.options import SynthOptions
from rainbench.synthesis.sources import clean_scenes

VARYING = ("timing.csv", "timing.md", ".lock")

WRONG_BY = 0.25
"""Standard deviation of the logarithm of true over estimated time, image block by image block."""

WIDTH, HEIGHT = 480, 320

GPU_SPEED = 1e12
"""Multiply-adds a second of a worker in virtual time: an assumption, a card of today in fp32."""

MOMENT = 8.0
"""Seconds within which a worker is killed, of runs that take about as long."""

ENTRIES = ["identity", "derainnet*", "prn_r*", "prenet.*", "rescan*", "jorder_e*", "spanet*"]
"""Of small and large networks, some with weights of several data sets."""

PARTS = (
    "overhead",
    "speed",
    "kills",
    "scheduler-kills",
    "build-spa",
    "synth",
    "simulate",
    "virtual",
)

ALONE = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "10s",
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.admin.system-monitor.gil.enabled": False,
}
"""What each worker measures of itself: on machines of their own that is nobody else's time."""

SCORES = {name: Score(30.0, 0.9) for name in PROTOCOLS}


def sleep_shard(_session: Session, shard: Shard) -> Answer:
    """Do what a worker does, but sleep."""
    factor = random.Random(shard.what + shard.place).lognormvariate(0.0, WRONG_BY)
    import distributed

    began = time.perf_counter()
    time.sleep(shard.seconds * factor)
    distributed.slept.append((began, time.perf_counter()))
    ids = [pair.id for pair, _ in shard.images]
    return Answer(tuple((each, SCORES, shard.seconds, ()) for each in ids))


def run_on(crew: ScoringCrew, plan: Plan, out: Path, drive: type[Drive] = Drive) -> float:
    """Carry a plan out on a cluster; return the seconds."""
    began = time.perf_counter()

    def run(advance: Advance) -> Iterator[Outcome]:
        return drive(crew, plan, out, advance=advance).outcomes()

    carry_out(plan, out, crew.options, load_registry(), run=run)
    return time.perf_counter() - began


def made_up(cards: list[tuple[str, int]], entries: list[str]) -> Plan:
    """Return a plan on images that are nowhere: sets by name and count."""
    registry = load_registry()
    cells = []
    for name, count in cards:
        ids = [str(number) for number in range(count)]
        pairs = PairSet(
            replace(registry.datasets[name], count=count),
            Path(),
            "",
            tuple(Pair(each, Source(Path(each)), Source(Path(each))) for each in ids),
            tuple(PairInfo(each, each, each, WIDTH, HEIGHT, each, each) for each in ids),
            None,
            found=count,
        )
        found = [entry for entry in registry.entries(entries) if not entry.is_video]
        cells += [PlannedCell(pairs, entry, None) for entry in found]
    return Plan(tuple(cells))


def overhead(folder: Path, shards: int = 400) -> dict[str, float]:
    """Return the seconds per shard without work."""
    plan = made_up([("rain1400", shards)], ["identity"])
    with opened("local:2") as client:
        crew = scoring_crew_of(client, "cpu", RunOptions(), "local:2")
        with (
            mock.patch("rainbench.run.cluster.shards.SHORTEST", 1e-9),
            mock.patch("rainbench.run.cluster.shards.SHARDS_PER_WORKER", shards),  # one image each
            mock.patch("rainbench.run.cluster.drive.score_shard", nothing),
        ):
            began, cpu = time.perf_counter(), time.process_time()
            drive = Drive(crew, plan, folder / "overhead")
            list(drive.outcomes())
            wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    return {
        "CPU ms to write an image": min(writing(folder / str(number)) for number in range(3)),
        "shards": shards,
        "ms per shard": 1e3 * wall / shards,
        "CPU ms per shard, client and scheduler": 1e3 * cpu / shards,
    }


def writing(folder: Path, images: int = 1000) -> float:
    """Return the milliseconds of CPU that the client needs to write an image, and read it again."""
    plan = made_up([("rain1400", images)], ["identity"])
    began = time.process_time()
    cell = OpenCell(plan.cells[0], folder / "written", RunOptions(), (), Pace(1e9, 1e9), unseen)
    (number, shard) = cell.rest.popleft()
    cell.take(number, nothing(None, shard), {})
    assert cell.outcome is not None and cell.outcome.state == "done"
    return 1e3 * (time.process_time() - began) / images


def nothing(_session: Session | None, shard: Shard) -> Answer:
    """Answer at once."""
    return Answer(tuple((pair.id, SCORES, 0.0, ()) for pair, _ in shard.images))


def embedded(*entries: str, sets: Sequence[str] = ("mini-streaks", "mini-drops")) -> Plan:
    """Return a plan on the pairs that come with the package."""
    return make_plan(load_registry(), datasets=sets, baselines=entries)


def speed(folder: Path, most: int) -> dict[str, float]:
    """Return how long runs take, start of the cluster apart."""
    plan = embedded("prenet_r.streaks-w16", "median")
    began = time.perf_counter()
    carry_out(plan, folder / "plain", RunOptions(), load_registry())
    found = {"plain": time.perf_counter() - began}
    for count in range(1, most + 1):
        with opened(f"local:{count}") as client:
            crew = scoring_crew_of(client, "cpu", RunOptions(), f"local:{count}")
            found[f"{count} processes"] = run_on(crew, plan, folder / f"spread{count}")
        assert files(folder / f"spread{count}") == files(folder / "plain"), "other bytes"
    return found


def files(out: Path) -> dict[str, bytes]:
    """Return what a run's folder holds, times apart."""
    return {
        str(file.relative_to(out)): file.read_bytes()
        for file in sorted(out.rglob("*"))
        if file.is_file() and file.name not in VARYING
    }


def kills(folder: Path, runs: int) -> dict[str, int]:
    """Return how many runs with a worker killed at a random moment gave other bytes."""
    plan = embedded("prenet_r.streaks-w16", "identity", "median", sets=["mini-streaks"])
    carry_out(plan, folder / "undisturbed", RunOptions(), load_registry())
    wanted, killed, other = files(folder / "undisturbed"), 0, 0
    with opened("local:2") as client, mock.patch("rainbench.run.cluster.shards.SHORTEST", 0.2):
        for number in range(runs):
            client.wait_for_workers(2)
            crew = scoring_crew_of(client, "cpu", RunOptions(), "local:2")
            chance = random.Random(number)
            moment = time.monotonic() + chance.uniform(0.0, MOMENT)
            victims = [chance.choice(sorted(look.process for look in crew.looks.values()))]

            class Killing(Drive):
                def _wait(self, moment: float = moment, victims: list[int] = victims) -> None:
                    if victims and time.monotonic() >= moment:
                        os.kill(victims.pop(), signal.SIGKILL)
                    super()._wait()

            out = folder / f"killed{number}"
            run_on(crew, plan, out, Killing)
            killed += not victims
            other += files(out) != wanted
            print(f"run {number}: {'killed' if not victims else 'ended before'}", flush=True)
    return {"runs": runs, "workers killed": killed, "runs with other bytes": other}


def scheduler_kills(folder: Path, runs: int) -> dict[str, object]:
    """Return how runs end whose scheduler is killed at a random moment, and go on without one."""
    plan = embedded("prenet_r.streaks-w16", "identity", "median", sets=["mini-streaks"])
    carry_out(plan, folder / "undisturbed", RunOptions(), load_registry())
    wanted, told, other, untold = files(folder / "undisturbed"), [], 0, 0
    for number in range(runs):
        file, out = folder / f"scheduler{number}.json", folder / f"lost{number}"
        with started_cluster(file) as scheduler, opened(f"file:{file}") as client:
            client.wait_for_workers(2)
            crew = scoring_crew_of(client, "cpu", RunOptions(), "its scheduler is killed")
            moments: list[float] = []

            def kill(process: subprocess.Popen[bytes], moments: list[float]) -> None:
                moments.append(time.monotonic())
                process.kill()

            seconds = random.Random(number).uniform(0.0, MOMENT)
            timer = threading.Timer(seconds, kill, (scheduler, moments))
            timer.start()
            try:
                run_on(crew, plan, out)
                untold += 1  # it had ended before
            except RainbenchError:
                told.append(time.monotonic() - moments[0])
            timer.join()
        carry_out(plan, out, RunOptions(), load_registry())
        other += files(out) != wanted
        print(f"run {number}: told after {told[-1]:.1f} s" if told else "ended before", flush=True)
    return {
        "runs": runs, "ended before": untold, "seconds until it is told, at most": max(told),
        "runs with other bytes once they went on": other,
    }  # fmt: skip


@contextlib.contextmanager
def started_cluster(file: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a scheduler and two workers, as people do; yield the scheduler."""
    at = ["--scheduler-file", str(file), "--no-dashboard"]
    calls = [
        ["distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", *at],
        *2 * [["distributed.cli.dask_worker", "--nthreads", "1", *at]],
    ]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    running = [subprocess.Popen([sys.executable, "-m", *calls[0]], **quiet)]
    try:
        while not file.exists():
            time.sleep(0.1)
        running += [subprocess.Popen([sys.executable, "-m", *call], **quiet) for call in calls[1:]]
        yield running[0]
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()


def make_videos(folder: Path, count: int, frames: int, side: int = 256) -> list[Path]:
    """Write videos of rain that falls before a picture that does not move."""
    made = []
    for number in range(count):
        chance = np.random.default_rng(number)
        scene = cv2.resize(chance.integers(40, 180, (16, 16, 3), np.uint8), (side, side))
        path = folder / f"video{number}.mp4"
        with av.open(str(path), "w") as file:
            stream = file.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = side, side, "yuv420p"
            stream.options = {"crf": "18", "preset": "ultrafast"}
            for _ in range(frames):
                image = scene.copy()
                for x, y, length in chance.integers(0, (side, side, 20), (60, 3)):
                    cv2.line(image, (int(x), int(y)), (int(x) + 1, int(y + length)), (220,) * 3, 1)
                file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            file.mux(stream.encode())
        made.append(path)
    return made


Build = Callable[[Path, Pool | None], object]
"""Builds something into a folder, by a pool or by one process."""


def spa_build(folder: Path, count: int = 8, frames: int = 60) -> Build:
    """Return a build of real pairs from made-up videos."""
    options = SpaOptions(name="bench", layout="pairs", max_frames=8)
    videos = folder / "videos"
    videos.mkdir()
    make_videos(videos, count, frames)
    plan = plan_build([videos], folder / "none", options)
    return lambda out, pool: build_spa(plan, out, options, pool=pool)


def synth_build(folder: Path, count: int = 24) -> Build:
    """Return a build of synthetic rain over made-up pictures."""
    options = SynthOptions(synthesis=Synthesis(kind="joint", order="physical"), name="bench")
    pictures = folder / "pictures"
    pictures.mkdir()
    for number in range(count):
        small = np.random.default_rng(number).integers(0, 256, (20, 30, 3), np.uint8)
        write_png(pictures / f"{number}.png", cv2.resize(small, (720, 480)))
    sources, _ = clean_scenes(pictures, test_share=0.5, seed=0)
    plan = SynthPlan(
        out=folder, sources=sources, inputs=(pictures,), options=options, cards=synth_cards(options)
    )
    return lambda out, pool: build_set(replace(plan, out=out), pool=pool)


def builders(
    folder: Path, build_of: Callable[[Path], Build], most: int, runs: int
) -> dict[str, object]:
    """Return how long a build takes on clusters, start apart, and whether kills change a byte."""
    build = build_of(folder)
    build(folder / "warm-up", None)  # compiled code goes to its cache
    began = time.perf_counter()
    build(folder / "plain", None)
    found: dict[str, object] = {"without a cluster": time.perf_counter() - began}
    wanted = built(folder / "plain")
    for count in range(1, most + 1):
        with opened(f"local:{count}") as client:
            pool = ClusterPool(crew_of(client, "cpu", f"local:{count}"))
            build(folder / f"warm-up{count}", pool)  # libraries are loaded once in a worker
            began = time.perf_counter()
            build(folder / f"spread{count}", pool)
            found[f"{count} processes"] = time.perf_counter() - began
        assert built(folder / f"spread{count}") == wanted, "other bytes"
    killed = other = 0
    with opened(f"local:{most}") as client:
        for number in range(runs):
            client.wait_for_workers(most)
            crew, chance = crew_of(client, "cpu", f"local:{most}"), random.Random(number)
            victim = chance.choice(sorted(look.process for look in crew.looks.values()))
            killer = threading.Timer(
                chance.uniform(0.0, float(found[f"{most} processes"])),  # type: ignore[arg-type]
                functools.partial(os.kill, victim, signal.SIGKILL),
            )
            killer.start()
            build(folder / f"killed{number}", ClusterPool(crew))
            killed += killer.finished.is_set() and not killer.is_alive()
            killer.cancel()
            other += built(folder / f"killed{number}") != wanted
            print(f"run {number}: {killed} killed, {other} with other bytes", flush=True)
    return {**found, "runs": runs, "workers killed": killed, "runs with other bytes": other}


def built(out: Path) -> dict[str, bytes]:
    """Return what a builder's folder holds."""
    return {
        str(file.relative_to(out)): file.read_bytes()
        for file in sorted(out.rglob("*"))
        if file.is_file() and file.name != ".lock"
    }


def simulate(folder: Path, workers: int, seconds: float) -> dict[str, object]:
    """Return how well so many sleeping workers are kept busy for about so many seconds."""
    import dask
    import distributed

    plan = made_up([("rain100l", 100), ("rain1400", 400), ("rain800", 98)], ENTRIES)
    speed_of = _speed_for(plan, workers * seconds)
    slept: list[tuple[float, float]] = []
    distributed.slept = slept  # functions are sent as copies, modules are not

    options = {"nthreads": 1, "memory_limit": 0, "heartbeat_interval": "10s"}
    spec = {number: {"cls": distributed.Worker, "options": options} for number in range(workers)}
    scheduler = {"cls": distributed.Scheduler, "options": {"host": "127.0.0.1", "port": 0}}
    with (
        dask.config.set(ALONE),
        distributed.SpecCluster(workers=spec, scheduler=scheduler, silence_logs=50) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
        mock.patch("rainbench.run.cluster.drive.score_shard", sleep_shard),
        mock.patch("rainbench.run.evaluate.peak_bytes", lambda _: 0),
    ):
        client.wait_for_workers(workers, timeout=300)
        made = {"device": "none"}
        looks = {
            at: Scorer("here", 0, {}, device="cpu", made=made, speed=speed_of)
            for at in client.nthreads()
        }
        crew = ScoringCrew(client, looks)
        began, cpu = time.perf_counter(), time.process_time()
        outcomes = list(Drive(crew, plan, folder / f"simulated{workers}").outcomes())
        makespan, cpu = time.perf_counter() - began, time.process_time() - cpu
    assert {each.state for each in outcomes} == {"done"}, {each.note for each in outcomes}
    total = sum(end - start for start, end in slept)
    bound = max([total / workers, *(end - start for start, end in slept)])
    (folder / f"busy{workers}.json").write_text(
        json.dumps([(start - began, end - began) for start, end in slept])
    )
    return {
        "workers": workers, "cells": len(plan.cells), "shards": len(slept),
        "makespan, s": makespan, "lower bound, s": bound,
        "efficiency": total / (workers * makespan),
        "longest shard, s": max(end - start for start, end in slept),
        "CPU s of all parts": cpu,
    }  # fmt: skip


def virtual(
    folder: Path, workers: int, shard_ms: float, image_ms: float, speed: float
) -> dict[str, object]:
    """Return the same of the whole matrix in virtual time, the client being one queue.

    Shards are cut and ordered by the real code; each goes to the worker that is free first, once
    the client, which is busy for so long with each shard and image, has handed it out.
    """
    registry = load_registry()
    tests = [card for card in registry.datasets.values() if card.split == "test"]
    sets = [(card.name, card.count) for card in tests if card.count and not card.clips]
    plan = made_up(sets, [entry.name for entry in registry.entries() if not entry.untrained])
    pace = Pace.of(plan.cells, speed, workers)
    free = [0.0] * workers
    client, busy, images = 0.0, [], 0
    for cell in in_order(plan.cells, pace):
        for block in blocks(cell, {pair.id for pair, _ in cell.images}, pace):
            client = max(client, free[0]) + (shard_ms + image_ms * len(block)) / 1e3
            name = f"{cell.name} {block[0][0].id}"
            factor = random.Random(name).lognormvariate(0.0, WRONG_BY)
            end = client + pace.seconds(cell.entry, block) * factor
            heapq.heapreplace(free, end)
            busy.append((client, end))
            images += len(block)
    total, longest = sum(end - start for start, end in busy), max(b - a for a, b in busy)
    makespan = max(free)
    (folder / f"busy{workers}.json").write_text(json.dumps(busy))
    return {
        "workers": workers, "cells": len(plan.cells), "images": images, "shards": len(busy),
        "makespan, s": makespan, "lower bound, s": max(total / workers, longest),
        "efficiency": total / (workers * makespan), "longest shard, s": longest,
        "client busy": (shard_ms * len(busy) + image_ms * images) / 1e3 / makespan,
    }  # fmt: skip


def _speed_for(plan: Plan, total: float) -> float:
    """Return the speed at which a plan takes so many seconds."""
    low, high = 1e3, 1e18
    for _ in range(200):
        middle = (low * high) ** 0.5
        seconds = sum(
            seconds_per_pixel(cell.entry, middle) * pixels_of(cell) for cell in plan.cells
        )
        low, high = (middle, high) if seconds > total else (low, middle)
    return high


def plot(folder: Path, counts: list[int]) -> None:
    """Draw how many workers are busy over time."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(counts), figsize=(4 * len(counts), 2.6), squeeze=False)
    for axis, workers in zip(axes[0], counts, strict=True):
        busy = json.loads((folder / f"busy{workers}.json").read_text())
        changes = sorted([(start, 1) for start, _ in busy] + [(end, -1) for _, end in busy])
        times, at_work = [0.0], [0]
        for moment, change in changes:
            times.append(moment)
            at_work.append(at_work[-1] + change)
        axis.fill_between(times, at_work, step="post", alpha=0.5)
        axis.axhline(workers, color="black", linewidth=0.6)
        axis.set(title=f"{workers} workers", xlabel="seconds", ylabel="busy")
    figure.tight_layout()
    figure.savefig(folder / "busy.png", dpi=110)


def main() -> None:
    """Measure what was asked for; print it, and write it to ``cluster.json``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="*", default=[*PARTS])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--kills", type=int, default=10, help="of a builder's workers")
    parser.add_argument("--workers", type=int, nargs="*", default=[64, 512])
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--shard-ms", type=float, default=14.0)
    parser.add_argument("--image-ms", type=float, default=0.2)
    parser.add_argument("--speed", type=float, default=GPU_SPEED)
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    file = chosen.out / "cluster.json"
    found = json.loads(file.read_text()) if file.exists() else {}
    parts: dict[str, Callable[[Path], object]] = {
        "overhead": overhead,
        "speed": functools.partial(speed, most=chosen.processes),
        "kills": functools.partial(kills, runs=chosen.runs),
        "scheduler-kills": functools.partial(scheduler_kills, runs=chosen.runs),
        "build-spa": functools.partial(
            builders, build_of=spa_build, most=chosen.processes, runs=chosen.kills
        ),
        "synth": functools.partial(
            builders, build_of=synth_build, most=chosen.processes, runs=chosen.kills
        ),
    }
    for workers in chosen.workers:
        parts[f"simulate {workers}"] = functools.partial(
            simulate, workers=workers, seconds=chosen.seconds
        )
        parts[f"virtual {workers}"] = functools.partial(
            virtual,
            workers=workers,
            shard_ms=chosen.shard_ms,
            image_ms=chosen.image_ms,
            speed=chosen.speed,
        )
    for name, part in parts.items():
        if name.partition(" ")[0] not in chosen.only:
            continue
        with tempfile.TemporaryDirectory(dir=chosen.out) as folder:
            found[name] = part(Path(folder))
            for busy in Path(folder).glob("busy*.json"):
                busy.replace(chosen.out / busy.name)
        print(name, json.dumps(found[name], indent=1), flush=True)
        file.write_text(json.dumps(found, indent=1))
    drawn = [count for count in chosen.workers if (chosen.out / f"busy{count}.json").exists()]
    if drawn:
        plot(chosen.out, drawn)


if __name__ == "__main__":
    main()
