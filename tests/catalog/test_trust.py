"""A card is a text: whose code it may have imported, and with which arguments."""

import sys

import pytest

from rainbench.catalog.registry import load_registry
from rainbench.core.errors import CardError
from rainbench.networks.construct import construct

CARD = """
name = "net"
title = "Net"
network = "{network}"
parameters = 0
macs_per_pixel = 0
paper = "p"
source = "s"
licence = "l"
arguments = {{ {arguments} }}
"""

MODULE = """
from pathlib import Path
from torch import nn

from rainbench.networks.base import Restoration

Path(__file__).with_name("IMPORTED").touch()


def function(**_):
    Path(__file__).with_name("CALLED").touch()


class NoNetwork:
    def __init__(self, **_):
        function()


class Own(nn.Module):
    def forward(self, rainy):
        return Restoration(rainy)

    @staticmethod
    def convert_published(published):
        return dict(published)
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A module of a user's and a folder of cards; whether it was imported shows in a file."""
    (tmp_path / "own_module.py").write_text(MODULE)
    (tmp_path / "set").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("own_module", None)


def card(folder, network, arguments="", **options):
    (folder / "set" / "net.toml").write_text(CARD.format(network=network, arguments=arguments))
    registry = load_registry([folder / "set"], **options)
    assert registry.problems == ()
    return registry.baselines["net"]


FOREIGN = ["own_module:Own", "os:system", "subprocess:run", "builtins:exec", "torch.nn:Identity",
           "rainbench.networksx:Own", "rainbench.core.files:Path"]  # fmt: skip


@pytest.mark.parametrize("network", FOREIGN)
def test_code_that_is_not_ours_is_not_even_imported(own, network):
    chosen = card(own, network)
    with pytest.raises(CardError, match=r"net\.toml: names .*--trust-cards"):
        construct(chosen, chosen.arguments)
    assert not (own / "IMPORTED").exists()


def test_a_folder_of_the_environment_is_not_trusted_either(own, monkeypatch):
    card(own, "own_module:Own")
    monkeypatch.setenv("RAINBENCH_PATH", str(own / "set"))
    chosen = load_registry().baselines["net"]
    with pytest.raises(CardError, match="--trust-cards"):
        construct(chosen, {})


def test_a_card_cannot_trust_itself(own):
    card(own, "own_module:Own")
    file = own / "set" / "net.toml"
    file.write_text("trusted = true\nfile = 'x'\n" + file.read_text())
    problem = str(load_registry([own / "set"]).problems[0])
    assert 'unknown key "trusted"' in problem and 'unknown key "file"' in problem


def test_a_trusted_card_runs_a_network_of_the_users_own(own):
    chosen = card(own, "own_module:Own", trusted=True)
    assert type(construct(chosen, {})).__name__ == "Own"


@pytest.mark.parametrize("name", ["function", "NoNetwork", "Path", "nn", "Restoration"])
def test_what_is_no_network_is_never_called(own, name):
    chosen = card(own, f"own_module:{name}", "a = 1", trusted=True)
    with pytest.raises(CardError, match=r"is no network"):
        construct(chosen, chosen.arguments)
    assert (own / "IMPORTED").exists() and not (own / "CALLED").exists()


@pytest.mark.parametrize(
    ("code", "message"),
    [("1 / 0", "ZeroDivisionError"), ("import sys; sys.exit(3)", "SystemExit"), ("(", "Syntax")],
)
def test_a_module_that_cannot_be_imported_is_named(own, code, message):
    (own / "own_module.py").write_text(code)
    with pytest.raises(CardError, match=rf"net\.toml: network own_module:Own .*{message}"):
        construct(card(own, "own_module:Own", trusted=True), {})


def test_modules_of_an_installed_package_are_offered(own):
    """The tests' own networks are: `toynets` has an entry point beside it."""
    assert type(construct(card(own, "toynets:Blur"), {})).__name__ == "Blur"


PRENET = "rainbench.networks.prenet:PReNet"


@pytest.mark.parametrize(
    ("network", "arguments", "message"),
    [
        (PRENET, "iteration = 3", r'has no "iteration"\n.*Did you mean "iterations"'),
        ("rainbench.networks.plain:Identity", "x = 1", "does not take these arguments"),
        (PRENET, 'width = "wide"', "cannot be made with the arguments of its card: TypeError"),
        (PRENET, "width = [1]", "cannot be made with the arguments of its card"),
        (PRENET, "width = 100_000", "many more than the card says"),
    ],
)
def test_arguments_that_a_class_does_not_take(own, network, arguments, message):
    chosen = card(own, network, arguments)
    with pytest.raises(CardError, match=message):
        construct(chosen, chosen.arguments)


def test_all_missing_arguments_are_named(own):
    module = own / "own_module.py"
    module.write_text(MODULE.replace("Own(nn.Module):", "Own(nn.Module):\n    __init__ = _init\n"))
    init = "def _init(self, *, width, depth, bias=True):\n    pass\n"
    module.write_text(init + module.read_text())
    with pytest.raises(CardError, match="width, depth are missing"):
        construct(card(own, "own_module:Own", trusted=True), {})


def test_commands_run_no_code_of_a_card(own, rainbench):
    """As in a downloaded data set: no command that takes cards runs a line of it."""
    card(own, "own_module:Own")
    done = rainbench(
        "run", "-b", "net", "-b", "identity", "-d", "mini-streaks", "--limit", "1",
        "--cards", own / "set", "--out", own / "o",
    )  # fmt: skip
    assert done.returncode == 1 and "--trust-cards" in done.stderr
    assert not (own / "IMPORTED").exists()
    assert (own / "o/cells/mini-streaks/identity/images.csv").exists()
    done = rainbench("check", "net", "--cards", own / "set")
    assert done.returncode == 1 and "--trust-cards" in done.stdout
    assert not (own / "IMPORTED").exists()
    trusted = rainbench("check", "net", "--trust-cards", "--cards", own / "set")
    assert trusted.returncode == 0 and trusted.stdout.startswith("good"), trusted.stderr
