"""``rainbench identify``: which protocol and which revision made a published number?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from rainbench.catalog.registry import Registry
from rainbench.commands.options import PLACE, cards_option, data_option, json_option, open_registry
from rainbench.core.errors import RainbenchError
from rainbench.core.packed.remote import places_here
from rainbench.core.progress import progress, say, show, show_json
from rainbench.core.text import count_of

if TYPE_CHECKING:
    from rainbench.metrics import MeanScore
    from rainbench.pairs.load import PairSet
    from rainbench.report.identify import Agreement, Explanation, Published

SHOWN = 8


@click.command(
    "identify",
    epilog="""\b
Examples:
  rainbench identify -d rain100l -d rain100h --paper SIAN --data DIR
  rainbench identify -d rain100l --psnr 25.52 --ssim 0.825 --data DIR
  rainbench identify -d rain100l --psnr 38.80 --outputs results/rain100l --data DIR""",
)
@click.option(
    "-d",
    "--dataset",
    "datasets",
    multiple=True,
    required=True,
    metavar="NAME",
    help="Data set of the number; several are explained by one protocol together.",
)
@click.option("--paper", default="", help="Take the paper's number for the rainy input.")
@click.option("--table", default="", help="Of this table.")
@click.option("--method", default="Input", show_default=True, help="The row of the paper's table.")
@click.option("--psnr", help="The published PSNR, instead of a paper's.")
@click.option("--ssim", help="The published SSIM, instead of a paper's.")
@click.option(
    "--outputs",
    type=PLACE,
    help="Folder of the images that the number is about. [default: the rainy images]",
)
@click.option(
    "--pattern", default="", metavar="TEXT", help="Which of --outputs count, see `rainbench score`."
)
@data_option
@cards_option
@click.option("--limit", type=click.IntRange(min=1), help="Only the first N images of each set.")
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    datasets: tuple[str, ...],
    paper: str,
    table: str,
    method: str,
    psnr: str | None,
    ssim: str | None,
    outputs: Path | None,
    pattern: str,
    data_roots: tuple[Path, ...],
    card_folders: tuple[Path, ...],
    limit: int | None,
    as_json: bool,
) -> None:
    """Rank all protocols, and all revisions that you have, by their distance to a published number.

    The number is a paper's row for the rainy input (or --method with --outputs), or --psnr and
    --ssim. Revisions are the data sets that the card calls confusable, where there are copies.
    """
    from rainbench.report.identify import agreeing_family, rank

    _refuse_what_would_be_dropped(ctx)
    registry = open_registry(card_folders)
    names = [card.name for card in registry.datasets_of(datasets)]
    if psnr or ssim:
        if len(names) > 1:
            raise RainbenchError("--psnr and --ssim belong to one data set", hint="Give one -d.")
        targets = [_given(names[0], psnr, ssim)]
    else:
        if method.casefold() != "input" and outputs is None:
            raise RainbenchError(
                f"the images of {method} are needed", hint="Give their folder with --outputs."
            )
        targets = [_published(name, paper, table, method, registry) for name in names]
    known: dict[str, dict[str, MeanScore]] = {}
    partial: list[str] = []
    files = (outputs, pattern)
    data_roots = tuple(places_here(data_roots))
    measured = [
        _measure(name, registry, data_roots, files, limit, known, partial, quiet=as_json)
        for name in names
    ]
    partial = list(dict.fromkeys(partial))
    ranked = rank(targets, measured)
    agreement = agreeing_family(targets, ranked)
    if as_json:
        _print_json(targets, ranked, agreement, partial)
    else:
        _print(targets, ranked, agreement)
        for remark in partial:
            say(f"Warning: {remark}: the published number is a mean over all images")


def _refuse_what_would_be_dropped(ctx: click.Context) -> None:
    """Refuse options of which one would be passed over: the number comes from one place."""
    given = {
        name for name in ctx.params if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    numbers, rows = sorted(given & {"psnr", "ssim"}), sorted(given & {"paper", "table", "method"})
    if numbers and rows:
        raise RainbenchError(
            f"--{rows[0]} and --{numbers[0]} contradict each other: both say which number is meant",
            hint="Give a paper's number by --paper, --table and --method, or any other by --psnr "
            "and --ssim.",
        )
    if "pattern" in given and "outputs" not in given:
        raise RainbenchError("--pattern is about the files of --outputs", hint="Give --outputs.")


def _given(name: str, psnr: str | None, ssim: str | None) -> Published:
    from rainbench.report.identify import Published

    try:
        numbers = [None if text is None else float(text) for text in (psnr, ssim)]
    except ValueError:
        raise RainbenchError("--psnr and --ssim take numbers such as 26.90 and 0.838") from None
    if not all(
        number is None or low < number <= high
        for number, low, high in zip(numbers, (0, -1), (200, 1), strict=True)
    ):
        raise RainbenchError(
            "--psnr is in dB, more than 0; --ssim is 1 at most",
            hint="Divide an SSIM in percent by 100.",
        )
    return Published(name, numbers[0], numbers[1], _step(psnr or ""), _step(ssim or ""))


def _step(text: str) -> float:
    """Return what the last printed digit stands for."""
    return 10.0 ** -len(text.partition(".")[2])


def _published(name: str, paper: str, table: str, method: str, registry: Registry) -> Published:
    from rainbench.catalog.published import load_published
    from rainbench.report.identify import Published

    cells = [
        cell
        for cell in load_published(registry.folders)
        if cell.dataset == name
        and cell.method.casefold() == method.casefold()
        and (not paper or cell.paper.casefold() == paper.casefold())
        and (not table or cell.table.casefold() in (table.casefold(), f"t{table.casefold()}"))
        and cell.psnr is not None
    ]
    numbers = {(cell.psnr_text, cell.ssim_text) for cell in cells}
    if len(numbers) != 1:
        where = ", ".join(f"{cell.where} {cell.psnr_text}/{cell.ssim_text}" for cell in cells)
        what = f"several numbers: {where}" if cells else "no number"
        raise RainbenchError(
            f"the published tables hold {what} of {method} on {name}",
            hint="Give --paper and --table." if cells else "Give --psnr and --ssim.",
        )
    cell = cells[0]
    label = f"{name} ({cell.where}, {cell.method})"
    return Published(label, cell.psnr, cell.ssim, _step(cell.psnr_text), _step(cell.ssim_text))


def _measure(
    name: str,
    registry: Registry,
    roots: tuple[Path, ...],
    files: tuple[Path | None, str],
    limit: int | None,
    known: dict[str, dict[str, MeanScore]],
    partial: list[str],
    *,
    quiet: bool,
) -> dict[str, dict[str, MeanScore]]:
    """Score every revision that is found; what was scored for an earlier data set is kept in known.

    What was scored on fewer images than the set has is said in ``partial``.
    """
    from rainbench.pairs.copies import copies_of
    from rainbench.pairs.load import load_first_copy
    from rainbench.report.identify import score_images
    from rainbench.run.plan import how_to_get_dataset

    card = registry.dataset(name)
    revisions = [name, *(other for other in card.confusable if other in registry.datasets)]
    found: dict[str, dict[str, MeanScore]] = {}
    for revision in revisions:
        other = registry.datasets[revision]
        if other.split != card.split:
            continue
        copies = copies_of(other, list(roots), only=False)
        if not copies:
            continue
        if revision not in known:
            pairs = load_first_copy(other, copies, limit=limit)
            restored = _restored(files, pairs)
            total = len(restored) if restored is not None else len(pairs.pairs)
            whole = other.count or pairs.found
            if total < whole or not other.count:
                of = f"of {whole} " if other.count or total < whole else ""
                tail = "" if other.count else " (its card has no count)"
                partial.append(f"{revision}: ranked by {total} {of}images{tail}")
            with progress("images", total, quiet=quiet) as advance:
                known[revision] = score_images(pairs, restored, advance=advance)
        found[revision] = known[revision]
    if name not in found:
        raise RainbenchError(f"{name}: {how_to_get_dataset(card)}")
    return found


def _restored(files: tuple[Path | None, str], pairs: PairSet) -> Mapping[str, Path] | None:
    """Return the restored image of every pair, or None where the rainy ones are meant.

    Raises:
        RainbenchError: Some are missing: the mean of the others is another number.
    """
    from rainbench.pairs.matching import match_outputs

    folder, pattern = files
    if folder is None:
        return None
    matched = match_outputs(folder, pairs.pairs, pattern)
    if matched.missing:
        missing = count_of(len(matched.missing), "image")
        raise RainbenchError(
            f"{folder}: nothing for {missing} of {pairs.label}, such as {matched.missing[0]}",
            hint=f"Complete the folder. Looked for: {matched.pattern}.",
        )
    return matched.files


def _print(targets: list[Published], ranked: list[Explanation], agreement: Agreement) -> None:
    from rainbench.report.grid import number
    from rainbench.report.identify import printed, unmatched

    for target in targets:
        show(f"{target.name}: {number(target.psnr, 2) or '-'} / {number(target.ssim, 4) or '-'}")
    show("")
    show(f"{'distance':>9}{'chance':>9}  {'protocol':18}{'planes':17}measured")
    for explanation in ranked[:SHOWN]:
        values = "   ".join(
            f"{revision} {number(score.psnr, 2)} / {number(score.ssim, 4)}"
            for revision, score in zip(explanation.revisions, explanation.scores, strict=True)
        )
        show(
            f"{explanation.distance:9.2f}{explanation.chance:9.2g}  {explanation.protocol:18}"
            f"{explanation.family:17}{values}"
        )
    show("")
    best = printed(targets, ranked[0].scores)
    same = [each.protocol for each in ranked if printed(targets, each.scores) == best]
    if len(same) > 1:
        show(f"Not to be told apart by these digits: {', '.join(same)}.")
    off = unmatched(targets, ranked[0])
    if off:
        show(f"{ranked[0].protocol}, the nearest, does not match in all numbers: {', '.join(off)}.")
    if agreement.nearest:
        shown = "; ".join(f"{family} {off:.2f} dB off" for family, off in agreement.nearest.items())
        show(f"PSNR by planes: {shown}")
    show(
        f"Only {agreement.family} agrees with every published PSNR."
        if agreement.family
        else "PSNR does not single out the planes that were compared."
    )
    say(
        "distance: in tolerances (0.05 dB, 0.002), below 1 is a match; chance: how probable it is "
        "that another computation lands as near by accident"
    )


def _print_json(
    targets: list[Published],
    ranked: list[Explanation],
    agreement: Agreement,
    partial: list[str],
) -> None:
    import dataclasses

    from rainbench.core.text import json_number

    show_json(
        {
            "targets": [dataclasses.asdict(target) for target in targets],
            "family": agreement.family,
            "partial": partial,
            "nearest": dict(agreement.nearest),
            "ranked": [
                {
                    "protocol": explanation.protocol,
                    "family": explanation.family,
                    "distance": json_number(explanation.distance),
                    "chance": explanation.chance,
                    "measured": [
                        {
                            "revision": revision,
                            "psnr": json_number(score.psnr),
                            "ssim": json_number(score.ssim),
                        }
                        for revision, score in zip(
                            explanation.revisions, explanation.scores, strict=True
                        )
                    ],
                }
                for explanation in ranked
            ],
        }
    )
