"""Weights that lie beside their card: found without being fetched, checked, and named as ours."""

import csv
import hashlib
import re

import pytest
import torch
from safetensors.torch import save

from rainbench.catalog.fetch import fetch_weights
from rainbench.catalog.registry import load_registry
from rainbench.catalog.weights import find_weights, shipped_weights
from rainbench.core.errors import WeightsError
from rainbench.run.plan import make_plan

TABLE = """
[[weights]]
tag = "{tag}"
sha256 = "{sha256}"
files = ["net.{tag}.safetensors"]
source = "trained by rainbench"
licence = "Apache-2.0"
trained_on = ["{dataset}"]

[weights.training]
command = "rainbench train net --rain {tag}"
data = "{tag} synthesised on 8 images of photographs"
seed = 0
steps = 10
batch = 4
patch = 48
hours = 0.001
hardware = "tests"
precision = "fp32"
score = "1 dB / 0.1"
version = "0.1.0"
"""


@pytest.fixture
def shipped(cards, add_network):
    """A card with two tags of ours; the folder of their weights."""
    folder = cards / "weights"
    folder.mkdir()
    tables = ""
    for tag, value, dataset in (("streaks", 0.01, "mini-streaks"), ("joint", 0.02, "mini-joint")):
        data = save({"amount": torch.full((3,), value)})
        (folder / f"net.{tag}.safetensors").write_bytes(data)
        sha256 = hashlib.sha256(data).hexdigest()
        tables += TABLE.format(tag=tag, sha256=sha256, dataset=dataset)
    add_network("net", "Shift", 3, tables)
    return folder


def entries(cards):
    return {entry.name: entry for entry in load_registry([cards]).entries(["net"])}


def test_every_tag_is_an_entry_of_all(cards, shipped):
    plan = make_plan(load_registry([cards]), datasets=["mini-streaks"])
    found = {cell.entry.name: cell.weights for cell in plan.runnable if cell.weights}
    for tag in ("streaks", "joint"):
        assert found[f"net.{tag}"] == shipped / f"net.{tag}.safetensors"


def test_a_folder_of_weights_with_the_right_hash_is_taken_instead(cards, shipped, tmp_path):
    entry = entries(cards)["net.streaks"]
    right = (shipped / "net.streaks.safetensors").read_bytes()
    for name, content in (("other", b"another file"), ("same", right)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "net.streaks.safetensors").write_bytes(content)
    assert find_weights(entry, [tmp_path / "other"]) == shipped / "net.streaks.safetensors"
    assert find_weights(entry, [tmp_path / "same"]).parent == tmp_path / "same"


def test_fetching_them_downloads_nothing(cards, shipped, tmp_path):
    entry = entries(cards)["net.joint"]
    target = tmp_path / "fetched"
    assert fetch_weights(entry, target) == shipped_weights(entry)
    assert not target.exists()


def test_a_damaged_or_missing_file_says_how_to_make_it(cards, shipped, tmp_path):
    entry = entries(cards)["net.joint"]
    target = tmp_path / "fetched"
    (shipped / "net.joint.safetensors").write_bytes(b"damaged")
    with pytest.raises(
        WeightsError, match=r"is not the file its card describes.*install rainbench"
    ):
        fetch_weights(entry, target)
    (shipped / "net.joint.safetensors").unlink()
    with pytest.raises(WeightsError, match="or make them: `rainbench train net --rain joint`"):
        fetch_weights(entry, target)


def test_a_run_says_whose_they_are(rainbench, cards, shipped, tmp_path):
    (shipped / "net.joint.safetensors").write_bytes(save({"amount": torch.zeros(3)}))
    done = rainbench("run", "-b", "net", "-d", "mini-streaks", "--limit", 2, "--out", "out")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    with (tmp_path / "out" / "table.csv").open() as file:
        rows = {row["entry"]: row for row in csv.DictReader(file) if row["protocol"] == "prenet-y"}
    assert rows["net.streaks"]["psnr"]
    assert rows["net.streaks"]["note"].startswith("trained on synthetic data of ours")
    assert "trained on synthetic data of ours" in (tmp_path / "out" / "table.md").read_text()
    assert "is not the file its card describes" in rows["net.joint"]["note"]


def test_a_prior_of_photographs_is_not_said_to_have_seen_rain(rainbench, tmp_path):
    done = rainbench("run", "-b", "gmm", "-d", "mini-streaks", "--limit", 1, "--out", "out")
    assert done.returncode == 0, done.stderr
    with (tmp_path / "out" / "table.csv").open() as file:
        (row,) = (row for row in csv.DictReader(file) if row["protocol"] == "prenet-y")
    assert row["entry"] == "gmm.bsds500" and "; trained by us; " in row["note"]
    assert row["note"].startswith("re-created: ") and "synthetic" not in row["note"]


def test_they_are_listed_and_shown(rainbench, shipped, tmp_path):
    listed = rainbench("list", "baselines", "--json")
    assert '"shipped": "streaks joint"' in listed.stdout
    assert re.search(r"shipped +True", rainbench("show", "net.streaks").stdout)
    done = rainbench("fetch", "net", "--to", tmp_path / "fetched")
    assert done.returncode == 0 and "nothing to download" in done.stderr
    assert done.stdout.split() == [
        str(shipped / f"net.{tag}.safetensors") for tag in ("streaks", "joint")
    ]
