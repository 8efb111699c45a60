"""The command line as a person meets it: good input, bad input, and what is said of it."""

import csv
import json
import os
import re
import resource
import shutil
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]


def table(out):
    with (out / "table.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def states(out):
    return {(row["entry"], row["dataset"]): row["state"] for row in table(out)}


def test_run_all_without_any_data(rainbench, tmp_path):
    """Every entry on every embedded set; on three images each, as all of them take minutes."""
    words = ("run", "--all", "--limit", 3, "--threads", 1, "--out", tmp_path / "out")
    done = rainbench(*words, timeout=570)
    assert done.returncode == 0, done.stderr
    rows = {(r["entry"], r["protocol"]): r for r in table(tmp_path / "out") if r["psnr"]}
    assert ("identity", "prenet-y") in rows and ("median", "rgb") in rows
    assert float(rows["median", "prenet-y"]["psnr"]) > float(rows["identity", "prenet-y"]["psnr"])
    assert "no copy found of" in done.stderr
    assert (tmp_path / "out/cells/mini-streaks/identity/cell.json").is_file()
    assert "| identity |" in (tmp_path / "out" / "table.md").read_text()


def test_second_run_keeps_what_is_complete(rainbench, tmp_path):
    arguments = ("run", "-b", "identity", "-d", "mini-streaks", "--out", tmp_path / "out")
    assert "1 done" in rainbench(*arguments).stderr
    before = (tmp_path / "out/cells/mini-streaks/identity/images.csv").stat().st_mtime_ns
    assert "1 kept" in rainbench(*arguments).stderr
    assert (tmp_path / "out/cells/mini-streaks/identity/images.csv").stat().st_mtime_ns == before


def test_limit_then_all_continues(rainbench, tmp_path):
    arguments = ("run", "-b", "identity", "-d", "mini-streaks", "--out", tmp_path / "out")
    rainbench(*arguments, "--limit", 3)
    assert {row["images"] for row in table(tmp_path / "out")} == {"3"}
    assert "only 3 images" in table(tmp_path / "out")[0]["note"]
    rainbench(*arguments)
    assert {row["images"] for row in table(tmp_path / "out")} == {"8"}


def test_json_is_json(rainbench, tmp_path):
    out = tmp_path / "out"
    done = rainbench("run", "-b", "identity", "-d", "mini-streaks", "--out", out, "--json")
    content = json.loads(done.stdout)
    assert content["cells"] == {"done": 1} and content["rows"][0]["dataset"] == "mini-streaks"
    for arguments in (["list"], ["list", "datasets"], ["show", "identity"], ["show", "prenet-y"],
                      ["check", "mini-streaks"], ["compare", "--out", out]):  # fmt: skip
        assert json.loads(rainbench(*arguments, "--json").stdout)


def test_a_cut_png_spoils_its_data_set_alone(rainbench, tmp_path, toy):
    file = toy / "toy" / "input" / "3.png"
    file.write_bytes(file.read_bytes()[:500])
    arguments = ("run", "-b", "identity", "-d", "toy", "-d", "mini-streaks", "--data", toy)
    done = rainbench(*arguments, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "input/3.png: is a PNG that is cut short" in done.stderr
    assert "--allow-partial" in done.stderr and "Traceback" not in done.stderr
    assert states(tmp_path / "out")["identity", "mini-streaks"] == "measured"
    partial = rainbench(*arguments, "--out", tmp_path / "partial", "--allow-partial")
    assert partial.returncode == 0
    row = next(row for row in table(tmp_path / "partial") if row["dataset"] == "toy")
    assert row["images"] == "4" and "left out" in row["note"]


@pytest.mark.parametrize("damage", ["text", "clear", "deep", "size", "empty folder"])
def test_unusable_pictures_are_named(rainbench, tmp_path, toy, damage):
    import cv2
    import numpy as np

    file = toy / "toy" / "input" / "2.png"
    image = cv2.imread(str(file))
    expected = {
        "text": "2.png: is not an image that can be decoded",
        "clear": "2.png: is partly transparent, not RGB",
        "deep": "2.png: has 16 bits a channel",
        "size": "2.png is 64x47 but",
        "empty folder": "is empty (toy)",
    }[damage]
    if damage == "text":
        file.write_text("this is not a picture")
    elif damage == "clear":
        cv2.imwrite(str(file), np.dstack([image, image[..., 0] // 2]))
    elif damage == "deep":
        cv2.imwrite(str(file), image.astype(np.uint16) * 257)
    elif damage == "size":
        cv2.imwrite(str(file), image[:-1])
    else:
        for each in (*(toy / "toy/input").iterdir(), *(toy / "toy/target").iterdir()):
            each.unlink()
        (toy / "toy/input").rmdir()
        (toy / "toy/target").rmdir()
    done = rainbench("run", "-b", "identity", "-d", "toy", "--data", toy, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert expected in done.stderr and "Traceback" not in done.stderr


def test_a_network_that_returns_nan_becomes_a_row(rainbench, tmp_path, toy, add_network):
    add_network("broken", "NotFinite")
    arguments = ("run", "-b", "broken", "-b", "identity", "-d", "toy", "--data", toy)
    done = rainbench(*arguments, "--out", tmp_path / "out")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    rows = {row["entry"]: row for row in table(tmp_path / "out")}
    assert rows["broken"]["state"] == "failed" and "not finite" in rows["broken"]["note"]
    assert ".png" in rows["broken"]["note"]
    assert rows["identity"]["psnr"]
    assert rainbench("compare", "--out", tmp_path / "out").returncode == 1


WEIGHTS = """
[[weights]]
tag = "x"
sha256 = "{sha256}"
files = ["x.pth"]
source = "the tests"
licence = "none"
trained_on = ["toy"]
"""


def _add_weights(tmp_path, add_network, content):
    from rainbench.catalog.weights import file_hash

    folder = tmp_path / "weights"
    folder.mkdir()
    torch.save(content, folder / "x.pth")
    add_network("net", "Shift", 3, WEIGHTS.format(sha256=file_hash(folder / "x.pth")))
    return folder


class Evil:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (self.marker,)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"conv.weight": torch.ones(3)}, "does not fit Shift"),
        ({"shift": torch.ones(3), "evil": Evil("it-ran")}, "refused; nothing of it was run"),
    ],
)
def test_bad_checkpoints_cost_their_own_row(rainbench, tmp_path, add_network, content, message):
    folder = _add_weights(tmp_path, add_network, content)
    arguments = ("run", "-b", "net", "-b", "identity", "-d", "mini-streaks", "--weights", folder)
    done = rainbench(*arguments, "--out", tmp_path / "out")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    rows = {row["entry"]: row for row in table(tmp_path / "out")}
    assert rows["net.x"]["state"] == "failed" and message in rows["net.x"]["note"]
    assert rows["identity"]["psnr"]
    assert not (tmp_path / "it-ran").exists()


def test_missing_weights_say_where_to_get_them(rainbench, tmp_path, add_network):
    _add_weights(tmp_path, add_network, {"shift": torch.zeros(3)})
    out = tmp_path / "out"
    done = rainbench("run", "-b", "net", "-d", "mini-streaks", "--out", out)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "no weights found for 1 entry (net.x)" in done.stderr
    assert "`rainbench fetch net.x --to DIR` gets them from the tests" in done.stderr
    assert states(out)["net.x", "mini-streaks"] == "missing"
    assert "`rainbench fetch net.x --to DIR` gets them from the tests" in table(out)[0]["note"]
    assert "the tests" in rainbench("show", "net.x").stdout
    done = rainbench(
        "run", "-b", "net", "-d", "mini-streaks", "--out", out, "--weights", tmp_path / "weights"
    )
    assert done.returncode == 0 and states(out)["net.x", "mini-streaks"] == "measured"


def test_a_network_without_weights_is_never_run(rainbench, tmp_path, add_network):
    """Its output would be noise; it is no entry of "all", and named it says what to do."""
    add_network("net", "Shift", 3)
    out = tmp_path / "out"
    done = rainbench("run", "--all", "--dry-run", "--out", out)
    assert done.returncode == 0 and "(net" not in done.stderr
    done = rainbench("run", "-b", "net", "-b", "identity", "-d", "mini-streaks", "--out", out)
    assert done.returncode == 0 and "no weights found for 1 entry (net)" in done.stderr
    rows = {row["entry"]: row for row in table(out)}
    assert rows["identity"]["psnr"] and rows["net"]["state"] == "missing"
    assert "`rainbench train net` makes some" in rows["net"]["note"]


def test_a_slow_entry_is_run_when_it_is_named(rainbench, tmp_path, add_network):
    add_network("slow", "Shift", 0, "seconds_per_megapixel = 31\n")
    add_network("quick", "Shift", 0, "seconds_per_megapixel = 29\n")

    def cells(*arguments):
        done = rainbench("run", *arguments, "--dry-run", "--json", "--out", tmp_path / "out")
        return done.stderr, {cell["entry"] for cell in json.loads(done.stdout)["cells"]}

    said, entries = cells("--all")
    assert "quick" in entries and "slow" not in entries
    assert re.search(r"left out as slow: .*\bslow\b.* \(-b NAME runs them\)", said)
    said, entries = cells("-b", "slow", "-d", "mini-streaks")
    assert entries == {"slow"} and "left out" not in said


def test_a_card_with_a_typo_is_left_out_and_said(rainbench, tmp_path, cards, add_network):
    add_network("typo", "Shift", 3, "chanel_order = 'bgr'\n")
    done = rainbench("run", "-b", "identity", "-d", "mini-streaks", "--out", tmp_path / "out")
    assert 'typo.toml: unknown key "chanel_order"' in done.stderr
    assert 'Did you mean "channel_order"?' in done.stderr
    assert states(tmp_path / "out")["identity", "mini-streaks"] == "measured"
    assert done.returncode == 1
    assert 'unknown key "chanel_order"' in rainbench("show", "typo").stderr


def test_unwritable_out(rainbench, tmp_path):
    (tmp_path / "file").write_text("")
    done = rainbench("run", "--all", "--out", tmp_path / "file")
    assert done.returncode == 2 and "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_full_disk_and_after(rainbench, tmp_path):
    """A limit on the size of files stands for the full disk: writes fail half way."""
    out = tmp_path / "out"
    arguments = ("run", "-b", "identity", "-b", "median", "-d", "mini-streaks", "--out", out)

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))

    done = rainbench(*arguments, preexec_fn=limit)
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    assert "cannot be written" in done.stderr and "what is there is kept" in done.stderr
    kept = [path.read_text() for path in out.glob("cells/mini-streaks/*/images.csv")]
    assert "".join(kept).count("prenet-y,") >= 1
    assert rainbench(*arguments).returncode == 0
    fresh = ("run", "-b", "identity", "-b", "median", "-d", "mini-streaks", "--out", tmp_path / "b")
    rainbench(*fresh)
    for entry in ("identity", "median"):
        name = f"cells/mini-streaks/{entry}/images.csv"
        assert (out / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run"], "nothing to run"),
        (["rnu"], 'Did you mean "run"'),
        (["run", "-d", "rain100"], "no such data set: rain100"),
        (["run", "-b", "prenets"], "no such baseline: prenets"),
        (["run", "--all", "--data", "nowhere"], "nowhere: there is no such folder"),
        (["run", "--all", "--tile", "3"], "--tile 3 is too small"),
        (["show", "identiti"], 'Did you mean "identity"'),
        (["compare", "nothing"], "holds no results"),
        (["check", "--leaks", "mini-streaks", "rain12"], "no copy found"),
        (["check", "--data", "nowhere"], "nowhere: there is no such folder"),
        (["check", "--weights", "nowhere"], "nowhere: there is no such folder"),
    ],
)
def test_wrong_calls(rainbench, arguments, message):
    done = rainbench(*arguments)
    assert done.returncode == 2
    assert message in done.stderr and "Traceback" not in done.stderr


