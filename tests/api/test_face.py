"""``import rainbench as rb``: every name, as a newcomer calls it."""

import errno
import inspect
import math
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from embedded import mini_pairs

import rainbench as rb
from rainbench.catalog.registry import load_registry
from rainbench.core.images import write_png
from rainbench.run.results import RunResults

NAMES = (
    "Dataset Model RainTransform RainbenchError Results __version__ add_drops add_mist add_streaks "
    "evaluate extract_clean_frame list_datasets list_models list_protocols load_dataset load_model "
    "load_results merge_results metrics score"
)


def test_the_public_names():
    assert " ".join(rb.__all__) == NAMES
    assert set(NAMES.split()) <= set(dir(rb))
    for name in NAMES.split():
        found = getattr(rb, name)
        assert not callable(found) or inspect.getdoc(found)
    with pytest.raises(AttributeError, match="no attribute 'scores'"):
        _ = rb.scores


@pytest.mark.parametrize("name", ["torch", "numpy", "typing", "cv2"])
def test_importing_it_loads_nothing_heavy(name):
    code = f"import sys; before = set(sys.modules); import rainbench; print({name!r} in set(sys.modules) - before)"  # noqa: E501
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.fixture(scope="module")
def pair():
    _, rainy, clean = next(mini_pairs())
    return np.ascontiguousarray(rainy[:40, :56]), np.ascontiguousarray(clean[:40, :56])


def as_tensor(picture):
    return torch.from_numpy(picture.copy()).permute(2, 0, 1)


@pytest.mark.parametrize("protocol", ["prenet-y", "rgb", "rescan-rgb"])
def test_arrays_and_tensors_of_any_range_have_one_score(pair, protocol):
    rainy, clean = pair
    wanted = rb.score(rainy, clean, protocol)
    unit = rainy / np.float32(255), clean / np.float32(255)
    assert rb.score(unit[0], clean, protocol) == rb.score(*unit, protocol)
    assert rb.score(unit[0].astype(np.float64), unit[1].astype(np.float64), protocol) == rb.score(
        *unit, protocol
    )
    assert rb.score(as_tensor(rainy), as_tensor(clean), protocol) == wanted
    tensors = [as_tensor(rainy) / 255, as_tensor(clean) / 255]
    assert rb.score(tensors[0].requires_grad_(), tensors[1], protocol) == rb.score(*unit, protocol)
    batch = rb.score(torch.stack(tensors), torch.stack([tensors[1]] * 2), protocol)
    assert batch[0] == rb.score(*unit, protocol) and batch[1].ssim == 1
    assert rb.score([rainy, clean], [clean, clean], protocol)[0] == wanted


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r, c: (r.astype(np.float32), c), "[0, 1] is expected"),
        (lambda r, c: (r, c.astype(np.float32)), "not in [0, 1]"),
        (lambda r, c: (r, c / np.float32(255) * np.float32(0.9)), "between the 256 levels"),
        (lambda r, c: (r.transpose(2, 0, 1), c.transpose(2, 0, 1)), "(H, W, 3)"),
        (lambda r, c: (torch.from_numpy(r), torch.from_numpy(c)), "(3, H, W)"),
        (lambda r, c: (r[..., 0], c[..., 0]), "(H, W, 3)"),
        (lambda r, c: (r[None], c), "1 pictures cannot be compared with one picture"),
        (lambda r, c: (r[:0][None][:0], c[None][:0]), "holds no picture"),
        (lambda r, c: (r[:-1], c), "56x39 but the clean one is 56x40"),
        (lambda r, c: (r, c.astype(np.int64)), "int64"),
        (lambda r, c: ("r.png", "c.png"), "is a str"),
        (lambda r, c: (np.full(r.shape, np.nan, np.float32), c), "nan or infinite"),
    ],
)
def test_what_cannot_be_scored_is_refused(pair, change, said):
    with pytest.raises(rb.RainbenchError) as error:
        rb.score(*change(*pair), "prenet-y")
    assert said in str(error.value)


