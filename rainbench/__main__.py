"""``python -m rainbench``: the command line, as ``accelerate launch -m rainbench`` calls it."""

from rainbench.cli import main

if __name__ == "__main__":
    main()
