"""What the site's build adds to the pages: every command's help, and links out of this folder.

mkdocs imports this file and calls its functions by their names.
"""

from __future__ import annotations

import html
import re
import sys
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import Any

ROOT = Path(__file__).parents[1]
MARK = "<!-- commands -->"
LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])+)\]\(([^)\s#]+)(#[^)\s]*)?\)")


def on_page_markdown(markdown: str, *, page: Any, config: Any, **_: Any) -> str:  # noqa: ANN401
    """Fill the reference of commands in, and mend links to files that are not in the site."""
    if MARK in markdown:
        markdown = markdown.replace(MARK, commands())
    folder = PurePosixPath(page.file.src_uri).parent
    return LINK.sub(lambda link: _outside(link, folder, config.repo_url), markdown)


def _outside(link: re.Match[str], folder: PurePosixPath, repository: str | None) -> str:
    """Return a link out of this folder as one into the repository, or as its text alone."""
    text, target, _ = link.groups()
    path = normpath(f"docs/{folder}/{target}")
    if "://" in target or (path.startswith("docs/") and not path.startswith("docs/docker/")):
        return link[0]
    return f"[{text}]({repository.rstrip('/')}/blob/main/{path})" if repository else text


def commands() -> str:
    """Return the reference of all commands, from what click knows of them, as Markdown."""
    sys.path.insert(0, str(ROOT))  # the checkout that is documented, installed or not
    import click

    from rainbench.cli import COMMANDS, cli

    group = click.Context(cli, info_name="rainbench")
    parts = [_command(cli, group, "rainbench")]
    for name in COMMANDS:
        command = cli.get_command(group, name)
        assert command is not None
        context = click.Context(command, info_name=name, parent=group)
        parts.append(_command(command, context, f"rainbench {name}"))
    return "\n\n".join(parts)


def _command(command: Any, context: Any, title: str) -> str:  # noqa: ANN401
    usage = " ".join([title, *command.collect_usage_pieces(context)])
    records = [option.get_help_record(context) for option in command.get_params(context)]
    told = [f"{_code(record[0])}\n:   {_prose(record[1])}" for record in records if record]
    about = [_prose(" ".join(part.split())) for part in (command.help or "").split("\n\n")]
    lines = [line.removeprefix("  ") for line in (command.epilog or "").splitlines()[2:]]
    examples = "\n".join(["```sh", *lines, "```"])
    return "\n\n".join([f"## {title}", *about, f"```text\n{usage}\n```", *told, examples])


def _code(text: str) -> str:
    return f"<code>{html.escape(text).replace('|', '&#124;').replace('*', '&#42;')}</code>"


def _prose(text: str) -> str:
    """Escape what Markdown would take for its own, but for code between backticks."""
    parts = re.split(r"(`[^`]*`)", text.replace("\b", ""))
    return "".join(
        part if number % 2 else re.sub(r"([\\*_\[\]|])", r"\\\1", html.escape(part, quote=False))
        for number, part in enumerate(parts)
    )
