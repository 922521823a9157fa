"""The task of a search, and what the searching process reports to the one that waits."""

from __future__ import annotations

import mmap
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType

from gradcheck.compare.point import Point
from gradcheck.mending.candidate import Mended
from gradcheck.mending.edits import Hints
from gradcheck.mending.source import Function
from gradcheck.mending.variants import Texts
from gradcheck.options import Edits
from gradcheck.sandbox.harmless import Refusals

MOST_WAITING = 2.0

FASTEST, SLOWEST, CALLS = 0.2, 2.0, 50
"""The minimum and maximum seconds of computing in which a candidate makes its gradient once.

Between them, that is a multiple of the seconds of a loss.
"""


@dataclass(frozen=True)
class Allowance:
    """The budget of a search, in "s" or "edits", and when it began, by `time.monotonic`.

    `computed` is the number of seconds that earlier processes have computed.
    """

    amount: float
    unit: str
    begun: float
    computed: float = 0.0

    @classmethod
    def of(cls, budget: float | Edits) -> Allowance:
        """Return the allowance of a budget from now on."""
        if isinstance(budget, Edits):
            return cls(budget.most, "edits", time.monotonic())
        return cls(budget, "s", time.monotonic())

    def __str__(self) -> str:
        return f"{self.amount:g} {self.unit}"

    def seconds(self) -> float:
        """Return how long the search has taken."""
        return time.monotonic() - self.begun

    def spent(self, tried: int, computed: float) -> float:
        """Return how much is used up by `tried` edits, or `computed` seconds of one process.

        A busy machine may make a search take twice as long, and no longer.
        """
        if self.unit == "edits":
            return tried
        return max(self.computed + computed, self.seconds() / MOST_WAITING)


@dataclass(frozen=True)
class Task:
    """The subject of a search, and its allowance."""

    point: Point
    functions: tuple[Function, ...]
    texts: Texts
    hints: Hints
    allowance: Allowance

    @property
    def limit(self) -> float:
        """The seconds of computing in which a candidate has to make its gradient once."""
        return min(SLOWEST, max(FASTEST, CALLS * self.point.noise.seconds))

    @property
    def closures(self) -> list[FunctionType]:
        """The function objects; one definition may have several."""
        return [closure for function in self.functions for closure in function.functions]


def shared_counts() -> memoryview:
    """Return shared memory for the counts that two processes see.

    They are the candidates tried, those refused, and whether edits are being constructed.
    """
    return memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("q")


@dataclass(frozen=True)
class Answers:
    """What a search reports to: the counts, the refusals, and a function for each proved edit."""

    counts: memoryview
    refusals: Refusals
    mended: Callable[[Mended], None]
