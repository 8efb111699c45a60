"""The installed package finds its cards, pictures and tables, far from any checkout."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import save

from rainbench.networks.prenet import PReNet_r

ROOT = Path(__file__).parents[1]


SHIPPED = """
[[weights]]
tag = "of-the-test"
sha256 = "{sha256}"
files = ["prenet_r.of-the-test.safetensors"]
source = "trained by rainbench"
licence = "Apache-2.0"
trained_on = ["mini-streaks"]
arguments = {{ width = 4 }}
parameters = {parameters}
macs_per_pixel = 1

[weights.training]
command = "rainbench train prenet_r"
data = "nothing"
seed = 0
steps = 1
batch = 1
patch = 16
hours = 0.0
hardware = "tests"
precision = "fp32"
score = "none"
version = "0"
"""


def add_weights(baselines):
    """Put small weights and their table beside the cards of a copy of the checkout."""
    network = PReNet_r(iterations=6, width=4)
    data = save(network.state_dict())
    (baselines / "weights").mkdir(exist_ok=True)
    (baselines / "weights" / "prenet_r.of-the-test.safetensors").write_bytes(data)
    table = SHIPPED.format(
        sha256=hashlib.sha256(data).hexdigest(),
        parameters=sum(parameter.numel() for parameter in network.parameters()),
    )
    with (baselines / "prenet_r.toml").open("a") as card:
        card.write(table)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder into which the wheel, built from a copy, was installed without its needs."""
    work = tmp_path_factory.mktemp("wheel")
    copy = work / "checkout"
    copy.mkdir()
    for name in ("rainbench", "datasets", "baselines", "reports"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    add_weights(copy / "baselines")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", work, copy]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = work.glob("*.whl")
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet"]
    subprocess.run([*install, "--target", work / "site", wheel], check=True, capture_output=True)
    return work / "site"


def call(installed, folder, *arguments):
    code = (
        "import rainbench, sys; from rainbench.cli import main\n"
        "print(rainbench.__file__, file=sys.stderr); main()"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
    )


def test_list_from_an_empty_folder(installed, tmp_path):
    done = call(installed, tmp_path, "list")
    assert done.returncode == 0 and str(installed) in done.stderr
    for name in ("rain100h", "prenet", "prenet-y", "mini-streaks"):
        assert name in done.stdout
    assert "Left out" not in done.stderr


def test_run_from_an_empty_folder(installed, tmp_path):
    done = call(installed, tmp_path, "run", "-b", "identity", "-d", "mini-streaks")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs/latest/table.csv").is_file()


def test_shipped_weights_run_and_are_not_fetched(installed, tmp_path):
    name = "prenet_r.of-the-test"
    done = call(installed, tmp_path, "run", "-b", name, "-d", "mini-streaks", "--limit", "1")
    assert done.returncode == 0, done.stderr
    assert name in (tmp_path / "runs/latest/table.csv").read_text()
    done = call(installed, tmp_path, "fetch", name)
    assert done.returncode == 0 and "nothing to download" in done.stderr
    assert done.stdout.strip() == str(
        installed / "rainbench" / "baselines" / "weights" / f"{name}.safetensors"
    )


def test_the_embedded_sets_are_there_with_their_pictures(installed, tmp_path):
    for name in ("streaks", "drops", "mist", "joint", "spa"):
        done = call(installed, tmp_path, "check", f"mini-{name}")
        assert done.returncode == 0 and "good" in done.stdout and "8 pairs" in done.stdout


def test_content_holds_no_code(installed):
    for name in ("datasets", "baselines", "reports"):
        assert any((installed / "rainbench" / name).iterdir())
        assert not list((installed / "rainbench" / name).rglob("*.py"))
