"""Networks of the tests: right, wrong and slow ones."""

import atexit
import contextlib
import ctypes
import gc
import locale
import logging.config
import os
import random
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import torch
from torch import nn

from rainbench.networks.base import Restoration

TOY_CARD = """
name = "toy"
title = "Toy"
revision = "1"
degradation = ["streaks"]
origin = "synthetic"
split = "test"
count = 5
protocol = "prenet-y"
sizes = [[64, 48]]
licence = "none"
sources = ["made in the tests"]
citation = "nobody"

[[layouts]]
name = "input-target"
rainy = "input/{id:d}.png"
clean = "target/{id:d}.png"
"""
"""The card of five small pairs, which the fixture `pairs_on_disk` writes."""


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


class Brighter(nn.Module):
    """Adds the mean of all that it is given: parts, borders and neighbours change the result."""

    def forward(self, rainy):
        return Restoration(rainy + 0.1 * rainy.mean())


class Crowd(nn.Module):
    """Adds a little for each neighbour in its batch."""

    def __init__(self, each=3e-7):
        super().__init__()
        self.each = each

    def forward(self, rainy):
        return Restoration(rainy + self.each * (len(rainy) - 1))


class Loud(nn.Module):
    """Returns its input on the scale 0 to 255."""

    def forward(self, rainy):
        return Restoration(rainy * 255)


class Blind(nn.Module):
    """Returns NaN for images whose first pixel is black."""

    def forward(self, rainy):
        return Restoration(torch.where(rainy[..., :1, :1].sum() == 0, torch.nan, 1.0) * rainy)


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
    """Returns its input in two stages, and a map of how bright it is."""

    def forward(self, rainy):
        return Restoration(rainy, (rainy / 2, rainy), {"brightness": rainy.mean(1, keepdim=True)})


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


class Greedy(nn.Module):
    """Returns its input; of images of more than 4,000 pixels it wants more memory than there is."""

    def forward(self, rainy):
        pixels = rainy.shape[-1] * rainy.shape[-2]
        torch.empty(max(0, pixels - 4000) << 40)
        return rainy


DEATHS = {
    "segfault": lambda: ctypes.string_at(0),
    "exit of libc": lambda: ctypes.CDLL(None)._exit(0),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
}


class Deadly(nn.Module):
    """Returns its input; the process dies of it at the third image, or while it is made."""

    def __init__(self, way, at=3):
        super().__init__()
        self.way, self.left = way, at
        if not at:
            DEATHS[way]()

    def forward(self, rainy):
        self.left -= 1
        if not self.left:
            DEATHS[self.way]()
        return Restoration(rainy)


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


class CrashesAtExit(Bare):
    """Restores, and crashes the interpreter when that ends, as libraries of devices do."""

    def __init__(self):
        super().__init__()
        atexit.register(ctypes.string_at, 0)


class Deaf(Pause):
    """Hears no Ctrl-C."""

    def forward(self, rainy):
        until = time.monotonic() + self.pause
        while time.monotonic() < until:
            with contextlib.suppress(KeyboardInterrupt):
                time.sleep(self.pause)
        return Restoration(rainy)


def limit_files():
    """Let this process write nothing."""
    import resource  # not on Windows

    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))


def replace(module, name, by):
    """Replace what a module calls a name."""
    setattr(sys.modules[module], name, by)


MEDDLING = {
    "closes stdout": lambda: sys.stdout.close(),
    "closes stderr": lambda: (sys.stderr.close(), sys.__stderr__.close(), sys.__stdout__.close()),
    "closes their bytes": lambda: (sys.stdout.buffer.write(b"x\n"), sys.stdout.buffer.close()),
    "closes 1": lambda: os.close(1),
    "closes 2": lambda: os.close(2),
    "closes 0, 1 and 2": lambda: [os.close(number) for number in (0, 1, 2)],
    "points 2 elsewhere": lambda: os.dup2(os.open(os.devnull, os.O_WRONLY), 2),
    "replaces stdout": lambda: (setattr(sys, "stdout", None), setattr(sys, "stderr", None)),
    "replaces print": lambda: (replace("builtins", "print", len), replace("builtins", "open", len)),
    "replaces json": lambda: (replace("json", "dumps", len), replace("json", "loads", len)),
    "takes json out": lambda: delattr(sys.modules["json"], "dumps"),
    "replaces convolution": lambda: replace("torch.nn.functional", "conv2d", len),
    "replaces numpy": lambda: replace("numpy", "mean", len),
    "replaces write": lambda: replace("os", "write", len),
    "replaces call": lambda: setattr(nn.Module, "__call__", len),
    "shuts logging down": lambda: (logging.shutdown(), logging.disable(logging.CRITICAL)),
    "sets logging up": lambda: logging.config.dictConfig({"version": 1}),
    "goes elsewhere": lambda: (os.chdir("/"), time.sleep(0.02)),
    "changes the environment": lambda: (os.environ.clear(), os.environ.update(RAINBENCH_PATH="/x")),
    "changes the mask": lambda: os.umask(0o777),
    "limits files": lambda: limit_files(),
    "ignores signals": lambda: (
        signal.signal(signal.SIGINT, signal.SIG_IGN), signal.signal(signal.SIGTERM, print),
    ),
    "blocks signals": lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}),
    "sets an alarm": lambda: signal.setitimer(signal.ITIMER_REAL, 0.2),
    "filters warnings": lambda: warnings.simplefilter("error"),
    "limits recursion": lambda: sys.setrecursionlimit(90),
    "stops collecting": lambda: gc.disable(),
    "raises for floats": lambda: np.seterr(all="raise"),
    "sets float64": lambda: torch.set_default_dtype(torch.float64),
    "sets a device": lambda: torch.set_default_device("meta"),
    "wants gradients": lambda: (torch.set_grad_enabled(True), torch.set_anomaly_enabled(True)),
    "takes threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "wants determinism": lambda: torch.use_deterministic_algorithms(True),
    "multiplies coarsely": lambda: torch.set_float32_matmul_precision("medium"),
    "casts": lambda: torch.set_autocast_enabled("cpu", True),
    "hooks into all": lambda: nn.modules.module.register_module_forward_hook(lambda *_: 0),
    "seeds": lambda: (torch.manual_seed(7), np.random.seed(7), random.seed(7)),  # noqa: NPY002
    "speaks C": lambda: locale.setlocale(locale.LC_ALL, "C"),
}  # fmt: skip
"""What networks do to the process that calls them."""


class Meddling(nn.Module):
    """Returns its input, after it has done one of these things: when made, and at each image."""

    def __init__(self, what):
        super().__init__()
        self.what = what
        MEDDLING[what]()

    def forward(self, rainy):
        restored = rainy.clone()
        MEDDLING[self.what]()
        return restored