def test_a_model_gives_the_numbers_of_a_run(tmp_path):
    model = rb.load_model("prenet_r.streaks-w16", threads=1)
    data = rb.load_dataset("mini-streaks", limit=1)
    results = rb.evaluate(model, data, out=tmp_path, threads=1)
    (sample,) = data
    restored = model(sample.rainy)
    table = results.images().set_index("protocol")
    for name, score in rb.score(restored, sample.clean).items():
        assert score.psnr is None or abs(score.psnr - table.psnr[name]) < 1e-5
        assert abs(score.ssim - table.ssim[name]) < 1e-5
    floats = model(sample.rainy / np.float32(255))
    assert np.abs(floats - restored).max() < 1e-5
    tensor = model(as_tensor(sample.rainy)[None])
    assert tensor.shape == (1, 3, *sample.rainy.shape[:2])
    assert np.array_equal(tensor[0].permute(1, 2, 0).numpy(), restored)


def test_floats_between_the_levels_go_through_as_they_are():
    model = rb.load_model("identity")
    picture = np.random.default_rng(0).random((20, 20, 3), np.float32)
    assert np.array_equal(model(picture), picture)
    tiled = rb.load_model("identity", tile=64)
    picture = np.random.default_rng(0).random((100, 70, 3), np.float32)
    assert np.allclose(tiled(picture), picture, atol=1e-6)
    for wrong in (picture * 255, picture - 0.5, picture[..., :2], picture.astype(np.int32)):
        with pytest.raises(rb.RainbenchError):
            model(wrong)


def test_files_are_restored(pair, tmp_path):
    import cv2

    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in/a.png"), pair[0])
    (tmp_path / "in/b.png").write_bytes(b"no picture")
    done = rb.load_model("median").restore(tmp_path / "in", tmp_path / "out")
    assert [each.state for each in done] == ["done", "failed"]
    assert (tmp_path / "out/a.png").is_file()


def test_data_sets(pairs_on_disk, cards):
    data = rb.load_dataset("toy", data=pairs_on_disk, cards=cards)
    assert len(data) == 5 and [each.id for each in data] == ["1", "2", "3", "4", "5"]
    assert data[-1].rainy.shape == (48, 64, 3) and data[-1].rainy.dtype == np.uint8
    with pytest.raises(IndexError):
        data[5]
    with pytest.raises(rb.RainbenchError, match="no copy found"):
        rb.load_dataset("rain100l")
    with pytest.raises(rb.RainbenchError, match="no such data set"):
        rb.load_dataset("rain100x")


def test_a_broken_pair_is_a_problem_when_that_is_allowed(toy, cards):
    (toy / "toy/input/2.png").write_bytes(b"")
    with pytest.raises(rb.RainbenchError, match=r"2\.png"):
        rb.load_dataset("toy", data=toy, cards=cards)
    data = rb.load_dataset("toy", data=toy, cards=cards, allow_partial=True)
    assert len(data) == 4 and any("2.png" in problem for problem in data.problems)


def test_what_fails_is_a_row(cards, add_network, tmp_path):
    add_network("net", "Fails")
    results = rb.evaluate(
        ["identity", "net", "prenet.rain100l"], ["mini-streaks", "rain12"], out=tmp_path,
        limit=2, cards=cards,
    )  # fmt: skip
    assert {name for _, name in results.failures} == {"net", "prenet.rain100l", "*"}
    assert "identity" in results.table("mini-streaks")
    assert results.table("mini-streaks")._repr_markdown_().startswith("# Results")
    frame = results.to_dataframe()
    assert set(frame.entry) == {"identity"} and frame.psnr.dtype == float
    again = rb.load_results(tmp_path, cards=cards)
    assert again.to_dataframe().equals(frame)
    assert again.failures["mini-streaks", "net"]
    add_network("net", "Blur")  # mended
    rb.evaluate("net", "mini-streaks", out=tmp_path, limit=2, cards=cards)
    for earlier in (results, again, rb.load_results(tmp_path, cards=cards)):
        assert ("mini-streaks", "net") not in earlier.failures
    with pytest.raises(rb.RainbenchError, match="nothing was scored on"):
        again.table("rain12")
    with pytest.raises(rb.RainbenchError, match="holds no results"):
        rb.load_results(tmp_path / "cells")


