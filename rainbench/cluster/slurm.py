"""A cluster of Slurm jobs, by dask-jobqueue: options of a TOML file go to it as they stand."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path
from typing import Any

from rainbench.core.errors import RainbenchError, needed, told

EXAMPLE = 'queue = "gpu", cores = 4, memory = "16 GB", walltime = "04:00:00", jobs = 8'

HELP = f"For example {EXAMPLE}; all else that dask_jobqueue.SLURMCluster takes goes to it."


def slurm_cluster(file: Path) -> Any:  # noqa: ANN401
    """Return a cluster whose workers are Slurm jobs, one of one thread each unless told otherwise.

    Args:
        file: Options of ``dask_jobqueue.SLURMCluster``, and ``jobs``, how many are wanted.

    Raises:
        RainbenchError: The file cannot be read, or holds what is no option, or Slurm is not here.
    """
    cluster, jobs = _cluster(file)
    try:
        cluster.scale(jobs=jobs)
    except (TypeError, ValueError, OSError, RuntimeError) as error:
        raise _refused(file, error) from None
    return cluster


def check_slurm(file: Path) -> None:
    """Refuse what no jobs could be asked for with, and ask for none.

    Raises:
        RainbenchError: As `slurm_cluster`.
    """
    cluster, _ = _cluster(file)
    cluster.close()


def _cluster(file: Path) -> tuple[Any, int]:
    """Return a cluster without workers, and how many jobs are wanted."""
    library = needed("dask_jobqueue", "cluster", "--cluster slurm:")
    options = read_options(file)
    jobs = options.pop("jobs")
    if shutil.which("sbatch") is None:  # it would be called in the background, and be waited for
        raise RainbenchError(
            f"--cluster slurm:{file}: there is no sbatch here",
            hint="Start it where jobs are handed in, on the login node of a cluster with Slurm.",
        )
    try:
        return library.SLURMCluster(**options), jobs
    except (TypeError, ValueError, OSError, RuntimeError) as error:
        raise _refused(file, error) from None


def _refused(file: Path, error: Exception) -> RainbenchError:
    return RainbenchError(f"--cluster slurm:{file}: {told(error)}", hint=HELP)


def read_options(file: Path) -> dict[str, Any]:
    """Return what a file of options says, with what our workers need.

    Raises:
        RainbenchError: It cannot be read, or does not say how large a job is and how many.
    """
    where = f"--cluster slurm:{file}"
    try:
        options = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise RainbenchError(f"{where}: cannot be read: {error.strerror}", hint=HELP) from None
    except (ValueError, RecursionError) as error:
        raise RainbenchError(f"{where}: is no TOML: {error}", hint=HELP) from None
    for name in ("cores", "jobs", "processes"):
        if not isinstance(value := options.setdefault(name, 1), int) or value < 1:
            raise RainbenchError(f"{where}: {name} = {value!r} is no number", hint=HELP)
    if not isinstance(options.get("memory"), str):
        raise RainbenchError(f"{where}: says no memory", hint=HELP)
    extra = options.get("worker_extra_args", [])
    if not isinstance(extra, list) or not all(isinstance(word, str) for word in extra):
        raise RainbenchError(f"{where}: worker_extra_args is no list of words", hint=HELP)
    # One piece of work in a process; threads of its own are those of --threads. The last counts.
    return {**options, "worker_extra_args": [*extra, "--nthreads", "1"]}
