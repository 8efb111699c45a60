"""``rainbench new``: a card to fill in."""

from __future__ import annotations

import json
from pathlib import Path

import click

from rainbench.commands.options import PLACE
from rainbench.core.errors import RainbenchError
from rainbench.core.files import is_file, write_atomically, writing
from rainbench.core.progress import say, show
from rainbench.core.text import safe_name

MODEL = """\
# A network. `rainbench list baselines --cards DIR --trust-cards` says what is wrong with this card.
name = "{name}"
title = "{name}"  # as its paper calls it
network = "{network}"  # module:Class, importable: installed, or in the current folder
parameters = {parameters}{counted}
macs_per_pixel = {macs}{counted}
paper = "FILL IN: title, venue, year"
source = "FILL IN: where its code lies"
licence = "FILL IN: of its code, as stated there"
channel_order = "rgb"  # or "bgr"
value_range = 1  # what white is in its input: 1 or 255
size_multiple = 1  # images are padded to a multiple of this: 8 for three halvings
{arguments}
{weights}"""

WEIGHTS = """
[[weights]]
tag = "{tag}"  # the entry is {name}.{tag}
sha256 = "{sha256}"
files = ["{file}"]
source = "FILL IN: the address it comes from"
licence = "FILL IN: of the weights, as stated there"
trained_on = ["FILL IN: rain100l"]
"""

DATASET = """\
# A data set. `rainbench check {name} --cards DIR --data DIR` compares a copy with this card.
name = "{name}"
title = "{name}"  # as its paper calls it
revision = "1"
degradation = ["streaks"]  # or "drops", "mist"
origin = "synthetic"  # or "real"
split = "test"  # or "train"
count = 0  # pairs in a complete copy; 0 where nobody says
protocol = "prenet-y"  # `rainbench list protocols`
folders = ["{name}"]
licence = "FILL IN: as its source states it"
sources = ["FILL IN: where it comes from"]
citation = "FILL IN: who made it"

[[layouts]]
name = "rainy-clean"
rainy = "rainy/{{id}}.png"
clean = "clean/{{id}}.png"
"""

PROTOCOL = """\
# A protocol. What each value does stands in rainbench/metrics/record.py. An installed package
# offers it by an entry point; in pyproject.toml:
#   [project.entry-points."rainbench.protocols"]
#   {name} = "mypackage.protocols:PROTOCOL"
from rainbench.metrics import Protocol

PROTOCOL = Protocol(
    name="{name}",
    version=1,
    title="FILL IN: one line for lists",
    prediction="round",
    colour="y601",  # what PSNR compares; "rgb"
    window="gaussian",  # SSIM's; "uniform", "gaussian-padded"
    source="FILL IN: whose code this is, down to the commit",
)
"""


@click.command(
    "new",
    epilog="""\b
Examples:
  rainbench new model my-net --network my_net.py:Net --weights my.pth
  rainbench new dataset my-rain --to cards
  rainbench run -b my-net -d my-rain --cards cards --trust-cards --data DIR --weights DIR""",
)
@click.argument("kind", type=click.Choice(["model", "dataset", "protocol"]))
@click.argument("name")
@click.option(
    "--network",
    metavar="NETWORK",
    help="Of a model: my_net.py:Net or module:Net; its parameters and operations are counted.",
)
@click.option("--weights", "file", type=PLACE, help="Of a model: the file of its weights.")
@click.option("--argument", "arguments", multiple=True, metavar="NAME=VALUE", help="Of its class.")
@click.option("--to", "folder", type=PLACE, default=Path(), help="Folder. [default: this one]")
def command(
    kind: str,
    name: str,
    network: str | None,
    file: Path | None,
    arguments: tuple[str, ...],
    folder: Path,
) -> None:
    """Write a card called NAME to fill in: of a model, a data set or a protocol."""
    if name != safe_name(name) or len(name) > 100:
        raise RainbenchError(
            f"{name}: a name is made of a-z, 0-9, _ and -",
            hint=f"For example {safe_name(name) or 'my-net'}.",
        )
    if kind != "model" and (network or file or arguments):
        raise RainbenchError("--network, --weights and --argument are for a model")
    texts = {"dataset": DATASET, "protocol": PROTOCOL}
    if kind == "model":
        text = _model(name, network, file, arguments)
    else:
        text = texts[kind].format(name=name)
    target = folder / (f"{name}.py" if kind == "protocol" else f"{name}.toml")
    if target.exists():
        raise RainbenchError(f"{target}: is there already", hint="Give another name, or --to.")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(target, text.encode())
    show(str(target))
    todo = text.count("FILL IN")
    say(f"{todo} places to fill in are marked FILL IN")


def _model(name: str, network: str | None, file: Path | None, arguments: tuple[str, ...]) -> str:
    from rainbench.commands.networks import read_arguments
    from rainbench.core.resume import file_hash

    given = read_arguments(arguments)
    parameters, macs, counted, dotted = 0, 0, "  # FILL IN", "my_net:Net"
    if network is not None:
        from rainbench.foreign.entry import entry_of
        from rainbench.foreign.words import read_word
        from rainbench.networks.isolation import isolated

        word = read_word(network)
        if word.kind not in ("file", "package") or not word.object:
            raise RainbenchError(f"{network}: a card names a class", hint="Give my_net.py:Net.")
        entry = entry_of(network, weights=file, arguments=given)
        maker = entry.baseline.maker
        assert maker is not None
        with isolated():
            maker.make(entry.weights, file)  # says what is wrong with it
        parameters, macs, counted = entry.parameters, entry.macs_per_pixel, "  # counted"
        module = Path(word.target).stem if word.kind == "file" else word.target
        dotted = f"{module}:{word.object}"
    weights = ""
    if file is not None:
        if not is_file(file):
            raise RainbenchError(f"{file}: there is no such file")
        tag = safe_name(file.stem) or "weights"
        weights = WEIGHTS.format(name=name, tag=tag, sha256=file_hash(file), file=file.name)
    values = ", ".join(f"{key} = {json.dumps(value)}" for key, value in given.items())
    return MODEL.format(
        name=name, network=dotted, parameters=parameters, macs=macs, counted=counted,
        arguments=f"arguments = {{ {values} }}\n" if values else "", weights=weights,
    )  # fmt: skip
