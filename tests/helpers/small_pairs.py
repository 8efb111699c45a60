"""Small pairs under any names, to see what becomes of them."""

import dataclasses

import numpy as np

from rainbench.catalog.cards import DatasetCard, Layout
from rainbench.core.images import write_png

TEXT = Layout(name="text", rainy="rainy/{id}.png", clean="clean/{id}.png")
CARD = DatasetCard(
    name="toy",
    title="Toy",
    revision="1",
    degradation=("streaks",),
    origin="synthetic",
    split="test",
    count=0,
    protocol="prenet-y",
    licence="",
    sources=("x",),
    citation="",
    layouts=(TEXT,),
)


def card(*layouts, **changes):
    return dataclasses.replace(CARD, layouts=layouts or (TEXT,), **changes)


def picture(number):
    chance = np.random.default_rng(number)
    coarse = chance.integers(30, 180, (6, 8, 3)).astype(np.uint8)
    return np.kron(coarse, np.ones((4, 4, 1), np.uint8))


def rained(clean, number):
    rainy = clean.copy()
    for column in np.random.default_rng(100 + number).integers(0, clean.shape[1], 5):
        rainy[:, column] = np.minimum(clean[:, column].astype(int) + 70, 255)
    return rainy


def put(folder, *names, rainy="rainy", clean="clean", number=1):
    """Write pairs under the given names, the clean ones under the second of a tuple."""
    for each in names:
        first, second = each if isinstance(each, tuple) else (each, each)
        truth = picture(number)
        for name, image in (
            (f"{rainy}/{first}", rained(truth, number)),
            (f"{clean}/{second}", truth),
        ):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            write_png(folder / name, image)
        number += 1


def case_is_kept(folder):
    (folder / "A").touch()
    differs = not (folder / "a").exists()
    (folder / "A").unlink()
    return differs
