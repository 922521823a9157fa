"""The passes of a loop, and which of them its test replays."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Set
from dataclasses import dataclass

from gradcheck.script.rows import FewerRows, fewer_rows
from gradcheck.script.snapshot import Snapshot
from gradcheck.script.state import Path, State, alike, label, leaves

MOST_TESTS, MOST_PASSES = 3, 200
"""How often a loop is tested, and after how many passes the tests end."""

LONG, TOO_LONG = 0.1, 3.0
"""A first pass of so many seconds may have been for more than a step; a second one may follow."""

QUICKER = 2.0

IDLE = "nothing that it changes is a float"
UNREACHED = "a pass does not come to all of its updates"
"""Why a loop does not train that may do so later, once a memory is full, say."""


@dataclass
class Passes:
    """The passes of one loop: their number, snapshots, and why it is not the training loop.

    A first pass may be long because it also draws a sample, say, or evaluates what only every
    hundredth pass does. A test replays a pass dozens of times, so the next one is waited for.

    Attributes:
        first: the snapshot at the beginning of the pass that is tested.
        last: that of the last pass that has begun, where `first` waits for it to end.
        took: the seconds of the pass from `first`.
        updated: the parameters that the pass updates, of a loop that would train if it had a loss.
        begun_anew: whether it is tested as if it had just begun, as the loop around it trains.
        rows: the rows of the data with which a slow pass is replayed; None for all.
    """

    hits: int = 0
    tests: int = 0
    first: Snapshot | None = None
    why: str = ""
    last: Snapshot | None = None
    took: float = 0.0
    began: float = 0.0
    updated: Set[Path] = frozenset()
    begun_anew: bool = False
    rows: FewerRows | None = None

    @property
    def is_idle(self) -> bool:
        """Whether it does not train, but may do so later."""
        return self.why in (IDLE, UNREACHED)

    @property
    def is_open(self) -> bool:
        """Whether the loop may still be tested; an idle one is, ever more seldom."""
        is_young = self.tests < MOST_TESTS and self.hits <= MOST_PASSES
        return is_young or (self.is_idle and (self._is_late(0) or self._is_late(1)))

    def _is_late(self, after: int) -> bool:
        """Whether the number of passes is a power of two, and `after` more."""
        hits = self.hits - after
        return self.tests >= MOST_TESTS and hits & (hits - 1) == 0

    def begin_anew(self) -> bool:
        """Have an idle loop tested again, once; return whether it is."""
        if not self.is_idle or self.begun_anew:
            return False
        self.tests, self.hits, self.first, self.begun_anew = 0, 0, None, True
        return True

    def are_steps(self, outer: Passes, parameters: Collection[Path]) -> bool:
        """Whether these, of a loop inside of another, make several steps in a pass of that.

        A loop that adds up gradients updates as many arrays, but none of its parameters.
        """
        are_all = len(self.updated) >= len(parameters) and not self.updated.isdisjoint(parameters)
        return are_all and self.hits >= outer.hits > 1

    def ended(self, tested: float, now: Snapshot) -> bool:
        """Note the end of a pass, if one has begun; return whether `first` can be tested.

        `tested` are the seconds that the tests of all loops have taken up to now.
        """
        took = time.perf_counter() - tested - self.began
        if self.first is None or self._is_late(0):
            return False
        if self.last is None and not self.tests and LONG < took < TOO_LONG:
            self.last, self.took = now, took
            return False
        if self.last is None:
            self.took = took
        elif took * QUICKER < self.took:
            self.first, self.took = self.last, took
        self.last = None
        self.tests += 1
        return True

    def take_fewer_rows(
        self, now: Snapshot, updated: Set[str], replayed: Callable[[Snapshot], State | None]
    ) -> None:
        """Have a slow pass tested with fewer rows; `replayed` is the state after a snapshot."""
        if self.first is not None and self.rows is None:
            self.rows = fewer_rows(self.first, now.state, self.took, updated, replayed)
            self.first = self.of_its_rows(self.first)

    def of_its_rows(self, snapshot: Snapshot) -> Snapshot:
        """Return a snapshot with the rows that are replayed."""
        return snapshot if self.rows is None else self.rows.of(snapshot)

    def begin(self, tested: float, now: Snapshot) -> None:
        """Note the beginning of a pass."""
        if self.last is None:
            self.first = now
        self.began = time.perf_counter() - tested


def all_moved(first: State, last: State, updated: Collection[str]) -> bool:
    """Whether all variables in `updated` have changed between two passes of a loop."""
    paths = [path for path in leaves(first) if label(path) in updated]
    return not any(alike(first.number(path), last.number(path)) for path in paths)
