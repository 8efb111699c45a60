"""Two data sets of one name in one folder of results: other pictures never stand together."""

import csv
import shutil

import cv2
import numpy as np
import pytest

import rainbench as rb


@pytest.fixture
def folders(tmp_path):
    """``one/test`` and ``two/test``, each with ``rainy`` and ``clean``: four pairs, others four."""
    pairs = rb.load_dataset("mini-streaks")
    for place, chosen in (("one", range(4)), ("two", range(4, 8))):
        for number, index in enumerate(chosen, start=1):
            for kind in ("rainy", "clean"):
                file = tmp_path / place / "test" / kind / f"{number}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(file), np.ascontiguousarray(getattr(pairs[index], kind)[..., ::-1]))
    return tmp_path


@pytest.fixture
def run(rainbench, folders):
    """Run an entry on one of them; the states of all rows come back, and what was said."""

    def call(place, entry, *words):
        test = folders / place / "test"
        done = rainbench(
            "run", "-b", entry, "--rainy", test / "rainy", "--clean", test / "clean", "--out", "o",
            "--device", "cpu", *words,
        )  # fmt: skip
        out = words[words.index("--out") + 1] if "--out" in words else "o"
        with (folders / out / "table.csv").open() as file:
            rows = [row for row in csv.DictReader(file) if row["protocol"] == "prenet-y"]
        return {row["entry"]: (row["state"], row["psnr"]) for row in rows}, done.stderr

    return call


def test_other_pictures_of_the_same_name(run, rainbench, folders):
    first, _ = run("one", "median")
    both, said = run("two", "identity")
    assert both["median"] == ("failed", "") and both["identity"][0] == "measured"
    assert "no longer in the table: cells/test-rainy/median: was scored on other pictures" in said
    compared = rainbench("compare", "o")
    assert compared.returncode == 1 and "was scored on other pictures" in compared.stdout
    again, said = run("one", "median")
    assert again["median"] == first["median"] and again["identity"] == ("failed", "")
    assert "1 kept" in said


def test_pictures_that_were_added(run, folders):
    run("one", "median")
    for kind in ("rainy", "clean"):
        test = f"test/{kind}"
        shutil.copy(folders / f"two/{test}/1.png", folders / f"one/{test}/5.png")
    assert run("one", "identity")[0]["median"] == ("failed", "")


def test_a_part_of_the_pictures_is_no_other_set(run):
    run("one", "median")
    states, _ = run("one", "identity", "--images", "2,3")
    assert {state for state, _ in states.values()} == {"measured"}
    states, _ = run("one", "prenet_r.streaks-w16", "--images", "4")
    assert {state for state, _ in states.values()} == {"measured"}


def test_a_leaderboard_does_not_rank_other_pictures(run, rainbench):
    run("one", "median", "--out", "first")
    run("one", "identity", "--out", "part", "--limit", "2")
    run("two", "identity", "--out", "second")
    assert rainbench("leaderboard", "first", "part", "--out", "site").returncode == 0
    done = rainbench("leaderboard", "first", "second", "--out", "site")
    assert done.returncode == 2
    assert "first and second scored different pictures of test-rainy" in done.stderr
