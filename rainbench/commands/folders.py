"""Options that say on which pairs a command works: two folders, or some images of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rainbench.catalog.registry import Registry
from rainbench.commands.options import PLACE, Function, with_options
from rainbench.core.errors import RainbenchError
from rainbench.core.files import read_regular_file
from rainbench.core.packed.places import check_place
from rainbench.core.progress import Advance
from rainbench.core.text import named, safe_name

if TYPE_CHECKING:
    from rainbench.pairs.load import PairSet


def pairs_options(function: Function) -> Function:
    """Add ``--rainy``, ``--clean``, ``--images`` and ``--list``."""
    options = (
        click.option(
            "--rainy", type=PLACE, help="Folder of rainy images, or an archive of them (.zip, "
            ".tar.gz); no card needed. Without --clean they are measured by metrics that need no "
            "clean ones.",
        ),
        click.option("--clean", type=PLACE, help="Folder of their clean partners."),
        click.option("--images", metavar="ID,ID", help="Only these images of the data set."),
        click.option(
            "--list", "image_list", type=PLACE, metavar="FILE",
            help="Only the images that a text file names, an id a line.",
        ),
    )  # fmt: skip
    return with_options(options, function)


def images_given(images: str | None, image_list: Path | None) -> list[str]:
    """Return the ids that ``--images`` and ``--list`` name, each once.

    Raises:
        RainbenchError: The file cannot be read, or nothing is named.
    """
    found = [] if images is None else images.split(",")
    if image_list is not None:
        try:
            text = read_regular_file(image_list, 1 << 24).decode("utf-8-sig")
        except OSError as error:
            raise RainbenchError(f"{image_list}: cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise RainbenchError(f"{image_list}: is not UTF-8 text") from None
        found += [line for line in text.splitlines() if not line.startswith("#")]
    ids = list(dict.fromkeys(filter(None, (each.strip() for each in found))))
    if not ids and (images is not None or image_list is not None):
        raise RainbenchError(f"{image_list or '--images'}: names no image")
    return ids


@dataclass(frozen=True, slots=True)
class TwoFolders:
    """A data set that is two folders.

    Attributes:
        rainy: Holds the rainy images.
        clean: Holds the clean ones.
        name: What it is called; empty: after the folders.
        source: Where it comes from, see `rainbench.pairs.folders.load_folders`.
    """

    rainy: Path
    clean: Path
    name: str
    source: str = ""

    def load(
        self, images: Sequence[str], limit: int | None, advance: Advance, *, allow_partial: bool
    ) -> PairSet:
        """Return its pairs, checked."""
        from rainbench.pairs.folders import load_folders

        return load_folders(
            self.rainy, self.clean, name=self.name, source=self.source, images=images, limit=limit,
            allow_partial=allow_partial, advance=advance,
        )  # fmt: skip


def ad_hoc(
    registry: Registry, rainy: Path | None, clean: Path | None, datasets: Sequence[str]
) -> TwoFolders | None:
    """Return the data set that two folders are, called as ``-d`` says; None where none is given.

    So is one of Hugging Face's that ``-d`` names, by its two columns.

    Raises:
        RainbenchError: One of the two is missing, or ``-d`` does not give one new name.
    """
    from rainbench.pairs.hub import find_columns, is_columns

    if rainy is None and clean is None:
        columns = [each for each in datasets if is_columns(each)]
        if not columns:
            return None
        if len(datasets) > 1:
            raise RainbenchError(f"{columns[0]}: is run alone, without other data sets")
        found = find_columns(columns[0])
        return TwoFolders(found.rainy, found.clean, found.name, found.source)
    if rainy is None or clean is None:
        missing = "--rainy" if rainy is None else "--clean"
        raise RainbenchError(f"{missing} is missing: both folders have to be given")
    for folder in (rainy, clean):
        check_place(folder)
    name = datasets[0] if datasets else ""
    known = registry.datasets.get(name)
    other = known is None or known.file.parent.name != "cards"
    ours = bool(name) and other and bool(named(name, registry.spellings))
    if len(datasets) > 1 or (name and (name != safe_name(name) or ours)):
        raise RainbenchError(
            f"--rainy and --clean are a data set of their own, which -d {' -d '.join(datasets)} "
            "cannot name",
            hint="Leave -d out, or give one new name of a-z, 0-9, _ and -.",
        )
    return TwoFolders(rainy, clean, name)
