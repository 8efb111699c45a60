"""A tiny package, installed from its wheel, offers one of each kind; broken ones end no run."""

import json
import os
import subprocess
import sys

import pytest
import toynets

PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "tinyplug"
version = "1.0"

[project.entry-points."rainbench.protocols"]
tiny-rgb = "tinyplug.protocols:TINY"
{protocols}
[project.entry-points."rainbench.metrics"]
darkness = "tinyplug.metrics:darkness"
{metrics}
[project.entry-points."rainbench.models"]
tiny = "tinyplug.cards"
{models}
[project.entry-points."rainbench.datasets"]
tiny = "tinyplug.cards"
{datasets}
"""

PROTOCOLS = """
import dataclasses
from rainbench.metrics import PROTOCOLS, Protocol

TINY = Protocol(
    name="tiny-rgb", version=3, title="Tiny", prediction="round", colour="rgb", window="uniform",
    multiple_of=2, source="tests",
)
WINDOW = dataclasses.replace(PROTOCOLS["rgb"], name="bad-window", window="gauss")
RANGE = dataclasses.replace(PROTOCOLS["rgb"], name="bad-range", ssim_range=0)
OURS = dataclasses.replace(PROTOCOLS["rgb"], version=99)
"""

METRICS = '''
def darkness(restored):
    """How dark a picture is."""
    return 255 - restored.mean()


def three(a, b, c):
    return 0
'''

BROKEN = {
    "protocols": [
        'bad-window = "tinyplug.protocols:WINDOW"',
        'bad-range = "tinyplug.protocols:RANGE"',
        'other-name = "tinyplug.protocols:TINY"',
        'rgb = "tinyplug.protocols:OURS"',
        'none = "tinyplug.protocols:NONE"',
        'gone = "tinyplug.gone:X"',
        'raises = "tinyplug.raises:X"',
        'ends = "tinyplug.ends:X"',
        'function = "tinyplug.metrics:darkness"',
        'odd = "..."',
    ],
    "metrics": [
        'gone = "tinyplug.gone:f"',
        'ends = "tinyplug.ends:f"',
        'three = "tinyplug.metrics:three"',
        'odd = "!"',
    ],
    "models": ['gone = "tinyplug.gone"', 'odd = "!"', 'nothing = "nowhere.at.all"'],
    "datasets": ['gone = "tinyplug.gone"', 'odd = "..."'],
}


DARKER = "tinyplug.nets:Darker"
NETS = """
from torch import nn
from rainbench.networks.base import Restoration

class Darker(nn.Module):
    def forward(self, rainy):
        return Restoration(rainy * 0.5)
"""


@pytest.fixture
def site(tmp_path, cards):
    """A folder that the package is installed into."""
    work = tmp_path / "plug"
    package = work / "source" / "tinyplug"
    (package / "cards").mkdir(parents=True)
    lines = {kind: "\n".join(each) + "\n" for kind, each in BROKEN.items()}
    (work / "source/pyproject.toml").write_text(PROJECT.format(**lines))
    files = {
        "__init__.py": "",
        "protocols.py": PROTOCOLS,
        "metrics.py": METRICS,
        "raises.py": "raise RuntimeError('not today')\n",
        "ends.py": "raise SystemExit(3)\n",
        "nets.py": NETS,
        "cards/tinynet.toml": toynets.card("tinynet", "Darker").replace(
            "toynets:", "tinyplug.nets:"
        ),
        "cards/tinyset.toml": (cards / "toy.toml").read_text().replace('"toy"', '"tinyset"', 1),
    }
    for name, text in files.items():
        (package / name).write_text(text)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", work]
    subprocess.run([*build, work / "source"], check=True, capture_output=True)
    (wheel,) = work.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet"]
    subprocess.run([*pip, "--target", work / "site", wheel], check=True, capture_output=True)
    return work / "site"


def test_all_four_kinds(site, rainbench, toy, tmp_path):
    env = {"PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}
    given = ("-b", "tinynet", "-d", "tinyset", "--data", toy / "toy", "--metrics", "darkness")
    done = rainbench("run", *given, "--out", tmp_path / "run", env=env)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    for kind, lines in BROKEN.items():
        for line in lines if kind != "metrics" else ():
            name, value = line.replace('"', "").split(" = ")
            said = [each for each in done.stderr.splitlines() if f"{name}:" in f"{each}:"]
            said += [each for each in done.stderr.splitlines() if f"protocol {name} is" in each]
            assert any(value in each or "it is ours" in each for each in said), (line, done.stderr)
    table = json.loads((tmp_path / "run/table.json").read_text())
    rows = {row["protocol"]: row for row in table["rows"]}
    assert rows["tiny-rgb"]["psnr"] == rows["rgb"]["psnr"]
    assert rows["tiny-rgb"]["ssim"] == rows["rgb-win7"]["ssim"]
    assert rows["prenet-y"]["metrics"]["darkness"]["mean"] > 128
    listed = rainbench("list", "protocols", "--json", env=env)
    names = [row["name"] for row in json.loads(listed.stdout)]
    assert names[-1] == "tiny-rgb" and len(names) == len(set(names))
    metrics = ",".join(["darkness", *(line.partition(" ")[0] for line in BROKEN["metrics"])])
    given = ("score", toy / "toy/input", "-d", "tinyset", "--data", toy / "toy")
    scored = rainbench(*given, "--metrics", metrics, "--out", tmp_path / "scored", env=env)
    assert scored.returncode == 1 and "darkness" in scored.stdout, scored.stderr
    assert "Traceback" not in scored.stderr
    for line in BROKEN["metrics"]:
        assert f"cannot measure {line.partition(' ')[0]}: " in scored.stderr
