"""The sequences of a run folder: which there are, and how each one stands."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from rainbench.core.errors import RainbenchError
from rainbench.spa.review.candidates import Pictures, ShownCandidate, read_candidate
from rainbench.spa.review.decisions import DECISIONS, Decision, read_decision
from rainbench.spa.review.files import UnreadableError, printable

STATES = {
    "accept": "accepted",
    "reject": "rejected",
    "more": "more frames",
    "undecided": "undecided",
    "broken": "broken",
}
"""Every state with the word for it."""


@dataclass(frozen=True, slots=True)
class ReviewedSequence:
    """A sequence as it stands on disk.

    Attributes:
        key: 16 hexadecimal digits that name it in addresses, whatever its folder is called.
        name: The folder's name, fit to be shown.
        folder: Where it is.
        candidate: What the builder says; None when that cannot be read.
        problem: Why the candidate cannot be read; empty when it can.
        decision: What was decided last, perhaps about an earlier round.
    """

    key: str
    name: str
    folder: Path
    candidate: ShownCandidate | None
    problem: str
    decision: Decision | None

    @property
    def state(self) -> str:
        """One of `STATES`; a decision about another round does not count."""
        if self.candidate is None:
            return "broken"
        if self.decision and self.decision.round == self.candidate.round:
            return self.decision.decision
        return "undecided"


def load_sequence(folder: Path) -> ReviewedSequence:
    """Read one sequence's folder; what is damaged there is reported, not raised."""
    candidate, problem = None, ""
    if folder.is_symlink():
        problem = "the folder is a symbolic link; a sequence must be a folder of the run itself"
    else:
        try:
            candidate = read_candidate(folder)
        except UnreadableError as error:
            problem = str(error)
    name = os.fsencode(folder.name)
    return ReviewedSequence(
        key=hashlib.sha256(name).hexdigest()[:16],
        name=printable(folder.name),
        folder=folder,
        candidate=candidate,
        problem=problem,
        decision=read_decision(folder) if candidate else None,
    )


def load_sequences(run: Path) -> list[ReviewedSequence]:
    """Read all sequences of a run, by name.

    Raises:
        RainbenchError: The folder holds none.
    """
    root = run / "sequences"
    try:
        folders = sorted(path for path in root.iterdir() if path.is_dir())
    except OSError:
        folders = []
    if not folders:
        raise RainbenchError(
            f"{run}: there are no sequences to review",
            hint="Give the folder into which `rainbench build-spa` wrote: it holds sequences/.",
        )
    return [load_sequence(folder) for folder in folders]


def summary(sequences: list[ReviewedSequence]) -> str:
    """Return how many sequences are in each state, in words.

    Example:
        >>> good = ShownCandidate(round=1)
        >>> first = ReviewedSequence("0" * 16, "a", Path("a"), good, "", Decision("accept", 1))
        >>> second = ReviewedSequence("1" * 16, "b", Path("b"), good, "", Decision("more", 0))
        >>> summary([first, second])
        '1 accepted, 1 undecided'
    """
    counts = Counter(sequence.state for sequence in sequences)
    return ", ".join(f"{counts[state]} {word}" for state, word in STATES.items() if counts[state])


def decided(sequences: list[ReviewedSequence]) -> int:
    """Return how many sequences are decided."""
    return sum(sequence.state in DECISIONS for sequence in sequences)


def possible_decisions(sequence: ReviewedSequence, pictures: Pictures) -> tuple[str, ...]:
    """Return what can be decided: nothing unread is decided, nothing unseen is accepted."""
    if sequence.candidate is None:
        return ()
    return DECISIONS if pictures.clean and pictures.size else DECISIONS[1:]
