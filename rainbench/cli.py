"""The command ``rainbench``: names the commands and turns a user's error into one message.

Each command lives in a module of `rainbench.commands` and is imported when it is called, so that
``--help`` needs neither torch nor numpy.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from rainbench.core.errors import RainbenchError
from rainbench.core.escape import visible, without_secrets
from rainbench.interrupts import has_come, run_program
from rainbench.version import __version__

if TYPE_CHECKING:
    import logging

COMMANDS = {
    "run": "Score entries on data sets: tables beside the published ones.",
    "status": "Say how far a run is: done, at work, failed, time left.",
    "list": "List data sets, baselines or protocols.",
    "show": "Show a card, an entry or a protocol.",
    "check": "Check your data sets and weights; find leaks.",
    "new": "Write a card to fill in: of a model, a data set or a protocol.",
    "fetch": "Fetch weights from their public source, checked against the card.",
    "score": "Score a folder of somebody's restored images as an entry.",
    "derain": "Remove the rain from images, folders and videos with an entry.",
    "figures": "Draw a run's figures for a paper: pictures with crops, errors, plots.",
    "identify": "Find the protocol and the revision behind a published number.",
    "report": "Write a run's tables; print a paper's table with the run beside it.",
    "leaderboard": "Make a static site of the results of runs, to be published.",
    "train": "Train a network: weights of your own.",
    "claims": "Evaluate the papers' claims on their tables; try some by small trainings.",
    "compare": "Compare a run with the papers and the golden numbers, or two runs.",
    "merge": "Put the results of several runs into one folder.",
    "build-spa": "Make real rain/clean pairs from static-camera videos.",
    "review": "Look at clean frames in the browser and accept or reject them.",
    "accept": "Make a run's numbers the golden ones.",
    "synth-jrsrd": "Make JRSRD again: streaks of four strengths over raindrop photographs.",
    "synth": "Rain on a folder of clean images: streaks, drops, mist, or streaks and drops.",
    "build-mini": "Make the embedded mini data set again.",
}
"""Every command with its line of help; the module is the name with underscores."""


class LazyGroup(click.Group):
    """A group whose commands are imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names in the order in which people need them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import and return one command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"rainbench.commands.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one was probably meant."""
        from rainbench.core.text import did_you_mean

        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            raise RainbenchError(
                f"no such command: {args[0]}", hint=did_you_mean(args[0], COMMANDS)
            )
        return super().resolve_command(ctx, args)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Examples:
  rainbench run --all
  rainbench run -b prenet -d rain100l --data DIR --weights DIR --out runs/x
  rainbench show prenet.rain100l
  rainbench check --leaks rain100l rain100h --data DIR""",
)
@click.option("-v", "--verbose", count=True, help="Say what is found and done; -vv: all details.")
@click.option("-q", "--quiet", is_flag=True, help="No warnings, errors only.")
@click.option(
    "--log",
    "log_file",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Write what is found, done and said to this file as well, with times.",
)
@click.version_option(__version__, prog_name="rainbench")
def cli(verbose: int, quiet: bool, log_file: str | None) -> None:
    """Build deraining data sets, run every network on them, and regenerate the papers' tables."""
    import logging

    if verbose and quiet:
        raise RainbenchError("--verbose and --quiet contradict each other: give one of them")
    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    logger = logging.getLogger("rainbench")
    level = logging.ERROR if quiet else level
    logger.setLevel(level)
    from rainbench.core.progress import print_line

    class Said(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            trace = record.exc_info and logging.Formatter().formatException(record.exc_info)
            print_line(
                f"{record.levelname}: {record.getMessage()}" + (f"\n{trace}" if trace else "")
            )

    logger.handlers = [Said(level)]
    if log_file is not None:
        logger.handlers.append(_log_to(log_file))
        logger.setLevel(min(level, logging.INFO))
    if verbose > 1:  # where native code was when the process dies of it
        import faulthandler

        with contextlib.suppress(OSError, ValueError, AttributeError, RuntimeError):
            faulthandler.enable()


def _log_to(file: str) -> logging.Handler:
    """Return a handler that appends to a file; what commands say goes there, too.

    Raises:
        RainbenchError: It cannot be written.
    """
    import logging

    from rainbench.core.progress import note, note_said

    class UntilFull(logging.FileHandler):
        """Ends at the first line that cannot be written; the work goes on without a log."""

        ended = False

        def emit(self, record: logging.LogRecord) -> None:
            if not self.ended:
                super().emit(record)

        def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802
            error = sys.exc_info()[1]
            self.ended = True
            with contextlib.suppress(OSError):
                reason = getattr(error, "strerror", None) or error
                click.echo(f"WARNING: --log {visible(file)}: ends here: {reason}", err=True)

    try:
        handler = UntilFull(file, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise RainbenchError(
            f"--log {file}: cannot be written: {error.strerror}",
            hint="Give a file in a folder that is there and may be written.",
        ) from None

    class WithoutSecrets(logging.Formatter):  # a log is sent to others
        def format(self, record: logging.LogRecord) -> str:
            return without_secrets(super().format(record))

    handler.setFormatter(WithoutSecrets("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    said = logging.getLogger("rainbench.said")
    said.propagate = False
    said.setLevel(logging.INFO)
    said.handlers = [handler]
    note_said(lambda text, error: said.log(logging.ERROR if error else logging.INFO, "%s", text))
    note(f"rainbench {__version__}: {' '.join(sys.argv[1:])}")
    return handler


def _ends_with(message: str) -> None:
    """Print the message that a call ends with, and put it into the log's file."""
    from rainbench.core.progress import note

    note(message, error=True)
    click.echo(message, err=True)


def main() -> NoReturn:
    """Run the command line as a program of its own, and end it with its exit code."""
    from rainbench.core.progress import keep_stdout
    from rainbench.core.watch import own_process

    own_process()
    keep_stdout()
    run_program(command_line)


def command_line() -> int:
    """Run the command line; a user's error is one message and exit code 2, a bug of ours 70.

    Returns:
        The exit code.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    try:
        _refuse_a_folder_that_is_gone()
        status = cli.main(standalone_mode=False, complete_var="_RAINBENCH_COMPLETE")
    except BrokenPipeError:
        _drop_stdout()
        status = 0
    except click.exceptions.Abort:
        raise KeyboardInterrupt from None
    except Exception as error:
        if has_come():
            raise KeyboardInterrupt from None
        status = _told(error)
    try:
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):  # told already, or closed: no second complaint
        _drop_stdout()
    return status if isinstance(status, int) else 0


def _refuse_a_folder_that_is_gone() -> None:
    """Refuse to work in a folder that was removed: libraries end the process for it."""
    try:
        Path.cwd()
    except FileNotFoundError:
        raise RainbenchError(
            "the current folder was removed", hint="Change to one that is there: cd /"
        ) from None


def _told(error: Exception) -> int:
    """Say on standard error what went wrong, and return the exit code."""
    if isinstance(error, RainbenchError):
        click.secho("Error: ", fg="red", nl=False, err=True)
        _ends_with(visible(str(error)))
        return 2
    if isinstance(error, click.ClickException):
        said = io.StringIO()
        error.show(said)
        _ends_with(visible(said.getvalue()).rstrip())
        return 2
    from rainbench.core.crash import explain

    line, status = explain(error)
    with contextlib.suppress(OSError):  # nobody may listen any more
        _ends_with(visible(f"Error: {line}"))
    return status


def _drop_stdout() -> None:
    """Let what is left in the buffer of standard output go nowhere, as nobody can have it."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
