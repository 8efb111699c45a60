"""Damaged checkpoints, cards, lists of pairs and run folders."""

import contextlib
import csv
import dataclasses
import io
import math
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import numpy as np
from files import Kind
from mutate import mutate_text

ROOT = Path(__file__).parents[2]


class CheckpointKind(Kind):
    def __init__(self, suffix):
        self.name = f"a{suffix}"

    def __call__(self, folder):
        import torch

        torch.manual_seed(1)
        self.network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.Conv2d(8, 3, 3))
        self.network.convert_published = dict
        self.number = 0
        super().__init__(folder)
        return self

    def make_seeds(self):
        import torch
        from safetensors.torch import save

        state = dict(self.network.state_dict())
        if self.name == "a.safetensors":
            return [save(state)]
        seeds = []
        for options in ({}, {}, {"_use_new_zipfile_serialization": False}):
            file = io.BytesIO()
            torch.save(state, file, **options)
            seeds.append(file.getvalue())
        return seeds

    def read(self, data):
        self.number += 1  # hashes of files are kept by name
        self.file = self.folder / f"{self.number}-{self.name}"
        try:
            return super().read(data)
        finally:
            self.file.unlink()

    def read_file(self):
        from rainbench.networks.load import load_weights

        load_weights(self.network, self.file)
        return {key: value.clone() for key, value in self.network.state_dict().items()}

    def same(self, found, whole):
        return all(
            np.array_equal(found[key].numpy(), whole[key].numpy(), equal_nan=True) for key in whole
        )

    def confirms(self, data, found):
        """The bytes of every tensor stand in the file, and its own checksums hold."""
        if data[:2] == b"PK":
            try:
                with zipfile.ZipFile(io.BytesIO(data)) as archive:
                    if archive.testzip() is not None:
                        return False
            except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError):
                return False
        return all(value.numpy().tobytes() in data for value in found.values())


class CardKind(Kind):
    """A card is refused, or says what its TOML says."""

    text = True

    def __init__(self, *seeds):
        self.names = seeds
        self.name = Path(seeds[0]).name  # which has to be that of the card

    def __call__(self, folder):
        super().__init__(folder)
        return self

    def make_seeds(self):
        self.others = [(ROOT / name).read_bytes() for name in self.names]
        return self.others[:1]

    def mutate(self, rng):
        return mutate_text(self.seeds[0], rng, self.others)

    def read_file(self):
        from rainbench.catalog.schema import read_card

        return read_card(self.file)

    def same(self, found, whole):
        return dataclasses.replace(found, file=whole.file) == whole

    def judge(self, data):
        outcome = super().judge(data)
        self.use(self.read_file())
        return outcome

    def confirms(self, data, found):
        table = tomllib.loads(data.decode("utf-8-sig"))
        return all(
            plain(getattr(found, key)) == plain(value)
            for key, value in table.items()
            if not isinstance(value, list | dict)
        )

    def use(self, card):
        """What is accepted can be used, or is refused in time."""
        from rainbench.catalog.cards import DatasetCard
        from rainbench.catalog.registry import Entry
        from rainbench.core.errors import RainbenchError
        from rainbench.networks.load import build_network
        from rainbench.pairs.layouts import match_layouts

        with contextlib.suppress(RainbenchError):
            if isinstance(card, DatasetCard):
                match_layouts(card, ROOT / "datasets" / "mini" / "streaks")
            else:
                build_network(Entry(card, None), None)


def plain(value):
    return value.strip() if isinstance(value, str) else value


LISTS = [
    "\n".join(f"rain/{n}.png gt/{n}.png" for n in range(1, 6)) + "\n",
    "\r\n".join(f"/rain/{n}.png /gt/{n}.png" for n in range(1, 6)),
    "".join(f"./rain/s1/{n}.png\tgt/s1.png\n" for n in range(1, 6)),
]


