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


if "OMP_WAIT_POLICY" not in os.environ:
    # Threads of a network that wait for the slowest of them keep a core busy. Where other work
    # wants it, and that slowest one does, two threads took five times as long as one. This is the
    # count that GNU's OpenMP takes by itself where it knows of more threads than cores.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def main() -> None:
    """Run the command line."""
    from rainbench.cli import main as run_command_line

    run_command_line()


if __name__ == "__main__":
    main()