def test_golden_numbers_are_guarded(rainbench, tmp_path):
    out, golden = tmp_path / "out", tmp_path / "golden"
    rainbench("run", "-b", "median", "-d", "mini-streaks", "--out", out)
    accept = ("accept", out, "--golden", golden)
    assert "new      mini-streaks / median" in rainbench(*accept).stdout
    assert "same     mini-streaks / median" in rainbench(*accept).stdout
    compare = ("compare", out, "--golden", golden)
    assert rainbench(*compare).returncode == 0
    file = golden / "mini-streaks/median.csv"
    rows = list(csv.reader(file.read_text().splitlines()))
    (row,) = [row for row in rows if row[0] == "4-table_1"]
    place = rows[0].index("rgb:1:psnr")
    row[place] = f"{float(row[place]) + 0.02:.4f}"
    file.write_text("".join(",".join(row) + "\n" for row in rows))
    done = rainbench(*compare)
    assert done.returncode == 1
    assert "mini-streaks / median / rgb: PSNR of image 4-table_1 was" in done.stdout
    kept = rainbench(*accept)
    assert kept.returncode == 1 and "kept     mini-streaks / median" in kept.stdout
    assert rainbench(*compare).returncode == 1
    assert "replaced mini-streaks / median" in rainbench(*accept, "--replace").stdout
    assert rainbench(*compare).returncode == 0


