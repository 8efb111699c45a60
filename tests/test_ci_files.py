"""What keeps the repository in order: the CI script, the constraints, the workflows."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
import yaml

import rainbench
from rainbench.cli import COMMANDS, cli

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


UNBOUND = {"pandas-stubs"}
"""Names its versions after those of pandas; types are checked with constraints.txt alone."""


def pins(name):
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def test_the_lowest_versions_are_those_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    needs = [*project["dependencies"], *extras["train"], *extras["test"]]
    bounds = dict(need.split(">=") for need in needs if need not in UNBOUND)

    def release(version):  # 2.0 and 2.0.0 are one version
        return re.sub(r"(\.0)+$", "", version)

    lowest = {name: release(version) for name, version in pins("constraints-lowest.txt").items()}
    assert lowest == {name: release(version) for name, version in bounds.items()}


def test_the_usual_versions_are_not_below_the_lowest():
    def order(version):
        return [int(part) for part in version.split(".")]

    usual, lowest = pins("constraints.txt"), pins("constraints-lowest.txt")
    both = lowest.keys() & usual.keys()
    wrong = [name for name in both if order(usual[name]) < order(lowest[name])]
    assert lowest.keys() - usual.keys() <= {"accelerate"} and wrong == []


def workflows():
    return [*sorted((ROOT / ".github" / "workflows").glob("*.yml")), ROOT / "docs/ci-workflow.yml"]


@pytest.mark.parametrize("file", workflows(), ids=lambda file: file.name)
def test_workflows_name_what_exists(file):
    """Every path that a command names is there, and nothing may write unless a job says so."""
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert content["permissions"] == {"contents": "read"}
    for job in content["jobs"].values():
        assert job["timeout-minutes"] <= 60
    if file.parent.name == "docs":  # made for another repository
        return
    text = "\n".join(
        step.get("run", "") for job in content["jobs"].values() for step in job["steps"]
    )
    named = re.findall(r"(?:tests/|\.ci/|constraints)[\w./-]+", text)
    assert named
    assert [path for path in named if not (ROOT / path.partition("::")[0]).exists()] == []


def test_every_supported_system_has_a_job():
    file = ROOT / ".github" / "workflows" / "ci.yml"
    jobs = yaml.safe_load(file.read_text(encoding="utf-8"))["jobs"]
    systems = {job["runs-on"].partition("-")[0] for job in jobs.values()}
    assert systems == {"ubuntu", "macos", "windows"}
    assert "constraints-lowest.txt" in str(jobs["lowest"]) and "3.11" in str(jobs["lowest"])


def documents():
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def anchors(text):
    """Return what headings are called in links, on the site as on GitHub."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\s-]", "", each.lower()).strip().replace(" ", "-") for each in headings}


@pytest.mark.parametrize("file", documents(), ids=lambda file: str(file.relative_to(ROOT)))
def test_links_lead_somewhere(file):
    text = file.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("http"):
            continue
        path, _, heading = target.partition("#")
        there = file.parent / path if path else file
        assert there.exists(), target
        assert not heading or heading in anchors(there.read_text(encoding="utf-8")), target


def test_the_site_has_every_page():
    def pages(nav):
        for each in nav:
            value = each if isinstance(each, str) else next(iter(each.values()))
            yield from [value] if isinstance(value, str) else pages(value)

    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    ours = {file.relative_to(ROOT / "docs").as_posix() for file in (ROOT / "docs").rglob("*.md")}
    assert sorted(pages(site["nav"])) == sorted(ours)
    job = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]
    assert {"run": "mkdocs build --strict"} in job["docs"]["steps"]


def test_the_reference_has_every_public_name():
    text = (ROOT / "docs/reference/python.md").read_text(encoding="utf-8")
    named = re.findall(r"^::: rainbench\.(\w+)$", text, re.MULTILINE)
    assert sorted(named) == sorted(rainbench.__all__)


