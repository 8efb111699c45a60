"""``rainbench fetch``: weights from their public source, checked against the card."""

from __future__ import annotations

from pathlib import Path

import click

from rainbench.catalog.cards import DatasetCard
from rainbench.commands.options import PLACE, NumberRange, cards_option, open_registry
from rainbench.core.errors import RainbenchError, WeightsError
from rainbench.core.progress import progress, say, show
from rainbench.core.text import count_of, parse_size


@click.command(
    "fetch",
    epilog="""\b
Examples:
  rainbench fetch prenet.rain100l --to weights
  rainbench fetch prenet sian --to weights
  rainbench fetch sian.rain100l --from ~/Downloads/rain100l.pth --to weights""",
)
@click.argument("names", nargs=-1, required=True)
@click.option(
    "--to",
    "folder",
    type=PLACE,
    default=Path("weights"),
    show_default=True,
    help="Folder that the weights are written into; give it with --weights afterwards.",
)
@click.option("--from", "source", type=PLACE, help="A file downloaded by hand.")
@click.option("--max-size", default="4GB", show_default=True, help="Refuse larger files.")
@click.option(
    "--max-time",
    type=NumberRange(min=0, min_open=True),
    default=60,
    show_default=True,
    metavar="MINUTES",
    help="Give a file up after this time.",
)
@cards_option
@click.pass_context
def command(
    ctx: click.Context,
    names: tuple[str, ...],
    folder: Path,
    source: Path | None,
    max_size: str,
    max_time: float,
    card_folders: tuple[Path, ...],
) -> None:
    """Fetch the weights of the entries called NAMES (a baseline's name means all its tags).

    Weights that ship with the package are only checked.
    """
    from rainbench.catalog.fetch import FetchLimits, fetch_weights
    from rainbench.catalog.weights import shipped_weights

    limits = FetchLimits(parse_size(max_size), max_time * 60)
    registry = open_registry(card_folders)
    entries = []
    for member in registry.members(names):
        if isinstance(member, DatasetCard):
            raise RainbenchError(
                f"{member.name} is a data set and cannot be fetched from here",
                hint=f"Sources: {'; '.join(member.sources)}.",
            )
        entries.append(member)
    if source is not None and len(entries) != 1:
        raise RainbenchError(
            f"--from gives one file, but {count_of(len(entries), 'entry')} were named"
        )
    failed = False
    with progress("fetching", len(entries)) as advance:
        for entry in entries:
            try:
                file = fetch_weights(entry, folder, source=source, limits=limits)
                show(str(file))
                if file == shipped_weights(entry):
                    say(f"{entry.name}: came with its card, nothing to download")
            except WeightsError as error:
                say(f"failed: {error}")
                failed = True
            advance(1, entry.name)
    ctx.exit(1 if failed else 0)
