"""What a search is given, and what the process that searches tells the one that waits."""

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


@dataclass(frozen=True)
class Allowance:
    """How much a search may use up, in "s" or "edits", and when it began, by `time.monotonic`.

    `computed` is for how many seconds earlier processes have computed.
    """

    amount: float
    unit: str
    begun: float
    computed: float = 0.0

    @classmethod
    def of(cls, budget: float | Edits) -> Allowance:
        """What a budget allows from now on."""
        if isinstance(budget, Edits):
            return cls(budget.most, "edits", time.monotonic())
        return cls(budget, "s", time.monotonic())

    def __str__(self) -> str:
        return f"{self.amount:g} {self.unit}"

    def seconds(self) -> float:
        """How long the search has taken."""
        return time.monotonic() - self.begun

    def spent(self, tried: int, computed: float) -> float:
        """How much is used up after so many edits, and so many seconds of computing in a process.

        A busy machine may make a search take twice as long, and no longer.
        """
        if self.unit == "edits":
            return tried
        return max(self.computed + computed, self.seconds() / MOST_WAITING)


@dataclass(frozen=True)
class Task:
    """What is searched, and how much that may use up."""

    point: Point
    functions: tuple[Function, ...]
    texts: Texts
    hints: Hints
    allowance: Allowance

    @property
    def closures(self) -> list[FunctionType]:
        """The function objects: of one definition there may be many."""
        return [one for own in self.functions for one in own.functions]


def shared_counts() -> memoryview:
    """How many candidates were tried, how many refused, and whether edits are constructed now.

    In memory that two processes see.
    """
    return memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("q")


@dataclass(frozen=True)
class Answers:
    """What is told of the candidates: their counts, and those that are proved."""

    counts: memoryview
    refusals: Refusals
    mended: Callable[[Mended], None]
