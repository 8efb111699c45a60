"""What the tests of synthesis share."""

import sys

import pytest

from rainbench.cli import command_line


@pytest.fixture
def call(monkeypatch, capsys):
    """Call the command line in this process; return exit code and messages."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["rainbench", *map(str, arguments), "--workers", "1"])
        code = command_line()
        shown = capsys.readouterr()
        assert "Traceback" not in shown.err
        return code, shown.out + shown.err

    return run
