"""A network's fingerprint follows what it computes, through the files that it shares."""

import sys

import pytest

from rainbench.run.code import code_hash, essence

SOURCE = '''"""Module."""

from fingers.shared import gain


class Net:
    """A class."""

    def forward(self, x):  # restore
        """Restore."""
        return gain * (x + 1)
'''


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "fingers"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "net.py").write_text(SOURCE)
    (folder / "shared.py").write_text("from fingers.deep import base\ngain = 2 * base\n")
    (folder / "deep.py").write_text("base = 3\n")
    (folder / "other.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.split(".")[0] == "fingers"]:
        del sys.modules[name]


def fresh():
    code_hash.cache_clear()
    return code_hash("fingers.net")


def test_words_do_not_count(package):
    before = fresh()
    text = SOURCE.replace("Restore.", "Give back.\n\n        With care.\n        ")
    text = text.replace("# restore", "").replace("(x + 1)", "(\n            x + 1\n        )")
    (package / "net.py").write_text(text)
    assert fresh() == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [("net.py", "x + 1", "x - 1"), ("shared.py", "2 *", "3 *"), ("deep.py", "3", "4"),
     ("net.py", "        return", "        x = 'a'\n        return")],
)  # fmt: skip
def test_code_counts_wherever_it_lies(package, file, old, new):
    before = fresh()
    text = (package / file).read_text()
    assert old in text
    (package / file).write_text(text.replace(old, new))
    assert fresh() != before


def test_files_that_are_not_imported_do_not_count(package):
    before = fresh()
    (package / "other.py").write_text("x = 2\n")
    assert fresh() == before


def test_indentation_is_kept():
    assert essence("if a:\n  b\nc\n") != essence("if a:\n  b\n  c\n")
    assert essence("x = 'text'\n") != essence("x = 'tent'\n")
