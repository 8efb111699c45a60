"""``rainbench build-spa`` as a person calls it: killed, resumed, out of space, reviewed."""

import json
import os
import resource
import subprocess
import sys
import time

import numpy as np
import pytest
from rain_clips import FRAMES, rain, tree, write_bad, write_clip

from rainbench.spa.candidate import load_candidate
from rainbench.spa.review.decisions import Decision, write_decision

COMMAND = ["build-spa", "--method", "exact", "--layout", "pairs", "--max-frames", "4"]
COMMAND += ["--density", "normal"]  # which takes no time to estimate


@pytest.fixture
def videos(tmp_path):
    folder = tmp_path / "my videos"
    write_clip(folder / "Straße.mp4", rain("coffee").frames)
    write_clip(folder / "two.mkv", np.concatenate([rain("coins").frames, rain("cup").frames]))
    return folder


def test_a_build_can_be_run_on_at_once(rainbench, videos, tmp_path):
    out = videos.parent / "out"
    done = rainbench(*COMMAND, videos, "--out", out, "--name", "toyrain", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert [row["state"] for row in report["rows"]] == ["accepted"] * 3
    assert set(report["datasets"]) == {"toyrain", "toyrain-train"}
    root = out / "dataset"
    scored = rainbench(
        "run", "-b", "identity", "-d", "toyrain", "--cards", root, "--data", root, "--json"
    )
    assert scored.returncode == 0, scored.stderr
    rows = json.loads(scored.stdout)["rows"]
    assert {int(row["images"]) for row in rows} == {report["datasets"]["toyrain"]}
    again = rainbench(*COMMAND, videos, "--out", out, "--name", "toyrain")
    assert again.returncode == 0 and "accepted: strae-" in again.stdout, again.stderr


def test_bad_files_are_lines_and_the_others_go_on(rainbench, videos):
    write_bad(videos / "bad", videos / "Straße.mp4")
    done = rainbench(
        *COMMAND, videos / "Straße.mp4", videos / "bad", "--out", videos.parent / "out"
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    lines = done.stdout.splitlines()
    assert sum(line.startswith("failed: ") for line in lines) == 5
    assert sum(line.startswith("accepted: ") for line in lines) == 1
    assert "cannot use empty.mp4" in done.stderr


def test_the_plan_alone_writes_nothing(rainbench, videos):
    before = tree(videos)
    done = rainbench("build-spa", videos, "--out", videos.parent / "out", "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert [video["video"] for video in plan["videos"]] == ["Straße.mp4", "two.mkv"]
    assert plan["videos"][0]["frames"] == FRAMES and plan["seconds"] > 0
    assert tree(videos) == before


def test_what_may_be_taken_for_a_video_is_named(rainbench, videos):
    """Animations, videos of other endings, images beside videos, and a link to nothing."""
    (videos / "dance.gif").write_bytes(b"GIF89a" + bytes(40))
    (videos / "still.webp").write_bytes(b"RIFF\x20\0\0\0WEBPVP8 " + bytes(20))
    (videos / "wave.webp").write_bytes(b"RIFF\x40\0\0\0WEBPVP8X\n\0\0\0\2" + bytes(9) + b"ANIM")
    (videos / "deep").mkdir()
    (videos / "deep/run.apng").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(8) + b"acTL")
    (videos / "half.mp4.part").write_bytes((videos / "Straße.mp4").read_bytes()[:5000])
    (videos / "old.rmvb").write_bytes(b"\0" * 30)
    (videos / "notes.txt").write_text("not a word of it")
    (videos / "gone.mp4").symlink_to("nowhere")
    call = ("build-spa", videos, "--out", videos.parent / "out", "--dry-run")
    done = rainbench(*call, "--json")
    assert done.returncode == 1 and "cannot use gone.mp4: " in done.stderr, done.stderr
    plan = json.loads(done.stdout)
    reasons = {each["file"]: each["reason"] for each in plan["passed_over"]}
    assert {name: why.split(";")[0] for name, why in reasons.items()} == {
        "dance.gif": "a GIF",
        "deep/run.apng": "an animated PNG",
        "half.mp4.part": "a video by its first bytes",
        "old.rmvb": "files that end with .rmvb are not read",
        "still.webp": "an image beside videos",
        "wave.webp": "an animated WebP",
    }
    assert "passed over dance.gif: a GIF; convert an animation to a folder" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "my videos"], "lies in the input folder"),
        (["--out", "my videos/out"], "lies in the input folder"),
        (["--out", "o", "--frames", "few"], "neither a number nor auto"),
        (["--out", "o", "--memory", "much"], "not a size"),
        (["--out", "o", "--name", "Rain 1"], "rain-1"),
        (["--out", "o", "--device", "cuda"], "robust runs on the processor only"),
        (["--out", "o", "--method", "exact", "--device", "cuda"], "sees no CUDA device"),
        (["--out", "o", "--name", "spa"], "name of a published data set"),
        (["nowhere", "--out", "o"], "no such file"),
    ],
)
def test_wrong_calls(rainbench, videos, arguments, message):
    nothing = {"CUDA_VISIBLE_DEVICES": ""}
    done = rainbench("build-spa", videos, *arguments, env=nothing)
    assert done.returncode == 2 and message in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


