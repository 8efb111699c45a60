"""Fetching weights: to a temporary name, checked against the card, and only then renamed."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from rainbench.catalog.cards import WeightsCard
from rainbench.catalog.registry import Entry
from rainbench.catalog.weights import file_hash, how_to_get_weights, shipped_weights
from rainbench.core.errors import WeightsError


def fetch_weights(entry: Entry, folder: Path, *, source: Path | None = None) -> Path:
    """Put an entry's weights below a folder, where ``--weights`` finds them.

    Args:
        entry: The entry.
        folder: Where to; the file gets the card's first relative path below it.
        source: A file that was downloaded by hand; None downloads from the card's address.

    Returns:
        The file's path. Without a source, a file that is there already and right is left as it is,
        and weights that came with their card stay where they are.

    Raises:
        WeightsError: The entry needs no weights or none are known, the download failed, or what
            arrived is not the file that the card describes. Nothing is left behind then.
    """
    card = entry.weights
    if card is None:
        raise WeightsError(f"{entry.name}: {how_to_get_weights(entry) or 'needs no weights'}")
    shipped = shipped_weights(entry)
    if source is None and shipped is not None and file_hash(shipped) == card.sha256:
        return shipped
    if source is None and card.training is not None:
        damaged = f"{shipped} is not the file its card describes; " if shipped else ""
        raise WeightsError(f"{entry.name}: {damaged}{how_to_get_weights(entry)}")
    target = folder / card.files[0]
    if source is None and target.is_file() and file_hash(target) == card.sha256:
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as temporary:
            arrived = Path(temporary) / "file"
            if source is not None:
                shutil.copyfile(source, arrived)
            else:
                _download(entry.name, card.source, arrived)
            _check(entry.name, card, arrived, source)
            arrived.replace(target)
    except OSError as error:
        where = error.filename or target
        raise WeightsError(f"{where}: {error.strerror or error}") from None
    return target


def _download(name: str, address: str, file: Path) -> None:
    if not address.startswith(("https://", "http://")):
        raise WeightsError(
            f"{name}: there is no address to download from: {address}",
            hint="Get the file by hand and give it with --from FILE.",
        )
    import pooch

    try:
        pooch.HTTPDownloader(progressbar=False, timeout=60)(address, str(file), None)
    except Exception as error:  # the libraries below raise many kinds
        raise WeightsError(
            f"{name}: {address} cannot be downloaded: {type(error).__name__}: {error}",
            hint="Get the file by hand and give it with --from FILE.",
        ) from None


def _check(name: str, card: WeightsCard, file: Path, source: Path | None) -> None:
    found = file_hash(file)
    if found == card.sha256:
        return
    with file.open("rb") as content:
        is_page = content.read(64).lstrip()[:1] == b"<"
    what = "an HTML page" if is_page else f"another file (sha256 {found[:12]}...)"
    raise WeightsError(
        f"{source or card.source}: is {what}, not the weights of {name} "
        f"(sha256 {card.sha256[:12]}...)",
        hint="Open the address in a browser, save the file, and give it with --from FILE.",
    )