def test_scores_edited_by_hand_are_refused_and_computed_again(rainbench, tmp_path):
    out, golden = tmp_path / "out", tmp_path / "golden"
    run = ("run", "-b", "median", "-d", "mini-streaks", "--out", out)
    rainbench(*run)
    file = out / "cells/mini-streaks/median/images.csv"
    before = file.read_bytes()
    file.write_bytes(before.replace(b",0.8", b",0.9"))
    message = "cells/mini-streaks/median/images.csv: is not what cell.json was written for"
    compared = rainbench("compare", out)
    assert compared.returncode == 1 and message in compared.stdout
    accepted = rainbench("accept", out, "--golden", golden)
    assert accepted.returncode == 1 and not golden.exists()
    assert f"left out mini-streaks / median: {message}" in accepted.stdout
    assert "nothing was accepted" in accepted.stderr
    reported = rainbench("report", out, "--pictures", "0")
    assert reported.returncode == 1 and message in reported.stderr
    assert states(out)["median", "mini-streaks"] == "failed"
    assert rainbench(*run).returncode == 0
    assert file.read_bytes() == before
    assert rainbench("compare", out).returncode == 0


def test_a_part_of_a_set_without_a_count_is_not_the_whole_set(rainbench, toy, cards, tmp_path):
    card = cards / "toy.toml"
    card.write_text(re.sub(r"(?m)^count = .*$", "count = 0", card.read_text()))
    out, golden = tmp_path / "out", tmp_path / "golden"
    run = ("run", "-b", "identity", "-d", "toy", "--data", toy, "--out", out)
    rainbench(*run, "--limit", "2")
    accepted = rainbench("accept", out, "--golden", golden)
    assert accepted.returncode == 1 and not golden.exists()
    assert "left out toy / identity: not the whole data set" in accepted.stdout
    assert "only 2 images" in (out / "table.csv").read_text()
    rainbench(*run)
    assert "new      toy / identity" in rainbench("accept", out, "--golden", golden).stdout


