"""Networks of the tests: right, wrong and slow ones."""

import os
import subprocess
import sys
import time

import torch
from torch import nn

from rainbench.networks.base import Restoration


def card(name, network, parameters=0, macs_per_pixel=0):
    """Return the text of the card of a network of this module."""
    return f"""
name = "{name}"
title = "{name}"
network = "toynets:{network}"
parameters = {parameters}
macs_per_pixel = {macs_per_pixel}
paper = "none"
source = "tests"
licence = "none"
"""


class Shift(nn.Module):
    """Adds a learned constant to every channel: three parameters."""

    def __init__(self, pause=0.0):
        super().__init__()
        self.amount = nn.Parameter(torch.zeros(3))
        self.pause = pause

    def forward(self, rainy):
        time.sleep(self.pause)
        return Restoration(rainy + self.amount[:, None, None])

    @staticmethod
    def convert_published(published):
        return {"amount": published["shift"]}


class NotFinite(nn.Module):
    """Returns NaN for dark images only, so that it fails in the middle of a data set."""

    def forward(self, rainy):
        return Restoration(torch.where(rainy.mean() < 0.45, torch.nan, 1.0) * rainy)


class Remember(nn.Module):
    """Returns its input and keeps what it was given."""

    seen: list = []  # noqa: RUF012

    def forward(self, rainy):
        Remember.seen.append(rainy.clone())
        return Restoration(rainy)


class Blur(nn.Module):
    """A 9x9 mean: what a tile's border would show."""

    def forward(self, rainy):
        padded = nn.functional.pad(rainy, (4, 4, 4, 4), mode="reflect")
        return Restoration(nn.functional.avg_pool2d(padded, 9, 1))


class Mapped(nn.Module):
    """Returns its input and a map of how bright it is."""

    def forward(self, rainy):
        return Restoration(rainy, maps={"brightness": rainy.mean(1, keepdim=True)})


class Pause(nn.Module):
    """Returns its input after a while."""

    def __init__(self, pause=0.0):
        super().__init__()
        self.pause = pause

    def forward(self, rainy):
        time.sleep(self.pause)
        return Restoration(rainy)


class Same(nn.Module):
    """Returns its input by a convolution, so that autocast takes effect."""

    def forward(self, rainy):
        return Restoration(nn.functional.conv2d(rainy, torch.eye(3)[:, :, None, None]))


class OutOfMemory(Shift):
    """Has no memory for anything larger than a few pixels, as a device that is full."""

    def forward(self, rainy):
        if rainy.shape[-1] > 8 and torch.is_grad_enabled():
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return super().forward(rainy)


class Bare(nn.Module):
    """Returns a tensor instead of a restoration."""

    def forward(self, rainy):
        return rainy * 0.5


class Even(nn.Module):
    """Wants even sizes, as U-Nets do."""

    def forward(self, rainy):
        half = nn.functional.avg_pool2d(rainy, 2)
        return Restoration(nn.functional.interpolate(half, scale_factor=2) * 0.5 + rainy * 0.5)


class Unspeakable(Exception):  # noqa: N818
    """An error that cannot say what it is."""

    def __str__(self):
        raise ValueError


class Harm(nn.Module):
    """Does one of many things that networks should not do, or returns what none should."""

    def __init__(self, what):
        super().__init__()
        self.what = what
        if what == "constructor":
            raise SystemExit(3)

    def forward(self, rainy):
        return getattr(self, self.what.replace(" ", "_"))(rainy)

    def raises(self, rainy):
        raise ZeroDivisionError("nothing")

    def exits(self, rainy):
        raise SystemExit(0)

    def ends(self, rainy):
        os._exit(0)

    def ends_by_posix(self, rainy):
        sys.modules[os.name]._exit(0)

    def forks(self, rainy):
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)
        return rainy

    def writes(self, rainy):
        os.write(1, b"raw\n")
        print("by print")
        sys.__stdout__.write("by name\n")
        sys.__stdout__.flush()
        subprocess.run(["echo", "by a child"], check=True)
        return rainy

    def recursion(self, rainy):
        return self.recursion(rainy)

    def unspeakable(self, rainy):
        raise Unspeakable

    def cancelled(self, rainy):
        raise GeneratorExit

    def lines(self, rainy):
        raise RuntimeError("one\ntwo\n" + "x" * 5000)

    def no_memory(self, rainy):
        raise MemoryError

    def cpu_allocator(self, rainy):
        raise RuntimeError(
            "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"
        )

    def none(self, rainy):
        return None

    def a_list(self, rainy):
        return [rainy]

    def smaller(self, rainy):
        return rainy[..., 1:]

    def gray(self, rainy):
        return Restoration(rainy[:, :1])

    def bytes_(self, rainy):
        return (rainy * 255).byte()

    def infinite(self, rainy):
        return rainy / 0

    def trains(self, rainy):
        self.train()
        return rainy


class Meddler(nn.Module):
    """Restores well, and leaves the process in another state than it found it in."""

    def forward(self, rainy):
        import os
        import random

        import numpy as np

        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(True)
        torch.use_deterministic_algorithms(True)
        torch.manual_seed(7)
        np.random.seed(7)  # noqa: NPY002
        random.seed(7)
        os.chdir("/")
        print("hello")
        return Restoration(rainy.mul_(0.5))
