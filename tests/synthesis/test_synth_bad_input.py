"""What people give `rainbench synth` and `synth-jrsrd` by mistake, and what happens to a build."""

import errno
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib

import cv2
import numpy as np
import pytest

from rainbench.core.images import write_png

HEIGHT, WIDTH = 48, 72


def picture(number, height=HEIGHT, width=WIDTH):
    coarse = np.random.default_rng(number).integers(0, 230, (6, 9, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        write_png(folder / f"{number}.png", picture(number))
    return folder


@pytest.fixture
def raindrop(tmp_path):
    folder = tmp_path / "raindrop"
    for seed, (name, what) in enumerate((("data", "rain"), ("gt", "clean"))):
        (folder / "train" / name).mkdir(parents=True)
        for number in range(3):
            path = folder / "train" / name / f"{number}_{what}.png"
            write_png(path, picture(10 * seed + number))
    return folder


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock" and ".build" not in path.parts
    }


def lens(photos, out):
    return ("synth-jrsrd", "--clean", photos, "--drops", "lens", "--out", out)


def test_a_copy_with_a_wrong_count_is_taken_only_when_allowed(call, raindrop, tmp_path):
    arguments = ("synth-jrsrd", "--raindrop", raindrop, "--out", tmp_path / "out")
    code, said = call(*arguments)
    assert code == 2 and "3 pairs of raindrop-train instead of 861" in said
    assert "--allow-partial" in said and not (tmp_path / "out").exists()
    code, said = call(*arguments, "--allow-partial")
    assert code == 0 and "12 pairs" in said
    card = (tmp_path / "out/jrsrd-re-train.toml").read_text()
    assert card.startswith("# A re-creation of JRSRD, not the authors' images")
    assert "3 pairs of raindrop-train instead of 861" in card


def test_a_missing_partner_is_named(call, raindrop, tmp_path):
    (raindrop / "train/gt/1_clean.png").unlink()
    arguments = ("synth-jrsrd", "--raindrop", raindrop, "--out", tmp_path / "out")
    code, said = call(*arguments)
    assert code == 2 and "1_rain.png has no clean partner" in said
    code, said = call(*arguments, "--allow-partial")
    assert code == 0 and "8 pairs" in said


def spoil(photos, kind):
    path = photos / "1.png"
    if kind == "gray":
        write_png(path, picture(1)[..., 0].copy())
    elif kind == "alpha":
        alpha = np.full((HEIGHT, WIDTH, 1), 100, np.uint8)
        cv2.imwrite(str(path), np.concatenate([picture(1), alpha], axis=2))
    elif kind == "deep":
        cv2.imwrite(str(path), picture(1).astype(np.uint16) * 257)
    elif kind == "cut":
        path.write_bytes(path.read_bytes()[:200])
    elif kind == "page":
        path.write_text("<html>not found</html>")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "folder":
        path.unlink()
        path.mkdir()


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("alpha", "1.png: is partly transparent"),
        ("deep", "1.png: has 16 bits a channel"),
        ("cut", "1.png: is a PNG that is cut short"),
        ("page", "1.png: is not an image"),
        ("empty", "1.png: is empty"),
    ],
)
def test_one_bad_file_is_named_and_can_be_left_out(call, photos, tmp_path, kind, message):
    spoil(photos, kind)
    arguments = ("synth", "streaks", photos, "--out", tmp_path / "out", "--test-share", 1)
    code, said = call(*arguments)
    assert code == 2 and message in said and "--allow-partial" in said
    assert not (tmp_path / "out/synth-streaks.toml").exists()
    code, said = call(*arguments, "--allow-partial")
    assert code == 1 and message in said
    assert "count = 2" in (tmp_path / "out/synth-streaks.toml").read_text()


def test_a_gray_photograph_is_taken_as_three_equal_channels(call, photos, tmp_path):
    spoil(photos, "gray")
    code, said = call("synth", "streaks", photos, "--out", tmp_path / "out", "--test-share", 1)
    assert code == 0 and "3 pairs" in said


def test_a_folder_called_like_an_image_is_passed_over(call, photos, tmp_path):
    spoil(photos, "folder")
    code, said = call("synth", "streaks", photos, "--out", tmp_path / "out", "--test-share", 1)
    assert code == 0 and "2 pairs" in said


def test_a_link_to_nothing_is_named(call, photos, tmp_path):
    (photos / "1.png").unlink()
    (photos / "1.png").symlink_to(photos / "gone.png")
    code, said = call("synth", "streaks", photos, "--out", tmp_path / "out")
    assert code == 2 and "1.png: cannot be read" in said


