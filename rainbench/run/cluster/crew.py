"""The workers of a cluster, looked at before anything runs: alike, and with all files in sight."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rainbench.core.errors import RainbenchError, told
from rainbench.core.machine import device_kind
from rainbench.core.progress import say
from rainbench.core.resume import file_hash
from rainbench.core.text import count_of
from rainbench.run.cluster.worker import CODE, Look, differing, look, unseen_file, versions
from rainbench.run.cost import peak_bytes, pixels_of, seconds_per_pixel
from rainbench.run.options import RunOptions
from rainbench.run.plan import PlannedCell

SHARED = "Put it on a file system that all machines share, under the same path everywhere."

ASKED_AGAIN = 2.0
"""Seconds after which it is looked whether a worker that does not answer is still there."""


@dataclass(frozen=True, slots=True)
class Crew:
    """Workers that may work together.

    Attributes:
        client: The cluster's `distributed.Client`.
        looks: What each worker says of itself, by its address.
        options: How to compute, the device being theirs.
        others: Workers that were left out as they have no GPU.
    """

    client: Any
    looks: Mapping[str, Look]
    options: RunOptions
    others: int = 0

    @property
    def made(self) -> Mapping[str, str]:
        """What stands in the provenance of what they compute."""
        return next(iter(self.looks.values())).made or {}

    def made_by(self, options: RunOptions) -> Mapping[str, str]:
        """Return the same for an entry, which may work on the CPU whatever is asked for."""
        if device_kind(options.device) == device_kind(self.options.device):
            return self.made
        return {**self.made, "device": platform.machine()}

    @property
    def speed(self) -> float:
        """Multiply-adds a second of the slowest of them."""
        return min(each.speed for each in self.looks.values())

    @property
    def has_gpus(self) -> bool:
        """Whether some declare GPUs, which networks on CUDA then ask for."""
        return any(each.resources.get("GPU") for each in self.looks.values())

    @property
    def most_memory(self) -> float:
        """The most ``MEMORY`` that one of them declares; 0 where none does."""
        return max(each.resources.get("MEMORY", 0.0) for each in self.looks.values())

    def estimate(self, cells: Iterable[PlannedCell]) -> float:
        """Return how many seconds cells may take here; see `rainbench.run.cost`."""
        total = sum(pixels_of(cell) * seconds_per_pixel(cell.entry, self.speed) for cell in cells)
        return total / len(self.looks)

    def resources(self, options: RunOptions, memory: int) -> dict[str, float]:
        """Return what a task asks of a worker, as far as workers declare it."""
        found: dict[str, float] = {}
        if self.has_gpus and device_kind(options.device) == "cuda":
            found["GPU"] = 1
        if self.most_memory:
            found["MEMORY"] = min(float(memory), self.most_memory)
        return found

    def peaks(self, cells: Iterable[PlannedCell]) -> dict[str, int]:
        """Return by entry what `rainbench.run.cost.peak_bytes` says, where memory is declared.

        Workers count, as somebody's network may end the process in which it is built.
        """
        if not self.most_memory:
            return {}
        entries = {cell.entry.name: cell.entry for cell in cells if not cell.entry.is_video}
        asked = {name: _ask(self.client, peak_bytes, entry) for name, entry in entries.items()}
        counted = {name: future.exception() is None for name, future in asked.items()}
        return {name: asked[name].result() for name, well in counted.items() if well}

    def check_files(self, cells: Sequence[PlannedCell], others: Iterable[Path] = ()) -> None:
        """Refuse to begin where a machine does not see what this one does.

        Args:
            cells: What is to be run.
            others: Further files.

        Raises:
            RainbenchError: The machine and the path are named.
        """
        files: dict[Path, tuple[Path, int, str]] = {}
        for file in {cell.weights for cell in cells if cell.weights is not None}:
            files[file] = _file(file, file_hash(file) if file.is_file() else "")
        for pairs in {id(cell.pairs): cell.pairs for cell in cells}.values():
            for pair in pairs.pairs:
                for path in (pair.rainy.path, pair.clean.path):
                    place = _outermost(path)
                    files.setdefault(place, _file(place))
        for path in others:
            files.setdefault(path, _file(path))
        hosts: dict[str, str] = {each.host: address for address, each in self.looks.items()}
        folder, wanted = str(Path.cwd()), list(files.values())
        asked = {at: _ask(self.client, unseen_file, folder, wanted, at=at) for at in hosts.values()}
        for at, future in asked.items():
            host, problem = _result(self.client, future, at) or ("", "")
            if problem:
                raise RainbenchError(f"{host} cannot see {problem}", hint=SHARED)


def crew_of(client: Any, device: str, options: RunOptions, place: str) -> Crew:  # noqa: ANN401
    """Look at every worker of a cluster.

    Args:
        client: Its client.
        device: What was asked for.
        options: How to compute, the device apart.
        place: What people call the cluster.

    Raises:
        RainbenchError: A worker has another version than the others, or the package another than
            here; has not the device; or would work on several things in one process.
    """
    threads: Mapping[str, int] = client.nthreads()
    asked = {at: _ask(client, look, device, options, at=at) for at in threads}
    looks: dict[str, Look] = {}
    for at, future in asked.items():
        try:
            found = _result(client, future, at)
        except Exception as error:  # it cannot even load our code
            raise RainbenchError(
                f"the worker {at} cannot work: {told(error)}",
                hint="Install the same rainbench there, with its libraries.",
            ) from None
        if found is None:  # it died meanwhile
            continue
        looks[at] = found
        if looks[at].problem:
            raise RainbenchError(f"the worker {at} cannot work: {looks[at].problem}")
    if not looks:
        raise RainbenchError(f"{place}: its workers died", hint="Look into their output.")
    _refuse_threads(threads, looks)
    _refuse_versions(looks)
    chosen = _of_one_device(looks, device)
    for host, cores in {each.host: each.cores for each in chosen.values()}.items():
        own = sum(each.host == host for each in chosen.values())
        first = next(iter(chosen.values()))
        if first.device == "cpu" and own * options.threads > max(cores, own):
            say(
                f"{count_of(own, 'worker')} of {count_of(options.threads, 'thread')} each share "
                f"{count_of(cores, 'core')} of {host}: --threads {max(1, cores // own)} is faster"
            )
    options = replace(options, device=next(iter(chosen.values())).device)
    crew = Crew(client, chosen, options, len(looks) - len(chosen))
    say(f"{place}: {count_of(len(chosen), 'worker')} on {crew.made['device']}")
    return crew


def _refuse_threads(threads: Mapping[str, int], looks: Mapping[str, Look]) -> None:
    """Refuse workers that would call two networks at once in a process, whose state they share."""
    seen: dict[tuple[str, int], str] = {}
    for at, each in looks.items():
        if threads[at] != 1:
            raise RainbenchError(
                f"the worker {at} on {each.host} has {threads[at]} threads, and a network needs a "
                "process of its own",
                hint="Start workers with `dask worker ADDRESS --nthreads 1 --nworkers N`.",
            )
        if (other := seen.setdefault((each.host, each.process), at)) != at:
            raise RainbenchError(
                f"the workers {other} and {at} are one process, and a network needs its own",
                hint="Start workers as processes: `dask worker`, LocalCluster(processes=True).",
            )


def _refuse_versions(looks: Mapping[str, Look]) -> None:
    first = next(iter(looks.values()))
    own = versions()
    for each in looks.values():
        theirs, wanted = each.versions or {}, first.versions or {}
        if theirs != wanted:
            raise RainbenchError(
                f"{each.host} {differing(wanted, theirs)} as {first.host} has: numbers could "
                "differ",
                hint="Install the same versions on all machines.",
            )
    here = {name: own[name] for name in ("rainbench", CODE)}  # by which results are known here
    theirs = {name: (first.versions or {})[name] for name in here}
    if theirs != here:
        raise RainbenchError(
            f"{first.host} {differing(here, theirs)} as this machine has",
            hint="Install the same version on all machines.",
        )


def _of_one_device(looks: Mapping[str, Look], asked: str) -> dict[str, Look]:
    """Return the workers to use: those with a GPU where GPUs are declared and no device is named.

    Raises:
        RainbenchError: They are of several kinds, whose numbers differ in the last digits.
    """
    chosen = dict(looks)
    with_gpu = {at: each for at, each in looks.items() if each.resources.get("GPU")}
    if asked == "auto" and with_gpu:
        chosen = with_gpu
    first = next(iter(chosen.values()))
    for each in chosen.values():
        own, wanted = (dict(one.made or {})["device"] for one in (each, first))
        if (each.device, own) != (first.device, wanted):
            raise RainbenchError(
                f"{each.host} computes on {each.device} ({own}), {first.host} on {first.device} "
                f"({wanted}): numbers could differ in the last digits",
                hint="Give --device, and a cluster with workers of one kind.",
            )
    return chosen


def _ask(client: Any, function: Any, *arguments: object, at: str = "") -> Any:  # noqa: ANN401
    where = {"workers": [at], "allow_other_workers": False} if at else {}
    return client.submit(function, *arguments, pure=False, priority=1_000_000_000, **where)


def _result(client: Any, future: Any, at: str) -> Any:  # noqa: ANN401
    """Return what a worker answers, however busy it is; None where it is gone."""
    while True:
        try:
            return future.result(timeout=ASKED_AGAIN)
        except TimeoutError:
            if at not in client.nthreads():
                return None


def _file(path: Path, sha256: str = "") -> tuple[Path, int, str]:
    return path, path.stat().st_size if path.is_file() else -1, sha256


def _outermost(path: Path) -> Path:
    """Return the file of the disk that a path is or lies in: one in an archive is its archive."""
    for place in (path, *path.parents):
        if place.exists():
            return place
    return path
