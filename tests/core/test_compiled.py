"""Where compiled code is kept when the usual places cannot be written."""

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from rainbench.core import compiled

CODE = """
import os, sys, numpy as np
from rainbench.metrics import score_all
image = np.arange(3 * 32 * 32, dtype=np.uint8).reshape(32, 32, 3)
print(score_all(image, np.roll(image, 1, 0), ["prenet-y"])["prenet-y"].ssim < 1)
print(os.environ["NUMBA_CACHE_DIR"])
"""


def test_no_place_but_a_temporary_one(tmp_path):
    """As in a container: neither the package nor a home can be written."""
    nowhere = "/proc/none"
    places = {"NUMBA_CACHE_DIR": nowhere, "XDG_CACHE_HOME": nowhere, "HOME": nowhere}
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        capture_output=True,
        text=True,
        env={**os.environ, **places, "TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    truth, folder = done.stdout.split()
    assert truth == "True"
    assert Path(folder).is_relative_to(tmp_path) and list(Path(folder).rglob("*.nbi"))
    assert stat.S_IMODE(Path(folder).stat().st_mode) == 0o700


def test_the_first_place_that_can_be_written_is_taken(tmp_path, monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    assert compiled.cache_folder(tmp_path) is None
    (tmp_path / "package").write_text("a file, so that no folder can be made below it")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("sys.platform", "linux")
    assert (tmp_path / "cache") in compiled.cache_folder(tmp_path / "package").parents
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "mine"))
    assert compiled.cache_folder(tmp_path / "package") == tmp_path / "mine"


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="POSIX permissions")
def test_a_folder_that_others_may_write_is_not_used(tmp_path, monkeypatch):
    """Compiled code that somebody else has put there would be run."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/proc/none")
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/none")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    planted = tmp_path / f"rainbench-compiled-{os.getuid()}"
    planted.mkdir()
    planted.chmod(0o777)
    chosen = compiled.cache_folder(tmp_path)
    assert chosen != planted and chosen.parent == tmp_path
    planted.chmod(0o700)
    assert compiled.cache_folder(tmp_path) == planted
