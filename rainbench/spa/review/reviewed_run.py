"""A run folder under review: what there is to decide, and the decisions taken."""

from __future__ import annotations

import threading
from http import HTTPStatus
from pathlib import Path

from rainbench.spa.review.access import Refused
from rainbench.spa.review.candidates import find_pictures
from rainbench.spa.review.decisions import DECISIONS, Decision, remove_decision, write_decision
from rainbench.spa.review.sequences import (
    STATES,
    ReviewedSequence,
    load_sequence,
    load_sequences,
    possible_decisions,
)


class ReviewedRun:
    """A run folder under review; safe to use from several threads.

    Args:
        folder: The run, with ``sequences/``.

    Raises:
        RainbenchError: There are no sequences in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._lock = threading.Lock()
        self._folders: dict[str, Path] = {}
        self.scan()

    def scan(self) -> list[ReviewedSequence]:
        """Read all sequences again: the builder may have added some, or finished a round."""
        sequences = load_sequences(self.folder)
        self._folders = {sequence.key: sequence.folder for sequence in sequences}
        return sequences

    def find(self, key: str) -> ReviewedSequence | None:
        """Return a sequence of the last scan as it stands now."""
        folder = self._folders.get(key)
        return load_sequence(folder) if folder else None

    def decide(self, sequence: ReviewedSequence, decision: object, about: object) -> None:
        """Write a decision about the candidate that was shown.

        Args:
            sequence: The sequence as it stands now.
            decision: One of ``accept``, ``reject``, ``more``.
            about: The round of the candidate that the person saw.

        Raises:
            Refused: The decision is none, is not possible, or is about an earlier round.
            StoreError: It cannot be written.
        """
        if not isinstance(decision, str) or decision not in DECISIONS:
            raise Refused(HTTPStatus.BAD_REQUEST, "no such decision")
        candidate = sequence.candidate
        if candidate is None:
            raise Refused(HTTPStatus.CONFLICT, f"nothing to decide: {sequence.problem}")
        if decision not in possible_decisions(sequence, find_pictures(sequence.folder)):
            raise Refused(HTTPStatus.CONFLICT, "what cannot be shown cannot be accepted")
        if about != candidate.round or isinstance(about, bool):
            raise Refused(
                HTTPStatus.CONFLICT, "there is a newer candidate: reload the page to see it"
            )
        with self._lock:
            write_decision(sequence.folder, Decision(decision, candidate.round))

    def undo(self, sequence: ReviewedSequence) -> None:
        """Take the decision on a sequence back.

        Raises:
            StoreError: Its file cannot be removed.
        """
        with self._lock:
            remove_decision(sequence.folder)

    def standing(self, sequence: ReviewedSequence) -> dict[str, object]:
        """Return how a sequence stands, for the page."""
        state = load_sequence(sequence.folder).state
        return {"key": sequence.key, "state": state, "label": STATES[state]}
