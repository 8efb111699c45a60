"""Packaging: whatever the order and the workers, files that other programs read."""

import csv
import dataclasses
import hashlib
import io
import json
import random
import tarfile

import numpy as np
import pytest

from rainbench.catalog.cards import DatasetCard, Layout, Variant
from rainbench.catalog.schema import read_card
from rainbench.core.errors import ImageError, RainbenchError, StoreError
from rainbench.core.images import pixel_hash, read_image, write_png
from rainbench.core.text import safe_name
from rainbench.packaging.card_text import card_text
from rainbench.packaging.contact_sheet import CELL_WIDTH, SheetRow, make_contact_sheet
from rainbench.packaging.package import Extras, PairRecord, Split, file_facts, write_package
from rainbench.pairs.load import load_pairs

CARD = DatasetCard(
    name="mine",
    title='Rain of "mine" — Hof\\Garten',
    revision="1",
    degradation=("streaks",),
    origin="real",
    split="test",
    count=0,
    protocol="prenet-y",
    layouts=(Layout(name="pairs", rainy="rainy/{id}.png", clean="clean/{id}.png"),),
    licence="CC0",
    sources=("made in the tests",),
    citation="nobody",
    notes="Line one.\nLine two: tab\t, del \x7f, emoji 🌧.",
)
TRAIN = dataclasses.replace(CARD, name="mine-train", split="train")


