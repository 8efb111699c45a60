"""Cards: the TOML files that describe a data set or a baseline, read into frozen records.

A card is data. Unknown keys, missing keys and values of the wrong kind are errors that name the
file, the key, and what was probably meant.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from rainbench.catalog.terms import LossTerm
from rainbench.errors import CardError

Record = TypeVar("Record")

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_TAG = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_KINDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One packaging of a data set: which file is rainy, which is clean, what pairs them.

    A pattern is a path relative to the data set's folder, with fields in braces: ``{id}`` stands
    for any characters but a slash, ``{id:d}`` for a whole number however padded. Two files are a
    pair when the fields of the clean pattern have the same values in both; fields that only the
    rainy pattern has (the fourteen copies of Rain1400) tell rainy files of one clean file apart.

    Attributes:
        name: What ``--layout`` calls it.
        rainy: Pattern of the rainy files.
        clean: Pattern of the clean files.
        combined: Pattern of files that hold both halves side by side, instead of the two above.
        order: Which half of a combined file comes first, from the left.
        list_file: A text file of the data set, a line per pair: rainy path, blank, clean path.
        note: Where this packaging comes from.
    """

    name: str
    rainy: str = ""
    clean: str = ""
    combined: str = ""
    order: Literal["rainy-clean", "clean-rainy"] = "rainy-clean"
    list_file: str = ""
    note: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A recognised altered copy of a data set, told apart by its image sizes.

    Attributes:
        name: Named in every result that was made from such a copy.
        sizes: Width and height of each size that occurs in it.
        comparable: Whether published numbers of the original may stand beside its results.
        note: What was altered, and what that does to the numbers.
    """

    name: str
    sizes: tuple[tuple[int, int], ...]
    comparable: bool = False
    note: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DatasetCard:
    """One revision of one set of pairs.

    Attributes:
        name: What the command line calls it.
        title: What people call it.
        revision: Which of its releases this is.
        degradation: What falls, sticks or hangs in front of the scene.
        origin: Whether the rain is rendered or photographed.
        split: ``test`` or ``train``.
        count: Pairs in a complete copy; 0 when no source states it.
        protocol: The customary metric protocol on this set.
        folders: Folder names under which copies lie, beside the card's own name.
        layouts: All packagings met so far.
        sizes: Width and height of each size in an unaltered copy; empty when they vary.
        variants: Recognised altered copies.
        aliases: Its names in papers.
        confusable: Cards of other revisions or splits that are often taken for this one.
        licence: The terms as its source states them.
        sources: Where it comes from, and how to get it, in order of preference.
        citation: Who made it.
        notes: Revisions, traps, overlaps.
        embedded: Folder beside the card that holds the pairs, for sets that ship with the package.
    """

    name: str
    title: str
    revision: str
    degradation: tuple[Literal["streaks", "drops", "mist"], ...]
    origin: Literal["synthetic", "real"]
    split: Literal["test", "train"]
    count: int
    protocol: str
    layouts: tuple[Layout, ...]
    licence: str
    sources: tuple[str, ...]
    citation: str
    folders: tuple[str, ...] = ()
    sizes: tuple[tuple[int, int], ...] = ()
    variants: tuple[Variant, ...] = ()
    aliases: tuple[str, ...] = ()
    confusable: tuple[str, ...] = ()
    notes: str = ""
    embedded: str = ""
    file: Path = Path()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a network is trained, as its paper says; where the paper is silent, our choice.

    Attributes:
        losses: The terms of the objective, summed.
        patch: Side of the square patches in pixels.
        batch: Patches per step, over all devices.
        steps: Steps of the whole training.
        learning_rate: At the first step.
        optimiser: Which one, with PyTorch's defaults but for what stands here.
        betas: Its decay rates of the mean and of the square of the gradients.
        weight_decay: Its decay of the weights.
        schedule: How the learning rate falls: not at all, by `factor` at each of `drops`, or along
            half a cosine to `floor`.
        drops: Shares of the training at which it falls, for ``steps``.
        factor: What it is multiplied by at each drop.
        floor: The last learning rate of ``cosine``.
        warmup: Share of the training over which it rises from zero first.
        clip: Largest norm of the gradients; 0 leaves them alone.
        initial_std: Standard deviation of the convolutions' initial weights, with biases at zero;
            0 leaves them as the network's class makes them.
        flip: Whether patches are mirrored at random, left to right.
        rotate: Whether patches are turned at random by multiples of 90 degrees.
        data: The cards of the data sets that the paper trains on.
        chosen: Which of these keys the paper leaves open, so that the value is our choice.
        notes: Anything else worth knowing.
    """

    losses: tuple[LossTerm, ...]
    patch: int
    batch: int
    steps: int
    learning_rate: float
    optimiser: Literal["adam", "adamw", "radam", "sgd"] = "adam"
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    schedule: Literal["constant", "steps", "cosine"] = "constant"
    drops: tuple[float, ...] = ()
    factor: float = 0.1
    floor: float = 0.0
    warmup: float = 0.0
    clip: float = 0.0
    initial_std: float = 0.0
    flip: bool = False
    rotate: bool = False
    data: tuple[str, ...] = ()
    chosen: tuple[str, ...] = ()
    notes: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRecord:
    """How weights of our own came about.

    Attributes:
        command: The command that makes them.
        data: What the patches were cut from, and how rain came onto them.
        seed: The seed of every random choice.
        steps: Steps done when these weights, the best ones, were validated.
        batch: Patches per step.
        patch: Side of the patches in pixels.
        hours: Hours of training.
        hardware: What it ran on.
        precision: Of the arithmetic.
        score: The final validation: on what, under which protocol, PSNR and SSIM, and those of
            the rainy input.
        version: Of rainbench.
        leak_check: Against which test sets the clean images were checked, and what was found.
    """

    command: str
    data: str
    seed: int
    steps: int
    batch: int
    patch: int
    hours: float
    hardware: str
    precision: str
    score: str
    version: str
    leak_check: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WeightsCard:
    """One file of weights of a baseline.

    Attributes:
        tag: The part of the entry's name behind the dot.
        sha256: Of the file, in hexadecimal.
        files: Names or relative paths under which copies of it lie.
        source: The public address it comes from.
        licence: The terms as the source states them.
        trained_on: The data sets it was trained on, by the name of the test card where one
            exists; the paper view shows these cells.
        arguments: What differs from the baseline's arguments.
        parameters: The exact number of parameters where the arguments change it; 0 where not.
        macs_per_pixel: Multiply-adds per input pixel, likewise.
        training: How they came about, for weights of our own.
        notes: Anything else worth knowing: steps, losses, who trained it.
    """

    tag: str
    sha256: str
    files: tuple[str, ...]
    source: str
    licence: str
    trained_on: tuple[str, ...]
    arguments: Mapping[str, object] = dataclasses.field(default_factory=dict)
    parameters: int = 0
    macs_per_pixel: int = 0
    training: TrainingRecord | None = None
    notes: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BaselineCard:
    """One network, or a plain method without weights.

    Attributes:
        name: The part of an entry's name before the dot.
        title: What its paper calls it.
        network: ``module:Class``; the class keeps the contract of `rainbench.networks.base`.
        parameters: The exact number of parameters, checked when the network is built.
        macs_per_pixel: Multiply-adds per input pixel, for time estimates and cost columns.
        arguments: Keyword arguments of the class.
        channel_order: The order in which its weights expect the channels.
        value_range: What white is in its input: 1 or 255.
        minimum_side: The shortest side it accepts, in pixels.
        size_multiple: Height and width are padded by reflection to a multiple of this.
        weights: Its files of weights; empty for a plain method.
        paper: Title, venue and year.
        source: Where the authors' code lies.
        licence: The licence of the authors' code, as stated there.
        own_paper: Whose number is preferred beside a measured one: the paper's name as it stands
            in ``reports/papers``.
        recipe: How it is trained; without one `rainbench train` refuses it.
        notes: How the code differs from the paper.
    """

    name: str
    title: str
    network: str
    parameters: int
    macs_per_pixel: int
    paper: str
    source: str
    licence: str
    arguments: Mapping[str, object] = dataclasses.field(default_factory=dict)
    channel_order: Literal["rgb", "bgr"] = "rgb"
    value_range: Literal[1, 255] = 1
    minimum_side: int = 1
    size_multiple: int = 1
    weights: tuple[WeightsCard, ...] = ()
    own_paper: str = ""
    recipe: Recipe | None = None
    notes: str = ""
    file: Path = Path()


