"""An export's table on a card: what a person wrote there stays as it is."""

import tomllib

import pytest

from rainbench.catalog.cards import TrainingRecord, WeightsCard
from rainbench.core.errors import RainbenchError, StoreError
from rainbench.train.export import Export, append_to_card, as_toml

RECORD = TrainingRecord(
    command='rainbench train "x"', data="é", seed=0, steps=20_000, batch=1, patch=4, hours=0.5,
    hardware="h", precision="fp32", score="s", version="1",
)  # fmt: skip
CARD = WeightsCard(
    tag="own", sha256="0" * 64, files=("own.safetensors",), source="here", licence="CC0",
    trained_on=("mini-streaks",), arguments={"width": 8}, training=RECORD,
)  # fmt: skip
EXPORT = Export(file=None, card=CARD, table=as_toml(CARD))

HEAD = '''# a comment
name = "net"   # another
notes = """
Not a table:
[[weights]]
tag = "own"
"""
'''
OURS = """
[[weights]]
tag = 'own'
sha256 = "1"

[weights.training]
seed = 3
"""
THEIRS = """
[[weights]] # theirs
tag = "theirs"
sha256 = "2"
"""


@pytest.mark.parametrize("before", ["", OURS, THEIRS, OURS + THEIRS, THEIRS + OURS])
def test_own_weights_are_replaced_and_all_else_is_kept(tmp_path, before):
    file = tmp_path / "net.toml"
    file.write_text(HEAD + before)
    for _ in range(2):
        append_to_card(file, EXPORT)
        text = file.read_text()
        assert text.startswith(HEAD) and text.endswith("\n" + as_toml(CARD))
        tags = [table["tag"] for table in tomllib.loads(text)["weights"]]
        assert tags == ["theirs", "own"] if THEIRS in before else tags == ["own"]
        assert (THEIRS in text) == (THEIRS in before)


def test_weights_of_others_and_files_that_are_no_cards_are_left_alone(tmp_path):
    file = tmp_path / "net.toml"
    for text, error in (
        (HEAD + THEIRS.replace('"theirs"', "'own'"), RainbenchError),
        ("weights = [{ tag = 'x' }]\n", StoreError),
        ("not toml [", StoreError),
    ):
        file.write_text(text)
        with pytest.raises(error, match=r"net\.toml"):
            append_to_card(file, EXPORT)
        assert file.read_text() == text


def test_a_table_reads_back_as_it_was():
    table = tomllib.loads(as_toml(CARD))["weights"][0]
    assert table["training"]["steps"] == 20_000 and table["training"]["data"] == "é"
    assert table["training"]["command"] == RECORD.command and table["arguments"] == {"width": 8}
    assert "steps = 20_000" in as_toml(CARD)
