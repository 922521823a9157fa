"""What a search is given: what is searched, and seconds of computing or edits to use up."""

from __future__ import annotations

import time
from dataclasses import dataclass

from gradcheck.compare.point import Point
from gradcheck.mending.edits import Hints
from gradcheck.mending.source import Function
from gradcheck.mending.variants import Texts
from gradcheck.options import Edits

MOST_WAITING = 2.0


@dataclass(frozen=True)
class Allowance:
    """How much a search may use up, in "s" or "edits", and when it began, by `time.monotonic`."""

    amount: float
    unit: str
    begun: float

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
        """How much is used up after so many edits, and so many seconds of computing.

        A busy machine may make a search take twice as long, and no longer.
        """
        return tried if self.unit == "edits" else max(computed, self.seconds() / MOST_WAITING)


@dataclass(frozen=True)
class Task:
    """What is searched, and how much that may use up."""

    point: Point
    functions: tuple[Function, ...]
    texts: Texts
    hints: Hints
    allowance: Allowance


@dataclass(frozen=True)
class Before:
    """What earlier processes did: how many candidates, the last of which hung, in how long."""

    tried: int = 0
    computed: float = 0.0
