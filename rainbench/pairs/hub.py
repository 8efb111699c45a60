"""Data sets of Hugging Face's ``datasets``: a column of rainy pictures and one of clean ones."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rainbench.core.errors import PairError, RainbenchError, needed, told
from rainbench.core.files import sweep, writing
from rainbench.core.packed.arrow import is_arrow
from rainbench.core.packed.places import children
from rainbench.core.text import safe_name

PREFIX = "hf-dataset://"

RAINY = ("rainy", "rain", "input", "lq", "degraded", "noisy")
CLEAN = ("clean", "gt", "target", "hq", "norain", "ground_truth", "label")
"""Names of columns, as data sets on the hub have them."""

_ADDRESS = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Columns:
    """Two columns of a saved data set, which are used like folders.

    Attributes:
        rainy: Of the rainy pictures.
        clean: Of their clean partners, in the same rows.
        name: What the data set is called.
        source: Where it comes from.
    """

    rainy: Path
    clean: Path
    name: str
    source: str


def is_columns(text: str) -> bool:
    """Return whether a data set is named by an address on the hub, or by where it was saved."""
    return text.startswith(PREFIX) or is_arrow(Path(text))


def find_columns(text: str) -> Columns:
    """Return the two columns of a data set: of its only split, or of the one called ``test``.

    Args:
        text: ``hf-dataset://owner/name[@revision]``, which is fetched unless it was before; or the
            folder of one that was saved by ``save_to_disk``.

    Raises:
        RainbenchError: It cannot be had, or its names do not tell which columns are meant.
    """
    if text.startswith(PREFIX):
        folder = _fetch(text.removeprefix(PREFIX))
        name, commit = folder.name.rsplit("@", 1)
        owner, _, title = name.partition("--")
        name, source = f"{owner}-{title}", f"{PREFIX}{owner}/{title}@{commit}"
    else:
        folder = Path(text)
        name, source = folder.resolve().name, f"the saved data set {folder.resolve().name}"
    below = children(folder)
    if any(each.suffix == ".png" for split in below for each in children(split)):
        split = folder  # one that was saved without splits
    else:
        split = below[0] if len(below) == 1 else folder / "test"
        if split not in below:
            raise _unclear(folder, "splits", below)
    columns = children(split)
    rainy, clean = (_only(columns, names) for names in (RAINY, CLEAN))
    if rainy is None or clean is None:
        raise _unclear(split, "columns of pictures", columns)
    return Columns(rainy, clean, safe_name(name), source)


def _only(columns: Sequence[Path], names: Sequence[str]) -> Path | None:
    found = [column for column in columns if column.name.casefold() in names]
    return found[0] if len(found) == 1 else None


def _unclear(place: Path, what: str, found: Sequence[Path]) -> PairError:
    names = ", ".join(each.name for each in found)
    return PairError(
        f"{place}: which of its {what} are meant cannot be told: {names}",
        hint=f"Name the columns: --rainy {place}/... --clean {place}/... (from Python rainy= and "
        "clean=).",
    )


def _fetch(address: str) -> Path:
    """Return the folder of a data set of the hub, saved below the user's cache by its commit."""
    import platformdirs

    parts = _ADDRESS.fullmatch(address)
    if parts is None:
        raise RainbenchError(
            f"{PREFIX}{address}: is no address", hint=f"Give {PREFIX}owner/name[@revision]."
        )
    repository, revision = parts["repo"], parts["revision"] or ""
    datasets = needed("datasets", "datasets", f"{PREFIX}{address}")
    cache = Path(platformdirs.user_cache_dir("rainbench", appauthor=False)) / "datasets"
    start = repository.replace("/", "--", 1)
    try:
        hub = needed("huggingface_hub", "datasets", f"{PREFIX}{address}")
        commit = hub.HfApi().dataset_info(repository, revision=revision or None).sha
        folder = cache / f"{start}@{commit}"
        if is_arrow(folder):
            return folder
        found = datasets.load_dataset(repository, revision=commit)
    except Exception as error:  # of libraries that are not ours
        copies = [each for each in cache.glob(f"{start}@*") if is_arrow(each)]
        if _COMMIT.fullmatch(revision):
            copies = [each for each in copies if each.name.endswith(f"@{revision}")]
        if len(copies) == 1 and (not revision or _COMMIT.fullmatch(revision)):
            return copies[0]
        raise RainbenchError(
            f"{PREFIX}{address}: cannot be fetched: {told(error)}",
            hint="Without a connection only what was fetched before can be had, by its commit if "
            "there are several; a private one needs `hf auth login`.",
        ) from None
    with writing(cache):
        cache.mkdir(parents=True, exist_ok=True)
        sweep(cache, ".*.part")
        aside = Path(tempfile.mkdtemp(dir=cache, prefix=".saved-", suffix=f".{os.getpid()}.part"))
        try:
            found.save_to_disk(str(aside))
            aside.replace(folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return folder