@pytest.mark.skipif(sys.platform != "linux", reason="other file systems take text alone")
def test_names_that_are_no_text_are_written_as_text(call, photos, tmp_path):
    (photos / "0.png").rename(photos / os.fsdecode(b"b\xff.png"))
    (photos / "1.png").rename(photos / "new\nline.png")
    shutil.copy(photos / "2.png", photos / os.fsdecode(b"same\xfe.png"))
    (photos / os.fsdecode(b"bad\xfd.png")).write_bytes(b"no picture")
    arguments = ("synth", "streaks", photos, "--out", tmp_path / "out", "--test-share", 1)
    code, said = call(*arguments, "--allow-partial")
    assert code == 1 and "3 pairs" in said, said
    card = (tmp_path / "out" / "synth-streaks.toml").read_text(encoding="utf-8")
    assert "same\\xfe.png" in tomllib.loads(card)["notes"]
    assert "bad\\xfd.png" in tomllib.loads(card)["notes"]
    sources = (tmp_path / "out" / "synth-streaks" / "metadata.csv").read_text(encoding="utf-8")
    assert "b\\xff.png" in sources and "new\\nline.png" in sources


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
@pytest.mark.timeout(60)
def test_a_pipe_called_like_an_image_is_named_and_not_waited_for(call, photos, tmp_path):
    (photos / "1.png").unlink()
    os.mkfifo(photos / "1.png")
    code, said = call("synth", "streaks", photos, "--out", tmp_path / "out")
    assert code == 2 and "1.png: cannot be read: it is a device, a pipe" in said


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read(call, photos, tmp_path):
    (photos / "1.png").chmod(0)
    code, said = call("synth", "streaks", photos, "--out", tmp_path / "out")
    assert code == 2 and "1.png" in said and "cannot be read" in said


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3), (5, 4), (1, 40)])
def test_images_smaller_than_a_drop(call, tmp_path, height, width):
    (tmp_path / "tiny").mkdir()
    write_png(tmp_path / "tiny/a.png", picture(1, height, width))
    code, said = call(*lens(tmp_path / "tiny", tmp_path / "out"), "--mist", "--test-share", 1)
    assert code == 0, said
    rainy = cv2.imread(str(tmp_path / "out/jrsrd-lens/rainy/a_1.png"))
    assert rainy.shape == (height, width, 3)


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ("0.2,1.5", "a level is a noise amount from 0.01 to 1"),
        ("0", "a level is a noise amount from 0.01 to 1"),
        ("-0.2", "a level is a noise amount from 0.01 to 1"),
        ("20,60", "a level is a noise amount from 0.01 to 1"),
        ("120%", "a level is a noise amount from 0.01 to 1"),
        ("nan", "a level is a noise amount from 0.01 to 1"),
        ("0.2,0.2", "a level is given twice"),
        ("much", "not numbers between commas"),
        (",", "--levels is empty"),
    ],
)
def test_levels_that_are_none(call, photos, tmp_path, levels, message):
    code, said = call(*lens(photos, tmp_path / "out"), f"--levels={levels}")
    assert code == 2 and message in said
    assert not (tmp_path / "out").exists()


def test_out_and_input_must_lie_apart(call, photos, raindrop):
    before = tree(photos), tree(raindrop)
    for out in (photos, photos / "new", photos.parent):
        code, said = call(*lens(photos, out))
        assert code == 2 and "one lies inside the other" in said
    code, said = call("synth-jrsrd", "--raindrop", raindrop, "--allow-partial",
                      "--out", raindrop / "train/new")  # fmt: skip
    assert code == 2 and "one lies inside the other" in said
    assert (tree(photos), tree(raindrop)) == before


