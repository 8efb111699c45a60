"""A container as `docs/docker/Dockerfile` makes it: what it copies, and what it cannot write."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "docs" / "docker" / "Dockerfile").read_text(encoding="utf-8")


def instructions():
    """Every instruction with its words, comments gone and lines joined."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    return [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]


def test_what_is_copied_is_what_the_package_is_built_from():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    copied = [word for name, words in instructions() if name == "COPY" for word in words.split()]
    sources = {word for word in copied if not word.startswith("/src")}
    wanted = {"pyproject.toml", project["project"]["readme"], *project["project"]["license-files"]}
    assert sources == wanted | {"constraints.txt", *wheel["packages"], *wheel["force-include"]}
    assert [name for name in sources if not (ROOT / name).exists()] == []


def test_what_is_installed_is_pinned_and_known():
    installs = re.findall(r"pip install ([^&\n]+)", DOCKERFILE)
    assert len(installs) == 1 and "-c /src/constraints.txt" in installs[0]
    (extras,) = re.findall(r'"/src\[([\w,]+)\]"', installs[0])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(extras.split(",")) <= set(project["optional-dependencies"])


def test_nobody_is_root_and_the_licence_is_told():
    made = dict(instructions())
    assert made["USER"].strip() not in ("0", "root")
    assert made["ENTRYPOINT"] == '["rainbench"]' and made["FROM"] == "${BASE}"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for label, text in {
        "licenses": project["license"],
        "description": project["description"],
    }.items():
        assert f'org.opencontainers.image.{label}="{text}"' in made["LABEL"]


SEALED = """
set -e
mount --make-rprivate /
mount -t tmpfs -o size=1m,mode=755 tmpfs /dev/shm && mount -o remount,ro /dev/shm
mkdir -p "$W/package" "$W/packages" "$W/home" "$W/work" "$W/tmp"
mount --bind "$ROOT" "$W/package" && mount -o remount,ro,bind "$W/package"
mount --bind "$PACKAGES" "$W/packages" && mount -o remount,ro,bind "$W/packages"
mount -t tmpfs -o size=4k tmpfs "$W/home" && mount -o remount,ro "$W/home"
chmod 777 "$W/work" "$W/tmp"
cd "$W/work"
export HOME="$W/home" TMPDIR="$W/tmp" PYTHONPATH="$W/package:$W/packages" PYTHONDONTWRITEBYTECODE=1
export XDG_CACHE_HOME="$W/home/.cache" OMP_NUM_THREADS=1
exec setpriv --reuid 10001 --regid 10001 --clear-groups "$PYTHON" -m rainbench "$@"
"""
"""Read-only packages, home and shared memory, and a user who owns nothing else."""
PYTHON = os.path.realpath(sys.executable)
"""Not that of the virtual environment, whose folder another user may be unable to enter."""


def can_seal():
    tools = all(map(shutil.which, ("unshare", "setpriv", "mount", "bash")))
    if sys.platform != "linux" or not tools or os.getuid() != 0:
        return False
    probe = "mount --make-rprivate / && setpriv --reuid 10001 --clear-groups $0 -c ''"
    return subprocess.run(["unshare", "-m", "bash", "-c", probe, PYTHON]).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(not can_seal(), reason="needs root, to be sealed in as in a container")
@pytest.mark.parametrize(
    "words",
    [
        "run -b identity -d mini-streaks --limit 2 --device cpu --out out",
        "synth streaks clean --workers 1 --out out",
        "train prenet_r --clean clean --steps 1 --short --width 4 --name x --workers 1 --out out",
        "derain median clean --out out",
    ],
    ids=lambda words: words.split()[0],
)
def test_commands_run_sealed_in(words, photographs):
    with tempfile.TemporaryDirectory() as name:  # pytest lets no other user into its folders
        folder = Path(name)
        shutil.copytree(photographs, folder / "work" / "clean")
        for each in (folder, folder / "work" / "clean"):
            each.chmod(0o755)
        packages = sysconfig.get_path("platlib")
        variables = {"W": name, "ROOT": str(ROOT), "PACKAGES": packages, "PYTHON": PYTHON}
        done = subprocess.run(
            ["unshare", "-m", "bash", "-c", SEALED, "sealed", *words.split()],
            env={**os.environ, **variables}, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert any((folder / "work" / "out").rglob("*"))
        assert "Traceback" not in done.stderr