def read_card(file: Path) -> DatasetCard | BaselineCard:
    """Read one card; a table with the key ``network`` is a baseline, any other a data set.

    Raises:
        CardError: The file cannot be read, is not TOML, or breaks the card's rules.
    """
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise CardError(f"{file}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CardError(f"{file}: is not UTF-8 text, so it is not a card") from None
    except tomllib.TOMLDecodeError as error:
        raise CardError(f"{file}: is not valid TOML: {error}") from None
    if "network" in table:
        baseline = record_from_table(BaselineCard, table, file)
        _check_baseline(baseline, file)
        return dataclasses.replace(baseline, file=file)
    dataset = record_from_table(DatasetCard, table, file)
    _check_dataset(dataset, file)
    return dataclasses.replace(dataset, file=file)


def record_from_table(record: type[Record], table: Mapping[str, Any], where: Path) -> Record:
    """Build a frozen record from a TOML table, checking every key and every value's kind.

    Args:
        record: A dataclass whose annotations are str, int, float, bool, Literal, Path, mappings,
            other such dataclasses, tuples of those, and ``... | None``.
        table: What TOML holds.
        where: The card's file, named in errors.

    Raises:
        CardError: A key is unknown or missing, or a value is of the wrong kind.

    Example:
        >>> record_from_table(Variant, {"name": "cropped", "size": []}, Path("x.toml"))
        Traceback (most recent call last):
        ...
        rainbench.errors.CardError: x.toml: unknown key "size"
          Did you mean "sizes"?
    """
    hints = _hints(record)  # type: ignore[arg-type]
    fields = {f.name: f for f in dataclasses.fields(record) if f.name != "file"}  # type: ignore[arg-type]
    for key in table:
        if key not in fields:
            raise CardError(f'{where}: unknown key "{key}"', hint=did_you_mean(key, fields))
    for name, field in fields.items():
        required = (
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        )
        if required and name not in table:
            raise CardError(f'{where}: the key "{name}" is missing')
    values = {key: _convert(value, hints[key], key, where) for key, value in table.items()}
    return record(**values)


@functools.cache
def _hints(record: type) -> Mapping[str, Any]:
    return typing.get_type_hints(record)


def _convert(value: Any, kind: Any, key: str, where: Path) -> Any:  # noqa: ANN401
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:  # an optional key: TOML has no None
        return _convert(value, arguments[0], key, where)
    if origin is Literal:
        if value not in arguments:
            raise CardError(
                f"{where}: {key} is {value!r}",
                hint=f"It must be one of {', '.join(map(repr, arguments))}.",
            )
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise _wrong_kind(value, "a list", key, where)
        kinds = arguments[:1] * len(value) if arguments[-1:] == (Ellipsis,) else arguments
        if len(kinds) != len(value):
            raise _wrong_kind(value, f"a list of {len(kinds)}", key, where)
        return tuple(
            _convert(member, member_kind, f"{key}[{index}]", where)
            for index, (member, member_kind) in enumerate(zip(value, kinds, strict=True))
        )
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, dict):
            raise _wrong_kind(value, "a table", key, where)
        return types.MappingProxyType(value)
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, dict):
            raise _wrong_kind(value, "a table", key, where)
        return record_from_table(kind, value, where)  # type: ignore[arg-type]
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or isinstance(value, bool) is not (kind is bool):
        raise _wrong_kind(value, _KINDS[kind], key, where)
    return value