def hooks():
    spec = importlib.util.spec_from_file_location("hooks", ROOT / "docs/hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_has_every_command_and_option():
    """What the build of the site puts in, without mkdocs."""
    text = hooks().commands()
    assert re.findall(r"^## rainbench ([\w-]+)$", text, re.MULTILINE) == list(COMMANDS)
    for name in COMMANDS:
        part = text.partition(f"## rainbench {name}\n")[2].partition("\n## ")[0]
        command = cli.get_command(click.Context(cli), name)
        options = [each for each in command.params if isinstance(each, click.Option)]
        shown = {word for each in options if not each.hidden for word in each.opts}
        hidden = {word for each in options if each.hidden for word in each.opts}
        assert shown and {word for word in shown if word not in part} == set(), name
        assert {word for word in hidden if f"<code>{word} " in part} == set(), name
        assert f"```sh\nrainbench {name}" in part


def test_links_out_of_the_site_become_text_or_lead_to_the_repository():
    def mended(text, repository):
        page = SimpleNamespace(file=SimpleNamespace(src_uri="howto/ci.md"))
        config = SimpleNamespace(repo_url=repository)
        return hooks().on_page_markdown(text, page=page, config=config)

    inside = "[a](../ci-workflow.yml), [b](jobs.md#x), [c](https://example.org), ![d](../x.png)"
    assert mended(inside, None) == inside
    outside = "[`reports/golden`](../../reports/golden)"
    assert mended(outside, None) == "`reports/golden`"
    assert mended(outside, "https://e.org/r/") == (
        "[`reports/golden`](https://e.org/r/blob/main/reports/golden)"
    )


def test_the_table_of_the_readme_is_that_of_its_page():
    readme, page = (
        (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/rain100.md")
    )
    table = readme.partition("**Rain100L**")[2].partition("\n*cross*")[0]
    assert table.count("|") > 50 and table in page


def test_the_guide_names_files_that_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"\b(?:tests|benchmarks|rainbench)/[\w./*]+[\w*]", text)
    assert len(named) > 1
    wrong = [path for path in named if "NAME" not in path and not list(ROOT.glob(path))]
    assert wrong == []


def test_tests_that_are_named_exist():
    text = (ROOT / "docs/reference/bad-input.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (?!kind|-).+", text, re.MULTILINE)
    named = [re.findall(r"`(tests/[\w./]+)::(\w+)`", row) for row in rows]
    assert len(rows) > 30 and all(named)
    for file, name in {each for row in named for each in row}:
        assert f"\ndef {name}(" in (ROOT / file).read_text(encoding="utf-8"), (file, name)


def test_the_change_log_says_where_modules_lie_now():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    moves = re.findall(r"\| `(rainbench[\w.]+)` \| `(rainbench[\w.]+)` \|", text)
    assert len(moves) > 40
    for _, now in moves:
        path = ROOT.joinpath(*now.split("."))
        assert path.is_dir() or path.with_suffix(".py").is_file(), now


def test_helpers_of_the_tests_are_explained():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
    assert explained == {file.stem for file in (ROOT / "tests" / "helpers").glob("*.py")}


def test_the_glossary_is_short():
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    assert 10 <= len(re.findall(r"^\| \*\*", text, re.MULTILINE)) <= 15


def test_each_file_of_tests_runs_alone():
    """What a test borrows lies beside it or among the helpers, not in a folder run before it."""
    ours = {file.stem: file.parent for file in (ROOT / "tests").rglob("*.py")}
    wrong = []
    for file in (ROOT / "tests").rglob("*.py"):
        lines = re.findall(r"^ *(?:from|import) (\w+)", file.read_text(encoding="utf-8"), re.M)
        allowed = {file.parent, ROOT / "tests" / "helpers", ROOT / "tests"}
        wrong += [(file.name, name) for name in lines if ours.get(name, file.parent) not in allowed]
    assert wrong == []
