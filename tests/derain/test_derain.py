"""Deraining files: what becomes of each kind, of names, of results that are there, of bad files."""

import errno
import json
import os
from fractions import Fraction

import click
import cv2
import numpy as np
import pytest

from rainbench.catalog.registry import load_registry
from rainbench.cli import COMMANDS, cli
from rainbench.core.errors import RainbenchError, StoreError
from rainbench.core.images import read_image, write_png
from rainbench.core.resume import write_record
from rainbench.derain.folder import Style, derain, find_tasks
from rainbench.run.options import RunOptions
from rainbench.run.predict import Predictor
from rainbench.video.read import read_video
from rainbench.video.write import VideoWriter

RAINY = np.random.default_rng(1).integers(0, 256, (40, 56, 3), dtype=np.uint8)


@pytest.fixture
def median():
    return Predictor(load_registry().entries(["median"])[0], None, RunOptions())


@pytest.fixture
def photos(tmp_path):
    """Names that need care, a folder in the folder, a hidden file and one of another kind."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for name in ("a.png", 'b <i>"\n.png', "more/c.png"):
        write_png(folder / name, RAINY)
    (folder / "a.bmp").write_bytes(bmp(RAINY))
    (folder / ".hidden.png").write_bytes(b"")
    (folder / "notes.txt").write_text("")
    return folder


def test_videos_that_are_not_read_are_told(photos, tmp_path, caplog):
    (photos / "more/half.part").write_bytes(b"\x1aE\xdf\xa3" + bytes(40))
    (photos / "dance.apng").write_bytes(b"")
    assert len(find_tasks(photos, tmp_path / "out", Style())) == 4
    first, second = caplog.messages
    assert first.endswith("dance.apng: passed over: an animated PNG; convert an animation to a "
                          "folder of PNG images")  # fmt: skip
    assert "half.part: passed over: a video by its first bytes" in second


def test_pictures_whose_kind_is_not_read_are_told(photos, tmp_path, caplog):
    (photos / "4.avif").write_bytes(b"a picture")
    assert len(find_tasks(photos, tmp_path / "out", Style())) == 4
    assert "1 picture not read, such as" in caplog.text and "4.avif" in caplog.text


def bmp(image):
    import cv2

    return cv2.imencode(".bmp", image[..., ::-1])[1].tobytes()


def run(path, out, predictor, style=None, **options):
    style = style or Style()
    return list(derain(find_tasks(path, out, style), predictor, style, **options))


def test_a_folder_is_derained_name_by_name(photos, tmp_path, median):
    before = {file: file.stat().st_mtime_ns for file in photos.rglob("*")}
    results = run(photos, tmp_path / "out", median)
    assert {result.state for result in results} == {"done"}
    written = sorted(str(f.relative_to(tmp_path / "out")) for f in (tmp_path / "out").rglob("*.*"))
    results_and_records = ["a.bmp.png", "a.png.png", 'b <i>"\n.png', "more/c.png"]
    results_and_records += [".a.bmp.png.json", ".a.png.png.json", '.b <i>"\n.png.json']
    assert written == sorted([*results_and_records, "more/.c.png.json"])
    expected = np.rint(np.clip(median(RAINY), 0, 1) * 255)
    assert np.array_equal(read_image(tmp_path / "out" / "more" / "c.png"), expected)
    assert before == {file: file.stat().st_mtime_ns for file in photos.rglob("*")}


def test_names_that_stay_equal_are_all_written_in_full(photos, tmp_path):
    write_png(photos / "a.png.png", RAINY)
    targets = [task.target for task in find_tasks(photos, tmp_path / "out", Style())]
    assert len(set(targets)) == len(targets) == 5


def test_what_is_there_is_kept_and_what_was_lost_is_made_again(photos, tmp_path, median):
    out = tmp_path / "out"
    run(photos, out, median)
    kept = (out / "a.png.png").stat().st_mtime_ns
    (out / "more" / "c.png").unlink()
    states = [result.state for result in run(photos, out, median)]
    assert sorted(states) == ["done", "kept", "kept", "kept"]
    assert (out / "a.png.png").stat().st_mtime_ns == kept
    assert {r.state for r in run(photos, out, median, overwrite=True)} == {"done"}


def test_one_bad_file_does_not_keep_the_others(photos, tmp_path, median):
    (photos / "broken.png").write_bytes((photos / "a.png").read_bytes()[:300])
    (photos / "empty.mp4").write_bytes(b"")
    write_png(photos / "gray.png", RAINY[..., 0])  # taken, as three equal channels
    clear = np.dstack([RAINY, np.full(RAINY.shape[:2], 100, np.uint8)])
    cv2.imwrite(str(photos / "clear.png"), clear)
    results = {result.task.source.name: result for result in run(photos, tmp_path / "out", median)}
    assert [name for name, r in results.items() if r.state == "failed"] == [
        "broken.png", "clear.png", "empty.mp4",
    ]  # fmt: skip
    assert "broken.png: is a PNG that is cut short" in results["broken.png"].note
    assert "is partly transparent" in results["clear.png"].note
    assert results["clear.png"].note.endswith("Convert it to an 8-bit RGB image; of a pair, both.")
    assert not list((tmp_path / "out").rglob("*.part"))
    assert sum(result.state == "done" for result in results.values()) == 5


def test_side_by_side(photos, tmp_path, median):
    (result,) = run(photos / "a.png", tmp_path / "out", median, Style(side_by_side=True))
    both = read_image(result.task.target)
    assert both.shape == (40, 112, 3)
    assert np.array_equal(both[:, :56], RAINY) and not np.array_equal(both[:, 56:], RAINY)


@pytest.fixture
def clip(tmp_path):
    file = tmp_path / "rain.mkv"
    with VideoWriter(file, 56, 40, Fraction(30000, 1001), lossless=True) as video:
        for index in range(5):
            video.write(np.roll(RAINY, index, 1))
    return file


@pytest.mark.parametrize("lossless", [False, True])
def test_a_video_keeps_its_rate_and_its_frames(clip, tmp_path, median, lossless):
    style = Style(lossless=lossless)
    (result,) = run(clip, tmp_path / "out", median, style)
    video = read_video(result.task.target)
    assert result.frames == len(video.frames) == 5
    assert video.info.rate == Fraction(30000, 1001)
    exact = [index * 1001 / 30000 for index in range(5)]
    assert video.times == pytest.approx(exact, abs=6e-4)  # Matroska rounds to 1/1000 s
    assert (video.info.codec, video.info.assumed) == ("ffv1" if lossless else "h264", ())
    expected = np.rint(np.clip(median(np.roll(RAINY, 3, 1)), 0, 1) * 255)
    assert np.abs(video.frames[3] - expected).mean() < (0.001 if lossless else 25)
    assert abs(float(video.frames[3].mean() - expected.mean())) < 1


def test_frames_shown_at_odd_times_stay_so(tmp_path, median):
    times = [0.0, 0.1, 0.15, 0.4, 0.41]
    with VideoWriter(tmp_path / "a.mp4", 55, 39, Fraction(12)) as video:
        for time in times:
            video.write(np.ascontiguousarray(RAINY[:39, :55]), time)
    (result,) = run(tmp_path / "a.mp4", tmp_path / "out", median)
    shown = read_video(result.task.target)
    assert shown.times == pytest.approx(times, abs=1e-4)
    assert shown.frames.shape[1:] == (39, 55, 3)


def test_every_file_counts_once_and_every_frame_is_told(clip, tmp_path, median):
    (tmp_path / "in").mkdir()
    write_png(tmp_path / "in/a.png", RAINY)
    (tmp_path / "in/b.png").write_bytes(b"no picture")
    clip.rename(tmp_path / "in/rain.mkv")
    told = []
    run(tmp_path / "in", tmp_path / "out", median, advance=lambda *step: told.append(step))
    assert [what for amount, what in told if amount] == ["a.png", "b.png", "rain.mkv"]
    frames = [what for amount, what in told if "frame" in what]
    assert len(frames) == 5 and frames[-1].startswith("rain.mkv, frame 5")


def test_a_damaged_video_is_derained_up_to_the_damage(clip, tmp_path, median):
    clip.write_bytes(clip.read_bytes()[: -clip.stat().st_size // 3])
    (result,) = run(clip, tmp_path / "out", median)
    assert result.state == "cut short" and "rain.mkv: frame" in result.note
    assert len(read_video(result.task.target).frames) == result.frames > 0
    made = result.task.target.stat().st_mtime_ns
    (again,) = run(clip, tmp_path / "out", median)
    assert (again.state, again.note) == (result.state, result.note)
    assert result.task.target.stat().st_mtime_ns == made


@pytest.mark.parametrize(
    ("path", "out", "message"),
    [
        ("photos", "photos", "lies in the input folder"),
        ("photos", "photos/out", "lies in the input folder"),
        ("photos/a.png", "photos", "would replace its own input"),
        ("photos/a.png", "x.jpg", "images are written as .png"),
        ("photos/notes.txt", "out", "neither an image nor a video"),
        ("nothing", "out", "no such file or folder"),
        ("empty", "out", "holds no images or videos"),
        ("photos", "photos/../file", "is a file"),
    ],
)
def test_calls_that_make_no_sense(photos, tmp_path, path, out, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(RainbenchError, match=message):
        find_tasks(tmp_path / path, tmp_path / out, Style())


@pytest.mark.parametrize("name", ["out", "out.v2", "out.png"])
def test_a_folder_holds_results_of_one_kind(photos, tmp_path, median, name):
    run(photos, tmp_path / name, median)
    before = tree(tmp_path / name)
    identity = Predictor(load_registry().entries(["identity"])[0], None, RunOptions())
    with pytest.raises(RainbenchError, match="made with another entry\n"):
        run(photos, tmp_path / name, identity)
    with pytest.raises(RainbenchError, match="made with another side_by_side\n"):
        run(photos, tmp_path / name, median, Style(side_by_side=True))
    assert tree(tmp_path / name) == before
    assert {r.state for r in run(photos, tmp_path / name, identity, overwrite=True)} == {"done"}
    assert {r.state for r in run(photos, tmp_path / name, identity)} == {"kept"}


def test_a_single_result_is_not_kept_for_another_network(photos, tmp_path, median):
    run(photos / "a.png", tmp_path / "one.png", median)
    assert [r.state for r in run(photos / "a.png", tmp_path / "one.png", median)] == ["kept"]
    identity = Predictor(load_registry().entries(["identity"])[0], None, RunOptions())
    with pytest.raises(RainbenchError, match=r"one\.png: was made with another entry"):
        run(photos / "a.png", tmp_path / "one.png", identity)


def test_other_weights_of_one_name_are_other_results(photos, tmp_path, median):
    run(photos, tmp_path / "out", median)
    median.weights = photos / "notes.txt"
    with pytest.raises(RainbenchError, match="made with another weights"):
        run(photos, tmp_path / "out", median)


def test_a_source_that_changed_is_told_and_the_others_are_kept(photos, tmp_path, median):
    out = tmp_path / "out"
    run(photos, out, median)
    before = (out / "more/c.png").read_bytes()
    write_png(photos / "more/c.png", RAINY[::-1].copy())
    results = {result.task.source.name: result for result in run(photos, out, median)}
    assert results["c.png"].state == "failed" and "--overwrite" in results["c.png"].note
    assert "is not the file that" in results["c.png"].note
    assert {r.state for name, r in results.items() if name != "c.png"} == {"kept"}
    assert (out / "more/c.png").read_bytes() == before
    run(photos, out, median, overwrite=True)
    assert (out / "more/c.png").read_bytes() != before


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: b"", lambda _: None])
def test_damaged_results_are_made_again(photos, tmp_path, median, damage):
    out = tmp_path / "out"
    run(photos, out, median)
    whole = (out / "more/c.png").read_bytes()
    left = damage(whole)
    (out / "more/c.png").unlink() if left is None else (out / "more/c.png").write_bytes(left)
    states = [result.state for result in run(photos, out, median)]
    assert sorted(states) == ["done", "kept", "kept", "kept"]
    assert (out / "more/c.png").read_bytes() == whole


def test_a_file_of_somebody_else_is_neither_kept_nor_replaced(photos, tmp_path, median):
    out = tmp_path / "out"
    (out / "more").mkdir(parents=True)
    (out / "more/c.png").write_bytes(b"mine")
    results = {result.task.source.name: result for result in run(photos, out, median)}
    assert results["c.png"].state == "failed" and "no record" in results["c.png"].note
    assert (out / "more/c.png").read_bytes() == b"mine"


def test_a_result_whose_record_a_kill_prevented_is_made_again(
    photos, tmp_path, median, monkeypatch
):
    class Killed(BaseException):
        pass

    def killed(record, key, results=(), facts=None):
        if results:  # after the picture, before its record
            raise Killed
        write_record(record, key, results, facts)

    out = tmp_path / "out"
    with monkeypatch.context() as during, pytest.raises(Killed):
        during.setattr("rainbench.derain.file.write_record", killed)
        run(photos / "a.png", out, median)
    assert (out / "a.png").exists()
    assert [r.state for r in run(photos / "a.png", out, median)] == ["done"]


def tree(folder):
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_full_disk_ends_the_work_at_the_first_picture(photos, tmp_path, median, monkeypatch):
    tried = []

    def full(path, _data):
        tried.append(path)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for module in ("rainbench.core.images", "rainbench.derain.file"):
        monkeypatch.setattr(f"{module}.write_atomically", full, raising=False)
    with pytest.raises(StoreError, match="No space left"):
        run(photos, tmp_path / "out", median)
    assert len(tried) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(photos, tmp_path, median):
    (tmp_path / "out").mkdir(mode=0o500)
    with pytest.raises(RainbenchError, match="cannot be written"):
        run(photos, tmp_path / "out", median)


def test_the_command_ends_alike_each_time_for_a_video_cut_short(rainbench, clip, tmp_path):
    clip.write_bytes(clip.read_bytes()[: -clip.stat().st_size // 3])
    (tmp_path / "out.d").mkdir()
    for _ in range(2):
        done = rainbench("derain", "median", clip, "--out", "out.d", "--device", "cpu")
        assert done.returncode == 1 and "cut short" in done.stderr


def test_overlap_can_be_given_wherever_tiles_can(rainbench, tmp_path):
    with_tiles = []
    for name in COMMANDS:
        given = {each.name for each in cli.get_command(click.Context(cli), name).params}
        with_tiles += [name] * ("tile" in given)
        assert "overlap" in given or "tile" not in given, name
    assert with_tiles == ["run", "derain"]
    done = rainbench("run", "--all", "--tile", "64", "--overlap", "33", "--device", "cpu")
    assert done.returncode == 2 and "--overlap 33 does not fit tiles of 64" in done.stderr
    for overlap in ("-3", "5"):
        done = rainbench("run", "--all", "--overlap", overlap, "--device", "cpu")
        assert done.returncode == 2 and f"--overlap {overlap}: there are no tiles" in done.stderr


def test_the_command(rainbench, photos, tmp_path):
    (photos / "bad.jpg").write_bytes(b"<html>")
    done = rainbench("derain", "median", photos, "--out", "out", "--json", "--device", "cpu")
    assert done.returncode == 1, done.stderr
    content = json.loads(done.stdout)
    assert content["counts"] == {"done": 4, "failed": 1}
    again = rainbench("derain", "identity", photos, "--out", "out", "--device", "cpu")
    assert again.returncode == 2 and "made with another entry" in again.stderr
    once_more = rainbench("derain", "median", photos, "--out", "out", "--json", "--device", "cpu")
    assert once_more.returncode == 1
    assert json.loads(once_more.stdout)["counts"] == {"kept": 4, "failed": 1}
    several = rainbench("derain", "prenet", photos, "--out", "x", "--device", "cpu")
    assert several.returncode == 2 and "Give one: prenet.rain100l" in several.stderr
