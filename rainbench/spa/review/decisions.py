"""What a person decided about a candidate: one small file beside it, written at once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from rainbench.core.errors import StoreError
from rainbench.core.files import write_atomically
from rainbench.spa.review.files import UnreadableError, read_object

DECISIONS = ("accept", "reject", "more")
"""What can be decided: take the clean frame, drop the sequence, extract it from more frames."""

DECISION_FILE = "decision.json"


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision and the round of the candidate that it is about.

    Attributes:
        decision: One of `DECISIONS`.
        round: The candidate's round; a candidate of another round is undecided again.
    """

    decision: str
    round: int | None


def read_decision(folder: Path) -> Decision | None:
    """Return the decision in a sequence's folder; None where there is none that can be read."""
    try:
        content = read_object(folder / DECISION_FILE)
    except UnreadableError:
        return None
    decision, about = content.get("decision"), content.get("round")
    if decision not in DECISIONS:
        return None
    return Decision(str(decision), about if isinstance(about, int) else None)


def write_decision(folder: Path, decision: Decision) -> None:
    """Write a decision by rename: whenever the process is killed, it stands or it does not.

    Raises:
        StoreError: It cannot be written.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> write_decision(folder, Decision("accept", 2))
        >>> read_decision(folder)
        Decision(decision='accept', round=2)
    """
    content = {"decision": decision.decision, "round": decision.round}
    try:
        write_atomically(folder / DECISION_FILE, json.dumps(content).encode() + b"\n")
    except OSError as error:
        raise StoreError(
            f"{folder / DECISION_FILE}: cannot be written: {error.strerror}",
            hint="The decision was not kept: make room or give the right to write, and repeat it.",
        ) from None


def remove_decision(folder: Path) -> None:
    """Take a decision back: its file is removed, if there is one.

    Raises:
        StoreError: It cannot be removed.
    """
    try:
        (folder / DECISION_FILE).unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{folder / DECISION_FILE}: cannot be removed: {error.strerror}") from None