def test_review_waits_for_decisions_and_goes_on_with_them(rainbench, videos):
    out = videos.parent / "out"
    call = [*COMMAND, videos, "--out", out, "--review", "--frames", "20", "--density", "sparse"]
    done = rainbench(*call)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("waiting: ") == 3 and "rainbench review" in done.stderr
    assert not (out / "dataset").exists()
    first, second, third = sorted((out / "sequences").iterdir())
    before = tree(third)
    assert load_candidate(first).frames == 20
    write_decision(first, Decision("more", 0))
    write_decision(second, Decision("accept", 0))
    done = rainbench(*call)
    candidate = load_candidate(first)
    assert (candidate.round, candidate.frames) == (1, 30)
    assert done.stdout.count("waiting: ") == 2 and done.stdout.count("accepted: ") == 1
    assert (out / "dataset/spa-out/metadata.csv").exists()
    write_decision(first, Decision("reject", 1))
    write_decision(third, Decision("more", 7))  # about a round there never was: does not count
    done = rainbench(*call)
    assert done.stdout.count("rejected: ") == 1 and done.stdout.count("waiting: ") == 1
    (third / "decision.json").unlink()
    assert tree(third) == before


def limit_files():
    # Decoded frames pass through a file in memory of 120 KiB, which the limit must leave alone.
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))


def test_full_disk_keeps_what_is_there(rainbench, videos, tmp_path):
    """A limit on the size of files stands for the full disk."""
    call = [*COMMAND, videos, "--name", "full", "--also", "webdataset", "--workers", "1", "--out"]
    done = rainbench(*call, tmp_path / "a", preexec_fn=limit_files)
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    assert "cannot be written" in done.stderr and "what is there is kept" in done.stderr
    assert rainbench(*call, tmp_path / "a").returncode == 0
    assert rainbench(*call, tmp_path / "b").returncode == 0
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def count_files(folder):
    return sum(len(files) for _, _, files in os.walk(folder))


@pytest.mark.slow
def test_kill_at_random_moments_and_any_number_of_workers(videos, tmp_path):
    write_bad(videos / "bad", videos / "Straße.mp4")
    call = [sys.executable, "-c", "from rainbench.cli import main; main()", *COMMAND]
    call += [str(videos), "--name", "killed", "--also", "webdataset", "--also", "hugging-face"]

    def start(out, workers):
        arguments = [*call, "--out", str(tmp_path / out), "--workers", str(workers)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(arguments, env={**os.environ, "RAINBENCH_PATH": ""}, **quiet)

    assert start("whole", 1).wait(300) == 1
    whole = tree(tmp_path / "whole")
    states = []
    for kill in range(5):
        process = start("killed", 1 + kill % 2)
        enough = len(whole) * (kill + 0.5) / 5
        while process.poll() is None and count_files(tmp_path / "killed") < enough:
            time.sleep(0.002)
        process.kill()
        process.wait()
        time.sleep(0.3)  # its workers end by themselves
        states.append(len(tree(tmp_path / "killed")))
    assert start("killed", 2).wait(300) == 1
    assert tree(tmp_path / "killed") == whole
    assert len(set(states)) > 3, f"too few different moments: {states}"


@pytest.mark.data
@pytest.mark.slow
def test_real_videos_end_to_end(rainbench, shared, tmp_path):
    folder, rows = shared / "data/videos", {}
    for name, method in (("yard.mp4", "exact"), ("pedestrian.mat", "robust")):
        done = rainbench(
            "build-spa", folder / name, "--out", tmp_path / method, "--method", method,
            "--max-frames", "5", "--min-psnr", "25", "--json", timeout=550,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        (rows[name],) = json.loads(done.stdout)["rows"]
    yard = load_candidate(tmp_path / "exact/sequences" / rows["yard.mp4"]["sequence"])
    assert 630 < yard.height <= 640 and 360 < yard.width <= 368, "shown upright, edges cut"
    assert 2 < yard.drift < 3, "the camera moves at the end"
    assert "moved back" in yard.reason and (yard.first, yard.frames) == (0, 376)
    assert rows["yard.mp4"]["state"] == "accepted"
    row = rows["pedestrian.mat"]
    assert row["state"] == "rejected" and row["pairs"] == 0, "people walk in every frame"
    walkers = load_candidate(tmp_path / "robust/sequences" / row["sequence"])
    assert (walkers.method, walkers.frames) == ("robust", 24)