class ListKind(Kind):
    """A list gives the pairs that its lines name, or problems."""

    text = True
    name = "list.txt"

    def make_seeds(self):
        from rainbench.catalog.schema import read_card
        from rainbench.core.images import write_png

        for names in LISTS:
            for name in names.split():
                file = self.folder / name.lstrip("/")
                file.parent.mkdir(parents=True, exist_ok=True)
                write_png(file, np.zeros((4, 4, 3), np.uint8))
        card = (ROOT / "datasets" / "mini-streaks.toml").read_text(encoding="utf-8")
        layout = 'name = "list"\nlist_file = "list.txt"\n'
        file = self.folder / "mini-streaks.toml"
        file.write_text(card.partition("[[layouts]]")[0] + "[[layouts]]\n" + layout)
        self.card = read_card(file)
        return [text.encode() for text in LISTS]

    def read_file(self):
        from rainbench.core.errors import RainbenchError
        from rainbench.pairs.layouts import match_layouts

        match = match_layouts(self.card, self.folder)[0]
        if match.problems or not match.pairs:
            raise RainbenchError("problems")
        return [
            tuple(path.relative_to(self.folder).as_posix() for path in pair_files(pair))
            for pair in match.pairs
        ]

    def same(self, found, whole):
        return found == whole

    def confirms(self, data, found):
        """Every pair stands in a line of its own, and every line that says something is a pair."""
        for encoding in ("utf-8-sig", "utf-16", "gb18030", "latin-1"):
            with contextlib.suppress(UnicodeError):
                text = data.decode(encoding).replace("\\", "/").casefold()
                lines = [line for line in text.splitlines() if line.strip(" \t\0,;")]
                if len(lines) == len(found) and all(
                    any(all(name in line for name in pair) for line in lines) for pair in found
                ):
                    return True
        return False


def pair_files(pair):
    return pair.rainy.path, pair.clean.path


class RunKind(Kind):
    """One damaged file of a run's folder or among its golden numbers.

    The comparison then fails, or says the numbers that it said before. What means nothing (white
    space, the names of machines) may change.
    """

    text = True

    def make_seeds(self):
        from rainbench.catalog.registry import load_registry
        from rainbench.report.golden import accept_run

        self.run, self.golden = self.folder / "run", self.folder / "golden"
        command = [sys.executable, "-m", "rainbench", "run", "-b", "identity", "-d", "mini-streaks"]
        subprocess.run(
            [*command, "--device", "cpu", "--out", self.run],
            check=True, capture_output=True, cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        self.registry = load_registry([])
        accept_run(self.run, self.golden)
        names = [*self.run.rglob("*.json"), *self.run.rglob("*.csv"), *self.golden.rglob("*.csv")]
        self.files = sorted(name for name in names if name.name != "timing.csv")
        return [file.read_bytes() for file in self.files]

    def mutate(self, rng):
        self.file = rng.choice(self.files)
        self.original = self.seeds[self.files.index(self.file)]
        return self.damage(rng)

    def damage(self, rng):
        return mutate_text(self.original, rng, self.seeds)

    def judge(self, data):
        try:
            return super().judge(data)
        finally:
            self.file.write_bytes(self.original)

    def read_file(self):
        from rainbench.core.errors import RainbenchError
        from rainbench.report.compare import compare_run, describe, summary_markdown
        from rainbench.report.rows import build_rows
        from rainbench.report.tables import row_dict, table_json, table_markdown

        comparison = compare_run(self.run, self.registry, self.golden, 1)
        describe(comparison), summary_markdown(comparison)
        rows = build_rows(self.run, self.registry)
        table_json(rows), table_markdown(rows, self.registry)
        if not comparison.passed or not rows:
            raise RainbenchError("failed")
        names = ("dataset", "entry", "protocol", "psnr", "ssim", "images")
        return [tuple(row_dict(row).get(name) for name in names) for row in rows]

    def same(self, found, whole):
        return found == whole

    def confirms(self, data, found):
        """Golden numbers that moved by less than they may."""
        if self.golden not in self.file.parents:
            return False
        texts = (self.original.decode(), data.decode())
        before, now = (list(csv.reader(io.StringIO(text))) for text in texts)
        return all(
            math.isclose(float(one or "nan"), float(two or "nan"), abs_tol=0.006) or one == two
            for old, new in zip(before[1:], now[1:], strict=True)
            for one, two in zip(old[1:], new[1:], strict=True)
        )
