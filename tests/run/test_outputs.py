"""Somebody's folder of images as an entry: names, partial folders, hostile names, same numbers."""

import csv
import json

import cv2
import numpy as np
import pytest

from rainbench.catalog.registry import load_registry
from rainbench.core import images
from rainbench.core.errors import RainbenchError
from rainbench.core.images import decode_image, read_image, write_png
from rainbench.pairs.layouts import Pair, Source
from rainbench.pairs.load import load_pairs
from rainbench.pairs.matching import match_outputs
from rainbench.report.compare import compare_run
from rainbench.report.golden import accept_run
from rainbench.report.rows import build_rows
from rainbench.report.tables import table_markdown
from rainbench.run import outputs as module
from rainbench.run import restored
from rainbench.run.outputs import entry_name, score_folder


@pytest.fixture
def outputs(toy, tmp_path):
    """The toy set's rainy images under other names: what the identity would have written."""
    folder = tmp_path / "My results"
    folder.mkdir()
    for number in range(1, 6):
        image = read_image(toy / "toy" / "input" / f"{number}.png")
        write_png(folder / f"rain-{number:03d}_out.png", image)
    return folder


def pair(name, folder):
    return Pair(name, Source(folder / "in" / f"r{name}.png"), Source(folder / "gt" / f"{name}.png"))


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        (["r1.png", "r2.png"], "{id}.png"),
        (["1.jpg", "2.jpg"], "{id}.jpg"),
        (["x/0001.png", "x/0002.png"], "x/{id}.png"),
        (["out_1_a.png", "out_2_a.png", "readme.png"], "out_{id}_a.png"),
        (["r1_x2.png", "r2_x2.png", "_x2.png"], "{id}_x2.png"),
        (["b/my-r1-2.jpg", "b/my-r2-2.jpg", "r9.png"], "b/my-{id}-2.jpg"),
    ],
)
def test_what_names_have_in_common(tmp_path, names, pattern):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = match_outputs(tmp_path, [pair("1", tmp_path), pair("2", tmp_path)])
    assert found.pattern == pattern
    assert [file.relative_to(tmp_path).as_posix() for file in found.files.values()] == names[:2]
    assert not found.missing and len(found.unused) == len(names) - 2


def test_two_files_for_one_image_are_refused(tmp_path):
    for name in ("a1.png", "b1.png"):
        (tmp_path / name).touch()
    with pytest.raises(RainbenchError, match=r"a1.png and .*b1.png both stand for image 1"):
        match_outputs(tmp_path, [pair("1", tmp_path)])
    with pytest.raises(RainbenchError, match="no such folder"):
        match_outputs(tmp_path / "none", [])


def test_a_name_that_holds_another(tmp_path):
    """Of ``1`` and ``11`` the longer one is meant, and a file that is another's prefix is not."""
    for name in ("1_out.png", "11_out.png", "111_out.png", "r1_out.png"):
        (tmp_path / name).touch()
    pairs = [
        Pair(name, Source(tmp_path / f"{name}.png"), Source(tmp_path / "gt" / f"{name}.png"))
        for name in ("1", "11", "111", "r1")
    ]
    found = match_outputs(tmp_path, pairs)
    assert {key: file.name for key, file in found.files.items()} == {
        pair.id: f"{pair.id}_out.png" for pair in pairs
    }


def test_lossy_files_are_remarked_on(rainbench, toy, outputs):
    import cv2

    for file in list(outputs.iterdir())[:2]:
        cv2.imwrite(str(file.with_suffix(".jpg")), cv2.imread(str(file)))
        file.unlink()
    done = rainbench("score", outputs, "-d", "toy", "--data", toy, "--out", "run", "--json")
    assert "JPEG or WebP lost is scored too" in done.stdout


def test_entry_names():
    assert entry_name("PReNet_r (v2)") == "prenet_r-v2"
    assert entry_name("../../etc\n<b>") == "etc-b"
    assert len(entry_name("x" * 300)) == 64
    with pytest.raises(RainbenchError, match="cannot be an entry's name"):
        entry_name("../")


def rows(out):
    with (out / "table.csv").open(newline="") as file:
        return {(row["entry"], row["protocol"]): row for row in csv.DictReader(file)}


