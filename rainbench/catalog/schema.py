"""Reading cards, and the rules that one has to keep beyond the kinds of its values."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from pathlib import Path

from rainbench.catalog.cards import BaselineCard, DatasetCard, Layout, Recipe, WeightsCard
from rainbench.catalog.patterns import parse_pattern, path_problem
from rainbench.catalog.published_files.names import DATA
from rainbench.catalog.tables import read_toml, record_from_table, value_text
from rainbench.catalog.terms import LAYERS
from rainbench.core.errors import CardError
from rainbench.core.text import did_you_mean

_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHA1 = re.compile(r"[0-9a-f]{40}")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")


_NETWORK = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
_TAG = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,99}")


_MOST_ALLOWED = {
    "size_multiple": 1024,
    "minimum_side": 8192,
    "parameters": 10**12,
    "macs_per_pixel": 10**9,
    "seconds_per_megapixel": 10**6,
}
_MOST_COUNTED = 100_000
"""The largest count among the arguments of a class of ours; some of a thousand have a meaning."""
_LEAST = {
    "size_multiple": 1,
    "minimum_side": 1,
    "count": 0,
    "parameters": 0,
    "macs_per_pixel": 0,
    "seconds_per_megapixel": 0,
}
_OF_NETWORKS = (
    "parameters", "macs_per_pixel", "channel_order", "value_range", "size_multiple", "weights",
    "recipe",
)  # fmt: skip
"""Keys of a baseline that say nothing of a video restorer, which has no weights."""


def read_card(file: Path, *, trusted: bool = False) -> DatasetCard | BaselineCard:
    """Read one card; a table with the key ``network`` is a baseline, any other a data set.

    Args:
        file: The card.
        trusted: Whether the user said that it may name code to run, see `BaselineCard.trusted`.

    Raises:
        CardError: The file cannot be read, is not TOML, or breaks the card's rules.
    """
    table = read_toml(file)
    if "network" in table:
        baseline = record_from_table(BaselineCard, table, file)
        _check_baseline(baseline, file)
        return dataclasses.replace(baseline, file=file, trusted=trusted)
    dataset = record_from_table(DatasetCard, table, file)
    _check_dataset(dataset, file)
    return dataclasses.replace(dataset, file=file)


def _check_dataset(card: DatasetCard, file: Path) -> None:
    _check_name(card.name, file)
    _check_numbers(card, file)
    if not card.sources:
        raise CardError(f"{file}: sources is empty: say where the data set comes from")
    for size in (*card.sizes, *(size for variant in card.variants for size in variant.sizes)):
        if min(size) < 1:
            raise CardError(f"{file}: sizes holds {size[0]}x{size[1]}, which no image has")
    for path in (*card.folders, *filter(None, [card.embedded])):
        _check_path(path, "a folder", file)
    if not card.layouts:
        raise CardError(f"{file}: a data set needs at least one [[layouts]]")
    for layout in card.layouts:
        kinds = (bool(layout.rainy and layout.clean), bool(layout.combined), bool(layout.list_file))
        if sum(kinds) != 1:
            raise CardError(
                f'{file}: layout "{layout.name}" must have either rainy and clean, or combined, '
                "or list_file"
            )
        _check_layout(layout, file)
        if card.clips and not layout.rainy:
            raise CardError(
                f'{file}: layout "{layout.name}" of a set of clips must have rainy and clean'
            )
    names = [layout.name for layout in card.layouts]
    for name in names:
        if names.count(name) > 1:
            raise CardError(f'{file}: two layouts are called "{name}"')
    for folder in (*card.folders, card.embedded):
        if folder and (problem := path_problem(folder.rstrip("/") or folder)):
            raise CardError(f'{file}: the folder "{folder}" {problem}')


def _check_layout(layout: Layout, file: Path) -> None:
    if layout.rainy and layout.rainy == layout.clean:
        raise CardError(
            f'{file}: rainy and clean of layout "{layout.name}" are the same pattern, '
            f'"{layout.rainy}": every rainy image would be its own truth',
            hint="Say in clean where the clean images lie; files that hold both halves side by "
            "side are `combined`.",
        )
    patterns = {}
    for key in ("rainy", "clean", "combined", "list_file", *LAYERS):
        text = getattr(layout, key)
        where = f'{file}: {key} of layout "{layout.name}", "{text}",'
        if text and (problem := path_problem(text)):
            raise CardError(f"{where} {problem}")
        if key == "list_file":
            continue
        try:
            patterns[key] = {field.name: field for field in parse_pattern(text).fields}
        except ValueError as error:
            raise CardError(f"{where} cannot be read: {error}") from None
    for key in ("clean", *LAYERS):
        for name, field in patterns[key].items():
            if patterns["rainy"].get(name) != field:
                raise CardError(
                    f'{file}: layout "{layout.name}" has the field {{{name}}} in {key}, '
                    "but not the same one in rainy, so no file has a partner"
                )
        if key in LAYERS and getattr(layout, key) and not layout.rainy:
            raise CardError(
                f'{file}: layout "{layout.name}" has {key}, which only a layout with rainy and '
                "clean can have"
            )


def _check_baseline(card: BaselineCard, file: Path) -> None:
    _check_name(card.name, file)
    if not _NETWORK.fullmatch(card.network):
        raise CardError(
            f'{file}: network must be "module:Class", but it is {value_text(card.network)}'
        )
    _check_numbers(card, file)
    defaults = {field.name: field.default for field in dataclasses.fields(BaselineCard)}
    for key in _OF_NETWORKS if card.restores == "videos" else ():
        if getattr(card, key) != (0 if defaults[key] is dataclasses.MISSING else defaults[key]):
            raise CardError(
                f"{file}: {key} is set, but a method for videos has neither weights nor a "
                "network's conventions",
                hint=f"Leave {key} out; parameters and macs_per_pixel are 0.",
            )
    if card.network.startswith("rainbench."):
        for arguments in (card.arguments, *(weights.arguments for weights in card.weights)):
            _check_counts(arguments, file)
    if not card.tileable and card.size_multiple > 1:
        raise CardError(
            f"{file}: size_multiple is {card.size_multiple}, but tileable = false says that images "
            "are never padded",
            hint="Leave out one of the two.",
        )
    if card.recipe is not None:
        _check_recipe(card.recipe, file)
    tags = [weights.tag.casefold() for weights in card.weights]
    for weights in card.weights:
        if not _TAG.fullmatch(weights.tag):
            raise CardError(
                f"{file}: the tag {value_text(weights.tag)} has characters beyond a-z 0-9 _ -, or "
                "more than 100"
            )
        if tags.count(weights.tag.casefold()) > 1:
            raise CardError(f'{file}: the tag "{weights.tag}" stands twice')
        _check_weights(weights, file)


def _check_weights(weights: WeightsCard, file: Path) -> None:
    for key in ("sha256", "index_sha256", "converted_sha256"):
        value = getattr(weights, key)
        needed = key == "sha256" and not weights.git_sha1
        if (value or needed) and not _SHA256.fullmatch(value):
            raise CardError(f"{file}: {key} of {weights.tag} is not 64 hexadecimal digits")
    if weights.git_sha1 and not _SHA1.fullmatch(weights.git_sha1):
        raise CardError(f"{file}: git_sha1 of {weights.tag} is not 40 hexadecimal digits")
    if not weights.files:
        raise CardError(f"{file}: weights {weights.tag} name no files")
    for path in weights.files:
        _check_path(path, f"a file of {weights.tag}", file)
        is_half = bool(DATA.search(path))
        converted = path.endswith(".safetensors") and weights.converted_sha256
        if is_half and not weights.index_sha256:
            raise CardError(
                f"{file}: {value_text(path)} of {weights.tag} is half of a TensorFlow checkpoint",
                hint="Give the SHA-256 of the other half, NAME.index, as index_sha256.",
            )
        if weights.index_sha256 and not is_half and not converted:
            raise CardError(
                f"{file}: index_sha256 of {weights.tag} belongs to a TensorFlow checkpoint, which "
                f"{value_text(path)} is not"
            )
    _check_numbers(weights, file)


def _check_recipe(recipe: Recipe, file: Path) -> None:
    for key in ("patch", "batch", "steps", "learning_rate"):
        if getattr(recipe, key) <= 0:
            raise CardError(f"{file}: {key} of the recipe must be more than 0")
    if not 0 <= recipe.clip < float("inf"):
        raise CardError(f"{file}: clip of the recipe must be 0 or more")
    if not recipe.losses:
        raise CardError(f"{file}: losses of the recipe is empty")
    for term in recipe.losses:
        if term.channels == "sum" and term.name not in ("l1", "mse"):
            raise CardError(
                f"{file}: the loss {term.label} has no channels to add up: only l1, mse"
            )
    if recipe.photographs is not None and not 1 <= recipe.photographs.components <= 99:
        raise CardError(f"{file}: components of the recipe's photographs is 1 to 99")
    if not 0 < recipe.scale[0] <= recipe.scale[1] <= 8:
        raise CardError(f"{file}: scale of the recipe is two factors, the smaller one first")
    if recipe.stride < 0:
        raise CardError(f"{file}: stride of the recipe is a number of pixels, or 0")
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
    for name, there in recipe.on.items():
        _check_recipe(_recipe_on(recipe, name, there, file), file)


def _recipe_on(recipe: Recipe, name: str, there: Mapping[str, object], file: Path) -> Recipe:
    """Return a recipe with what differs on one data set: plain values, of the kind they have."""
    if not isinstance(there, Mapping):
        raise CardError(f"{file}: {name} of the recipe's `on` must be a table")
    numbers = {
        field.name: getattr(recipe, field.name)
        for field in dataclasses.fields(Recipe)
        if isinstance(getattr(recipe, field.name), int | float)
    }
    for key, value in there.items():
        if key not in numbers:
            raise CardError(
                f"{file}: {name} of the recipe's `on` has {value_text(key)}, which is no number or "
                "switch of a recipe",
                hint=did_you_mean(key, numbers),
            )
        if isinstance(value, bool) != isinstance(numbers[key], bool) or not isinstance(
            value, int | float if isinstance(numbers[key], float) else int
        ):
            raise CardError(
                f"{file}: {key} on {name} is {value_text(value)}, another kind of value"
            )
    return dataclasses.replace(recipe, **there, on={})  # type: ignore[arg-type]


def _check_numbers(record: BaselineCard | DatasetCard | WeightsCard, file: Path) -> None:
    for key, least in _LEAST.items():
        value, most = getattr(record, key, least), _MOST_ALLOWED.get(key, math.inf)
        if not least <= value <= most:
            limit = f"{least} or more" if value < least else f"{most} at most"
            raise CardError(f"{file}: {key} is {value}, but it must be {limit}")


def _check_counts(arguments: Mapping[str, object], file: Path) -> None:
    """Refuse stages, blocks or widths that no network has, and none could be made of."""

    def check(value: object, key: str) -> None:
        if isinstance(value, Mapping):
            for name, member in value.items():
                check(member, f"{key}.{name}")
        elif isinstance(value, list):
            for index, member in enumerate(value):
                check(member, f"{key}[{index}]")
        elif isinstance(value, int) and not 0 <= value <= _MOST_COUNTED:
            raise CardError(
                f"{file}: {key} is {value:,}, but a count among the arguments of a network or "
                f"method of rainbench is 0 to {_MOST_COUNTED:,}"
            )

    for name, value in arguments.items():
        if name != "seed":
            check(value, f"arguments.{name}")


def _check_path(path: str, what: str, file: Path) -> None:
    """Refuse a path that could lead out of the folder that it is looked for in."""
    parts = path.split("/")
    if {"", ".", ".."} & set(parts) or path.startswith("~") or set(path) & set("\\:"):
        raise CardError(
            f"{file}: {what} is {value_text(path)}",
            hint="It must be a relative path with slashes that stays below the folder it is in.",
        )
    if len(path.encode()) > 1000 or any(len(part.encode()) > 250 for part in parts):
        raise CardError(f"{file}: {what} is {value_text(path)}, which no file system can hold")


def _check_name(name: str, file: Path) -> None:
    if not _NAME.fullmatch(name):
        raise CardError(
            f"{file}: the name {value_text(name)} must be made of a-z, 0-9, _ and -, 100 at most"
        )
    if name != file.stem:
        raise CardError(f'{file}: the card is named "{name}", but its file "{file.stem}"')
