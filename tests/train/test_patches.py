"""Patches: the n-th is the same in every process; rain and cuts belong together."""

import dataclasses
import itertools
import os
import signal

import numpy as np
import pytest
import torch
from pool_work import interrupt_what_starts

from rainbench.catalog.folders import content_root
from rainbench.catalog.registry import load_registry
from rainbench.core.errors import RainbenchError
from rainbench.core.images import read_gray, read_image, write_png
from rainbench.rain.masks import as_levels
from rainbench.rain.transform import Synthesis
from rainbench.train.material.patches import PatchSet, load_batches, strided
from rainbench.train.material.scenes import Window
from rainbench.train.material.sources import open_clean_folder, open_pairs
from rainbench.train.material.split import hold_out


@pytest.fixture
def patches(photographs):
    source = open_clean_folder(photographs, Synthesis(kind="joint", seed=3, rows=480))
    layers = ("streak_mask", "drop_mask")
    return PatchSet(source, tuple(range(len(source))), 32, True, True, 5, layers)


def first(batches, count):
    return list(itertools.islice(batches, count))


def test_batches_do_not_depend_on_workers_or_where_one_starts(patches):
    alone = first(load_batches(patches, batch=4), 4)
    helped = first(load_batches(patches, batch=4, workers=2), 4)
    later = first(load_batches(patches, batch=4, first_step=2), 2)
    for batch, other in [*zip(alone, helped, strict=True), *zip(alone[2:], later, strict=True)]:
        for name in ("rainy", "clean"):
            assert torch.equal(getattr(batch, name), getattr(other, name)), name
        assert list(batch.layers) == ["streak_mask", "drop_mask"]
        for name, layer in batch.layers.items():
            assert torch.equal(layer, other.layers[name]), name
    assert not torch.equal(alone[0].clean, alone[1].clean)


def test_without_shared_memory_one_process_prepares_the_batches(patches, monkeypatch, caplog):
    def refuse(_tensor):
        raise RuntimeError("unable to open shared memory object </torch_1> in read-write mode")

    monkeypatch.setattr(torch.Tensor, "share_memory_", refuse)
    alone = first(load_batches(patches, batch=4, workers=2), 2)
    assert "memory cannot be shared" in caplog.text
    for batch, same in zip(alone, first(load_batches(patches, batch=4), 2), strict=True):
        assert (batch.rainy == same.rainy).all()


def test_two_processes_share_each_batch_of_one(patches):
    whole = first(load_batches(patches, batch=4), 3)
    parts = [first(load_batches(patches, batch=4, rank=rank, processes=2), 3) for rank in (0, 1)]
    for batch, left, right in zip(whole, *parts, strict=True):
        assert torch.equal(batch.rainy, torch.cat((left.rainy, right.rainy)))


def test_every_image_is_used_once_before_any_again(photographs, patches):
    whole = [read_image(file) for file in sorted(photographs.iterdir())]
    upright = dataclasses.replace(patches, flip=False, rotate=False)
    seen = []
    for number in range(16):
        clean = upright[number].clean.permute(1, 2, 0).numpy()
        seen.append(next(place for place, image in enumerate(whole) if _stands_in(clean, image)))
    assert sorted(seen[:8]) == sorted(seen[8:]) == list(range(8))
    assert seen[:8] != seen[8:]


def _stands_in(patch, image):
    side = patch.shape[0]
    views = np.lib.stride_tricks.sliding_window_view(image[..., 0], (side, side))
    rows, columns = np.nonzero(views[..., 0, 0] == patch[0, 0, 0])
    return bool((views[rows, columns] == patch[..., 0]).all(axis=(1, 2)).any())


LAYERS = ("joint_mask", "streak_mask", "drop_mask", "streaks")


