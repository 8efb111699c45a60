"""A fingerprint is made of the files that a number is computed by, and of no others."""

import sys

import pytest

from rainbench.run import code
from rainbench.run.code import code_hash, sources

SOURCE = '''"""Module."""

from typing import TYPE_CHECKING

from fingers import around
from fingers.shared import gain, unused

if TYPE_CHECKING:
    from fingers.other import Wide
else:
    from fingers.runtime import Wide

try:
    import fingers.fast as fast
except ImportError:
    fast = None


class Net:
    """A class."""

    def forward(self, x: Wide):  # restore
        """Restore."""
        from fingers.late import last

        if x is None:
            raise ValueError("no x")
        return last(gain * (around.turn(x) + 1))
'''
FILES = {
    "__init__": "",
    "net": SOURCE,
    "shared": "from fingers.deep import base\ngain = 2 * base\nunused = 7\n",
    "deep": "base = 3\ntable = {}\ntable['a'] = 1\n",
    "late": "from fingers.inner.stars import *\n\n\ndef last(x):\n    return x\n",
    "around": "from . import deep as low\n\n\ndef turn(x):\n    return x + low.base\n",
    "runtime": "Wide = int\n",
    "fast": "",
    "inner/__init__": "",
    "inner/stars": "from ..deepest import depth\n",
    "deepest": "depth = 1\n",
    "other": "class Wide:\n    x = 1\n",
    "beside": "x = 1\n",
}
UNUSED = {"other", "beside"}


@pytest.fixture(params=["package", "without __init__"])
def package(request, tmp_path, monkeypatch):
    """A package of some files, or a folder of them, as many have beside their scripts."""
    folder = tmp_path / "fingers"
    (folder / "inner").mkdir(parents=True)
    for name, text in FILES.items():
        if request.param == "package" or not name.endswith("__init__"):
            (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.split(".")[0] == "fingers"]:
        del sys.modules[name]


def fresh():
    code.file_of_module.cache_clear()
    code_hash.cache_clear()
    return code_hash("fingers.net")


def test_every_file_that_is_imported_counts_and_no_other(package):
    before = fresh()
    for file in package.rglob("*.py"):
        text = file.read_bytes()
        file.write_bytes(text + b"\nx = 2\n")
        changed = fresh() != before
        assert changed == (file.stem not in UNUSED), file
        file.write_bytes(text)
    assert fresh() == before


def test_a_file_that_comes_or_goes_counts(package):
    before = fresh()
    (package / "fast.py").rename(package / "gone.py")
    assert fresh() != before


def test_the_ends_of_lines_do_not_count(package):
    before = fresh()
    for file in package.rglob("*.py"):
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert fresh() == before


def test_a_network_of_one_file_and_the_files_beside_it(tmp_path, monkeypatch):
    (tmp_path / "lonely_net.py").write_text("import lonely_part\n\nNet = lonely_part.Net\n")
    (tmp_path / "lonely_part.py").write_text("import json\n\n\nclass Net:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    code.file_of_module.cache_clear()
    assert set(sources("lonely_net")) == {"lonely_net", "lonely_part"}


def test_nothing_is_run(package):
    code.file_of_module.cache_clear()
    (package / "net.py").write_text("import sys\nsys.exit(3)\n\n\nclass Net:\n    pass\n")
    assert "fingers.net" in sources("fingers.net") and "fingers.deep" not in sources("fingers.net")
    assert sources("no_such_module") == {}


@pytest.mark.parametrize("text", [b"def (", b"x = 1\0", "# é\n".encode("latin-1")])
def test_a_file_that_is_no_python_counts_by_its_bytes(package, text):
    """That it cannot be imported is said where it is tried."""
    (package / "deep.py").write_bytes(text)
    before = fresh()
    (package / "deep.py").write_bytes(text + b"x")
    assert fresh() != before