def test_nothing_to_do_is_said(tmp_path):
    for models, datasets in (([], "mini-streaks"), ("identity", []), ("identity", "rain12")):
        with pytest.raises(rb.RainbenchError):
            rb.evaluate(models, datasets, out=tmp_path)


def test_an_interrupted_evaluation_goes_on(tmp_path):
    rb.evaluate("identity", "mini-streaks", out=tmp_path, limit=2)
    file = RunResults(tmp_path).cell("mini-streaks", "identity").folder / "images.csv"
    before = file.stat().st_mtime_ns
    results = rb.evaluate("identity", "mini-streaks", out=tmp_path, limit=2)
    assert [outcome.state for outcome in results.outcomes] == ["kept"]
    assert file.stat().st_mtime_ns == before


def test_runs_become_one(tmp_path):
    for name in ("identity", "median"):
        rb.evaluate(name, "mini-streaks", out=tmp_path / name, limit=2)
    both = rb.evaluate(["identity", "median"], "mini-streaks", out=tmp_path / "both", limit=2)
    merged = rb.merge_results([tmp_path / "identity", tmp_path / "median"], tmp_path / "all")
    assert (tmp_path / "all/table.csv").read_bytes() == (tmp_path / "both/table.csv").read_bytes()
    assert merged.to_dataframe().equals(both.to_dataframe())
    again = rb.merge_results([both], tmp_path / "all")
    assert again.to_dataframe().equals(both.to_dataframe())


def test_runs_that_contradict_each_other_are_not_merged(tmp_path):
    rb.evaluate("identity", "mini-streaks", out=tmp_path / "two", limit=2)
    rb.evaluate("identity", "mini-streaks", out=tmp_path / "three", limit=3)
    with pytest.raises(rb.RainbenchError, match="different pictures"):
        rb.merge_results([tmp_path / "two", tmp_path / "three"], tmp_path / "all")
    assert not (tmp_path / "all/cells").exists()
    rb.evaluate("identity", "mini-streaks", out=tmp_path / "tiles", limit=2, tile=64)
    with pytest.raises(rb.RainbenchError, match="differ in options"):
        rb.merge_results([tmp_path / "two", tmp_path / "tiles"], tmp_path / "all")
    with pytest.raises(rb.RainbenchError, match="holds no results"):
        rb.merge_results([tmp_path / "two", tmp_path / "none"], tmp_path / "all")


def test_a_link_in_somebody_elses_run_is_not_followed(tmp_path):
    """It may lead to whatever is on the disk, and what is merged is passed on."""
    rb.evaluate("identity", "mini-streaks", out=tmp_path / "theirs", limit=1)
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "key.txt").write_text("secret")
    cell = tmp_path / "theirs/cells/mini-streaks/identity"
    try:
        (cell / "more").symlink_to(tmp_path / "private", target_is_directory=True)
    except OSError:
        pytest.skip("no links here")
    with pytest.raises(rb.RainbenchError, match="more: is a link, a pipe or a device"):
        rb.merge_results([tmp_path / "theirs"], tmp_path / "all")
    assert not (tmp_path / "all/cells").exists()


def test_a_disk_that_is_full_is_told_as_such(tmp_path, monkeypatch):
    rb.evaluate("identity", "mini-streaks", out=tmp_path / "one", limit=1)

    def full(_source, target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))

    monkeypatch.setattr(shutil, "copy2", full)
    with pytest.raises(rb.RainbenchError, match=r"json: cannot be written: No space") as told:
        rb.merge_results([tmp_path / "one"], tmp_path / "all")
    assert "[(" not in str(told.value)