def write_pairs(root, name, numbers, seed=0):
    """Write pairs and return their records."""
    rng = np.random.default_rng(seed)
    records = []
    for role in ("rainy", "clean", "mask"):
        (root / name / role).mkdir(parents=True)
    for number in numbers:
        clean = rng.integers(0, 200, (12, 16, 3), np.uint8)
        mask = np.repeat(rng.integers(0, 2, (12, 16, 1), np.uint8) * 255, 3, axis=2)
        files = {}
        for role, image in (("rainy", clean + mask // 8), ("clean", clean), ("mask", mask)):
            files[role] = f"{role}/{number}.png"
            write_png(root / name / files[role], image)
        parameters = {"frame": number, "gain": 1 + number / 3}
        source = f"{name}-video-{number % 2}"
        records.append(
            PairRecord(id=str(number), source=source, files=files, parameters=parameters)
        )
    return records


@pytest.fixture
def splits(tmp_path):
    root = tmp_path / "set"
    return root, [
        Split(CARD, write_pairs(root, "mine", [1, 2, 10])),
        Split(TRAIN, write_pairs(root, "mine-train", range(6), seed=1)),
    ]


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_card_reads_back_and_loads(splits):
    root, parts = splits
    written = write_package(root, parts)
    for card in written:
        read = read_card(root / f"{card.name}.toml")
        assert dataclasses.replace(read, file=card.file) == card
        pairs = load_pairs(read, root / card.name)
        assert len(pairs.pairs) == card.count
        assert card.sizes == ((16, 12),)


def test_card_text_keeps_every_field(tmp_path):
    full = dataclasses.replace(
        CARD,
        folders=("a", "b"),
        sizes=((1, 2), (3, 4)),
        variants=(Variant(name="cut", sizes=((1, 1),), comparable=True, note="x"),),
        aliases=("α",),
    )
    file = tmp_path / "mine.toml"
    file.write_text(card_text(full), encoding="utf-8")
    assert dataclasses.replace(read_card(file), file=full.file) == full


def test_metadata_rows(splits):
    root, parts = splits
    write_package(root, parts, extras=Extras(hugging_face=True))
    with (root / "mine/metadata.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == ["1", "2", "10"]
    for row in rows:
        for role in ("rainy", "clean", "mask"):
            path = root / "mine" / row[role]
            assert row[f"{role}_pixels_sha256"] == pixel_hash(read_image(path))
            assert row[f"{role}_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert row["file_name"] == row["rainy"]
        assert row["clean_file_name"] == row["clean"]
        assert (row["width"], row["height"]) == ("16", "12")
        assert float(row["gain"]) == pytest.approx(1 + int(row["frame"]) / 3, rel=1e-5)


def test_same_bytes_for_any_order_and_workers(splits):
    root, parts = splits
    extras = Extras(hugging_face=True, webdataset=True)
    write_package(root, parts, extras=extras)
    before = tree(root)
    for workers in (1, 3):
        shuffled = []
        for part in parts:
            pairs = list(part.pairs)
            random.Random(workers).shuffle(pairs)
            shuffled.append(dataclasses.replace(part, pairs=pairs))
        write_package(root, shuffled, extras=extras, workers=workers)
        assert tree(root) == before


def test_known_facts_are_not_read_again(splits):
    root, parts = splits
    part = parts[0]
    facts = {
        path: file_facts(root / "mine" / path)
        for pair in part.pairs
        for path in pair.files.values()
    }
    write_package(root, [part])
    before = tree(root)
    for path in facts:
        (root / "mine" / path).write_bytes(b"gone")
    write_package(root, [dataclasses.replace(part, facts=facts)])
    assert (root / "mine/metadata.csv").read_bytes() == before["mine/metadata.csv"]


def test_shards_hold_the_files(splits):
    root, parts = splits
    write_package(root, parts, extras=Extras(webdataset=True))
    assert sorted(path.name for path in (root / "shards").iterdir()) == [
        "mine-00000.tar",
        "mine-train-00000.tar",
    ]
    with tarfile.open(root / "shards/mine-00000.tar") as shard:
        assert shard.getnames()[:4] == ["1.rainy.png", "1.clean.png", "1.mask.png", "2.rainy.png"]
        for member in shard:
            assert (member.mtime, member.uid, member.gid, member.uname) == (0, 0, 0, "")
            number, role = member.name.split(".")[:2]
            data = shard.extractfile(member).read()
            assert data == (root / f"mine/{role}/{number}.png").read_bytes()


def test_croissant_validates_and_reads(splits):
    mlcroissant = pytest.importorskip("mlcroissant")
    root, parts = splits
    write_package(root, parts)
    dataset = mlcroissant.Dataset(jsonld=str(root / "croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    for name, count in (("mine", 3), ("mine-train", 6)):
        records = list(dataset.records(f"{name}-pairs"))
        assert len(records) == count
        with (root / name / "metadata.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        read = [record[f"{name}-pairs/rainy"].decode() for record in records]
        assert read == [row["rainy"] for row in rows]
        assert records[0][f"{name}-pairs/width"] == 16


def test_croissant_notices_a_changed_table(splits):
    mlcroissant = pytest.importorskip("mlcroissant")
    root, parts = splits
    write_package(root, parts)
    with (root / "mine/metadata.csv").open("a", encoding="utf-8") as file:
        file.write("x\n")
    dataset = mlcroissant.Dataset(jsonld=str(root / "croissant.json"))
    with pytest.raises(Exception, match="mine-metadata"):
        list(dataset.records("mine-pairs"))


def test_leak_between_splits_is_refused(splits):
    root, parts = splits
    stolen = dataclasses.replace(parts[1].pairs[0], source=parts[0].pairs[0].source)
    leaking = dataclasses.replace(parts[1], pairs=[*parts[1].pairs[1:], stolen])
    with pytest.raises(RainbenchError, match="both hold pairs of mine-video-1"):
        write_package(root, [parts[0], leaking])
    assert not (root / "mine.toml").exists()


def test_what_is_refused(splits):
    root, (part, _) = splits
    with pytest.raises(RainbenchError, match="two pairs have the id 1"):
        write_package(root, [dataclasses.replace(part, pairs=[part.pairs[0]] * 2)])
    half = dataclasses.replace(part.pairs[0], files={"rainy": "rainy/1.png"})
    with pytest.raises(RainbenchError, match="not complete"):
        write_package(root, [dataclasses.replace(part, pairs=[half])])
    (root / "mine/rainy/1.png").write_bytes(b"<html>")
    with pytest.raises(ImageError, match="HTML"):
        write_package(root, [part])
    (root / "mine/rainy/1.png").unlink()
    with pytest.raises(StoreError, match="cannot be read"):
        write_package(root, [part])


def test_a_place_that_cannot_be_written(splits, tmp_path):
    root, parts = splits
    (root / "croissant.json").mkdir()
    with pytest.raises(StoreError, match="cannot be written"):
        write_package(root, parts)
    assert not list(root.rglob("*.part"))


def test_empty_splits_leave_nothing(tmp_path):
    assert write_package(tmp_path, [Split(CARD, [])]) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "name"),
    [("Hof 2.mp4", "hof-2-mp4"), ("../x", "x"), ("İstanbul", "istanbul"), ("雨", ""), ("--", "")],
)
def test_safe_names(text, name):
    assert safe_name(text) == name


def test_contact_sheet_shows_the_pictures():
    red = np.full((10, 20, 3), (200, 0, 0), np.uint8)
    wide = np.full((100, 1000, 3), (0, 200, 0), np.uint8)
    sheet = make_contact_sheet(
        [SheetRow("雨 a", [red, wide]), SheetRow("b", [red, red])], ["x", "y"]
    )
    assert sheet.dtype == np.uint8
    assert int((sheet == (200, 0, 0)).all(axis=2).sum()) == 3 * 200
    shown = (sheet == (0, 200, 0)).all(axis=2)
    assert shown.any(axis=0).sum() == CELL_WIDTH


def test_croissant_is_plain_json(splits):
    root, parts = splits
    write_package(root, parts)
    content = json.load(io.StringIO((root / "croissant.json").read_text(encoding="utf-8")))
    assert content["conformsTo"].startswith("http://mlcommons.org/croissant/")