def test_a_scored_folder_is_a_row_like_any_other(rainbench, toy, cards, outputs, tmp_path):
    out = tmp_path / "out"
    run = rainbench("run", "-b", "identity", "-d", "toy", "--data", toy, "--out", out)
    assert run.returncode == 0, run.stderr
    hostile = '<script>alert("x")</script>\n../|'
    call = ("score", outputs, "-d", "toy", "--data", toy, "--out", out, "--name")
    refused = rainbench(*call, hostile)
    assert refused.returncode == 2 and "For example script-alert-x-script." in refused.stderr
    done = rainbench(*call, "script-alert-x-script")
    assert done.returncode == 0, done.stderr
    assert '5 images matched by "rain-{id}_out.png"' in done.stderr
    found = rows(out)
    for (entry, protocol), row in found.items():
        if entry != "identity" and protocol != "raindrop-y":
            assert row["psnr"] == found["identity", protocol]["psnr"], (entry, protocol)
            assert "scored from a folder of images" in row["note"]
    assert ("script-alert-x-script", "prenet-y") in found
    assert compare_run(out, load_registry([cards])).passed
    again = rainbench("run", "-b", "identity", "-d", "toy", "--data", toy, "--out", out)
    assert again.returncode == 0 and set(rows(out)) == set(found)


def test_the_report_of_a_folder_says_what_is_next(rainbench, outputs, toy, tmp_path):
    rainbench("score", outputs, "-d", "toy", "--data", toy, "--out", "o", "--name", "mine")
    done = rainbench("report", "o", "--data", toy)
    assert done.returncode == 0
    assert "mine: was scored from a folder" in done.stderr
    assert "`rainbench run -b NAME -d toy --out o`" in done.stderr
    assert "give the network as in the run" not in done.stderr
    assert "give the folders" not in done.stderr


def test_what_is_missing_or_broken_is_named(rainbench, toy, outputs, tmp_path):
    (outputs / "rain-003_out.png").write_bytes(b"<html>")
    image = read_image(outputs / "rain-004_out.png")
    write_png(outputs / "rain-004_out.png", image[:-1].copy())
    (outputs / "rain-005_out.png").unlink()
    call = ["score", outputs, "-d", "toy", "--data", toy, "--out", tmp_path / "out"]
    refused = rainbench(*call)
    assert refused.returncode == 2
    for part in ("nothing for image 5", "rain-003_out.png", "is 64x47, but", "--allow-partial"):
        assert part in refused.stderr
    partial = rainbench(*call, "--allow-partial")
    assert partial.returncode == 1 and "left out: nothing for image 5" in partial.stderr
    row = rows(tmp_path / "out")["my-results", "prenet-y"]
    assert row["images"] == "2" and "only 2 images" in row["note"]


def test_an_entry_of_ours_keeps_its_name(rainbench, toy, outputs):
    done = rainbench("score", outputs, "-d", "toy", "--data", toy, "--name", "identity")
    assert done.returncode == 2 and "is an entry of ours" in done.stderr


@pytest.mark.parametrize("replaced", ["restored", "clean"])
def test_a_picture_replaced_while_scoring_fails_the_cell(
    outputs, toy, cards, tmp_path, monkeypatch, replaced
):
    pairs = load_pairs(load_registry([cards]).dataset("toy"), toy / "toy")
    restored = outputs / "rain-003_out.png"
    file = restored if replaced == "restored" else toy / "toy/target/3.png"
    fill = module._fill_cell

    def replace_first(*arguments):
        write_png(file, 255 - read_image(file))
        fill(*arguments)

    monkeypatch.setattr(module, "_fill_cell", replace_first)
    with pytest.raises(RainbenchError, match="changed while the run was going on") as caught:
        score_folder(outputs, pairs, "theirs", tmp_path / "out")
    assert str(file) in str(caught.value)
    (row,) = build_rows(tmp_path / "out", load_registry([cards]))
    assert row.state == "failed" and row.note == caught.value.message


def score(rainbench, toy, folder, *more):
    return rainbench("score", folder, "-d", "toy", "--data", toy, "--out", "run", *more)