@pytest.mark.parametrize("add", ["add_streaks", "add_drops", "add_mist"])
def test_rain_is_the_same_for_the_same_picture_and_seed(pair, add):
    _, clean = pair
    rain = getattr(rb, add)
    first = rain(clean, seed=3)
    assert first.dtype == np.uint8 and first.shape == clean.shape and (first != clean).any()
    assert np.array_equal(rain(as_tensor(clean) / 255, seed=3), first)
    assert not np.array_equal(rain(clean, seed=4), first)
    with pytest.raises(rb.RainbenchError):
        rain(clean.astype(np.float32))
    with pytest.raises(rb.RainbenchError, match="look"):
        rain(clean, look="nice")


def test_a_transform_rains_anew_on_every_key(pair):
    rain = rb.RainTransform("joint", seed=1)
    one, other = rain(pair[1], 1), rain(pair[1], 2)
    assert np.array_equal(one.clean, pair[1]) and not np.array_equal(one.rainy, other.rainy)
    assert rain(pair[1], 1).rainy.tobytes() == one.rainy.tobytes()


def test_two_runs_beside_each_other(tmp_path):
    from rainbench.report.between import compare_runs

    rb.evaluate("identity", "mini-streaks", out=tmp_path / "a", limit=3)
    rb.evaluate(["identity", "median"], "mini-streaks", out=tmp_path / "b", limit=3)
    between = compare_runs(tmp_path / "a", tmp_path / "b")
    assert {change.moved for change in between.changes} == {0}
    assert all(change.why == () for change in between.changes)
    assert between.alone == (f"median on mini-streaks is finished in {tmp_path / 'b'} only",)
    rb.evaluate("median", "mini-streaks", out=tmp_path / "c", limit=3, tile=64)
    changes = compare_runs(tmp_path / "b", tmp_path / "c").changes
    assert all(change.why == ("options",) for change in changes)
    assert all(change.images == 3 and not math.isnan(change.ssim[0]) for change in changes)


def test_the_command_line_compares_and_merges(rainbench, tmp_path):
    rb.evaluate("identity", "mini-streaks", out=tmp_path / "a", limit=2)
    rb.evaluate("median", "mini-streaks", out=tmp_path / "b", limit=2)
    done = rainbench("merge", str(tmp_path / "a"), str(tmp_path / "b"), "--out", tmp_path / "c")
    assert done.returncode == 0 and "2 cells of 2 runs" in done.stderr
    done = rainbench("compare", tmp_path / "a", tmp_path / "c")
    assert done.returncode == 0 and "0 means moved" in done.stderr
    done = rainbench("compare", tmp_path / "a", tmp_path / "c", "--guarded", "3")
    assert done.returncode == 2


def test_predictions_of_a_model_are_those_of_the_engine():
    entry = load_registry().entries(["identity"])[0]
    data = rb.load_dataset("mini-streaks", limit=1)
    model = rb.load_model(entry.name)
    assert np.array_equal(model.predictor(data[0].rainy), model(data[0].rainy))


class Halve(torch.nn.Module):
    """A plain module: no contract, no card."""

    def __init__(self):
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(0.5))

    def forward(self, rainy):
        return rainy * self.factor


