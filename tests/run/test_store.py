"""The store: what a kill leaves is a prefix that a later run continues to the same bytes."""

import errno
import json
import math

import pytest

from rainbench.core.errors import StoreError
from rainbench.core.resume import key_of
from rainbench.metrics import Score, mean_score
from rainbench.run import store as module
from rainbench.run.results import CellResult, lock_run
from rainbench.run.scores import format_rows, read_images_csv
from rainbench.run.store import CellStore

PROTOCOLS = ("prenet-y", "rescan-rgb")
IMAGES = [(str(n), f"hash{n}") for n in range(1, 7)]
PARTS = {"entry": "a", "options": {"tile": 0}}
SUMMARY = {
    "variant": "",
    "comparable": True,
    "complete_set": True,
    "left_out": [],
    "options": {"precision": "fp32", "tile": 0},
    "provenance": {},
}


def scores(n):
    return {"prenet-y": Score(20 + n / 7, 0.5 + n / 97), "rescan-rgb": Score(None, 0.25)}


def means(store):
    found = read_images_csv(store.folder / "images.csv").values()
    return {name: mean_score(each[name] for each in found)._asdict() for name in PROTOCOLS}


def fill(folder, upto=6, parts=PARTS, images=IMAGES):
    with CellStore(folder, parts, PROTOCOLS, images) as store:
        done = len(store.done)
        for image, _ in images[done:upto]:
            store.append(image, scores(int(image)), 0.1)
        if upto == len(images):
            of = {"dataset": folder.parent.name, "entry": "cell"}
            store.complete({**SUMMARY, **of, "images": upto, "means": means(store)})
    return done


def content(folder):
    return {f.name: f.read_bytes() for f in folder.iterdir() if f.name != "timing.csv"}


def test_cut_at_every_byte_and_resumed(tmp_path):
    fill(tmp_path / "whole")
    whole = content(tmp_path / "whole")
    text = whole["images.csv"]
    for cut in range(len(text)):
        folder = tmp_path / f"cut{cut}"
        fill(folder, upto=3)
        (folder / "images.csv").write_bytes(text[:cut])
        fill(folder)
        assert content(folder) == whole, cut


def test_a_finished_cell_is_complete_only_for_its_key(tmp_path):
    fill(tmp_path / "cell")
    assert CellResult(tmp_path / "cell").fits(PARTS, IMAGES)
    assert not CellResult(tmp_path / "cell").fits({**PARTS, "entry": "b"}, IMAGES)
    assert not CellResult(tmp_path / "cell").fits(PARTS, IMAGES[:5])
    assert not CellResult(tmp_path / "none").fits(PARTS, IMAGES)


def edited(data):
    line = next(line for line in data.splitlines(True) if line.startswith(b"5,prenet-y"))
    return data.replace(line, line.replace(b"20.7", b"29.7"))


