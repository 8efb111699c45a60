"""From a finished training to weights that ship: a ``.safetensors`` file, a table for the card."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import tomlkit
import torch
from tomlkit.exceptions import TOMLKitError
from torch import Tensor, nn

from rainbench.catalog.cards import TrainingRecord, WeightsCard
from rainbench.core.errors import RainbenchError, StoreError
from rainbench.core.files import write_atomically
from rainbench.core.machine import hardware
from rainbench.networks.blocks import ConvLSTM, LSTMState
from rainbench.networks.construct import construct
from rainbench.train.checkpoints import BEST, load_state
from rainbench.train.job import Job
from rainbench.train.loop import Trained
from rainbench.version import __version__

if TYPE_CHECKING:
    from tomlkit.items import Table

_PROBE = 64
"""Side of the image on which multiply-adds are counted: per pixel they do not depend on it."""

SOURCE = "trained by rainbench; `rainbench show` prints the command that makes it"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """Weights on disk and what a card says of them.

    Attributes:
        file: The ``.safetensors`` file.
        card: Its part of the baseline's card.
        table: The same as TOML, to be appended to the card's file.
    """

    file: Path
    card: WeightsCard
    table: str


def export_weights(
    job: Job,
    trained: Trained,
    out: Path,
    target: Path,
    *,
    tag: str,
    command: str,
    table_beside: bool = True,
) -> Export:
    """Write the best weights of a training and the table that describes them.

    Args:
        job: What was trained.
        trained: Its outcome.
        out: The training's folder.
        target: The file to write, ``*.safetensors``.
        tag: The part of the entry's name behind the dot.
        command: The command that makes them.
        table_beside: Write the table beside the weights, as ``*.toml``.

    Raises:
        StoreError: It cannot be written.
    """
    from safetensors.torch import save

    network = construct(job.card, job.arguments)
    network.load_state_dict(load_state(out / BEST, job.key), strict=True)
    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    parameters = sum(parameter.numel() for parameter in network.parameters())
    other = {
        name: value
        for name, value in job.arguments.items()
        if job.card.arguments.get(name) != value
    }
    record = training_record(job, trained, command)
    data = save(state, metadata={"entry": f"{job.card.name}.{tag}: {command}"})
    card = WeightsCard(
        tag=tag,
        sha256=hashlib.sha256(data).hexdigest(),
        files=(target.name,),
        source=SOURCE,
        licence=job.start.card.licence if job.start else "Apache-2.0",
        trained_on=job.trained_on,
        degradation=job.degradation,
        arguments=other,
        parameters=0 if parameters == job.card.parameters else parameters,
        macs_per_pixel=count_macs(network, job.card.size_multiple) if other else 0,
        training=record,
    )
    table = as_toml(card)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, data)
        if table_beside:
            write_atomically(target.with_suffix(".toml"), table.encode())
    except OSError as error:
        raise StoreError(f"{target}: cannot be written: {error.strerror}") from None
    return Export(file=target, card=card, table=table)


def training_record(job: Job, trained: Trained, command: str) -> TrainingRecord:
    """Return how the best weights of a training came about."""
    progress, before = trained.progress, trained.input_score
    beside = f"; without truth: {job.photographs.label}" if job.photographs else ""
    begun = f"; from the weights of {job.start.entry}" if job.start else ""
    worse = "worse than the " if trained.worse_than_input else ""
    return TrainingRecord(
        command=command,
        data=f"{job.source.label}, {len(job.indices)} of them in training{beside}{begun}",
        seed=job.options.seed,
        steps=progress.best_step,
        batch=job.recipe.batch,
        patch=job.recipe.patch,
        hours=round(progress.seconds / 3600, 3),
        hardware=hardware(job.options.device, job.options.threads),
        precision=job.options.precision,
        score=f"{progress.best_psnr:.2f} dB / {progress.best_ssim:.4f} ({worse}rainy input "
        f"{before.psnr:.2f} / {before.ssim:.4f}), {job.validation.protocol}, "
        f"{job.validation.label}",
        version=__version__,
        leak_check=job.leak_check,
    )


def count_macs(network: nn.Module, size_multiple: int = 1) -> int:
    """Return a network's multiply-adds per input pixel, those of convolutions and products.

    As on the cards, a recurrent layer's first step counts as every other one, though it leaves out
    what would only meet the zero state.

    Example:
        >>> from rainbench.networks.prenet import PReNet
        >>> count_macs(PReNet(iterations=6))
        1010880
    """
    from torch.utils.flop_counter import FlopCounterMode

    side = -(-_PROBE // size_multiple) * size_multiple
    was_training = network.training
    network.eval()
    recurrent = [module for module in network.modules() if isinstance(module, ConvLSTM)]
    hooks = [module.register_forward_pre_hook(_with_whole_state) for module in recurrent]
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, side, side))
    for hook in hooks:
        hook.remove()
    network.train(was_training)
    return round(int(counter.get_total_flops()) / (2 * side * side))


def _with_whole_state(unit: ConvLSTM, inputs: tuple[Tensor | LSTMState | None, ...]) -> object:
    """Put zeros in the place of a state, and of another input, that is not there yet."""
    features, state, other = (*inputs, None, None)[:3]
    assert isinstance(features, Tensor)

    def zeros(channels: int) -> Tensor:
        return features.new_zeros(features.shape[0], channels, *features.shape[2:])

    others = unit.gates.in_channels - unit.inputs - unit.hidden
    state = state or LSTMState(zeros(unit.hidden), zeros(unit.hidden))
    return features, state, zeros(others) if other is None and others else other


def as_toml(card: WeightsCard) -> str:
    """Return a ``[[weights]]`` table; values that are the default are left out.

    Example:
        >>> print(as_toml(WeightsCard(tag="a", sha256="0" * 64, files=("a.safetensors",),
        ...     source="here", licence="CC0", trained_on=(), arguments={"width": 8})))
        [[weights]]
        tag = "a"
        sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
        files = ["a.safetensors"]
        source = "here"
        licence = "CC0"
        trained_on = []
        arguments = {width = 8}
        <BLANKLINE>
    """
    tables = tomlkit.aot()
    tables.append(_as_table(card))
    document = tomlkit.document()
    document.add("weights", tables)
    return tomlkit.dumps(document)


def _as_table(card: WeightsCard) -> Table:
    table = tomlkit.table()
    for field in dataclasses.fields(card):
        value = getattr(card, field.name)
        if field.name != "training" and (value or field.name == "trained_on"):
            table.add(field.name, _value(value))
    if card.training is not None:
        training = tomlkit.table()
        for field in dataclasses.fields(card.training):
            training.add(field.name, _value(getattr(card.training, field.name)))
        table.add("training", training)
    return table


def _value(value: object) -> object:
    if isinstance(value, int) and value >= 10_000:
        return tomlkit.value(f"{value:_}")
    if isinstance(value, Mapping):
        table = tomlkit.inline_table()
        table.update({key: _value(each) for key, each in value.items()})
        return table
    return [_value(each) for each in value] if isinstance(value, (tuple, list)) else value


def append_to_card(file: Path, export: Export) -> None:
    """Append an export's table to a baseline's card; weights of that tag are replaced.

    Only tables of our own trainings are replaced. Comments and the order of all else are kept.

    Raises:
        RainbenchError: The card has weights of others under this tag.
        StoreError: It cannot be read, is no card, or cannot be written.
    """
    try:
        document = tomlkit.parse(file.read_text(encoding="utf-8"))
        tables = document.get("weights", [])
        for number, table in enumerate(tables):
            if table.get("tag") != export.card.tag:
                continue
            if "training" not in table:
                raise RainbenchError(
                    f'{file}: has weights of others tagged "{export.card.tag}"',
                    hint="Give another tag with --name.",
                )
            del tables[number]
            if not tables:
                document.remove("weights")
            break
        text = f"{tomlkit.dumps(document).rstrip()}\n\n{export.table}"
        tomlkit.parse(text)
        write_atomically(file, text.encode())
    except (UnicodeDecodeError, TOMLKitError) as error:
        raise StoreError(f"{file}: is not a card that can be added to: {error}") from None
    except OSError as error:
        raise StoreError(f"{file}: cannot be written: {error.strerror}") from None
