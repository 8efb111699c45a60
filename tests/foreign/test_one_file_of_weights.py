"""``--weights FILE`` for a network that has a card: what it knows, and what is the user's own."""

import hashlib

import numpy as np
import pytest
import torch

import rainbench as rb
from rainbench.core.resume import git_hash

IMAGE = np.full((6, 7, 3), 51, np.uint8)


def save(file, amount):
    torch.save({"shift": torch.full((3,), amount)}, file)
    return file


@pytest.fixture
def known(add_network, tmp_path):
    """The card of a network, and a file of the weights that it knows under another name."""
    file = save(tmp_path / "release.pth", 0.25)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    text = f'''
[[weights]]
tag = "known"
sha256 = "{sha256}"
files = ["elsewhere.pth"]
source = "tests"
licence = "none"
trained_on = []
'''
    add_network("shift", "Shift", 3, text)
    return file


def test_from_python(known, cards, tmp_path):
    own = save(tmp_path / "my best.pth", 0.5)
    for name in ("shift", "shift.known"):
        model = rb.load_model(name, weights=known, cards=cards)
        assert model.name == "shift.known" and model(IMAGE) == pytest.approx(0.45)
    model = rb.load_model("shift", weights=own, cards=cards)
    assert model.name == "shift.my-best" and model(IMAGE) == pytest.approx(0.7)
    with pytest.raises(rb.RainbenchError, match=r"is not the file of shift\.known"):
        rb.load_model("shift.known", weights=own, cards=cards)
    with pytest.raises(rb.RainbenchError, match="is a text, not weights"):
        rb.load_model("shift", weights=cards / "shift.toml", cards=cards)


def test_a_file_may_be_known_by_the_hash_that_git_has_for_it(known, cards, tmp_path):
    card = cards / "shift.toml"
    sha256 = hashlib.sha256(known.read_bytes()).hexdigest()
    card.write_text(
        card.read_text().replace(f'sha256 = "{sha256}"', f'git_sha1 = "{git_hash(known)}"')
    )
    for name in ("shift", "shift.known"):
        assert rb.load_model(name, weights=known, cards=cards).name == "shift.known"
    own = save(tmp_path / "my best.pth", 0.5)
    assert rb.load_model("shift", weights=own, cards=cards).name == "shift.my-best"
    with pytest.raises(rb.RainbenchError, match=r"shift\.known \(its git hash begins with"):
        rb.load_model("shift.known", weights=own, cards=cards)


def test_two_files_of_one_name_are_two_entries(known, cards, tmp_path):
    own = save(tmp_path / "known.pth", 0.5)
    assert rb.load_model("shift", weights=own, cards=cards).name == "shift.known-own"


def test_on_the_command_line(known, rainbench, toy, tmp_path):
    own = save(tmp_path / "mine.pth", 0.0)
    given = ("run", "-d", "toy", "--data", toy, "--out", tmp_path / "run", "--device", "cpu")
    done = rainbench(*given, "-b", "shift", "--weights", own)
    assert done.returncode == 0 and "shift.mine" in done.stdout, done.stderr
    which = rainbench(*given, "-b", "shift", "-b", "identity", "--weights", own)
    assert which.returncode == 2 and "which of shift, identity takes it?" in which.stderr
    option = rainbench(*given, "-b", "shift", "--value-range", "0..255", "--weights", own)
    assert option.returncode == 2 and "Traceback" not in option.stderr


def test_two_networks_of_one_name_are_told_apart_by_their_folders(rainbench, tmp_path, toy):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "net.py").write_text(
            f"def half(image):\n    return image // 2  # {name}\n"
        )
    done = rainbench(
        "run", "-b", "a/net.py:half", "-b", "b/net.py:half", "-d", "toy", "--data", toy
    )
    assert done.returncode == 2 and "NAME=b/net.py:half" in done.stderr
    assert "b/net.py:half would be called net-half, as a/net.py:half is" in done.stderr