def test_out_that_holds_something_else(call, photos, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/chapter.txt").write_text("1")
    code, said = call(*lens(photos, tmp_path / "thesis"))
    assert code == 2 and "is not empty" in said
    visible = [path.name for path in (tmp_path / "thesis").iterdir() if path.name[0] != "."]
    assert visible == ["chapter.txt"]


def test_names_of_any_script(call, tmp_path):
    folder = tmp_path / "写真 ü"
    folder.mkdir()
    for number, name in enumerate(("雨.png", "дождь.png", "a b.png", "a_b.png", "é'\"$(x).png")):
        write_png(folder / name, picture(number))
    out = tmp_path / "наб ор"
    code, said = call("synth", "streaks", folder, "--out", out, "--test-share", 1,
                      "--also", "webdataset")  # fmt: skip
    assert code == 0 and "5 pairs" in said
    names = [path.name for path in (out / "synth-streaks/rainy").iterdir()]
    assert len(names) == 5 and all(re.fullmatch(r"[a-z0-9_-]+\.png", name) for name in names)
    assert "дождь.png" in (out / "synth-streaks/metadata.csv").read_text(encoding="utf-8")


def test_a_disk_that_fills_and_the_same_bytes_after(call, photos, tmp_path, monkeypatch):
    from rainbench.synthesis import scene as synth_scene

    assert call(*lens(photos, tmp_path / "whole"))[0] == 0
    write, left = synth_scene.write_atomically, [25]

    def fill(path, data):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        write(path, data)

    monkeypatch.setattr(synth_scene, "write_atomically", fill)
    code, said = call(*lens(photos, tmp_path / "out"))
    assert code == 2 and "No space left on device" in said and "is kept" in said
    monkeypatch.setattr(synth_scene, "write_atomically", write)
    code, said = call(*lens(photos, tmp_path / "out"))
    assert code == 0 and "were there before" in said
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


KILLED = """
import os, signal, sys
from rainbench.synthesis import scene as synth_scene
write, left = synth_scene.write_atomically, [int(sys.argv.pop(1))]
def die(path, data):
    left[0] -= 1
    if left[0] < 0:
        path.with_name(f".{path.name}.1.part").write_bytes(data[:20])
        os.kill(os.getpid(), signal.SIGKILL)
    write(path, data)
synth_scene.write_atomically = die
from rainbench.cli import main
main()
"""


def test_a_build_that_is_killed_ends_with_the_same_bytes(call, photos, tmp_path):
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert call(*lens(photos, whole))[0] == 0
    for writes in (10, 18):
        arguments = [str(writes), *map(str, lens(photos, out)), "--workers", "1"]
        done = subprocess.run([sys.executable, "-c", KILLED, *arguments], capture_output=True)
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert not (out / "jrsrd-lens.toml").exists()
    assert call(*lens(photos, out))[0] == 0
    assert tree(out) == tree(whole)  # and nothing half written lies about


def test_depth_maps_of_the_user(call, photos, tmp_path):
    depth = tmp_path / "depth"
    depth.mkdir()
    far = np.tile(np.linspace(0, 65535, WIDTH).astype(np.uint16), (HEIGHT, 1))
    cv2.imwrite(str(depth / "0.png"), far)
    np.save(depth / "1.npy", far.astype(np.float32))
    arguments = ("synth", "mist", photos, "--depth", depth, "--out", tmp_path / "out",
                 "--test-share", 1)  # fmt: skip
    code, said = call(*arguments)
    assert code == 2 and "no depth map for 2.png" in said
    write_png(depth / "2.png", np.zeros((9, 9), np.uint8) + np.uint8(7))
    code, said = call(*arguments)
    assert code == 2 and "has the shape (9, 9)" in said
    write_png(depth / "2.png", (far >> 8).astype(np.uint8))
    assert call(*arguments)[0] == 0
    for name in ("0_1", "1_1", "2_1"):
        path = tmp_path / f"out/synth-mist/transmission/{name}.png"
        light = cv2.imread(str(path), cv2.IMREAD_UNCHANGED).astype(int)
        assert (np.diff(light, axis=1) <= 0).all() and light[0, 0] == 255 > light[0, -1]


@pytest.mark.parametrize("seed", range(3))
def test_copies_of_a_picture_in_other_formats_are_left_out(call, tmp_path, seed):
    (photos := tmp_path / "photos").mkdir()
    for number in range(4):
        write_png(photos / f"{number}.png", picture(number))
        for ending in ("bmp", "tif"):
            cv2.imwrite(str(photos / f"copy {number}.{ending}"), picture(number)[..., ::-1])
    arguments = ("synth", "streaks", photos, "--out", tmp_path / "out", "--test-share", "0.5")
    for _ in range(2):  # the second one continues
        code, said = call(*arguments, "--seed", seed)
        assert code == 0
        assert len(re.findall(r"left out copy \d\.tif: the same pixels as ", said)) == 4
        rows = "".join(
            path.read_text() for path in (tmp_path / "out").glob("*/metadata.csv")
        ).splitlines()
        assert len([row for row in rows if row.startswith(("0_", "1_", "2_", "3_"))]) == 4
        assert len(list((tmp_path / "out").glob("*/rainy/*.png"))) == 4


def test_a_file_with_the_longest_name_there_can_be_is_a_scene(call, photos, tmp_path):
    (photos / "0.png").rename(photos / f"{'l' * 251}.png")
    (photos / "1.png").rename(photos / f"{'l' * 250}m.png")
    code, said = call("synth", "streaks", photos, "--out", tmp_path / "out")
    assert code == 0 and "3 scenes" in said
    assert len(list((tmp_path / "out").glob("*/rainy/*.png"))) == 3
