"""A card to fill in is a card that can be read, and counts what can be counted."""

import hashlib

import pytest
from click.testing import CliRunner

from rainbench.catalog.schema import read_card
from rainbench.commands.new import command
from rainbench.core.errors import RainbenchError
from rainbench.metrics.record import Protocol


def new(*words):
    done = CliRunner().invoke(command, [*map(str, words)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done


def test_a_model(folder, tmp_path):
    new("model", "my-net", "--network", f"{folder}/my_net.py:Net", "--argument", "width=4",
        "--weights", folder / "my.pth", "--to", tmp_path / "cards")  # fmt: skip
    card = read_card(tmp_path / "cards/my-net.toml")
    assert (card.parameters, card.macs_per_pixel, card.network) == (127, 120, "my_net:Net")
    assert card.arguments == {"width": 4} and card.weights[0].tag == "my"
    assert card.weights[0].sha256 == hashlib.sha256((folder / "my.pth").read_bytes()).hexdigest()
    new("model", "plain", "--to", tmp_path)
    assert read_card(tmp_path / "plain.toml").weights == ()


def test_a_data_set_and_a_protocol(tmp_path):
    new("dataset", "my-rain", "--to", tmp_path)
    assert read_card(tmp_path / "my-rain.toml").layouts[0].rainy == "rainy/{id}.png"
    new("protocol", "mine", "--to", tmp_path)
    module = {}
    exec((tmp_path / "mine.py").read_text(), module)
    assert isinstance(module["PROTOCOL"], Protocol) and module["PROTOCOL"].name == "mine"


WRONG = {
    "a class that is not there": (
        ["model", "x", "--network", "{folder}/my_net.py:No"],
        "has no No",
    ),
    "other weights": (["model", "x", "--network", "{folder}/blocks.py:Block"], "cannot be made"),
    "a bad name": (["dataset", "My Rain"], "a-z"),
    "no model": (["dataset", "x", "--weights", "w.pth"], "for a model"),
    "a file": (["model", "x", "--network", "net.onnx"], "names a class"),
    "no file": (["model", "x", "--weights", "gone.pth"], "no such file"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_written_is_told(folder, tmp_path, what):
    words, said = WRONG[what]
    words = [word.format(folder=folder) for word in words]
    with pytest.raises(RainbenchError, match=said):
        new(*words, "--to", tmp_path)
    assert not list(tmp_path.glob("*.toml"))


def test_nothing_is_replaced(tmp_path):
    new("dataset", "x", "--to", tmp_path)
    with pytest.raises(RainbenchError, match="already"):
        new("dataset", "x", "--to", tmp_path)
