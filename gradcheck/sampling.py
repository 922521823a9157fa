"""Which entries are perturbed: all, so many per block, or what fits in the time."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gradcheck.numeric.groups import rows_up_to
from gradcheck.user.blocks import Parameters
from gradcheck.user.bounds import Bounds

Indices = NDArray[np.intp]

BLACK_BOX = "black box"
HELD = "the others are held by their bounds"

EVALUATIONS_PER_ENTRY = 2.2
"""Two, and what pilots and second looks add where a gradient is right."""


@dataclass(frozen=True)
class Coverage:
    """What was perturbed.

    Example:
        >>> import numpy as np, gradcheck
        >>> report = gradcheck.check(lambda w: np.sum(w**2), np.ones(9), lambda w: 2 * w, entries=4)
        >>> report.coverage.entries, report.coverage.total, report.coverage.complete
        (4, 9, False)

    Attributes:
        entries: how many entries.
        total: how many there are.
        reason: why not all, or None.
        interrupted: whether the user stopped the check or its diagnosis.
        engine: what gave the numeric gradient: "black box", finite differences of the user's loss;
            or the structure of the network recognised in it, "literal" or "shared lines".
        tied: how many evaluations of the user's loss tie that network to it; 0 for a black box.
    """

    entries: int
    total: int
    reason: str | None = None
    interrupted: bool = False
    engine: str = BLACK_BOX
    tied: int = 0

    @property
    def how(self) -> str:
        """How the entries of a recognised network were perturbed, in words; "" of a black box."""
        if not self.tied:
            return ""
        way = {"literal": "one by one", "shared lines": "along lines that they share"}[self.engine]
        return f"every weight perturbed {way}; your loss was asked {self.tied:,} times to confirm"

    @property
    def complete(self) -> bool:
        """Whether every weight and bias was perturbed."""
        return self.entries == self.total


@dataclass(frozen=True)
class Selection:
    """The entries to perturb, as ascending flat indices of every block."""

    entries: tuple[Indices, ...]
    coverage: Coverage

    def within(self, bounds: Bounds) -> Selection:
        """Those that can move within the bounds."""
        free = tuple(
            np.intersect1d(chosen, bounds.free(block)) for block, chosen in enumerate(self.entries)
        )
        count = sum(map(len, free))
        if count == self.coverage.entries:
            return self
        coverage = replace(self.coverage, entries=count, reason=HELD)
        return replace(self, entries=free, coverage=coverage)


def choose_entries(
    parameters: Parameters,
    entries: str | int,
    budget: float,
    seconds: float,
    rng: np.random.Generator,
) -> Selection:
    """The flat indices to perturb in every block.

    They are "all", a number per block, or "auto": what fits in the budget, small blocks (biases)
    whole and the others sampled at random.
    """
    sizes = [value.size for value in parameters.values]
    total = sum(sizes)
    reason = None
    if entries == "all":
        counts = sizes
    elif entries == "auto":
        affordable = int(budget / (EVALUATIONS_PER_ENTRY * max(seconds, 1e-9)))
        counts = _share(sizes, affordable)
        if sum(counts) < total:
            needed = EVALUATIONS_PER_ENTRY * total * seconds
            reason = f"all would take about {needed:.0f} s and the budget is {budget:g} s"
    else:
        counts = [min(size, int(entries)) for size in sizes]
        if sum(counts) < total:
            reason = f"entries={entries} per block"
    chosen = tuple(
        rows_up_to(size) if count == size else np.sort(rng.choice(size, count, replace=False))
        for size, count in zip(sizes, counts, strict=True)
    )
    return Selection(chosen, Coverage(sum(counts), total, reason))


def choose_columns(
    group: Indices,
    box: tuple[NDArray[np.float64], NDArray[np.float64]] | None,
    seconds: float,
    entries: str | int,
    budget: float,
    rng: np.random.Generator,
) -> tuple[Indices, str | None]:
    """The columns of a Jacobian to differentiate, and why not all: those that can move, as above.

    Columns of one group are moved at once; `box` has the least and the largest value of each.
    """
    free, reason = np.arange(len(group)), None
    if box is not None:
        open_ = box[0] < box[1]
        free, reason = free[open_], None if open_.all() else HELD
    most = len(free)
    if entries == "auto":
        each = EVALUATIONS_PER_ENTRY * max(seconds, 1e-9) * len(np.unique(group)) / max(most, 1)
        most = max(1, min(most, int(budget / max(each, 1e-12))))
    elif entries != "all":
        most = min(most, int(entries))
    if most < len(free):
        reason = f"{most} of {len(free)} columns"
        free = np.sort(rng.choice(free, most, replace=False))
    return free, reason


def all_entries(parameters: Parameters) -> Selection:
    """Every entry of every block."""
    sizes = [value.size for value in parameters.values]
    return Selection(tuple(map(rows_up_to, sizes)), Coverage(sum(sizes), sum(sizes)))


def _share(sizes: list[int], affordable: int) -> list[int]:
    """Shares out a number of entries: the smallest blocks first, at least one entry each."""
    counts = [0] * len(sizes)
    left = affordable
    order = sorted(range(len(sizes)), key=lambda block: sizes[block])
    for position, block in enumerate(order):
        share = max(1, left // (len(order) - position))
        counts[block] = min(sizes[block], share)
        left -= counts[block]
    return counts
