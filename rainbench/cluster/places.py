"""Where work is spread to: a cluster of this machine, or one that somebody started.

Dask is imported here, when a cluster is opened, and by nothing else of the package.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rainbench.core.errors import RainbenchError, needed, told
from rainbench.core.machine import MOST_AT_ONCE
from rainbench.core.progress import say

FORMS = "local:N, tcp://HOST:PORT, file:SCHEDULER.json or slurm:OPTIONS.toml"

PATIENCE = 30.0
"""Seconds that a scheduler has to answer, and to have a first worker."""

_CONFIG = {
    # One death and the task comes back to us: how often it is tried is counted in one place.
    "distributed.scheduler.allowed-failures": 0,
    "distributed.scheduler.worker-ttl": None,  # a network may keep Python's lock for minutes
    "distributed.worker.daemon": False,  # a network may start processes of its own
    "distributed.deploy.lost-worker-timeout": "1h",  # a busy machine starts one in minutes
    "distributed.comm.timeouts.connect": f"{PATIENCE:.0f}s",
}


@contextlib.contextmanager
def opened(place: str) -> Iterator[Any]:
    """Connect to a cluster, or start one, and leave it at the end as it was.

    Args:
        place: One of `FORMS`.

    Yields:
        Its `distributed.Client`.

    Raises:
        RainbenchError: It is none of these, cannot be started or reached, or Dask is not installed.
    """
    kind, rest = _parts(place)
    dask = needed("dask", "cluster", "--cluster")
    quiet = dict.fromkeys(("distributed", "distributed.client", "distributed.worker"), "critical")
    with dask.config.set({"logging": quiet}):
        # Its defaults would be lost with what is set below, and be missing the second time.
        distributed = needed("distributed", "cluster", "--cluster")
    with dask.config.set({**_CONFIG, "logging": quiet}):
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        with contextlib.ExitStack() as stack:
            if kind == "local":
                target = stack.enter_context(_started(distributed, _count(place, rest)))
            elif kind == "slurm":
                from rainbench.cluster.slurm import slurm_cluster

                target = stack.enter_context(slurm_cluster(Path(rest)))
            else:
                target = place if kind != "file" else _address_in(Path(rest))
            try:
                client = distributed.Client(target, timeout=PATIENCE, set_as_default=False)
            except (OSError, ValueError) as error:  # asyncio's TimeoutError is one of the first
                raise RainbenchError(
                    f"--cluster {place}: no scheduler answers: {told(error)}",
                    hint="Is `dask scheduler` running there, and may this machine reach its port?",
                ) from None
            stack.enter_context(client)
            _wait_for_workers(client, place, patient=kind == "slurm")
            yield client


def check_place(place: str) -> bool:
    """Refuse a place that could not be opened, as far as that is known without starting anything.

    Args:
        place: One of `FORMS`.

    Returns:
        Whether the cluster is there already, so that it may be opened to see what it says.

    Raises:
        RainbenchError: It is no place, a file of it cannot be used, or Dask is not installed.
    """
    kind, rest = _parts(place)
    for module in ("dask", "distributed"):
        needed(module, "cluster", "--cluster")
    if kind == "local":
        _count(place, rest)
    elif kind == "slurm":
        from rainbench.cluster.slurm import check_slurm

        check_slurm(Path(rest))
    return kind in ("tcp", "tls", "file")


def _parts(place: str) -> tuple[str, str]:
    kind, colon, rest = place.partition(":")
    if not colon or not rest or kind not in ("local", "tcp", "tls", "file", "slurm"):
        raise RainbenchError(f"--cluster {place}: names no cluster", hint=f"Give {FORMS}.")
    return kind, rest


def _count(place: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_AT_ONCE:
        raise RainbenchError(
            f"--cluster {place}: {text} is no number of processes",
            hint=f"Give 1 to {MOST_AT_ONCE}: --cluster local:2.",
        )
    return int(text)


def _address_in(file: Path) -> str:
    """Return the address that ``dask scheduler --scheduler-file`` wrote."""
    try:
        address = json.loads(file.read_text(encoding="utf-8"))["address"]
    except OSError as error:
        raise RainbenchError(
            f"--cluster file:{file}: cannot be read: {error.strerror}",
            hint="`dask scheduler --scheduler-file FILE` writes it.",
        ) from None
    except (ValueError, KeyError, TypeError):
        address = None
    if not isinstance(address, str):
        raise RainbenchError(
            f"--cluster file:{file}: is not what `dask scheduler --scheduler-file` writes"
        )
    return address


def _started(distributed: Any, count: int) -> Any:  # noqa: ANN401
    """Start worker processes of one thread each, every one with a GPU where there are some."""
    cards = _cards()
    workers = {
        index: {
            "cls": distributed.Nanny,
            "options": {
                "nthreads": 1,
                "memory_limit": 0,  # how much a network needs is its own affair
                "silence_logs": logging.CRITICAL,
                **({"env": {"CUDA_VISIBLE_DEVICES": cards[index % len(cards)]}} if cards else {}),
            },
        }
        for index in range(count)
    }
    options = {"host": "127.0.0.1", "port": 0, "dashboard_address": "127.0.0.1:0"}
    scheduler = {"cls": distributed.Scheduler, "options": options}
    try:
        with warnings.catch_warnings():  # of disks and ports, on a busy machine
            warnings.simplefilter("ignore")
            return distributed.SpecCluster(
                workers=workers, scheduler=scheduler, silence_logs=logging.CRITICAL
            )
    except (OSError, RuntimeError) as error:
        raise RainbenchError(f"--cluster local:{count}: {told(error)}") from error


def _cards() -> list[str]:
    """Return the names of the GPUs that processes can have, one each."""
    from rainbench.core.machine import has_gpu_driver

    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [name.strip() for name in given.split(",") if name.strip()]
    if not has_gpu_driver():
        return []
    import torch

    return [str(index) for index in range(torch.cuda.device_count())]


def _wait_for_workers(client: Any, place: str, *, patient: bool) -> None:  # noqa: ANN401
    """Wait for a first worker; without end where they are waiting in a queue."""
    if patient and not client.nthreads():
        say(f"{place}: waiting for the first worker")
    try:
        client.wait_for_workers(1, timeout=None if patient else PATIENCE)
    except OSError:  # its TimeoutError
        raise RainbenchError(
            f"--cluster {place}: the scheduler has no workers",
            hint=f"Start some: dask worker {client.scheduler.address} --nthreads 1",
        ) from None
