"""``rainbench check``: are these copies of data sets and weights what their cards say?"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import click

from rainbench.catalog.cards import DatasetCard
from rainbench.catalog.folders import readable_folders
from rainbench.catalog.registry import Entry, Registry
from rainbench.commands.networks import network_options, with_networks
from rainbench.commands.options import (
    cards_option,
    data_option,
    json_option,
    open_registry,
    weights_option,
)
from rainbench.core.errors import CardError, RainbenchError, failing_alone
from rainbench.core.progress import progress, say, show, show_json
from rainbench.core.watch import watched

SHOWN_LEAKS = 10


@click.command(
    "check",
    epilog="""\b
Examples:
  rainbench check --data DIR --weights DIR
  rainbench check rain100l --data DIR
  rainbench check prenet.rain100l --weights DIR
  rainbench check my_net.py:Net --weights my.pth --multiple-of 8
  rainbench check --leaks rain100l rain100h --data DIR""",
)
@click.argument("names", nargs=-1)
@click.option(
    "--leaks", nargs=2, metavar="A B", help="Find backgrounds that the data sets A and B share."
)
@click.option("--layout", default="", help="Take this packaging of the data set.")
@click.option(
    "--contract",
    is_flag=True,
    help="Try entries on small pictures: sizes, range, the same twice. Networks of your own always "
    "are.",
)
@network_options
@data_option
@weights_option
@cards_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    names: Sequence[str],
    leaks: tuple[str, str] | None,
    layout: str,
    contract: bool,
    data_roots: Sequence[Path],
    weight_roots: Sequence[Path],
    card_folders: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Check the data sets and entries called NAMES (or patterns of names).

    Without NAMES: all cards, published tables and golden numbers, and whatever is found below
    --data and --weights. A network of your own (my_net.py:Net, net.onnx, cmd:PROGRAM) is tried on
    small pictures.
    """
    with watched() as watch:  # before anything large is loaded
        registry, names, weight_roots = with_networks(
            open_registry(card_folders), names, weight_roots, watch
        )
        data_roots, weight_roots = readable_folders(data_roots), readable_folders(weight_roots)
        if leaks and any(name.startswith("-") for name in leaks):
            raise RainbenchError(
                f"--leaks takes the names of two data sets, but it was given {' and '.join(leaks)}",
                hint="For example: --leaks rain100l rain100h --data DIR.",
            )
        if leaks:
            _show_leaks(registry, leaks, list(data_roots), as_json=as_json)
            return
        findings = [{"name": "cards", "state": "wrong", "about": str(p)} for p in registry.problems]
        findings += [] if names else _check_reports(registry)
        for member in _members(registry, names):
            if how := watch.died.get(member.name):
                findings.append({"name": member.name, "state": "wrong", "about": how})
                continue
            with watch.at(member.name):
                if isinstance(member, DatasetCard):
                    findings += _check_dataset(member, list(data_roots), layout, asked=bool(names))
                else:
                    findings += _check_entry(
                        member, list(weight_roots), asked=bool(names), contract=contract
                    )
        if as_json:
            show_json(findings)
        else:
            for finding in findings:
                show(f"{finding['state']:9}{finding['name']:28}{finding['about']}")
        ctx.exit(1 if any(finding["state"] == "wrong" for finding in findings) else 0)


def _check_reports(registry: Registry) -> list[dict[str, str]]:
    """Return what is wrong with published tables, their layouts, reasons and golden numbers."""
    from rainbench.catalog.folders import report_files
    from rainbench.catalog.published import load_published, load_reasons
    from rainbench.metrics import PROTOCOLS
    from rainbench.report.golden import golden_file, read_golden
    from rainbench.report.papers.layouts import load_layouts

    left_out: list[CardError] = []
    cells = load_published(registry.folders, left_out)
    load_reasons(registry.folders, left_out)
    wrong = [str(problem) for problem in left_out]
    try:
        load_layouts(registry.folders)
    except RainbenchError as error:
        wrong.append(str(error))
    for file in report_files("golden/*/*.csv", registry.folders):
        try:
            read_golden(file)
            golden_file(file.parent.name, file.stem, own=registry.folders)
        except RainbenchError as error:
            wrong.append(str(error))
    entries = {entry.name for entry in registry.entries()}
    ours = set(load_published())  # tests hold these; some are of sets that have no card
    for cell in cells:  # a slip of the pen would be a number that nothing is set beside
        if cell in ours:
            continue
        known = (
            ("entry", cell.entry, {"", *entries}),
            ("protocol", cell.protocol, {"unknown", *PROTOCOLS}),
            ("data set", cell.dataset, {cell.dataset * (not cell.entry), *registry.datasets}),
        )
        wrong += [
            f"{cell.where}, {cell.method}: there is no {what} {name}"
            for what, name, names in known
            if name not in names
        ]
    return [{"name": "reports", "state": "wrong", "about": each} for each in dict.fromkeys(wrong)]


