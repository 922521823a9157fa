"""Which edits are tried together: two that neither alone makes right, and many in one code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, islice, product

from gradcheck.mending.context import Edit
from gradcheck.mending.targets import Progress
from gradcheck.mending.variants import Candidate

FIRST_BATCH, LARGEST_BATCH = 8, 96
"""How many candidates are compiled together."""

SOME, FEW, MOST = 4, 2, 16
PAIRED, PAIRED_OF_A_LINE = 60, 8
"""How many edits, and of a line, are first tried in twos."""


def are_apart(one: Edit, other: Edit) -> bool:
    """Whether two edits can be made both."""
    return one.path != other.path or one.end <= other.start or other.end <= one.start


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
        yield from (pair for pair in combinations(chosen[:most], 2) if are_apart(*pair))
        most, of_one = 2 * most, 2 * of_one


def united(helpful: Sequence[tuple[Edit, Progress]], base: Progress) -> list[Candidate]:
    """Edits together that make all blocks right, of those that make each right alone."""
    wrong = [index for index, right in enumerate(base.right) if right is False]
    choices = [[edit for edit, one in helpful if one.right[index]][:FEW] for index in wrong]
    candidates = (tuple(dict.fromkeys(edits)) for edits in islice(product(*choices), MOST))
    return [
        edits
        for edits in candidates
        if len(edits) > 1 and all(are_apart(*pair) for pair in combinations(edits, 2))
    ]


def batches(candidates: Iterable[Candidate]) -> Iterator[list[Candidate]]:
    """A few at first, then as many as are best compiled together."""
    waiting, most = iter(candidates), FIRST_BATCH
    while batch := list(islice(waiting, most)):
        yield batch
        most = min(2 * most, LARGEST_BATCH)
