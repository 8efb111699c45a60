"""Options of a call in a TOML file, to be given again, kept and sent to somebody."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from rainbench.commands.networks import network_settings
from rainbench.commands.options import Function, PlacePath, with_options
from rainbench.core.errors import RainbenchError
from rainbench.core.escape import without_secrets
from rainbench.core.files import read_regular_file, write_atomically
from rainbench.core.packed.remote import address_of
from rainbench.core.progress import say
from rainbench.core.text import did_you_mean

LARGEST_FILE = 1 << 20
"""Bytes beyond which a file is no file of options."""

_NOT_KEPT = ("config", "save_config", "dry_run", "detach", "as_json", "trust_cards")
"""Parameters that are of one call only; what is trusted a person says, not a file."""


def config_options(function: Function) -> Function:
    """Add the argument ``[CONFIG]``, a TOML file of options, and ``--save-config``.

    What is given on the command line or by an environment variable counts before what the file
    says. The keys are the options' long names; paths are relative to the file's folder.
    """
    options = (
        click.argument(
            "config",
            type=PlacePath(path_type=Path, dir_okay=False),
            required=False,
            is_eager=True,
            expose_value=False,
            callback=_read,
        ),
        click.option(
            "--save-config",
            type=PlacePath(path_type=Path, dir_okay=False),
            metavar="FILE",
            help="Write the options of this call to a TOML file, to be given again as CONFIG.",
        ),
    )
    return with_options(options, function)


def _read(context: click.Context, _parameter: click.Parameter, file: Path | None) -> None:
    if file is None:
        return
    try:
        content = tomllib.loads(read_regular_file(file, LARGEST_FILE).decode("utf-8-sig"))
    except OSError as error:
        raise RainbenchError(
            f"{file}: cannot be read: {error.strerror or error}",
            hint="Entries are given with -b and data sets with -d.",
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RainbenchError(f"{file}: is no TOML file: {error}") from None
    options = _options(context.command)
    found: dict[str, Any] = {}
    for key, value in content.items():
        if key not in options:
            raise RainbenchError(f"{file}: unknown key {key}", hint=did_you_mean(key, options))
        option = options[key]
        if isinstance(value, list) != option.multiple or not _is_plain(value):
            kind = "a list of values" if option.multiple else "one value"
            raise RainbenchError(f"{file}: {key} has to be {kind}")
        found[option.name or key] = _placed(value, option, file.parent)
    context.default_map = {**(context.default_map or {}), **found}


def _is_plain(value: object) -> bool:
    values = value if isinstance(value, list) else [value]
    return all(isinstance(each, str | int | float | bool) for each in values)


def _options(command: click.Command) -> dict[str, click.Option]:
    """Return the options that a file may hold, by their long names without the dashes."""
    return {
        max(option.opts, key=len).lstrip("-"): option
        for option in command.params
        if isinstance(option, click.Option) and not option.hidden
        and option.name not in _NOT_KEPT
    }  # fmt: skip


def _placed(value: Any, option: click.Option, folder: Path) -> Any:  # noqa: ANN401
    if not isinstance(option.type, click.Path):
        return value
    if isinstance(value, list):
        return [_placed(each, option, folder) for each in value]
    return str(folder / str(value)) if value != "" and not address_of(str(value)) else value


def save_config(context: click.Context, file: Path) -> None:
    """Write the options that were given, in a file or on the command line, to a TOML file.

    Raises:
        RainbenchError: It cannot be written.
    """
    import tomlkit

    content = tomlkit.document()
    content.add(tomlkit.comment(f"rainbench {context.info_name} {file.name}"))
    values = {**context.params, **network_settings(context)}
    for key, option in _options(context.command).items():
        name = option.name or ""
        if context.get_parameter_source(name) is ParameterSource.DEFAULT:
            continue
        content.add(key, tomlkit.item(_relative(values[name], file)))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, tomlkit.dumps(content).encode())
    except OSError as error:
        raise RainbenchError(f"{file}: cannot be written: {error.strerror}") from None
    say(f"Options written to {file}")
    if without_secrets(tomlkit.dumps(content)) != tomlkit.dumps(content):
        say(f"WARNING: {file} holds a password or token of an address: keep it to yourself")


def _relative(value: object, file: Path) -> Any:  # noqa: ANN401
    if isinstance(value, tuple):
        return [_relative(each, file) for each in value]
    if isinstance(value, Path):
        if address := address_of(value):
            return address
        folder = file.resolve().parent
        inside = value.resolve().is_relative_to(folder)
        return os.path.relpath(value.resolve(), folder) if inside else str(value.resolve())
    return value