DAMAGES = {
    "gone": None,
    "empty": lambda _: b"",
    "binary": lambda _: bytes(range(256)),
    "edited": edited,
    "cut": lambda data: data[:-40],
    "no number": lambda data: data.replace(b"20.714286", b"many"),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("old", [False, True])
def test_a_finished_cell_whose_scores_were_changed_is_computed_again(tmp_path, damage, old):
    fill(tmp_path / "cell")
    file, made = tmp_path / "cell/images.csv", DAMAGES[damage]
    before = file.read_bytes()
    if old:
        forget_the_hash(tmp_path / "cell")
    assert CellResult(tmp_path / "cell").fits(PARTS, IMAGES)
    assert not CellResult(tmp_path / "cell").problem
    file.unlink() if made is None else file.write_bytes(made(before))
    cell = CellResult(tmp_path / "cell")
    assert not cell.fits(PARTS, IMAGES) and cell.summary is None
    assert cell.problem.endswith(
        "cell/images.csv: is not what cell.json was written for: run again"
    )
    assert fill(tmp_path / "cell") == 0
    assert file.read_bytes() == before
    assert CellResult(tmp_path / "cell").fits(PARTS, IMAGES)


def forget_the_hash(folder):
    """Make a cell one from before `images_sha256` was written down."""
    summary = json.loads((folder / "cell.json").read_text())
    del summary["images_sha256"], summary["sha256"]
    (folder / "cell.json").write_text(json.dumps(summary))


def test_a_damaged_summary_is_a_problem(tmp_path):
    fill(tmp_path / "cell")
    (tmp_path / "cell/cell.json").write_text("[1, 2")
    assert "cell.json: is damaged" in CellResult(tmp_path / "cell").problem
    assert fill(tmp_path / "cell") == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("images", 5), ("images", "6"), ("images", True), ("images", None), ("means", []),
        ("means", {"prenet-y": 3}), ("means", {"prenet-y": {"psnr": [1], "ssim": 1}}),
        ("variant", ["x"]), ("left_out", [1]), ("options", {}), ("options", "fp32"),
        ("complete_set", "yes"), ("comparable", 1), ("key", None), ("provenance", 0),
        ("dataset", "x"), ("entry", "x"), ("title", {}), ("lossy", "many"), ("images_sha256", 7),
    ],
)  # fmt: skip
def test_a_summary_of_other_fields_is_a_problem(tmp_path, name, value):
    fill(tmp_path / "cell")
    file = tmp_path / "cell/cell.json"
    summary = json.loads(file.read_text())
    del summary["sha256"]  # as of versions that wrote none
    for changed in ({**summary, name: value}, {k: v for k, v in summary.items() if k != name}):
        if changed != summary and (name in changed or name not in ("title", "lossy", "provenance")):
            file.write_text(json.dumps(changed))
            cell = CellResult(tmp_path / "cell")
            assert "run again" in cell.problem or (name == "images_sha256" and name not in changed)
            assert cell.problem == "" or (cell.summary is None and not cell.fits(PARTS, IMAGES))
    assert fill(tmp_path / "cell") in (0, 6)


def edit_without_hash(file, old, new):
    """Change a summary of a version that wrote no hash of it, or by somebody who takes it out."""
    summary = json.loads(file.read_text().replace(old, new, 1))
    del summary["sha256"]
    file.write_text(json.dumps(summary))


def test_whatever_was_edited_in_a_summary_is_a_problem(tmp_path):
    fill(tmp_path / "cell")
    file = tmp_path / "cell/cell.json"
    file.write_text(file.read_text().replace('"comparable": true', '"comparable": false'))
    assert CellResult(tmp_path / "cell").problem.endswith("cell.json: is damaged: run again")


def test_a_mean_that_was_edited_is_a_problem(tmp_path):
    fill(tmp_path / "cell")
    file = tmp_path / "cell/cell.json"
    edit_without_hash(file, '"psnr": 20.', '"psnr": 29.')
    problem = CellResult(tmp_path / "cell").problem
    assert problem.endswith("the mean of prenet-y is not that of images.csv: run again")


def test_a_mean_that_is_missing_is_a_problem(tmp_path):
    """One byte of a protocol's name changed: its row would be missing from every table."""
    fill(tmp_path / "cell")
    file = tmp_path / "cell/cell.json"
    edit_without_hash(file, '"prenet-y"', '"prenet-x"')
    problem = CellResult(tmp_path / "cell").problem
    assert problem.endswith("there is no mean of prenet-y, which images.csv has: run again")


@pytest.mark.parametrize("place", ["timing.csv", "images.csv"])
def test_a_number_edited_before_the_end_is_found_on_resume(tmp_path, place):
    """An unfinished cell has no cell.json: each image's lines have a hash of their own."""
    fill(tmp_path / "whole")
    fill(tmp_path / "cell", upto=4)
    file = tmp_path / "cell" / place
    text = file.read_text()
    lines = text.splitlines(True)
    wrong = [line.replace("20.4", "29.4") for line in lines]
    file.write_text("".join(wrong if place == "images.csv" else lines[:3]))
    assert file.read_text() != text
    assert fill(tmp_path / "cell") == 2
    assert content(tmp_path / "cell") == content(tmp_path / "whole")


