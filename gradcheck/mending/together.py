"""Edits that are tried together: pairs of which neither is enough, and many in one code.

If neither of two edits is enough, their changes of the gradient may add up to what is missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, islice, product

import numpy as np

from gradcheck.mending.context import Edit
from gradcheck.mending.targets import Progress, Read, Target
from gradcheck.mending.variants import Candidate
from gradcheck.numeric.estimate import Indices
from gradcheck.user.blocks import Array

FIRST_BATCH, LARGEST_BATCH = 8, 96
"""The numbers of candidates compiled together, at first and at most."""

SOME, FEW, MOST = 4, 2, 16
PAIRED, PAIRED_OF_A_LINE = 60, 8
"""The numbers of edits, and of edits of one line, that are first tried in pairs."""

PICKED = 24
"""The number of entries of a wrong block that are compared."""

CLOSE, MOST_ADDED = 1e-6, 200


def are_apart(one: Edit, other: Edit) -> bool:
    """True if two edits can both be made."""
    return one.path != other.path or one.end <= other.start or other.end <= one.start


def of_different_faults(made: Sequence[Sequence[Edit]]) -> Iterator[Candidate]:
    """Yield pairs of edits, each of which gives another expression its right value."""
    for one, other in combinations(made, 2):
        yield from (pair for pair in product(one[:SOME], other[:SOME]) if are_apart(*pair))


def likely_pairs(edits: Sequence[Edit]) -> Iterator[Candidate]:
    """Yield pairs of edits: of the likeliest of every line, then of more of them."""
    ranks: list[int] = []
    of_line: Counter[tuple[str, int]] = Counter()
    for edit in edits:
        ranks.append(of_line[edit.path, edit.line])
        of_line[edit.path, edit.line] += 1
    most, of_one = PAIRED, PAIRED_OF_A_LINE
    while most // 2 < len(edits):
        chosen = [edit for edit, rank in zip(edits, ranks, strict=True) if rank < of_one]
        yield from (pair for pair in combinations(chosen[:most], 2) if are_apart(*pair))
        most, of_one = 2 * most, 2 * of_one


def in_place_of(
    first: Edit, others: Sequence[Edit], found: Sequence[Candidate]
) -> Iterator[Candidate]:
    """Yield what was found after a first edit, with others of the same effect in its place."""
    rests = []
    for edits in found:
        after = [moved_before(first, one) for one in edits[1:]] if edits[0] == first else []
        rests += [tuple(filter(None, after))] if after and None not in after else []
    for other, rest in product(others[:MOST], rests):
        if all(are_apart(other, one) for one in rest):
            yield (other, *rest)


def moved_before(first: Edit, edit: Edit) -> Edit | None:
    """Return an edit as it is without the one before it; None if both are of the same text."""
    longer = len(first.replacement) - (first.end - first.start)
    if edit.path != first.path or edit.end <= first.start:
        return edit
    if edit.start >= first.end + longer:
        return edit._replace(start=edit.start - longer, end=edit.end - longer)
    return None


def united(helpful: Sequence[tuple[Edit, Progress]], base: Progress) -> list[Candidate]:
    """Return sets of edits that together make all blocks right, each edit another block."""
    wrong = [index for index, right in enumerate(base.right) if right is False]
    choices = [[edit for edit, one in helpful if one.right[index]][:FEW] for index in wrong]
    candidates = (tuple(dict.fromkeys(edits)) for edits in islice(product(*choices), MOST))
    return [
        edits
        for edits in candidates
        if len(edits) > 1 and all(are_apart(*pair) for pair in combinations(edits, 2))
    ]


def batches(candidates: Iterable[Candidate]) -> Iterator[list[Candidate]]:
    """Yield a few candidates at first, then as many as are best compiled together."""
    waiting, most = iter(candidates), FIRST_BATCH
    while batch := list(islice(waiting, most)):
        yield batch
        most = min(2 * most, LARGEST_BATCH)


class Changes:
    """The changes that single edits make to some entries of the wrong blocks."""

    def __init__(self, base: Progress, read: Read, targets: Sequence[Target]) -> None:
        self.base = base
        rng, wanted = np.random.default_rng(0), [np.empty(0)]
        self._picked: list[tuple[int, Indices]] = []
        for index, (is_right, target) in enumerate(zip(base.right, targets, strict=True)):
            if is_right is False:
                values = target.estimates.value
                chosen = np.sort(rng.permutation(len(values))[:PICKED])
                self._picked.append((index, target.entries[chosen]))
                wanted.append(values[chosen])
        self._own = self._of(read)
        self._wanted = np.concatenate(wanted)
        self._made: list[tuple[Edit, Array]] = []

    @staticmethod
    def leading(helpful: Sequence[tuple[Edit, Progress]]) -> list[Edit]:
        """Return the edits that help most, first one for each set of blocks that becomes right."""
        alike: Counter[tuple[bool | None, ...]] = Counter()
        ranked: list[tuple[int, Edit]] = []
        for edit, progress in sorted(helpful, key=lambda pair: (-pair[1].amount, pair[0].weight)):
            ranked.append((alike[progress.right], edit))
            alike[progress.right] += 1
        return [edit for _, edit in sorted(ranked, key=lambda pair: pair[0])]

    def add(self, edit: Edit, read: Read) -> None:
        """Keep the change of an edit, given the gradient that was read with it."""
        picked = self._of(read)
        if picked is not None and self._own is not None:
            self._made.append((edit, picked - self._own))

    def pairs(self) -> list[tuple[Edit, Edit]]:
        """Return the pairs of edits that add up to what is missing, the likeliest first."""
        if self._own is None:
            return []
        return adding_up(self._made, self._wanted - self._own)

    def _of(self, read: Read) -> Array | None:
        """Return the compared entries; None if some are missing."""
        arrays = [(read[index] if read else None, entries) for index, entries in self._picked]
        picked = [one.reshape(-1)[entries] for one, entries in arrays if one is not None]
        return np.concatenate(picked) if picked and len(picked) == len(arrays) else None


def adding_up(changes: Sequence[tuple[Edit, Array]], missing: Array) -> list[tuple[Edit, Edit]]:
    """Return pairs of edits whose changes add up to what is missing, the likeliest first."""
    scale = float(np.max(np.abs(missing), initial=0.0))
    relevant = [
        (edit, change)
        for edit, change in changes
        if np.all(np.isfinite(change)) and np.max(np.abs(change)) > CLOSE * scale
    ]
    if not relevant or not scale:
        return []
    rows = np.array([change for _, change in relevant])
    pairs = [(relevant[one][0], relevant[other][0]) for one, other in _sums(rows, missing, scale)]
    apart = [(one, other) for one, other in pairs if are_apart(one, other)]
    return sorted(apart, key=lambda pair: pair[0].weight + pair[1].weight)[:MOST_ADDED]


def _sums(rows: Array, missing: Array, scale: float) -> Iterator[tuple[int, int]]:
    """Yield the pairs of rows that add up; their sums along one direction are compared first."""
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