def _members(registry: Registry, names: Sequence[str]) -> list[DatasetCard | Entry]:
    """Return what to check: all, or what is named but for the cards that are among the problems."""
    if not names:
        return [*registry.datasets.values(), *registry.entries()]
    chosen: dict[str, DatasetCard | Entry] = {}
    for name in names:
        with contextlib.suppress(CardError):
            chosen |= {member.name: member for member in registry.members([name])}
    return list(chosen.values())


def _check_dataset(
    card: DatasetCard, roots: list[Path], layout: str, *, asked: bool
) -> list[dict[str, str]]:
    from rainbench.pairs.copies import copies_of
    from rainbench.pairs.load import load_pairs
    from rainbench.run.plan import check_protocol, how_to_get_dataset

    copies = copies_of(card, roots, only=asked)
    if not copies:
        absent = {"name": card.name, "state": "absent", "about": how_to_get_dataset(card)}
        return [absent] if asked else []
    findings: list[tuple[Path, dict[str, str]]] = []
    good: list[Path] = []
    for folder in copies:
        try:
            check_protocol(card)
            bar = progress("pairs checked", card.count or None)
            with failing_alone(str(folder)), bar as advance:
                pairs = load_pairs(card, folder, layout=layout, advance=advance)
            variant = f", {pairs.variant.name} copy: {pairs.variant.note}" if pairs.variant else ""
            about = f'{len(pairs.pairs)} pairs, layout "{pairs.layout}"{variant} ({folder})'
            findings.append((folder, {"name": card.name, "state": "good", "about": about}))
            good.append(folder.resolve())
        except RainbenchError as error:
            findings.append((folder, {"name": card.name, "state": "wrong", "about": str(error)}))
    # An archive unpacked into a folder of its own name: the outer one is no copy.
    around = {parent for folder in good for parent in folder.parents}
    return [
        finding
        for folder, finding in findings
        if finding["state"] == "good" or folder.resolve() not in around
    ]


def _check_entry(
    entry: Entry, roots: list[Path], *, asked: bool, contract: bool
) -> list[dict[str, str]]:
    from rainbench.catalog.weights import find_weights, how_to_get_weights
    from rainbench.networks.isolation import isolated
    from rainbench.networks.load import build_network
    from rainbench.video_methods.load import build_restorer

    file = find_weights(entry, roots)
    how_to_get = how_to_get_weights(entry)
    if entry.baseline.maker is not None:
        random = {"name": entry.name, "state": "note", "about": how_to_get}
        return [*([random] if entry.untrained else []), *_examined(entry, file)]
    if how_to_get and file is None:
        absent = {"name": entry.name, "state": "absent", "about": how_to_get}
        return [absent] if asked else []
    try:
        with failing_alone(entry.name), isolated(entry.name):
            _ = build_restorer(entry) if entry.is_video else build_network(entry, file)
    except RainbenchError as error:
        return [{"name": entry.name, "state": "wrong", "about": str(error)}]
    about = f"{entry.parameters:,} parameters" + (f", loads {file}" if file else "")
    about = "restores videos, needs no weights" if entry.is_video else about
    good = {"name": entry.name, "state": "good", "about": about}
    return [good, *(_examined(entry, file) if contract and not entry.is_video else [])]


def _examined(entry: Entry, weights: Path | None) -> list[dict[str, str]]:
    from rainbench.core.machine import usable_cores
    from rainbench.foreign.contract import examine
    from rainbench.run.options import RunOptions

    found = examine(entry, weights, RunOptions(threads=usable_cores()))
    return [
        {"name": entry.name, "state": each.state, "about": f"{each.what}: {each.about}"}
        for each in found
    ]


def _show_leaks(
    registry: Registry, names: tuple[str, str], roots: list[Path], *, as_json: bool
) -> None:
    from rainbench.pairs.copies import copies_of
    from rainbench.pairs.leaks import find_leaks
    from rainbench.pairs.load import load_first_copy
    from rainbench.run.plan import how_to_get_dataset

    sets = []
    for name in names:
        card = registry.dataset(name)
        copies = copies_of(card, roots, only=False)
        if not copies:
            raise RainbenchError(f"{card.name}: {how_to_get_dataset(card)}")
        sets.append(load_first_copy(card, copies, allow_partial=True))
    found = find_leaks(*sets)
    if as_json:
        show_json(
            {
                "shared": len(found),
                "of": len(sets[0].pairs),
                "pairs": [[leak.first, leak.second, leak.exact] for leak in found],
            }
        )
        return
    show(f"{len(found)} of {len(sets[0].pairs)} backgrounds of {names[0]} are in {names[1]}")
    for leak in found[:SHOWN_LEAKS]:
        how = "the same pixels" if leak.exact else "the same picture, other pixels"
        show(f"  {names[0]} {leak.first} = {names[1]} {leak.second} ({how})")
    if len(found) > SHOWN_LEAKS:
        say(f"  and {len(found) - SHOWN_LEAKS} more (--json lists them all)")