def test_the_old_spelling_of_a_run_folder_warns(rainbench, tmp_path):
    out, golden = tmp_path / "out", tmp_path / "golden"
    rainbench("run", "-b", "median", "-d", "mini-streaks", "--out", out)
    done = rainbench("accept", "--out", out, "--golden", golden)
    assert done.returncode == 0 and "new      mini-streaks / median" in done.stdout
    assert f"rainbench accept {out}" in done.stderr and "deprecated" in done.stderr
    done = rainbench("compare", "--golden", golden, "--out", out)
    assert done.returncode == 0 and "deprecated" in done.stderr
    assert "deprecated" not in rainbench("compare", out, "--golden", golden).stderr
    assert "two run folders" in rainbench("compare", out, "--out", tmp_path).stderr


def test_a_dry_run_leaves_nothing_and_prints_its_plan(rainbench, tmp_path):
    out = tmp_path / "out"
    done = rainbench(
        "run", "-b", "median", "-d", "mini-streaks", "--out", out, "--dry-run", "--json"
    )
    assert done.returncode == 0 and not out.exists()
    (cell,) = json.loads(done.stdout)["cells"]
    assert cell == {"dataset": "mini-streaks", "entry": "median", "images": 8, "missing": ""}


def test_leaks(rainbench, toy, cards):
    text = (cards / "toy.toml").read_text()
    (cards / "toy2.toml").write_text(text.replace('"toy"', '"toy2"'))
    (toy / "toy2").symlink_to(toy / "toy")
    done = rainbench("check", "--leaks", "toy", "toy2", "--data", toy)
    assert "5 of 5 backgrounds of toy are in toy2" in done.stdout


