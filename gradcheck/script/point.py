"""One iteration of a script at one point, and a number in it that may be its loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gradcheck.script.inferred import Family
from gradcheck.script.marks import Seen, Site
from gradcheck.script.running import Run
from gradcheck.script.snapshot import Snapshot
from gradcheck.script.state import Path, State, numbers, plain
from gradcheck.script.step import Step
from gradcheck.user.blocks import Array

ROUNDINGS, NEGLIGIBLE = 4, 1e-8
"""By how many of its own roundings a total may differ from what was added to a constant, and what
part of its changes these may be: a smaller term of it would be overlooked."""


@dataclass(frozen=True)
class Loss:
    """A candidate for the loss.

    Attributes:
        number: the number of the mark that sees it.
        count: how many values the mark has seen in the iteration when it sees the loss.
        site: the place and the expression of the mark.
        slopes: its derivatives along the trial directions.
        worth: its value in the iteration.
        strong: whether its name suffices to believe that it is the loss.
        order: how many other candidates are computed before it.
        family: the loss inferred from a marked difference; None if the script computes the loss.
        side: which operand of the difference is the output.
        agreeing: the number of blocks whose slopes agree with the gradient.
        off: the largest relative difference of the gradient from its slopes in those blocks.
        alike: the number of blocks whose slopes are a multiple of the gradient, as of one clipped.
        blocks: the number of blocks that were compared.
        common: the ratio of the gradient to its slopes; None if it differs between blocks.
        middle: the median of these ratios; 0 if there are none.
        climbed: whether the steps climb it, a negative number, so that its negative is checked.
        anew: whether every pass of the loop begins this total anew.
        asked: another mark that sees its value earlier, and no other one; None if there is none.
            What an iteration does after it, as a backward pass, is then left out.
    """

    number: int
    count: int
    site: Site
    slopes: Array
    worth: float = 0.0
    strong: bool = False
    order: int = 0
    family: Family | None = None
    side: int = 0
    agreeing: int = 0
    off: float = 0.0
    alike: int = 0
    blocks: int = 0
    common: float | None = None
    middle: float = 0.0
    climbed: bool = False
    anew: bool = False
    asked: int | None = None

    @property
    def words(self) -> str:
        """The name of the loss, for messages."""
        return f"{self.family.words} of {self.site.name}" if self.family else self.site.name

    @property
    def agrees(self) -> bool:
        """Whether all blocks agree with the gradient."""
        return 0 < self.agreeing == self.blocks

    @property
    def has_constant(self) -> bool:
        """Whether its size is known: a line computes it, or gradients are a multiple of its own."""
        return not self.family or self.agreeing > 0 or self.common is not None

    @property
    def is_uncounted(self) -> bool:
        """Whether it is a total of as many terms as the parameters make, as of active hinges."""
        return self.count > 1 and self.site.may_skip

    @property
    def wanted(self) -> tuple[int, int]:
        """The mark at which an iteration may end, and how many values it has then seen."""
        if self.asked is not None:
            return self.asked, 1
        return self.number, 0 if self.is_uncounted else self.count

    def value(self, seen: Seen) -> Any:
        """Return the loss of a replay that was stopped at its mark."""
        number, count = self.wanted
        records = seen.records.get(number, [])
        if self.family:
            return self.of(records)
        is_there = len(records) == count or (bool(records) and not count)
        value: Any = records[-1] if is_there else None
        return -value if self.climbed else value

    def of(self, pairs: Sequence[tuple[Any, Any]]) -> Any:
        """Return the inferred loss of the operands of a difference."""
        assert self.family is not None
        return self.family.value([(pair[self.side], pair[1 - self.side]) for pair in pairs])


def first_mark(loss: Loss, others: Sequence[Loss], passes: Sequence[Seen]) -> int | None:
    """Return the first mark that sees the value of a loss in every pass; None if it is its own.

    A running total is what was added last, beside a constant. A mark that sees several values, as
    in a line search, may see more of them at another point.
    """
    if loss.family or loss.is_uncounted:
        return None
    values = _seen_in(passes, loss)
    rounding = ROUNDINGS * np.spacing(np.max(np.abs(values)))
    is_telling = rounding <= NEGLIGIBLE * np.ptp(values)
    for one in sorted(others, key=lambda other: other.order):
        if one.order < loss.order and one.count == 1 and not one.family:
            apart = values - _seen_in(passes, one)
            if not np.any(apart) or (is_telling and np.ptp(apart) <= rounding):
                return one.number
    return None


def _seen_in(passes: Sequence[Seen], loss: Loss) -> Array:
    """Return the values of a loss in some passes; nan where it is not computed as often."""
    records = [seen.records.get(loss.number, []) for seen in passes]
    return np.array([one[-1] if len(one) == loss.count else np.nan for one in records])


Gradients = Mapping[Path, Array]


@dataclass(frozen=True)
class Point:
    """One iteration, and the variables that it begins with.

    Attributes:
        run: the script.
        step: the training step that the iteration carries out.
        snapshot: the variables before the iteration.
        extra: values put into them, such as velocities of 0.
        tolerant: whether the iteration is known to raise an exception.
    """

    run: Run
    step: Step
    snapshot: Snapshot
    extra: Mapping[Path, Any]
    tolerant: bool = False

    @cached_property
    def start(self) -> dict[Path, Array]:
        """The values of the parameters."""
        state = self.snapshot.state
        return {path: numbers(state.get(path)) for path in self.step.paths}

    def seen(self, values: Mapping[Path, Any]) -> Seen:
        """Return what the marks see in an iteration without an update."""
        seen = Seen()
        self.after(values, seen)
        return seen

    def on_both_sides(self, path: Path, move: Array) -> tuple[Seen, Seen]:
        """Return what the marks see with a parameter moved by `move`, and by -`move`."""
        start = self.start[path]
        return self.seen({path: plain(start + move)}), self.seen({path: plain(start - move)})

    def value(self, loss: Loss, values: Mapping[Path, Any]) -> Any:
        """Return the loss with other values; the iteration is stopped once the loss is known."""
        seen = Seen(wanted=loss.wanted)
        changed = {**self.extra, **values}
        self.run.replay(self.step.loop, self.snapshot, changed, self.step.rates, 0.0, seen)
        return loss.value(seen)

    def after(self, values: Mapping[Path, Any], seen: Seen | None = None) -> State:
        """Return the variables after an iteration without an update, whose marks write to `seen`.

        Raises:
            Exception: any exception of the script, unless the point is tolerant.
        """
        changed = {**self.extra, **values}
        try:
            return self.run.replay(
                self.step.loop, self.snapshot, changed, self.step.rates, 0.0, seen
            )
        except Exception:
            if not self.tolerant:
                raise
        return self.snapshot.copied(changed)
