"""Two edits that only together make a gradient right, though neither alone makes anything right.

Where they change different terms, their changes of the gradient add up to what is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gradcheck.mending.context import Edit
from gradcheck.user.blocks import Array

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