def test_a_broken_data_folder_does_not_hide_a_good_one(rainbench, tmp_path, toy):
    shutil.copytree(toy, tmp_path / "good")
    file = toy / "toy" / "input" / "3.png"
    file.write_bytes(file.read_bytes()[:500])
    done = rainbench(
        "run", "-b", "identity", "-d", "toy", "--data", toy, "--data", tmp_path / "good",
        "--out", tmp_path / "out",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert states(tmp_path / "out")["identity", "toy"] == "measured"
    assert "toy: another copy is used" in done.stderr and "input/3.png" in done.stderr


def test_an_installed_package_is_not_written_into(rainbench, tmp_path):
    """An installed wheel, with its cards inside the package; `test_wheel` installs a real one."""
    site = tmp_path / "site"
    skip = shutil.ignore_patterns("__pycache__", "weights")
    shutil.copytree(ROOT / "rainbench", site / "rainbench", ignore=skip)
    for name in ("datasets", "baselines", "reports"):
        shutil.copytree(ROOT / name, site / "rainbench" / name, ignore=skip)
    arguments = ("train", "prenet_r", "--clean", "nowhere", "--export", "x.safetensors")
    done = rainbench(*arguments, "--add-to-card", env={"PYTHONPATH": str(site)})
    assert done.returncode == 2 and "prenet_r.toml belongs to the installed" in done.stderr
    assert "--cards FOLDER" in done.stderr
    assert "belongs to" not in rainbench(*arguments, "--add-to-card").stderr


@pytest.mark.parametrize(
    "call",
    [
        ("fetch", "prenet", "--max-time", "nan"),
        ("run", "-b", "my.py:Net", "--time-limit", "NaN"),
        ("build-spa", "videos", "--out", "o", "--min-psnr", "36", "--test-share", "nan"),
    ],
)
def test_what_is_not_a_number_is_refused(rainbench, call):
    done = rainbench(*call)
    assert done.returncode == 2 and "is not a number" in done.stderr


@pytest.mark.parametrize(
    "call",
    [
        ("report", "--pictures", "99999999"),
        ("leaderboard", "run", "--out", "site", "--pictures", "99999999"),
        ("synth", "streaks", "photos", "--out", "o", "--versions", "99999999"),
        ("claims", "--run", "--seeds", "99999999"),
    ],
)
def test_counts_that_no_machine_bears_are_refused(rainbench, call):
    """`synth` counted its versions until memory ran out, a dry run, too."""
    done = rainbench(*call)
    assert done.returncode == 2 and "99999999 is not in the range" in done.stderr


def test_pages_show_as_many_images_as_may_be_asked_for():
    from rainbench.commands.options import PICTURES
    from rainbench.report.page.content import EXTREMES

    assert PICTURES.max == 2 * EXTREMES


def test_metrics_that_name_none_are_refused(rainbench, toy, tmp_path):
    done = rainbench(
        "run",
        "-b",
        "identity",
        "-d",
        "toy",
        "--data",
        toy,
        "--out",
        tmp_path / "o",
        "--metrics",
        "",
    )
    assert done.returncode == 2 and "--metrics: names no metric" in done.stderr
