"""The claims that small trainings try, each a function of its name.

Networks are called by the names of their cards; a variant, trained with other losses than those of
its card, has a name of its own.
"""

from __future__ import annotations

from rainbench.catalog.terms import LossTerm
from rainbench.claims.measured import Comparison, Quantity, order
from rainbench.claims.trainings import Trainings

Comparisons = list[Comparison]


def a1(trained: Trainings) -> Comparisons:
    return order(*_joint(trained, "dam", "dam-odd", "dam-zero"))


def a2(trained: Trainings) -> Comparisons:
    return order(*_joint(trained, "daiam", "dam"))


def a3(trained: Trainings) -> Comparisons:
    differential, one, cascaded = _joint(trained, "d-daiam", "daiam", "daiam-daiam")
    return order(differential - one, cascaded - one, 0)


def a4(trained: Trainings) -> Comparisons:
    chain = ("d-daiam-3", "d-daiam", "daiam-daiam", "daiam", "dam", "dam-odd", "dam-zero")
    return order(*_joint(trained, *chain))


def a9(trained: Trainings) -> Comparisons:
    mask = LossTerm(
        name="l1", on="attention_joint", target="joint_mask", mask="binary", threshold=0.1,
        weight=0.8,
    )  # fmt: skip
    losses = (
        LossTerm(name="l1", on="image"),
        mask,
        LossTerm(name="l1", on="heavy_joint", weight=1.0),
        LossTerm(name="l1", on="light_joint", weight=0.3),
    )
    soft = trained("joint", "dam")
    return order(soft, trained("joint", "dam-binary", baseline="dam", losses=losses))


def b7(trained: Trainings) -> Comparisons:
    return order(_spanet(trained, "bcdef"), _spanet(trained, "a"))


def b8(trained: Trainings) -> Comparisons:
    return order(_spanet(trained, "f"), _spanet(trained, "cb"))


def b9(trained: Trainings) -> Comparisons:
    return order(_spanet(trained, "f"), _spanet(trained, "de"))


def c1(trained: Trainings) -> Comparisons:
    own = trained("streaks", "sian")
    mae, mse = (LossTerm(name="l1", on="stages"),), (LossTerm(name="mse", on="stages"),)
    others = [
        trained("streaks", "sian-mae", baseline="sian", losses=mae),
        trained("streaks", "sian-mse", baseline="sian", losses=mse),
    ]
    return order(own, others)


def c2(trained: Trainings) -> Comparisons:
    return order(*(trained("streaks", name) for name in ("sian", "sian_lstm", "sian_baseline")))


def e1(trained: Trainings) -> Comparisons:
    return order(*_nasnet(trained, "nasnet", "nasnet_2", "nasnet_1"))


def e2(trained: Trainings) -> Comparisons:
    return order(*_nasnet(trained, "nasnet", "nasnet_se", "nasnet_plain"))


def e3(trained: Trainings) -> Comparisons:
    return order(*_nasnet(trained, "nasnet", "nasnet_direct"))


def _joint(trained: Trainings, *names: str) -> list[Quantity]:
    return [trained("joint", name) for name in names]


def _spanet(trained: Trainings, letters: str) -> list[Quantity]:
    return [trained("streaks", f"spanet_{letter}") for letter in letters]


def _nasnet(trained: Trainings, *names: str) -> list[Quantity]:
    # Three blocks in the place of the paper's number: what is compared is the same at every depth.
    return [trained("streaks", name, blocks=3) for name in names]
