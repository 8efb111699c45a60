"""What keeps the repository in order: the CI script, the constraints, the workflows."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
needs_bash = pytest.mark.skipif(
    sys.platform == "win32" or not shutil.which("bash"), reason="the CI script is for bash"
)


@needs_bash
@pytest.mark.parametrize(
    ("closing", "enough"),
    [
        ("=== 3175 passed, 30 skipped, 1 warning in 759.38s (0:12:39) ===", True),
        ("3100 passed in 5.00s", True),
        (
            "\x1b[32m== \x1b[32m\x1b[1m3100 passed\x1b[0m, 3 skipped\x1b[32m in 5.00s ==\x1b[0m",
            True,
        ),
        ("= 2 failed, 3200 passed, 1 skipped in 9.10s =", True),
        ("=== 3099 passed, 900 skipped in 759.38s (0:12:39) ===", False),
        ("=== 5000 skipped in 759.38s ===", False),
        ("no tests ran in 0.20s", False),
        ("9000 passed, said a test", False),
        ("", False),
    ],
)
def test_too_few_tests_are_noticed(closing, enough):
    output = f"tests/x.py ....\n5000 passed on\n{closing}\n"
    done = subprocess.run(
        [ROOT / ".ci" / "enough-tests", "3100"], input=output, capture_output=True, text=True
    )
    assert (done.returncode == 0) == enough, done.stderr
    assert ("at least 3100" in done.stderr) != enough


@needs_bash
@pytest.mark.skipif(not shutil.which("git"), reason="needs git")
@pytest.mark.parametrize(
    ("passed", "code", "expected"), [(3100, 0, 0), (3099, 0, 1), (3100, 5, 5), (10, 2, 2)]
)
def test_ci_run_keeps_the_exit_code_and_counts(tmp_path, passed, code, expected):
    """In a repository whose test command only prints a closing line."""
    repository = tmp_path / "checkout"
    shutil.copytree(ROOT / ".ci", repository / ".ci")
    (repository / "README.md").write_text("```sh\ntrue && bash ./pytest\n```\n")
    (repository / "pytest").write_text(f"echo '== {passed} passed in 1.00s =='\nexit {code}\n")
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *words], cwd=repository, check=True)
    environment = {key: os.environ[key] for key in os.environ if key != "LEAST_TESTS"}
    done = subprocess.run(
        ["bash", repository / ".ci" / "run"], capture_output=True, text=True, env=environment
    )
    assert done.returncode == expected, done.stderr
    assert f"+ true && bash ./pytest\n== {passed} passed in 1.00s ==" in done.stdout


@needs_bash
def test_the_ci_command_is_the_readme_s():
    """The line that the script looks for is the one that a reader copies."""
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    commands = [line for line in lines if line.endswith("/pytest")]
    assert len(commands) == 1 and re.match(r"python3 -m venv .*pip install .*", commands[0])