def test_another_key_starts_afresh(tmp_path):
    fill(tmp_path / "cell", upto=4)
    assert fill(tmp_path / "cell", upto=2, parts={**PARTS, "options": {"tile": 64}}) == 0


def test_only_images_before_a_changed_one_are_kept(tmp_path):
    fill(tmp_path / "cell")
    changed = [(name, pixels + "!" * (name == "4")) for name, pixels in IMAGES]
    assert fill(tmp_path / "cell", images=changed) == 3


def test_a_longer_list_continues_a_limited_one(tmp_path):
    fill(tmp_path / "cell", upto=3, images=IMAGES[:3])
    assert fill(tmp_path / "cell") == 3
    fill(tmp_path / "whole")
    assert content(tmp_path / "cell") == content(tmp_path / "whole")


def test_rows_read_back(tmp_path):
    rows = {"a,b": scores(1), 'quo"te\nline': {"prenet-y": Score(math.inf, 1.0)}}
    (tmp_path / "images.csv").write_text(format_rows(rows), newline="")
    read = read_images_csv(tmp_path / "images.csv")
    assert list(read) == list(rows)
    assert read["a,b"]["rescan-rgb"].psnr is None
    assert read['quo"te\nline']["prenet-y"].psnr == math.inf


@pytest.mark.parametrize("text", ["", "other,header\n1,2\n", "\0\0\0"])
def test_foreign_content_is_no_result(tmp_path, text):
    (tmp_path / "images.csv").write_text(text)
    assert read_images_csv(tmp_path / "images.csv") == {}


def test_full_disk_says_so_and_keeps_what_is_there(tmp_path, monkeypatch):
    fill(tmp_path / "cell", upto=2)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with CellStore(tmp_path / "cell", PARTS, PROTOCOLS, IMAGES) as store:
        monkeypatch.setattr(module, "format_image", full)
        with pytest.raises(StoreError, match="disk is full: free some space"):
            store.append("3", scores(3), 0.1)
    monkeypatch.undo()
    assert fill(tmp_path / "cell") == 2


def test_unwritable_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"), lock_run(tmp_path / "file" / "out"):
        pass


def test_nothing_is_appended_through_a_link(tmp_path):
    fill(tmp_path / "cell", upto=2)
    (tmp_path / "mine").write_text("mine")
    for name in ("timing.csv", "images.csv"):
        (tmp_path / "cell" / name).unlink()
        (tmp_path / "cell" / name).symlink_to(tmp_path / "mine")
    fill(tmp_path / "cell")
    assert (tmp_path / "mine").read_text() == "mine"


def test_two_runs_do_not_mix(tmp_path):
    with lock_run(tmp_path), pytest.raises(StoreError, match="another run"), lock_run(tmp_path):
        pass


def test_key_depends_on_content_not_order():
    assert key_of({"a": [1, 2], "b": "x"}) == key_of({"b": "x", "a": (1, 2)})
    assert key_of({"a": 1}) != key_of({"a": 2})


@pytest.mark.parametrize("text", [None, "{", "{}"])
def test_a_cell_that_does_not_say_what_it_depends_on_is_not_kept(tmp_path, text):
    """`compare` calls it stale, so `run` has to make it again."""
    cell = tmp_path / "cell"
    fill(cell)
    (cell / "key.json").unlink()
    if text is not None:
        (cell / "key.json").write_text(text)
    assert not CellResult(cell).fits(PARTS, IMAGES)
    assert fill(cell) == 0 and CellResult(cell).fits(PARTS, IMAGES)


def test_a_folder_in_the_place_of_a_file(tmp_path):
    (tmp_path / "cell/images.csv/x").mkdir(parents=True)
    with pytest.raises(
        StoreError, match=r"images\.csv.*\n  There is a folder where a file is needed"
    ):
        fill(tmp_path / "cell")