def test_a_plain_module_is_scored_beside_a_published_network(pair, tmp_path):
    results = rb.evaluate(
        ["identity", Halve(), rb.load_model(lambda image: image // 2, name="darker")],
        rb.load_dataset("mini-streaks", limit=2),
        out=tmp_path,
    )
    assert results.failures == {}
    frame = results.to_dataframe().query("protocol == 'rgb'").set_index("entry")
    assert len(frame) == 3 and "darker" in frame.index
    (halve,) = set(frame.index) - {"identity", "darker"}
    assert abs(frame.psnr[halve] - frame.psnr["darker"]) < 0.1 < frame.psnr["identity"]
    assert halve in results.table("mini-streaks")
    assert set(rb.load_results(tmp_path).to_dataframe().entry) == set(frame.index)


def test_two_folders_and_a_file_need_no_card(pair, tmp_path):
    for folder, picture in zip(("rainy", "clean"), pair, strict=True):
        (tmp_path / folder).mkdir()
        for number in range(3):
            shifted = np.ascontiguousarray(np.roll(picture, number * 7, 1))
            write_png(tmp_path / folder / f"{number}.png", shifted)
    (tmp_path / "net.py").write_text("def dark(image):\n    return image // 2\n")
    data = rb.load_dataset(rainy=tmp_path / "rainy", clean=tmp_path / "clean", name="yard")
    assert len(data) == 3 and data.name == "yard"
    results = rb.evaluate(f"{tmp_path / 'net.py'}:dark", data, out=tmp_path / "run")
    frame = rb.load_results(tmp_path / "run").to_dataframe()
    assert results.failures == {} and set(frame.dataset) == {"yard"} and set(frame.images) == {3}
    with pytest.raises(rb.RainbenchError, match="both folders"):
        rb.load_dataset(rainy=tmp_path)
    with pytest.raises(rb.RainbenchError, match="no data set was named"):
        rb.load_dataset()


def test_slips_are_told_apart_from_bugs(pair, tmp_path):
    rainy, clean = pair
    data = rb.load_dataset("mini-streaks", limit=3)
    assert len(data[1:]) == 2 and data[1:][0].id == data[1].id
    assert rb.score(rainy, clean, "PRENET-Y") == rb.score(rainy, clean, "prenet-y")
    assert np.array_equal(rb.add_streaks(clean, seed=np.int64(1)), rb.add_streaks(clean, seed=1))
    assert np.array_equal(
        rb.RainTransform()(clean, np.int64(1)).rainy, rb.RainTransform()(clean, 1).rainy
    )
    slips = [
        lambda: rb.score(rainy, clean, 3),
        lambda: rb.score(rainy, clean, ["rgb"]),
        lambda: rb.score(torch.empty(3, 8, 8, device="meta"), torch.zeros(3, 8, 8), "rgb"),
        lambda: rb.score(np.ma.masked_array(rainy, mask=rainy > 9), clean, "rgb"),
        lambda: data[5:],
        lambda: rb.load_dataset("mini-streaks", limit=0),
        lambda: rb.load_dataset("mini-streaks", limit=-1),
        lambda: rb.load_dataset("mini-streaks", limit=True),
        lambda: rb.evaluate("median", data, out=tmp_path, limit=2.5),
        lambda: rb.evaluate(None, data, out=tmp_path),
        lambda: rb.evaluate({"a": "median"}, data, out=tmp_path),
        lambda: rb.evaluate("median", data, out=tmp_path, precision="fp8"),
        lambda: rb.add_streaks(clean, foo=1),
        lambda: rb.add_streaks(clean, seed="a"),
        lambda: rb.add_streaks(clean, mist="no"),
        lambda: rb.add_streaks(clean[:0]),
        lambda: rb.RainTransform()(clean, 1.5),
        lambda: rb.add_mist(np.full((8, 8, 3), np.nan, np.float32)),
    ]
    for number, slip in enumerate(slips):
        with pytest.raises(rb.RainbenchError):
            slip()
            raise AssertionError(number)


def test_generators_and_single_runs_will_do(tmp_path):
    names = (name for name in ("identity", "median"))
    rb.evaluate(names, "mini-streaks", out=tmp_path / "run", limit=1)
    merged = rb.merge_results(tmp_path / "run", tmp_path / "all")
    assert set(merged.to_dataframe().entry) == {"identity", "median"}