def test_masks_are_normalised_over_the_image_not_over_the_patch(photographs):
    """DAiAM, Sec. 3.2: "the difference of images", stretched to [0, 1]."""
    synthesis = Synthesis(kind="streaks", seed=3, rows=480)
    source = open_clean_folder(photographs, synthesis)
    whole = synthesis(source.clean(2), "3.png", "a key")
    changed = (whole.rainy.astype(int) - whole.clean).sum(2)
    expected = (changed - changed.min()) / np.ptp(changed)
    scene = source.scene(2, Window(48, 0.3, 0.9), "a key", layers=LAYERS)
    rows, columns = Window(48, 0.3, 0.9).of(whole.clean, "")
    assert (scene.rainy == whole.rainy[rows, columns]).all()
    for kind in ("joint_mask", "streak_mask"):
        mask = scene.layers[kind] / 255
        assert mask == pytest.approx(expected[rows, columns], abs=0.003)
    assert not scene.layers["drop_mask"].any()
    assert (scene.layers["streaks"] == whole.streaks[rows, columns]).all()
    patch = PatchSet(source, (0, 1, 2), 48, True, True, 5, LAYERS)[1]
    added = (patch.rainy.int() - patch.clean.int()).sum(0).double()
    mask = patch.layers["streak_mask"][0].double()
    assert torch.corrcoef(torch.stack([added.flatten(), mask.flatten()]))[0, 1] > 0.999


def test_in_a_large_photograph_the_image_is_what_surrounds_the_patch(tmp_path):
    rng = np.random.default_rng(1)
    write_png(tmp_path / "1.png", rng.integers(0, 200, (700, 1000, 3), dtype=np.uint8))
    synthesis = Synthesis(kind="streaks", seed=3, rows=480)
    source = open_clean_folder(tmp_path, synthesis)
    scene = source.scene(0, Window(32, 0.0, 0.999), 1, layers=["joint_mask"])
    around = synthesis(np.ascontiguousarray(source.clean(0)[:480, 280:]), "1.png", 1)
    assert (scene.rainy == around.rainy[:32, -32:]).all()
    assert (scene.layers["joint_mask"] == as_levels(around.joint_mask)[:32, -32:]).all()
    everything = source.scene(0, Window(10_000, within=True), 1, layers=["joint_mask"])
    assert everything.rainy.shape == (688, 992, 3)


@pytest.mark.parametrize("name", ["mini-streaks", "mini-drops", "mini-joint"])
def test_layers_of_a_set_are_its_files_cut_with_the_pair(name):
    card = load_registry().dataset(name)
    source = open_pairs(card, [content_root() / "datasets" / card.embedded])
    known = [kind for kind in LAYERS if not source.lacking(3, [kind])]
    assert len(known) == {"mini-streaks": 3, "mini-drops": 2, "mini-joint": 4}[name]
    part = source.scene(3, Window(40, 0.2, 0.9), layers=known)
    whole = source.scene(3, Window(10_000, within=True), layers=known)
    rows, columns = Window(40, 0.2, 0.9).of(whole.clean, "")
    stored = content_root() / "datasets" / card.embedded / "joint_mask"
    for kind in known:
        assert (part.layers[kind] == whole.layers[kind][rows, columns]).all()
        assert whole.layers[kind].max() == 255 or kind == "streaks"
    if stored.is_dir():
        file = stored / source.pairs[3].rainy.path.name
        assert (whole.layers["joint_mask"] == read_gray(file) >> 8).all()
    for kind in set(LAYERS) - set(known):
        with pytest.raises(RainbenchError, match=f"has no {kind.replace('_', ' ')}"):
            source.scene(3, Window(40), layers=[kind])


def test_held_out_images_are_not_trained_on(patches):
    training, held = hold_out(range(8), 8, seed=1)
    assert len(held) == 1 and not set(training) & set(held)  # a fifth of eight
    assert hold_out(range(8), 8, seed=1) == (training, held)


def test_one_bad_file_is_left_out_and_named(photographs, tmp_path):
    for file in photographs.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "3.png").write_bytes(b"\x89PNG\r\n\x1a\n cut short")
    source = open_clean_folder(tmp_path, Synthesis(kind="streaks", seed=3, rows=480))
    patches = PatchSet(source, tuple(range(8)), 32, False, False, 5)
    found = [patches[number] for number in range(8)]
    assert all(patch.rainy.shape == (3, 32, 32) for patch in found)
    notes = [note for patch in found for note in patch.notes]
    assert len(notes) == 1 and "3.png" in notes[0]


def test_images_that_are_all_too_small(photographs):
    source = open_clean_folder(photographs, Synthesis(kind="streaks", seed=3))
    with pytest.raises(RainbenchError, match="128x96, smaller than a patch of 100x100"):
        PatchSet(source, tuple(range(8)), 100, False, False, 5)[0]


