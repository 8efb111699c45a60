"""Sparse codes over a dictionary, and dictionaries that are learnt from what they are to code."""

from __future__ import annotations

import torch
from torch import Tensor, nn

AT_ONCE = 4096
"""Signals that are coded together: what bounds the memory."""

RIDGE = 1e-6
"""Added to the squares of atoms, of which two may be the same."""


def sparse_codes(signals: Tensor, atoms: Tensor, count: int) -> Tensor:
    """Return each signal's codes by orthogonal matching pursuit.

    In each step the atom is taken that fits best what is left, then all coefficients are found
    anew by least squares.

    Args:
        signals: ``(N, d)``.
        atoms: ``(K, d)``, of length 1.
        count: Atoms per signal, ``K`` at most.

    Returns:
        ``(N, K)``, of which ``count`` in each row are not zero.

    Example:
        >>> sparse_codes(torch.tensor([[3.0, 0.1, 2.0]]), torch.eye(3), 2).round()
        tensor([[3., 0., 2.]])
    """
    squares = atoms @ atoms.T
    return torch.cat(
        [
            _some(part @ atoms.T, squares, min(count, len(atoms)))
            for part in torch.split(signals, AT_ONCE)
        ]
    )


def _some(seen: Tensor, squares: Tensor, count: int) -> Tensor:
    chosen = seen.new_empty(len(seen), 0, dtype=torch.long)
    codes, left = torch.zeros_like(seen), seen
    ridge = RIDGE * torch.eye(count, dtype=seen.dtype, device=seen.device)
    for taken in range(1, count + 1):
        next_one = left.abs().scatter(1, chosen, -1.0).argmax(1, keepdim=True)
        chosen = torch.cat((chosen, next_one), 1)
        among = squares[chosen[:, :, None], chosen[:, None, :]] + ridge[:taken, :taken]
        found = torch.linalg.solve(among, seen.gather(1, chosen))
        codes = torch.zeros_like(seen).scatter(1, chosen, found)
        left = seen - codes @ squares
    return codes


def learn_dictionary(signals: Tensor, atoms: int, count: int, rounds: int) -> Tensor:
    """Learn atoms from signals by the method of optimal directions.

    It begins with signals that lie evenly among all that are not zero. Then, by turns, all are
    coded, and the atoms are those that fit the codes best.

    Args:
        signals: ``(N, d)``.
        atoms: Their number, at most: there are no more than signals.
        count: Atoms per signal.
        rounds: Times that all of it is done.

    Returns:
        ``(K, d)``, of length 1.
    """
    lengths = signals.norm(dim=1)
    useful = signals[lengths > 1e-3 * lengths.max()]
    if not len(useful):  # a picture without any detail
        return torch.eye(signals.shape[1], dtype=signals.dtype, device=signals.device)[:1]
    places = torch.linspace(0, len(useful) - 1, min(atoms, len(useful)), device=signals.device)
    found = _of_length_one(useful[places.round().long()])
    for _ in range(rounds):
        found = improved(signals, sparse_codes(signals, found, count), found)
    return found


def improved(signals: Tensor, codes: Tensor, atoms: Tensor) -> Tensor:
    """Return the atoms that make the signals of their codes best; those not in use stay."""
    squares = codes.T @ codes
    ridge = RIDGE * squares.diagonal().max().clamp(min=RIDGE)
    squares = squares + ridge * torch.eye(len(atoms), dtype=codes.dtype, device=codes.device)
    fitted = torch.linalg.solve(squares, codes.T @ signals + ridge * atoms)
    return _of_length_one(fitted)


def _of_length_one(rows: Tensor) -> Tensor:
    return nn.functional.normalize(rows)
