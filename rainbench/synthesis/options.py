"""The options of a build of synthetic rain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rainbench.core.errors import RainbenchError
from rainbench.core.resume import key_of
from rainbench.rain.transform import REVISION, StreakModel, Synthesis

JRSRD_LEVELS = (0.2, 1 / 3, 7 / 15, 0.6)
"""Four noise amounts, evenly spread over the paper's "between 20% and 60%"; it says no more."""

PHYSICAL_LEVELS = (12.5, 25.0, 50.0, 100.0)
"""Four rain rates in mm/h, from heavy rain to a cloudburst."""

DEFAULT_LEVELS: dict[StreakModel, tuple[float, ...]] = {
    "photoshop": JRSRD_LEVELS,
    "physical": PHYSICAL_LEVELS,
}
"""The four strengths of ``rainbench synth-jrsrd``."""


MOST_VERSIONS = 1000
"""Rainy versions of a scene: published sets have 1 to 14."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthOptions:
    """The options of ``rainbench synth`` and ``rainbench synth-jrsrd``.

    Attributes:
        synthesis: What to add to each image.
        levels: Strengths of the streaks, noise amounts or (``physical``) rain rates in mm/h: every
            scene gets one rainy version for each, and they share mist and drops. Empty draws a
            strength for each version.
        versions: Rainy versions of each scene where there are no levels; they share nothing.
        test_share: Share of the scenes whose pairs are for testing, where the source has no splits.
        name: Of the test split; the training split's ends in ``-train``.
        workers: Processes; never changes the result.
    """

    synthesis: Synthesis = field(default_factory=Synthesis)
    levels: tuple[float, ...] = ()
    versions: int = 1
    test_share: float = 0.2
    name: str = "synth-own"
    workers: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.versions <= MOST_VERSIONS:
            raise RainbenchError(
                f"--versions {self.versions}: a scene has 1 to {MOST_VERSIONS:,} versions"
            )
        physical = self.synthesis.model == "physical"
        for level in self.levels:
            if physical and not 0.1 <= level <= 300:
                raise RainbenchError(
                    f"--levels {level:g}: with --model physical a level is a rain rate in mm/h, "
                    "0.1 to 300",
                    hint="For example --levels 10,50.",
                )
            if not physical and not 0.01 <= level <= 1:
                raise RainbenchError(
                    f"--levels {level:g}: a level is a noise amount from 0.01 to 1",
                    hint="For example --levels 0.2,0.6 for 20 and 60 per cent.",
                )
        if len(set(self.levels)) < len(self.levels):
            raise RainbenchError("--levels: a level is given twice")
        if self.levels and not self.synthesis.has_streaks:
            raise RainbenchError(f"the kind {self.synthesis.kind} has no streaks, so no levels")

    @property
    def strengths(self) -> tuple[float | None, ...]:
        """The strength of the streaks of each version of a scene; None is drawn."""
        return self.levels or (None,) * self.versions

    def describe(self) -> dict[str, object]:
        """Return what decides the pixels that are made, for the build's record."""
        return {
            "revision": REVISION,
            "synthesis": asdict(self.synthesis),
            "levels": list(self.levels),
            "versions": self.versions,
        }

    @property
    def key(self) -> str:
        """The hash of `describe`."""
        return key_of(self.describe())


def parse_levels(text: str) -> tuple[float, ...]:
    """Return the strengths that ``--levels`` gives.

    Raises:
        RainbenchError: One is not a number.

    Example:
        >>> parse_levels("0.2, 0.6"), parse_levels("20%,60%")
        ((0.2, 0.6), (0.2, 0.6))
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    try:
        levels = tuple(
            float(part[:-1]) / 100 if part.endswith("%") else float(part) for part in parts
        )
    except ValueError:
        raise RainbenchError(
            f"--levels {text}: not numbers between commas", hint="For example --levels 0.2,0.6."
        ) from None
    if not levels:
        raise RainbenchError("--levels is empty", hint="For example --levels 0.2,0.6.")
    return levels


def check_apart(inputs: Sequence[Path], out: Path) -> None:
    """Raise an error when a build would write into what it reads.

    Args:
        inputs: Folders that are read.
        out: The folder to be written.

    Raises:
        RainbenchError: One of them lies in the other.
    """
    target = out.resolve()
    for folder in inputs:
        source = folder.resolve()
        if target == source or target.is_relative_to(source) or source.is_relative_to(target):
            raise RainbenchError(
                f"--out {out} and the input {folder} overlap: one lies inside the other",
                hint="Choose a folder elsewhere: inputs are never written to.",
            )
