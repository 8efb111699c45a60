"""The torch path gives the bytes of the compiled one; here on the processor."""

import numpy as np
import pytest
import torch
from slow_reference import rain_on_noise
from test_voting import FRAME_COUNTS

from rainbench.clean_frame import voting
from rainbench.clean_frame.extract import extract_clean_frame
from rainbench.clean_frame.extract_torch import count_votes, open_device, select_percentile
from rainbench.core.errors import RainbenchError
from rainbench.frames.sources import ListSource, as_source

CPU = open_device("cpu")


@pytest.mark.parametrize("rule", ["inclusive", "strict"])
@pytest.mark.parametrize("count", FRAME_COUNTS)
def test_same_bytes_as_the_compiled_kernels(count, rule):
    source = as_source(rain_on_noise(count, 9, 13))
    limits = voting.vote_limits(count, rule)
    votes = count_votes(source, limits, device=CPU)
    expected = voting.count_votes(source, limits)
    assert (votes.curve == expected.curve).all()
    assert votes.voters == expected.voters
    for ties in ("plateau", "lowest"):
        percentile = voting.choose_percentile(expected.curve, ties)
        got = select_percentile(source, percentile, device=CPU)
        assert (got == voting.select_percentile(source, percentile)).all()


@pytest.mark.parametrize("memory", [1, 40_000, 300_000, 1 << 30])
@pytest.mark.parametrize("listed", [False, True])
def test_the_size_of_the_parts_changes_nothing(memory, listed):
    frames = rain_on_noise(30, 11, 17)
    source = ListSource(list(frames)) if listed else as_source(frames)
    votes = count_votes(source, device=CPU, memory=memory)
    assert (votes.curve == voting.count_votes(source).curve).all()
    got = select_percentile(source, 37, device=CPU, memory=memory)
    assert (got == voting.select_percentile(source, 37)).all()


def test_extraction_goes_through_torch_when_a_device_is_named(monkeypatch):
    from rainbench.clean_frame import extract_torch as clean_frame_torch

    asked = []
    monkeypatch.setattr(clean_frame_torch, "open_device", lambda name: asked.append(name) or CPU)
    frames, exposure = rain_on_noise(25, 7, 9), np.linspace(0.95, 1.05, 25)
    for options in ({}, {"votes": "strict"}, {"ties": "lowest"}, {"exposure": exposure}):
        got = extract_clean_frame(frames, "exact", device="cuda", **options)
        expected = extract_clean_frame(frames, "exact", **options)
        assert (got.image == expected.image).all()
        assert (got.levels == expected.levels).all()
        assert got.percentile == expected.percentile
    assert set(asked) == {"cuda"}


def test_a_full_device_is_named(monkeypatch):
    def sort(*_, **__):
        raise torch.OutOfMemoryError("tried to allocate 2 GiB\nand more")

    monkeypatch.setattr(torch.Tensor, "sort", sort)
    with pytest.raises(RainbenchError, match=r"device cpu is full: tried to allocate 2 GiB\n"):
        count_votes(as_source(rain_on_noise(20)), device=CPU)
    with pytest.raises(RainbenchError, match="memory of device cpu is full"):
        select_percentile(as_source(rain_on_noise(20)), 20, device=CPU)


def test_what_is_not_there_is_named():
    with pytest.raises(RainbenchError, match="no device 'nowhere'"):
        extract_clean_frame(rain_on_noise(20), "exact", device="nowhere")
    with pytest.raises(RainbenchError, match="'robust' runs on the processor"):
        extract_clean_frame(rain_on_noise(20), "robust", device="cuda")
