"""The embedded sets are what their builder makes, byte for byte."""

import csv
import hashlib
import re
from pathlib import Path

import cv2
import pytest

from rainbench.catalog.folders import content_root
from rainbench.catalog.registry import load_registry
from rainbench.core.images import decode_image, pixel_hash
from rainbench.pairs.load import load_pairs

COMMITTED = content_root() / "datasets/mini"
SETS = ("streaks", "drops", "mist", "joint", "spa")


def files(folder, pattern):
    return {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob(pattern))}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    from rainbench.synthesis.mini import write_mini

    folder = tmp_path_factory.mktemp("mini")
    write_mini(folder)
    return folder


@pytest.mark.parametrize("name", SETS)
def test_committed_sets_are_what_the_builder_makes(made, name):
    committed, made = (files(root / name, "*.*") for root in (COMMITTED, made))
    assert list(committed) == list(made) and len(made) > 16
    if _encoder_is_the_committed_one():
        for path in (path for path in made if path.endswith(".png")):
            same = made[path].read_bytes() == committed[path].read_bytes()
            assert same, f"{path}: run `rainbench build-mini --out datasets/mini`"
    rows = [_without_files(side["metadata.csv"]) for side in (made, committed)]
    assert len(rows[0]) == 8 and rows[0] == rows[1]


def _encoder_is_the_committed_one():
    constraints = Path(__file__).parents[2] / "constraints.txt"
    pinned = re.search(r"opencv-python-headless==(\d+\.\d+\.\d+)", constraints.read_text())
    return cv2.__version__ == pinned[1]


def _without_files(path):
    """The rows of the metadata but for the hashes of files, which depend on the compressor."""
    with path.open(newline="") as file:
        return [
            {
                key: value
                for key, value in row.items()
                if not key.endswith("_sha256") or key.endswith("_pixels_sha256")
            }
            for row in csv.DictReader(file)
        ]


@pytest.mark.parametrize("name", SETS)
def test_metadata_tells_the_truth(name):
    with (COMMITTED / name / "metadata.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            for role in ("rainy", "clean"):
                path = COMMITTED / name / row[role]
                data = path.read_bytes()
                assert hashlib.sha256(data).hexdigest() == row[f"{role}_sha256"]
                assert pixel_hash(decode_image(data, path)) == row[f"{role}_pixels_sha256"]


def test_cards_and_size():
    registry = load_registry()
    for name in SETS:
        card = registry.dataset(f"mini-{name}")
        found = load_pairs(card, content_root() / "datasets" / card.embedded)
        assert len(found.pairs) == card.count == 8
    size = sum(path.stat().st_size for path in COMMITTED.rglob("*") if path.is_file())
    assert size < 6e6
