"""Somebody's network in a folder of two files, with weights."""

import pytest
import torch

NET = """
from torch import nn
from .blocks import Block
import gain


class Net(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.head = nn.Conv2d(3, width, 3, padding=1)
        self.block = Block(width)

    def forward(self, rainy):
        import offset  # not before it is called

        return self.block(self.head(rainy)) * gain.GAIN + offset.OFFSET


def darker(image):
    return image // 2


def loaded():
    import torch

    torch.manual_seed(5)
    return Net()


def stages(width=4):
    class Staged(Net):
        def forward(self, rainy):
            found = super().forward(rainy)
            return [rainy, found]

    return Staged(width)
"""
BLOCKS = """
from torch import nn


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.tail = nn.Conv2d(width, 3, 1)

    def forward(self, features):
        return self.tail(features)
"""


@pytest.fixture
def folder(tmp_path):
    """A folder ``mine`` with ``my_net.py``, three files that it imports, and ``my.pth``."""
    mine = tmp_path / "mine"
    mine.mkdir()
    files = {"my_net": NET, "blocks": BLOCKS, "gain": "GAIN = 1.0\n", "offset": "OFFSET = 0.0\n"}
    for name, text in files.items():
        (mine / f"{name}.py").write_text(text)
    torch.save({"model": {f"module.{k}": v for k, v in weights().items()}}, mine / "my.pth")
    return mine


def weights():
    """Those of ``my.pth``: every layer returns half of its first channels' sum."""
    return {
        "head.weight": torch.full((4, 3, 3, 3), 0.01),
        "head.bias": torch.zeros(4),
        "block.tail.weight": torch.full((3, 4, 1, 1), 0.25),
        "block.tail.bias": torch.full((3,), 0.1),
    }
