"""``python -m rainbench``, which ``accelerate launch -m rainbench`` calls, and ``rainbench``.

Whoever imports this module is the program: the first thing it does is to hear Ctrl-C.
"""

import os

# What `signal` is made of: at hand at once, where that has its enumerations to build.
from _signal import SIGINT, getsignal, signal  # type: ignore[import-not-found]


def _end_at_once(_number: int, _frame: object) -> None:
    """End the process while nothing has begun: in the middle of an import exceptions get lost."""
    os.write(2, b"Interrupted.\n")
    os._exit(130)


if callable(getsignal(SIGINT)):  # else it is ignored, as in the background of a shell
    signal(SIGINT, _end_at_once)


def main() -> None:
    """Run the command line."""
    from rainbench.cli import main as run_command_line

    run_command_line()


if __name__ == "__main__":
    main()
