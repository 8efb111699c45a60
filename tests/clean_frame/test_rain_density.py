from dataclasses import replace

import numpy as np
import pytest
from sequences import HELD_OUT, STATIC, make_sequence

from rainbench.clean_frame.quality.rain_density import Density, estimate_density
from rainbench.core.errors import RainbenchError


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        (replace(STATIC[0], rain=0.1), "sparse"),
        (replace(HELD_OUT[2], rain=0.15), "sparse"),
        (STATIC[1], "normal"),
        (STATIC[3], "normal"),
        (replace(STATIC[2], drift=0.1), "normal"),
        (STATIC[6], "dense"),
        (HELD_OUT[5], "dense"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_kinds(spec, kind):
    sequence = make_sequence(replace(spec, frames=60), 96, 128)
    density = estimate_density(sequence.frames)
    assert density.kind == kind
    assert 0.6 * sequence.coverage < density.coverage < 1.2 * sequence.coverage
    assert density.noise == pytest.approx(spec.noise / np.sqrt(3), rel=0.35)


def test_a_still_sequence_is_sparse():
    density = estimate_density(np.full((20, 30, 30, 3), 77, np.uint8))
    assert (density.kind, density.coverage, density.noise) == ("sparse", 0, 0)


@pytest.mark.parametrize(
    ("kind", "frames"), [("sparse", [20, 30, 40]), ("normal", [100, 120, 140]),
                         ("dense", [200, 250, 300])]
)  # fmt: skip
def test_rounds_are_those_of_the_paper(kind, frames):
    density = Density(kind, 0.0, 0.0)
    assert [density.frames(rounds) for rounds in range(3)] == frames


def test_one_frame_is_refused():
    with pytest.raises(RainbenchError, match="1 frame,"):
        estimate_density(np.zeros((1, 8, 8, 3), np.uint8))
