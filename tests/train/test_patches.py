"""Patches: the n-th is the same in every process; rain and cuts belong together."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch

from rainbench.catalog.folders import content_root
from rainbench.catalog.registry import load_registry
from rainbench.core.errors import RainbenchError
from rainbench.core.images import read_image
from rainbench.rain.transform import Synthesis
from rainbench.train.patches import PatchSet, load_batches
from rainbench.train.sources import Window, open_clean_folder, open_pairs
from rainbench.train.split import hold_out


@pytest.fixture
def patches(photographs):
    source = open_clean_folder(photographs, Synthesis(kind="joint", seed=3, rows=480))
    return PatchSet(source, tuple(range(len(source))), 32, True, True, 5)


def first(batches, count):
    return list(itertools.islice(batches, count))


def test_batches_do_not_depend_on_workers_or_where_one_starts(patches):
    alone = first(load_batches(patches, batch=4), 4)
    helped = first(load_batches(patches, batch=4, workers=2), 4)
    later = first(load_batches(patches, batch=4, first_step=2), 2)
    for batch, other in [*zip(alone, helped, strict=True), *zip(alone[2:], later, strict=True)]:
        for name in ("rainy", "clean", "streak_mask", "drop_mask"):
            assert torch.equal(getattr(batch, name), getattr(other, name)), name
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


def test_masks_lie_where_the_rain_is(photographs):
    source = open_clean_folder(photographs, Synthesis(kind="streaks", seed=3, rows=480))
    patch = PatchSet(source, (0, 1, 2), 48, True, True, 5)[1]
    changed = (patch.rainy.int() - patch.clean.int()).sum(0)
    assert (changed >= 0).all() and changed.any()
    expected = (changed - changed.min()) / (changed.max() - changed.min())
    assert torch.allclose(patch.streak_mask[0] / 255, expected.float(), atol=0.003)
    assert not patch.drop_mask.any()


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