def test_pairs_of_a_data_set_are_cut_at_one_place():
    card = load_registry().dataset("mini-streaks")
    source = open_pairs(card, [content_root() / "datasets" / card.embedded])
    scene = source.scene(2, Window(64, 0.2, 0.9))
    whole = source.scene(2, Window(10_000, within=True))
    assert whole.clean.shape == (128, 192, 3)
    assert (scene.rainy >= scene.clean).all() and (scene.rainy > scene.clean).any()
    assert _stands_in(scene.clean, whole.clean) and _stands_in(scene.rainy, whole.rainy)


def test_sources_that_are_not_there(tmp_path):
    with pytest.raises(RainbenchError, match="no such folder of clean images"):
        open_clean_folder(tmp_path / "nowhere", Synthesis())
    with pytest.raises(RainbenchError, match="holds no images"):
        open_clean_folder(tmp_path, Synthesis())


def test_patches_a_stride_apart_are_each_taken_once_both_ways(photographs):
    source = open_clean_folder(photographs, Synthesis(kind="streaks", seed=3, rows=480))
    places = strided(source, (1, 4), 40, 25)
    rows, columns = range(0, 57, 25), range(0, 89, 25)  # of 96 x 128 pixels
    assert places == tuple((index, y, x) for index in (1, 4) for y in rows for x in columns)
    patches = PatchSet(source, (1, 4), 40, True, False, 5, places=places)
    count = 2 * len(places)
    seen = [patches[number].clean.permute(1, 2, 0).numpy().tobytes() for number in range(2 * count)]
    wanted = [source.clean(index)[y : y + 40, x : x + 40] for index, y, x in places]
    wanted = sorted(each.tobytes() for patch in wanted for each in (patch, patch[:, ::-1]))
    assert sorted(seen[:count]) == sorted(seen[count:]) == wanted
    assert seen[:count] != seen[count:]
    with pytest.raises(RainbenchError, match="no image has a patch of 97x97"):
        strided(source, (1, 4), 97, 25)


def test_an_image_without_a_size_has_no_places(photographs, tmp_path, caplog):
    (tmp_path / "1.png").write_bytes((photographs / "1.png").read_bytes())
    (tmp_path / "2.png").write_bytes(b"nothing")
    source = open_clean_folder(tmp_path, Synthesis())
    assert {place[0] for place in strided(source, (0, 1), 64, 32)} == {0}
    assert "2.png" in caplog.text


def test_patches_may_be_enlarged_and_reduced(photographs):
    source = open_clean_folder(photographs, Synthesis(kind="streaks", seed=3, rows=480))
    upright = PatchSet(source, tuple(range(8)), 32, False, False, 5, LAYERS)
    for factor in (0.5, 2.0):
        scaled = dataclasses.replace(upright, scale=(factor, factor))
        for number in range(4):
            patch, plain = scaled[number], upright[number]
            assert patch.rainy.shape == patch.clean.shape == (3, 32, 32)
            assert all(layer.shape == (1, 32, 32) for layer in patch.layers.values())
            assert not torch.equal(patch.clean, plain.clean)
    large = dataclasses.replace(upright, scale=(0.1, 0.1))  # as much as there is
    assert large[0].clean.shape == (3, 32, 32)
    drawn = dataclasses.replace(upright, scale=(0.5, 2.0))
    assert torch.equal(drawn[3].clean, drawn[3].clean)


def test_an_enlarged_patch_shows_the_middle_half_of_a_ramp(tmp_path):
    ramp = np.tile(np.arange(128, dtype=np.uint8)[:, None, None], (1, 128, 3))
    write_png(tmp_path / "ramp.png", ramp)
    source = open_clean_folder(tmp_path, Synthesis(kind="mist", seed=3))
    patch = PatchSet(source, (0,), 64, False, False, 5, scale=(2.0, 2.0))[0].clean[0]
    slopes = patch.float().diff(dim=0)[2:-2].mean()
    assert slopes.item() == pytest.approx(0.5, abs=0.02)
    assert (patch == patch[:, :1]).all()


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="Windows")
def test_ctrl_c_does_not_kill_workers_that_start(patches, tmp_path, monkeypatch):
    interrupt_what_starts(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    assert len(first(load_batches(patches, batch=4, workers=1), 1)) == 1
