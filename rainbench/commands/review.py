"""``rainbench review``: a person looks at clean frames and decides."""

from __future__ import annotations

import os
import signal
import sys
import threading
import webbrowser
from pathlib import Path

import click

from rainbench.commands.options import PLACE
from rainbench.core.progress import say, show


@click.command(
    "review",
    epilog="""\b
Examples:
  rainbench review runs/spa
  rainbench review runs/spa --no-browser --port 8000""",
)
@click.argument("run", type=PLACE)
@click.option(
    "--port", default=0, type=click.IntRange(0, 65535), help="Where to listen; 0 takes a free port."
)
@click.option("--no-browser", is_flag=True, help="Only print the address.")
def command(run: Path, port: int, no_browser: bool) -> None:
    """Look at the clean frames of RUN in the browser and accept or reject them.

    Every decision is written at once, beside its frame: stop whenever you like and continue later.
    The page is served to this machine only, and only to those who have the address printed here.
    """
    from rainbench.spa.review.reviewed_run import ReviewedRun
    from rainbench.spa.review.server import ReviewServer

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ReviewServer(ReviewedRun(run), port) as server:
        try:
            show(server.gate.address, secrets=True)
            say(f"Reviewing {run}: {server.summary}. Ctrl-C stops.")
            if not no_browser and _has_screen():
                address = (server.gate.address,)
                threading.Thread(target=webbrowser.open, args=address, daemon=True).start()
            server.serve_forever()
        except KeyboardInterrupt:
            say()
        say(f"Reviewed {run}: {server.summary}.")


def _has_screen() -> bool:
    """Whether a window can be opened: without one, a text browser would take the terminal."""
    if sys.platform in ("darwin", "win32"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
