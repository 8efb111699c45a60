"""The tutorials are true: their blocks are run in order, each page in an empty folder of its own.

Of the fenced blocks ``python`` and ``sh`` are run; ``bash`` names data that a reader has to fetch.
A block with a title is a file to save. The lines of ``text`` stand in what came out before.
"""

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [each for each in sorted((ROOT / "docs/tutorials").glob("*.md")) if each.stem != "index"]
BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
needs_bash = pytest.mark.skipif(
    sys.platform == "win32" or not shutil.which("bash"), reason="the blocks are for bash"
)


class Reader:
    """Somebody who types a page's blocks in."""

    def __init__(self, tools):
        self.names = {"__name__": "__main__"}
        self.said = ""
        tools.mkdir()
        command = tools / "rainbench"  # -P: the folder worked in is on no installed command's path
        command.write_text(
            f'#!/bin/sh\nPYTHONPATH="{ROOT}${{PYTHONPATH:+:$PYTHONPATH}}" '
            f'exec "{sys.executable}" -P -m rainbench "$@"\n'
        )
        command.chmod(0o755)
        self.path = f"{tools}{os.pathsep}{os.environ['PATH']}"

    def python(self, text):
        with contextlib.redirect_stdout(io.StringIO()) as said:
            exec(compile(text, "a block", "exec"), self.names)
        self.said += said.getvalue()

    def sh(self, text):
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", text],
            capture_output=True,
            text=True,
            env=os.environ | {"PATH": self.path},
        )
        assert done.returncode == 0, text + done.stdout + done.stderr
        self.said += done.stdout + done.stderr

    def text(self, text):
        said = [line.strip() for line in self.said.splitlines()]
        assert [line for line in text.splitlines() if line.strip() not in said] == [], self.said

    def read(self, page):
        for kind, title, text in BLOCK.findall(page):
            if title:
                Path(title).parent.mkdir(exist_ok=True)
                Path(title).write_text(text, encoding="utf-8")
            elif kind != "bash":
                getattr(self, kind)(text)
        return self


@pytest.fixture
def reader(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in ("RAINBENCH_DATA", "RAINBENCH_WEIGHTS", "RAINBENCH_PATH"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    before = set(sys.modules)
    yield Reader(tmp_path / "tools")
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]


@needs_bash
@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_tutorials_can_be_typed_in(page, reader):
    if page.stem == "slurm":
        pytest.importorskip("distributed")
    reader.read(page.read_text(encoding="utf-8"))


def test_what_is_wrong_in_a_tutorial_is_noticed(reader):
    for wrong in (
        "```sh\nfalse\necho done\n```\n",
        "```python\nassert 1 > 2\n```\n",
        "```python\nprint(2)\n```\n\n```text\n3\n```\n",
    ):
        with pytest.raises(AssertionError):
            reader.read(wrong)
    reader.read('```toml title="a/b.toml"\nx = 1\n```\n\n```sh\ncat a/b.toml\n```\n')
    assert reader.said.endswith("x = 1\n")


def test_every_block_is_of_a_known_kind():
    """And every page has some: what no test types in can be wrong unnoticed."""
    known = {"python", "sh", "bash", "text"}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        blocks = BLOCK.findall(text)
        assert {kind for kind, title, _ in blocks if not title} <= known, page
        assert text.count("\n```") == 2 * len(blocks) > 8, page


def test_the_three_lines_of_the_first_page(reader):
    """They are those of the README, and give what its picture's networks are said to reach."""
    pages = [(ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/index.md")]
    ours, theirs = (
        [text for kind, _, text in BLOCK.findall(page) if kind == "python"] for page in pages
    )
    assert ours == theirs and len(ours) == 1 and len(ours[0].split("\n")) <= 5
    reader.python(ours[0])
    assert "30.36" in reader.said and "24.58" in reader.said


def test_the_table_of_protocols_is_of_today():
    """The table of one restored picture under every protocol, made again."""
    import rainbench as rb

    text = (ROOT / "docs/protocols.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w-]+)` \| ([\d.–]+) \| ([\d.]+) \|", text, re.MULTILINE)
    pair = rb.load_dataset("mini-streaks")[7]
    restored = rb.load_model("prenet_r.streaks-w16")(pair.rainy)
    now = rb.score(restored, pair.clean)
    assert {name for name, _, _ in rows} == set(now)
    for name, psnr, ssim in rows:
        assert psnr == "–" if now[name].psnr is None else abs(float(psnr) - now[name].psnr) < 0.011
        assert abs(float(ssim) - now[name].ssim) < 0.00011
