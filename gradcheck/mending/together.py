"""Which edits are tried together: two of a gradient that neither alone makes right.

Where they change different terms, their changes of the gradient add up to what is missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, islice, product

import numpy as np

from gradcheck.mending.context import Edit
from gradcheck.mending.variants import Candidate
from gradcheck.user.blocks import Array

PAIRED, PAIRED_OF_A_LINE = 60, 8
FIRST_BATCH, LARGEST_BATCH = 8, 96
"""How many candidates are compiled together."""

SOME = 4
CLOSE, MOST = 1e-6, 200


def adding_up(changes: Sequence[tuple[Edit, Array]], missing: Array) -> list[tuple[Edit, Edit]]:
    """Pairs of edits whose changes are what is missing, the likeliest first."""
    scale = float(np.max(np.abs(missing), initial=0.0))
    known = [
        (edit, change)
        for edit, change in changes
        if np.all(np.isfinite(change)) and np.max(np.abs(change)) > CLOSE * scale
    ]
    if not known or not scale:
        return []
    rows = np.array([change for _, change in known])
    found = [(known[one][0], known[other][0]) for one, other in _pairs(rows, missing, scale)]
    apart = [(one, other) for one, other in found if are_apart(one, other)]
    return sorted(apart, key=lambda pair: pair[0].weight + pair[1].weight)[:MOST]


def are_apart(one: Edit, other: Edit) -> bool:
    """Whether two edits can be made both."""
    return one.path != other.path or one.end <= other.start or other.end <= one.start


def _pairs(rows: Array, missing: Array, scale: float) -> Iterator[tuple[int, int]]:
    """The rows that add up; their sums along one direction are compared first."""
    along = np.random.default_rng(0).standard_normal(len(missing))
    sums = rows @ along
    order = np.argsort(sums)
    near = CLOSE * scale * float(np.abs(along).sum())
    rest = float(missing @ along) - sums
    first, last = (np.searchsorted(sums[order], rest + side * near) for side in (-1, 1))
    for one in range(len(rows)):
        for other in order[first[one] : last[one]]:
            if one < other and np.max(np.abs(rows[one] + rows[other] - missing)) <= CLOSE * scale:
                yield one, int(other)


def of_different_faults(made: Sequence[Sequence[Edit]]) -> Iterator[Candidate]:
    """Two edits together, each of which gives another expression the value that it should have."""
    for one, other in combinations(made, 2):
        yield from (pair for pair in product(one[:SOME], other[:SOME]) if are_apart(*pair))


def likely_pairs(edits: Sequence[Edit]) -> Iterator[Candidate]:
    """Two edits together: of the likeliest of every line, then of more of them."""
    ranks: list[int] = []
    of_line: Counter[tuple[str, int]] = Counter()
    for edit in edits:
        ranks.append(of_line[edit.path, edit.line])
        of_line[edit.path, edit.line] += 1
    most, of_one = PAIRED, PAIRED_OF_A_LINE
    while most // 2 < len(edits):
        chosen = [edit for edit, rank in zip(edits, ranks, strict=True) if rank < of_one]
        for one, other in combinations(chosen[:most], 2):
            if are_apart(one, other):
                yield one, other
        most, of_one = 2 * most, 2 * of_one


def batches(candidates: Iterable[Candidate]) -> Iterator[list[Candidate]]:
    """A few at first, then as many as are best compiled together."""
    waiting, most = iter(candidates), FIRST_BATCH
    while batch := list(islice(waiting, most)):
        yield batch
        most = min(2 * most, LARGEST_BATCH)