def test_two_kinds_of_names_are_refused_and_a_pattern_chooses(rainbench, toy, outputs, tmp_path):
    """What `--pattern` names is scored, never the kind that comes first in the alphabet."""
    for file in list(outputs.iterdir()):
        number = int(file.stem[5:8])
        image = read_image(file)
        write_png(outputs / f"{number}_input.png", image)
        write_png(outputs / f"{number}_output.png", image // 2)
        file.unlink()
    refused = score(rainbench, toy, outputs)
    assert refused.returncode == 2 and not (tmp_path / "run" / "cells").exists()
    for part in ("1_input.png", "1_output.png", '--pattern "{id}_output.png"'):
        assert part in refused.stderr
    done = score(rainbench, toy, outputs, "--pattern", "{id}_output.png", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["pattern"] == "{id}_output.png" and not answer["copies"]
    assert float(answer["rows"][0]["psnr"]) < 16


@pytest.mark.parametrize("what", ["rainy", "clean"])
def test_copies_of_the_data_set_are_said(outputs, toy, cards, tmp_path, what):
    if what == "clean":
        for file in outputs.iterdir():
            write_png(file, read_image(toy / "toy" / "target" / f"{int(file.stem[5:8])}.png"))
    said = f"5 of 5 images are the {what} one itself"
    registry = load_registry([cards])
    pairs = load_pairs(registry.dataset("toy"), toy / "toy")
    assert score_folder(outputs, pairs, "theirs", tmp_path / "out").copies == said
    assert all(said in row.note for row in build_rows(tmp_path / "out", registry))


def test_inputs_beside_a_lone_output_are_refused(outputs, toy, cards, tmp_path):
    write_png(outputs / "rain-001_restored.png", read_image(outputs / "rain-001_out.png") // 2)
    pairs = load_pairs(load_registry([cards]).dataset("toy"), toy / "toy")
    with pytest.raises(RainbenchError) as caught:
        score_folder(outputs, pairs, "theirs", tmp_path / "out")
    assert "5 of 5 images are the rainy one itself" in caught.value.message
    assert "rain-001_restored.png is image 1" in caught.value.message
    score_folder(outputs, pairs, "theirs", tmp_path / "out", pattern="rain-{id}_out.png")


def test_pictures_side_by_side_are_no_restored_images(outputs, toy, cards, tmp_path):
    for file in outputs.iterdir():
        write_png(file, np.hstack([read_image(file)] * 3))
    pairs = load_pairs(load_registry([cards]).dataset("toy"), toy / "toy")
    with pytest.raises(RainbenchError, match=r"is 192x48, 3 pictures in one\?"):
        score_folder(outputs, pairs, "theirs", tmp_path / "out")


def test_a_set_without_a_count_of_tiny_pictures(outputs, toy, cards, tmp_path):
    """Two images may be all or not: that is said, and they are not made golden in silence."""
    card = cards / "toy.toml"
    card.write_text(
        card.read_text().replace("count = 5", "count = 0").replace("[[64, 48]]", "[[8, 8]]")
    )
    for number in range(1, 6):
        for file in (toy / f"toy/input/{number}.png", toy / f"toy/target/{number}.png"):
            if number > 2:
                file.unlink()
            else:
                write_png(file, np.ascontiguousarray(read_image(file)[:8, :8]))
        restored = outputs / f"rain-{number:03d}_out.png"
        if number > 2:
            restored.unlink()
        else:
            write_png(restored, read_image(restored)[:8, :8] // 2)
    registry = load_registry([cards])
    pairs = load_pairs(registry.dataset("toy"), toy / "toy")
    out = tmp_path / "out"
    score_folder(outputs, pairs, "theirs", out)
    row = next(row for row in build_rows(out, registry) if row.protocol == "prenet-y")
    assert not row.comparable and "2 images, whether all is not known" in row.note
    assert row.ssim is None and "no SSIM: 2 images smaller than its window" in row.note
    assert "no SSIM" in table_markdown([row], registry)
    (accepted,) = accept_run(out, tmp_path / "golden")
    assert accepted.action == "new" and "whether all is not known" in accepted.reason
    card.write_text(card.read_text().replace("count = 0", "count = 2"))
    pairs = load_pairs(load_registry([cards]).dataset("toy"), toy / "toy")
    score_folder(outputs, pairs, "theirs", out)
    row = next(row for row in build_rows(out, registry) if row.protocol == "prenet-y")
    assert row.comparable and "not known" not in row.note


@pytest.mark.parametrize("partial", [(), ("--allow-partial",)])
def test_images_of_other_scenes_are_refused(rainbench, toy, outputs, tmp_path, partial):
    """Numbers that begin at another one than those of the data set."""
    files = sorted(outputs.iterdir())
    images = [file.read_bytes() for file in files]
    for file, image in zip(files, images[1:] + images[:1], strict=True):
        file.write_bytes(image)
    done = rainbench(
        "score", outputs, "-d", "toy", "--data", toy, "--out", tmp_path / "o", *partial
    )
    assert done.returncode == 2 and "does not show the scene of" in done.stderr
    assert not list((tmp_path / "o").glob("cells/*/*/cell.json"))


VIEWS = {
    "with red and blue exchanged": lambda image: image[..., ::-1],
    "mirrored": lambda image: image[:, ::-1],
    "turned by half": lambda image: image[::-1, ::-1],
}


@pytest.mark.parametrize("how", VIEWS)
def test_pictures_that_a_program_turned_are_refused(outputs, toy, cards, tmp_path, how):
    for file in outputs.iterdir():
        number = int(file.stem[5:8])
        clean = read_image(toy / "toy" / "target" / f"{number}.png")
        write_png(file, VIEWS[how](clean))
    pairs = load_pairs(load_registry([cards]).dataset("toy"), toy / "toy")
    with pytest.raises(RainbenchError, match=how):
        score_folder(outputs, pairs, "mine", tmp_path / "run")


def test_one_picture_for_two_scenes_is_refused(outputs, toy, cards, tmp_path):
    one = read_image(toy / "toy" / "input" / "1.png") // 2 + 40
    for file in outputs.iterdir():
        write_png(file, one)
    pairs = load_pairs(load_registry([cards]).dataset("toy"), toy / "toy")
    with pytest.raises(RainbenchError, match=r"same picture as|does not show the scene"):
        score_folder(outputs, pairs, "mine", tmp_path / "run")


def test_nothing_is_decoded_twice(outputs, toy, cards, tmp_path, monkeypatch):
    """Each restored image and its clean one is read once, and three rainy ones to compare."""
    pairs = load_pairs(load_registry([cards]).dataset("toy"), toy / "toy")
    decoded = []

    def counting(data, path):
        decoded.append(path)
        return decode_image(data, path)

    monkeypatch.setattr(images, "decode_image", counting)
    score_folder(outputs, pairs, "theirs", tmp_path / "out")
    assert len(decoded) == len(set(decoded)) == 10 + 3
    before = (tmp_path / "out/cells/toy/theirs/images.csv").read_bytes()
    monkeypatch.setattr(restored, "score_all", None)  # the second time nothing is scored, either
    score_folder(outputs, pairs, "theirs", tmp_path / "out")
    assert len(decoded) == 26
    assert (tmp_path / "out/cells/toy/theirs/images.csv").read_bytes() == before


def test_what_lacks_and_what_cannot_be_scored_are_two_things(outputs, toy, cards, tmp_path):
    pairs = load_pairs(load_registry([cards]).dataset("toy"), toy / "toy")
    first = outputs / "rain-001_out.png"
    write_png(first, read_image(first)[:-2].copy())
    deep = cv2.imencode(".png", np.zeros((32, 32, 3), np.uint16))[1]
    (outputs / "rain-002_out.png").write_bytes(deep.tobytes())
    with pytest.raises(RainbenchError, match=r": 2 images cannot be scored \(toy\):\n"):
        score_folder(outputs, pairs, "theirs", tmp_path / "out")
    (outputs / "rain-003_out.png").unlink()
    said = r"does not hold all images of toy, and 2 images cannot be scored"
    with pytest.raises(RainbenchError, match=said):
        score_folder(outputs, pairs, "theirs", tmp_path / "out")


def test_a_picture_on_another_scale_is_named(outputs, toy, cards, tmp_path):
    pairs = load_pairs(load_registry([cards]).dataset("toy"), toy / "toy")
    file = outputs / "rain-003_out.png"
    write_png(file, (read_image(file) > 90).astype(np.uint8))
    with pytest.raises(RainbenchError) as caught:
        score_folder(outputs, pairs, "theirs", tmp_path / "out")
    assert f"{file}: the restored picture has 8-bit values of 0 and 1 only" in caught.value.message


@pytest.mark.parametrize("names", [("input", "output"), ("derained", "gt"), ("a_result", "rainy")])
def test_the_most_plausible_pattern_is_suggested(tmp_path, names):
    meant = next(name for name in names if name in ("output", "derained", "a_result"))
    for name in names:
        for number in (1, 2):
            (tmp_path / f"{number}_{name}.png").touch()
    with pytest.raises(RainbenchError) as caught:
        match_outputs(tmp_path, [pair("1", tmp_path), pair("2", tmp_path)])
    assert f'--pattern "{{id}}_{meant}.png"' in caught.value.hint
    shown = [line for line in caught.value.message.splitlines() if "2 of 2" in line]
    assert meant in shown[0]
