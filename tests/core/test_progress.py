"""How far long work is, for a person on a terminal and for a log."""

import sys

import pytest

from rainbench.core.progress import _lines, progress, unseen


@pytest.mark.parametrize(
    ("total", "line"), [(9, "pairs: 5 of 9 rain12"), (None, "pairs: 5 rain12")]
)
def test_a_log_gets_lines(capsys, total, line):
    advance = _lines("pairs", total, every=0)
    advance(2, "")
    advance(3, "rain12")
    assert capsys.readouterr().err.splitlines()[-1] == line


@pytest.mark.parametrize(("total", "counted"), [(9, "5/9"), (None, "5/?")])
def test_a_terminal_gets_a_bar(capsys, monkeypatch, total, counted):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    with progress("pairs", total) as advance:
        advance(5, "rain12")
    shown = capsys.readouterr().err
    assert "rain12" in shown and counted in shown


@pytest.mark.parametrize(("total", "quiet"), [(0, False), (9, True), (None, True)])
def test_nothing_is_shown_of_nothing_and_where_nobody_asks(total, quiet):
    with progress("pairs", total, quiet=quiet) as advance:
        assert advance is unseen
