"""The installed package finds its cards, pictures and tables, far from any checkout."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder into which the wheel, built from this checkout, was installed without its needs."""
    work = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", work, ROOT]
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


def test_content_holds_no_code(installed):
    for name in ("datasets", "baselines", "reports"):
        assert any((installed / "rainbench" / name).iterdir())
        assert not list((installed / "rainbench" / name).rglob("*.py"))
