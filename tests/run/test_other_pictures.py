"""Two data sets of one name in one folder of results: other pictures never stand together."""

import csv
import shutil

import cv2
import numpy as np
import pytest

import rainbench as rb
from rainbench.pairs.manifest import are_others
from rainbench.report.between import reasons_between
from rainbench.run.outputs import score_folder
from rainbench.run.results import RunResults


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
    states, _ = run("one", "prenet_r.streaks-w16", "--images", "2,4")
    assert {state for state, _ in states.values()} == {"measured"}
    states, _ = run("one", "nasnet.streaks-w32", "--images", "1")  # which none of the two parts has
    failed = {entry for entry, (state, _) in states.items() if state == "failed"}
    assert failed == {"identity", "prenet_r.streaks-w16"}


def test_a_leaderboard_does_not_rank_other_pictures(run, rainbench):
    run("one", "median", "--out", "first")
    run("one", "identity", "--out", "part", "--limit", "2")
    run("two", "identity", "--out", "second")
    assert rainbench("leaderboard", "first", "part", "--out", "site").returncode == 0
    done = rainbench("leaderboard", "first", "second", "--out", "site")
    assert done.returncode == 2
    assert "first and second scored different pictures of test-rainy" in done.stderr


def test_folders_that_somebody_restored_are_compared_by_the_same_rule(folders):
    """They leave no manifest; and other results are not taken for other pictures."""

    def scored(place, kind, out):
        test = folders / place / "test"
        data = rb.load_dataset(rainy=test / "rainy", clean=test / "clean")
        score_folder(test / kind, data.pairs, "same", folders / out)
        return RunResults(folders / out)

    one, again = scored("one", "rainy", "a"), scored("one", "clean", "b")
    two = scored("two", "rainy", "c")
    assert len(one.pictures("test-rainy")) == 4
    assert not are_others(one.pictures("test-rainy"), again.pictures("test-rainy"))
    assert are_others(one.pictures("test-rainy"), two.pictures("test-rainy"))
    cells = [run.cell("test-rainy", "same") for run in (one, again, two)]
    assert reasons_between(*cells[:2]) == ["the restored images"]
    assert reasons_between(*cells[::2]) == ["the pictures", "the restored images"]
