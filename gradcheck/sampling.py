"""Chooses the entries to perturb: all, a number per block, or as many as the budget allows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gradcheck.numeric.estimate import Array, Indices
from gradcheck.numeric.groups import rows_up_to
from gradcheck.user.blocks import Parameters
from gradcheck.user.bounds import Bounds

BLACK_BOX = "black box"
HELD = "the others are held by their bounds"
ENOUGH = "of the wrong ones, as many as the budget allows"

EVALUATIONS_PER_ENTRY = 2.2
"""Two, and the average share of pilot steps and repetitions when a gradient is right."""


@dataclass(frozen=True)
class Coverage:
    """Which share of the entries was perturbed.

    Example:
        >>> import numpy as np, gradcheck
        >>> report = gradcheck.check(lambda w: np.sum(w**2), np.ones(9), lambda w: 2 * w, entries=4)
        >>> report.coverage.entries, report.coverage.total, report.coverage.complete
        (4, 9, False)

    Attributes:
        entries: the number of perturbed entries.
        total: the number of all entries.
        reason: why not all were perturbed, or None.
        interrupted: whether the user stopped the check or its diagnosis.
        engine: how the numeric gradient was computed: "black box", by finite differences of the
            user's loss; or by the recognised network's structure, "literal" or "shared lines".
        tied: how many evaluations of the user's loss confirmed the network; 0 for a black box.
    """

    entries: int
    total: int
    reason: str | None = None
    interrupted: bool = False
    engine: str = BLACK_BOX
    tied: int = 0

    @property
    def how(self) -> str:
        """How the entries of a recognised network were perturbed, in words; "" if there is none."""
        if not self.tied:
            return ""
        way = {"literal": "one by one", "shared lines": "along lines that they share"}[self.engine]
        return f"every weight perturbed {way}; your loss was asked {self.tied:,} times to confirm"

    @property
    def complete(self) -> bool:
        """Whether every weight and bias was perturbed."""
        return self.entries == self.total

    def measured(self, count: int) -> Coverage:
        """The coverage if only so many entries were measured in the end."""
        if count >= self.entries:
            return self
        return replace(self, entries=count, reason=self.reason or ENOUGH)


@dataclass(frozen=True)
class Selection:
    """The entries to perturb, as ascending flat indices, one array per block."""

    entries: tuple[Indices, ...]
    coverage: Coverage

    def within(self, bounds: Bounds) -> Selection:
        """The entries of the selection that the bounds leave free to move."""
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
    """Chooses the entries to perturb in every block.

    `entries` is "all", a number per block, or "auto": as many as fit in the budget, all of small
    blocks (biases) and a random sample of the others. `seconds` is the time of one evaluation.
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
    box: tuple[Array, Array] | None,
    seconds: float,
    entries: str | int,
    budget: float,
    rng: np.random.Generator,
) -> tuple[Indices, str | None]:
    """The columns of a Jacobian to differentiate, and why not all; arguments as above.

    Columns with the same number in `group` move at once; those that `box` (low, high) fixes do not.
    """
    free, reason = np.arange(len(group)), None
    if box is not None:
        movable = box[0] < box[1]
        free, reason = free[movable], None if movable.all() else HELD
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


def all_entries(parameters: Parameters) -> Coverage:
    """The coverage of a check of every entry of every block."""
    count = sum(value.size for value in parameters.values)
    return Coverage(count, count)


def _share(sizes: list[int], affordable: int) -> list[int]:
    """Distributes a number of entries, to the smallest blocks first, at least one to each."""
    counts = [0] * len(sizes)
    left = affordable
    order = sorted(range(len(sizes)), key=lambda block: sizes[block])
    for position, block in enumerate(order):
        share = max(1, left // (len(order) - position))
        counts[block] = min(sizes[block], share)
        left -= counts[block]
    return counts
