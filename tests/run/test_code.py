"""A fingerprint follows what is computed, name by name, through the files that share it."""

import sys

import pytest

from rainbench.run import code
from rainbench.run.code import code_hash, reached

SOURCE = '''"""Module."""

from typing import TYPE_CHECKING

from fingers import around
from fingers.shared import gain, unused

if TYPE_CHECKING:
    from fingers.other import Wide


class Net:
    """A class."""

    def forward(self, x: Wide):  # restore
        """Restore."""
        from fingers.late import last

        if x is None:
            raise ValueError("no x")
        return last(gain * (around.turn(x) + 1))


def beside():
    return 1
'''
FILES = {
    "__init__": "",
    "net": SOURCE,
    "shared": "from fingers.deep import base\ngain = 2 * base\nunused = 7\n",
    "deep": "base = 3\ntable = {}\ntable['a'] = 1\n",
    "late": "def last(x):\n    return x\n",
    "around": "from . import deep as low\n\n\ndef turn(x):\n    return x + low.base\n",
    "other": "class Wide:\n    x = 1\n",
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "fingers"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.split(".")[0] == "fingers"]:
        del sys.modules[name]


def fresh():
    code._file.cache_clear()
    code_hash.cache_clear()
    return code_hash("fingers.net:Net")


def test_words_do_not_count(package):
    before = fresh()
    text = SOURCE.replace("Restore.", "Give back.\n\n        With care.\n        ")
    text = text.replace("# restore", "").replace("(around", "(\n            around")
    text = text.replace("no x", "x is missing").replace("x: Wide", "x: object")
    assert text.count("\n") > SOURCE.count("\n") + 3
    (package / "net.py").write_text(text)
    assert fresh() == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [("net.py", ") + 1", ") - 1"), ("shared.py", "2 *", "3 *"), ("deep.py", "3", "4"),
     ("net.py", "        return", "        x = 'a'\n        return"), ("late.py", "x\n", "-x\n"),
     ("net.py", "ValueError", "KeyError"), ("around.py", "+", "-"), ("deep.py", "= 1", "= 2")],
)  # fmt: skip
def test_code_counts_wherever_it_lies(package, file, old, new):
    before = fresh()
    text = (package / file).read_text()
    assert old in text
    (package / file).write_text(text.replace(old, new))
    assert fresh() != before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [("other.py", "1", "2"), ("net.py", "return 1", "return 2"), ("shared.py", "7", "8")],
)
def test_what_is_not_used_does_not_count(package, file, old, new):
    before = fresh()
    text = (package / file).read_text()
    assert old in text
    (package / file).write_text(text.replace(old, new))
    assert fresh() == before


def test_a_network_of_one_file_and_the_files_beside_it(tmp_path, monkeypatch):
    (tmp_path / "lonely_net.py").write_text("import lonely_part\n\nNet = lonely_part.Net\n")
    (tmp_path / "lonely_part.py").write_text("import json\n\n\nclass Net:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = reached("lonely_net:Net")
    assert set(found) == {("lonely_net", "Net"), ("lonely_part", "Net")}
    alone = reached("lonely_net:Net", stop=("lonely_part:Net",))
    assert list(alone) == [("lonely_net", "Net")]


def test_the_hash_is_the_same_in_all_versions_of_python(tmp_path, monkeypatch):
    text = 'def name(x, *, y=1):\n    return f"{x!r:>{y}}" "b" f"{x[\'a\']}", [], None, 1e-3\n'
    (tmp_path / "old_and_new.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    assert code_hash("old_and_new:name") == "2ae0f6ee67cf8f26"


def test_nothing_is_run(package):
    code._file.cache_clear()
    (package / "net.py").write_text("import sys\nsys.exit(3)\n\n\nclass Net:\n    pass\n")
    assert set(reached("fingers.net:Net")) == {("fingers.net", "Net"), ("fingers.net", "")}
    assert reached("no_such_module:Net") == {}
