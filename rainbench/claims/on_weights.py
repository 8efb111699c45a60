"""The claims that the shipped weights are asked about, each a function of its name.

Nothing is trained: an entry restores the images of an embedded set, and what should be above what
is compared image by image.
"""

from __future__ import annotations

from rainbench.claims.measured import Comparison, order
from rainbench.claims.readings import Weights

Comparisons = list[Comparison]

_LITTLE = 40  # dB: an error of 2.5 grey levels is our reading of "not much"


def a7(weights: Weights) -> Comparisons:
    own, *others = (
        weights(entry, "joint", strength=0.4)
        for entry in (
            "daiam.joint-w16", "daiam.streaks-w16", "prenet_r.streaks-w16",
            "nasnet.streaks-w16", "nasnet.drops-w16",
        )
    )  # fmt: skip
    return order(own, others)


def a10(weights: Weights) -> Comparisons:
    strengths = (0.2, 0.333, 0.467, 0.6)
    harder = order(*(weights("daiam.joint-w16", "joint", strength=each) for each in strengths))
    heavy, light = (
        weights("d-daiam.joint-w16", "joint", strength=each, stage=2)
        - weights("d-daiam.joint-w16", "joint", strength=each, stage=1)
        for each in (0.6, 0.2)
    )
    return harder + order(heavy, light)


def b12(weights: Weights) -> Comparisons:
    # What is below the rainy input loses more of it where there is no rain than where it rains.
    rainy, names = weights("identity"), ("nasnet.drops-w16", "nasnet.mist-w16")
    found = order(rainy, [weights(name) for name in names])
    for name in names:
        restored, where_it_rains = weights(name), weights(name, view="where it rains")
        found += order(where_it_rains - restored, rainy - where_it_rains)
    return found


def c6(weights: Weights) -> Comparisons:
    return order(*(weights("sian.streaks-w12", stage=stage) for stage in range(6, 0, -1)))


def d7(weights: Weights) -> Comparisons:
    attention, contrast = (
        weights("rranet.streaks-w8", map_name=name) for name in ("attention_full", "rlcn")
    )
    return order(attention, contrast)


def d8(weights: Weights) -> Comparisons:
    return order(weights("rranet.streaks-w8", view="without rain"), _LITTLE)


def e8(weights: Weights) -> Comparisons:
    kinds = ("streaks", "drops", "mist")
    found = []
    for kind in kinds:
        dataset = f"mini-{kind}"
        own, rainy = weights(f"nasnet.{kind}-w16", dataset), weights("identity", dataset)
        others = [weights(f"nasnet.{other}-w16", dataset) for other in kinds if other != kind]
        found += order(own, rainy, others)
    return found


def x8(weights: Weights) -> Comparisons:
    shipped = (
        "d-daiam.joint-w16", "d-dam.joint-w16", "daiam.joint-w16", "daiam.streaks-w16",
        "dam.joint-w16", "dam.streaks-w16", "nasnet.drops-w16", "nasnet.joint-w32",
        "nasnet.mist-w16", "nasnet.streaks-w16", "nasnet.streaks-w32",
        "prenet_r.streaks-w16", "rranet.streaks-w8", "sian.streaks-w12", "spanet.streaks-w16",
    )  # fmt: skip
    return order([weights(entry, view="without rain") for entry in shipped], _LITTLE)
