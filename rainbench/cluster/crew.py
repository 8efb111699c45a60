"""The workers of a cluster, looked at before anything runs: alike, and with all files in sight."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from rainbench.cluster.worker import (
    CODE,
    Look,
    differing,
    look,
    unseen_file,
    unshared_folder,
    versions,
)
from rainbench.core.errors import RainbenchError, told
from rainbench.core.files import unfinished, writing
from rainbench.core.machine import device_kind
from rainbench.core.progress import say
from rainbench.core.text import count_of

SHARED = "Put it on a file system that all machines share, under the same path everywhere."

ASKED_AGAIN = 2.0
"""Seconds after which it is looked whether a worker that does not answer is still there."""

AnyLook = TypeVar("AnyLook", bound=Look)

File = tuple[Path, int, str]
"""What `rainbench.cluster.worker.unseen_file` takes."""


@dataclass(frozen=True, slots=True)
class Crew:
    """Workers that may work together.

    Attributes:
        client: The cluster's `distributed.Client`.
        looks: What each worker says of itself, by its address.
        others: How many workers there are without a GPU, where some have one.
    """

    client: Any
    looks: Mapping[str, Look]
    others: int = 0

    @property
    def versions(self) -> Mapping[str, str]:
        """What decides what they compute."""
        return next(iter(self.looks.values())).versions or {}

    @property
    def has_gpus(self) -> bool:
        """Whether some declare GPUs, which work on CUDA then asks for."""
        return any(each.resources.get("GPU") for each in self.looks.values())

    @property
    def most_memory(self) -> float:
        """The most ``MEMORY`` that one of them declares; 0 where none does."""
        return max(each.resources.get("MEMORY", 0.0) for each in self.looks.values())

    @property
    def most_on_a_machine(self) -> int:
        """How many of them share a machine, where most do."""
        return max(Counter(each.host for each in self.looks.values()).values())

    @property
    def least_memory(self) -> int:
        """Bytes that all workers of the smallest machine may fill together."""
        return min(each.memory for each in self.looks.values())

    def asked(self, device: str, memory: int = 0) -> dict[str, float]:
        """Return what a task asks of a worker, as far as workers declare it.

        Args:
            device: Where it computes.
            memory: Bytes that it may need; 0 where that is not known.
        """
        found: dict[str, float] = {}
        if self.has_gpus and device_kind(device) == "cuda":
            found["GPU"] = 1
        if self.most_memory and memory:
            found["MEMORY"] = min(float(memory), self.most_memory)
        return found

    def check_files(self, files: Collection[File]) -> None:
        """Refuse to begin where a machine does not see what this one does.

        Raises:
            RainbenchError: The machine and the path are named.
        """
        problem = self._first_problem(unseen_file, list(files))
        if problem:
            raise RainbenchError("{} cannot see {}".format(*problem), hint=SHARED)

    def check_shared(self, folder: Path) -> None:
        """Refuse to begin where a machine would write into another folder than this one.

        Raises:
            RainbenchError: The machine and the folder are named.
            StoreError: This machine cannot write there.
        """
        probe, content = unfinished(folder / "cluster"), os.urandom(32)
        try:
            with writing(folder):
                folder.mkdir(parents=True, exist_ok=True)
                probe.write_bytes(content)
            problem = self._first_problem(unshared_folder, folder, probe.name, content)
        finally:
            probe.unlink(missing_ok=True)
        if problem:
            raise RainbenchError("{} cannot write into {}".format(*problem), hint=SHARED)

    def _first_problem(
        self, function: Callable[..., tuple[str, str]], *arguments: object
    ) -> tuple[str, str] | None:
        """Ask a worker of each machine for what is wrong; return the first that says something."""
        hosts = {each.host: address for address, each in self.looks.items()}
        cwd = str(Path.cwd())
        asked = {at: ask(self.client, function, cwd, *arguments, at=at) for at in hosts.values()}
        for at, future in asked.items():
            found: tuple[str, str] | None = result_of(self.client, future, at)
            if found is not None and found[1]:
                return found
        return None


def crew_of(client: Any, device: str, place: str) -> Crew:  # noqa: ANN401
    """Look at every worker of a cluster that is to work for a builder.

    Args:
        client: Its client.
        device: Where it computes.
        place: What people call the cluster.

    Raises:
        RainbenchError: As `looks_of` and `refuse_versions`.
    """
    looks: dict[str, Look] = looks_of(client, place, look, device)
    refuse_versions(looks, versions())
    say(f"{place}: {count_of(len(looks), 'worker')}")
    with_gpu = sum(bool(each.resources.get("GPU")) for each in looks.values())
    return Crew(client, looks, len(looks) - with_gpu if with_gpu else 0)


def looks_of(
    client: Any,  # noqa: ANN401
    place: str,
    function: Callable[..., AnyLook],
    *arguments: object,
) -> dict[str, AnyLook]:
    """Return what each worker says of itself, by its address.

    Args:
        client: The cluster's.
        place: What people call it.
        function: What is called in each worker.
        arguments: What it is called with.

    Raises:
        RainbenchError: A worker cannot work, or would work on several things in one process; or
            there is none.
    """
    threads: Mapping[str, int] = client.nthreads()
    asked = {at: ask(client, function, *arguments, at=at) for at in threads}
    looks: dict[str, AnyLook] = {}
    for at, future in asked.items():
        try:
            found = result_of(client, future, at)
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
    return looks


def _refuse_threads(threads: Mapping[str, int], looks: Mapping[str, Look]) -> None:
    """Refuse workers that would do two things at once in a process, whose state they share."""
    seen: dict[tuple[str, int], str] = {}
    for at, each in looks.items():
        if threads[at] != 1:
            raise RainbenchError(
                f"the worker {at} on {each.host} has {threads[at]} threads, and each task needs a "
                "process of its own",
                hint="Start workers with `dask worker ADDRESS --nthreads 1 --nworkers N`.",
            )
        if (other := seen.setdefault((each.host, each.process), at)) != at:
            raise RainbenchError(
                f"the workers {other} and {at} are one process, and each task needs its own",
                hint="Start workers as processes: `dask worker`, LocalCluster(processes=True).",
            )


def refuse_versions(looks: Mapping[str, Look], own: Mapping[str, str]) -> None:
    """Refuse workers that differ, and such as have another version of rainbench than is here.

    Args:
        looks: What they say.
        own: The versions here.

    Raises:
        RainbenchError: The machine and the difference are named.
    """
    first = next(iter(looks.values()))
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


def file_of(path: Path, sha256: str = "") -> File:
    """Return a file or folder as `Crew.check_files` wants it."""
    return path, path.stat().st_size if path.is_file() else -1, sha256


def files_of(paths: Iterable[Path]) -> list[File]:
    """Return the files of the disk that paths are or lie in: one in an archive is its archive."""
    return [file_of(path) for path in dict.fromkeys(map(_outermost, paths))]


def _outermost(path: Path) -> Path:
    for place in (path, *path.parents):
        if place.exists():
            return place
    return path


def ask(client: Any, function: Any, *arguments: object, at: str = "") -> Any:  # noqa: ANN401
    """Return the future of what a function says on a worker, before all else that it has to do."""
    where = {"workers": [at], "allow_other_workers": False} if at else {}
    return client.submit(function, *arguments, pure=False, priority=1_000_000_000, **where)


def result_of(client: Any, future: Any, at: str) -> Any:  # noqa: ANN401
    """Return what a worker answers, however busy it is; None where it is gone."""
    while True:
        try:
            return future.result(timeout=ASKED_AGAIN)
        except TimeoutError:
            if at not in client.nthreads():
                return None