def _wrong_kind(value: object, wanted: str, key: str, where: Path) -> CardError:
    return CardError(f"{where}: {key} must be {wanted}, but it is {value!r}")


def _check_dataset(card: DatasetCard, file: Path) -> None:
    _check_name(card.name, file)
    if not card.layouts:
        raise CardError(f"{file}: a data set needs at least one [[layouts]]")
    for layout in card.layouts:
        kinds = (bool(layout.rainy and layout.clean), bool(layout.combined), bool(layout.list_file))
        if sum(kinds) != 1:
            raise CardError(
                f'{file}: layout "{layout.name}" must have either rainy and clean, or combined, '
                "or list_file"
            )


def _check_baseline(card: BaselineCard, file: Path) -> None:
    _check_name(card.name, file)
    if not re.fullmatch(r"[\w.]+:\w+", card.network):
        raise CardError(f'{file}: network must be "module:Class", but it is "{card.network}"')
    if card.recipe is not None:
        _check_recipe(card.recipe, file)
    tags = [weights.tag for weights in card.weights]
    for weights in card.weights:
        if not _TAG.fullmatch(weights.tag):
            raise CardError(f'{file}: the tag "{weights.tag}" has characters beyond a-z 0-9 _ -')
        if tags.count(weights.tag) > 1:
            raise CardError(f'{file}: the tag "{weights.tag}" stands twice')
        if not _SHA256.fullmatch(weights.sha256):
            raise CardError(f"{file}: sha256 of {weights.tag} is not 64 hexadecimal digits")
        if not weights.files:
            raise CardError(f"{file}: weights {weights.tag} name no files")


def _check_recipe(recipe: Recipe, file: Path) -> None:
    for key in ("patch", "batch", "steps", "learning_rate"):
        if getattr(recipe, key) <= 0:
            raise CardError(f"{file}: {key} of the recipe must be more than 0")
    if not recipe.losses:
        raise CardError(f"{file}: losses of the recipe is empty")
    if recipe.schedule == "steps" and not recipe.drops:
        raise CardError(f'{file}: the schedule "steps" needs drops')
    if any(not 0 < share < 1 for share in recipe.drops):
        raise CardError(f"{file}: drops are shares of the training, between 0 and 1")
    known = {field.name for field in dataclasses.fields(Recipe)}
    for key in recipe.chosen:
        if key not in known:
            raise CardError(
                f'{file}: chosen names "{key}", which is no key of a recipe',
                hint=did_you_mean(key, known),
            )


def _check_name(name: str, file: Path) -> None:
    if not _NAME.fullmatch(name):
        raise CardError(f'{file}: the name "{name}" must be made of a-z, 0-9, _ and -')
    if name != file.stem:
        raise CardError(f'{file}: the card is named "{name}", but its file "{file.stem}"')


def did_you_mean(word: str, choices: typing.Iterable[str]) -> str:
    """Return "Did you mean ...?" for the nearest choice, or a list of all of them.

    Example:
        >>> did_you_mean("rain10l", ["rain100l", "rain12"])
        'Did you mean "rain100l"?'
    """
    known = sorted(choices)
    near = difflib.get_close_matches(word, known, n=1)
    if near:
        return f'Did you mean "{near[0]}"?'
    shown = ", ".join(known[:40])
    return f"Known: {shown}{', ...' if len(known) > 40 else ''}." if known else ""
