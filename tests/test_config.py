"""Options of a call in a file: written, read again, overridden."""

import json
import tomllib

import pytest


@pytest.fixture
def plan(rainbench):
    """Call ``run --dry-run --json`` and return the plan."""

    def call(*arguments, **options):
        done = rainbench("run", *arguments, "--dry-run", "--json", **options)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return call


def test_what_was_saved_gives_the_same_plan(plan, tmp_path):
    file = tmp_path / "a b" / "benchmark.toml"
    given = ("-b", "identity", "-b", "median", "-d", "mini-*", "--limit", "2", "--out", "runs/x")
    first = plan(*given, "--save-config", file)
    content = tomllib.loads(file.read_text())
    assert content == {
        "baseline": ["identity", "median"],
        "dataset": ["mini-*"],
        "limit": 2,
        "out": str(tmp_path / "runs/x"),
    }
    assert plan(file) == first and len(first["cells"]) == 10


def test_the_command_line_and_the_environment_count_before_the_file(plan, tmp_path):
    file = tmp_path / "benchmark.toml"
    file.write_text('baseline = ["identity"]\ndataset = ["mini-streaks"]\nlimit = 2\n')
    cells = plan(file, "--limit", "3", "-d", "mini-mist")["cells"]
    assert [(cell["dataset"], cell["images"]) for cell in cells] == [("mini-mist", 3)]


def test_paths_are_relative_to_the_file(plan, toy, cards, tmp_path):
    file = toy / "benchmark.toml"
    file.write_text('baseline = ["identity"]\ndataset = ["toy"]\ndata = ["."]\n')
    (cell,) = plan(file)["cells"]
    assert (cell["dataset"], cell["images"]) == ("toy", 5)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"baselin = ['x']", 'Did you mean "baseline"'),
        (b"baseline = 'identity'", "has to be a list of values"),
        (b"limit = [1]", "has to be one value"),
        (b"limit = 'many'", "many"),
        (b"limit = {a = 1}", "has to be one value"),
        (b"save-config = 'x'", "unknown key"),
        (b"[[[", "is no TOML file"),
        (b"\xff\xfe", "is no TOML file"),
        (b"", "nothing to run"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(rainbench, tmp_path, content, said):
    file = tmp_path / "benchmark.toml"
    if content is not None:
        file.write_bytes(content)
    done = rainbench("run", file)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr


def test_networks_of_ones_own_are_kept_but_a_file_is_not_trusted_with_code(rainbench, tmp_path):
    (tmp_path / "my_net.py").write_text(
        "from torch import nn\n"
        "open('ran', 'a').close()\n"
        "class Net(nn.Module):\n"
        "    def __init__(self, width=1): super().__init__()\n"
        "    def forward(self, rainy): return rainy\n"
    )
    words = ["-b", "my_net.py:Net", "--argument", "width=3", "--multiple-of", "8"]
    words += ["-d", "mini-streaks", "--limit", "1", "--save-config", "b.toml"]
    assert rainbench("run", *words, "--dry-run").returncode == 0
    content = tomllib.loads((tmp_path / "b.toml").read_text())
    assert content["argument"] == ["width=3"] and content["multiple-of"] == 8
    (tmp_path / "ran").unlink(missing_ok=True)
    done = rainbench("run", "b.toml", "--dry-run")
    assert done.returncode == 2 and "--trust-cards" in done.stderr
    assert not (tmp_path / "ran").exists()
    assert rainbench("run", "b.toml", "--dry-run", "--trust-cards").returncode == 0
    (tmp_path / "t.toml").write_text("trust-cards = true\nall = true\n")
    assert "unknown key trust-cards" in rainbench("run", "t.toml", "--dry-run").stderr
