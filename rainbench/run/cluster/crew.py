"""The workers of a run: besides what every crew has, on devices of one kind, and with a speed."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rainbench.cluster.crew import Crew, ask, file_of, files_of, looks_of, refuse_versions
from rainbench.core.errors import RainbenchError
from rainbench.core.machine import device_kind
from rainbench.core.progress import say
from rainbench.core.resume import file_hash
from rainbench.core.text import count_of
from rainbench.run.cluster.worker import Scorer, look, versions
from rainbench.run.cost import peak_bytes, pixels_of, seconds_per_pixel
from rainbench.run.options import RunOptions
from rainbench.run.plan import PlannedCell


@dataclass(frozen=True, slots=True)
class ScoringCrew(Crew):
    """Workers that may score one run together.

    Attributes:
        looks: What each worker says of itself, by its address.
        options: How to compute, the device being theirs.
    """

    looks: Mapping[str, Scorer]
    options: RunOptions = field(default_factory=RunOptions)

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

    def estimate(self, cells: Iterable[PlannedCell]) -> float:
        """Return how many seconds cells may take here; see `rainbench.run.cost`."""
        total = sum(pixels_of(cell) * seconds_per_pixel(cell.entry, self.speed) for cell in cells)
        return total / len(self.looks)

    def peaks(self, cells: Iterable[PlannedCell]) -> dict[str, int]:
        """Return by entry what `rainbench.run.cost.peak_bytes` says, where memory is declared.

        Workers count, as somebody's network may end the process in which it is built.
        """
        if not self.most_memory:
            return {}
        entries = {cell.entry.name: cell.entry for cell in cells if not cell.entry.is_video}
        asked = {name: ask(self.client, peak_bytes, entry) for name, entry in entries.items()}
        counted = {name: future.exception() is None for name, future in asked.items()}
        return {name: asked[name].result() for name, well in counted.items() if well}

    def check_cells(self, cells: Iterable[PlannedCell]) -> None:
        """Refuse to begin where a machine does not see the data or the weights of a plan.

        Raises:
            RainbenchError: The machine and the path are named.
        """
        cells = list(cells)
        weights = {cell.weights for cell in cells if cell.weights is not None}
        files = [file_of(file, file_hash(file) if file.is_file() else "") for file in weights]
        sets = {id(cell.pairs): cell.pairs for cell in cells}.values()
        pictures = (
            path
            for pairs in sets
            for pair in pairs.pairs
            for path in (pair.rainy.path, pair.clean.path)
        )
        self.check_files([*files, *files_of(pictures)])


def scoring_crew_of(client: Any, device: str, options: RunOptions, place: str) -> ScoringCrew:  # noqa: ANN401
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
    looks: dict[str, Scorer] = looks_of(client, place, look, device, options)
    refuse_versions(looks, versions())
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
    crew = ScoringCrew(client, chosen, len(looks) - len(chosen), options)
    say(f"{place}: {count_of(len(chosen), 'worker')} on {crew.made['device']}")
    return crew


def _of_one_device(looks: Mapping[str, Scorer], asked: str) -> dict[str, Scorer]:
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
