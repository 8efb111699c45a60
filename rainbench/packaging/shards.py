"""WebDataset shards: tar files whose members of one stem are one sample, the same bytes always."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path

from rainbench.core.files import unfinished

PAIRS_PER_SHARD = 1000
"""Chosen: with crops of 256x256 a shard then has a few hundred megabytes."""


def write_shards(
    folder: Path,
    name: str,
    samples: Iterable[tuple[str, Mapping[str, Path]]],
    *,
    pairs_per_shard: int = PAIRS_PER_SHARD,
) -> list[Path]:
    """Write ``NAME-00000.tar`` and so on, with members ``ID.rainy.png``, ``ID.clean.png`` ...

    Owner, time and mode of the members are fixed, so that the same pairs give the same bytes.

    Args:
        folder: Made when absent.
        name: How the shards are called.
        samples: Id and files of each pair, in the order in which they are written.
        pairs_per_shard: How many a shard holds.

    Returns:
        The shards.

    Raises:
        OSError: A file cannot be read or a shard not written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for number, batch in enumerate(_batches(samples, pairs_per_shard)):
        path = folder / f"{name}-{number:05d}.tar"
        temporary = unfinished(path)
        try:
            with tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as shard:
                for key, files in batch:
                    _add(shard, key, files)
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        written.append(path)
    return written


def _batches(
    samples: Iterable[tuple[str, Mapping[str, Path]]], size: int
) -> Iterator[list[tuple[str, Mapping[str, Path]]]]:
    remaining = iter(samples)
    while batch := list(islice(remaining, size)):
        yield batch


def _add(shard: tarfile.TarFile, key: str, files: Mapping[str, Path]) -> None:
    # The first dot of a member's name ends the key, and a slash would make a folder.
    stem = re.sub(r"[./\\\s]+", "_", key)
    for role, path in files.items():
        data = path.read_bytes()
        member = tarfile.TarInfo(f"{stem}.{role}{path.suffix.lower()}")
        member.size = len(data)
        shard.addfile(member, io.BytesIO(data))
