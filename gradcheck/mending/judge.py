"""Is the gradient right now? Candidates are compared with numbers that are measured once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from gradcheck.compare.point import Point
from gradcheck.compare.precision import ROUNDINGS, epsilon_of
from gradcheck.diagnose.excuses import allowing_both
from gradcheck.diagnose.targets import with_targets
from gradcheck.errors import UsageError
from gradcheck.mending.elsewhere import Data
from gradcheck.mending.sizes import State, changed_by
from gradcheck.mending.targets import Progress, Read, Standing, Target, is_kept, other_points
from gradcheck.numeric.estimate import Indices
from gradcheck.user.calls import UserCodeError
from gradcheck.user.gradients import read_gradients

MOST_ENTRIES = 2000
MOST_SETS, MOST_TIED, MOST_COUNTED = 100, 3, 2
"""The maximum number of sets of axes of one size that are tried, to tell which belong together."""

FURTHER_ENTRIES, ELSEWHERE_ENTRIES, LEAST_ENTRIES, MANY = 48, 24, 3, 6
"""Entries measured at another point, with other data, and per block; the number of many blocks."""

EVALUATIONS, AFFORDABLE = 60, 1.0
"""The losses that measure a block elsewhere, and the maximum seconds that they may take."""

SOON = 0.02
"""The maximum seconds of a loss that is followed for the small numbers in its logarithms."""

NUDGES, NEARER = (0.3, 0.05), (1, 4, 16)
SAME_LOSS = 1e-12

Asked = tuple[Point, Sequence[Target]]
"""A point, and the targets of its blocks' gradients there."""


@dataclass(frozen=True)
class Elsewhere:
    """The user's point with other data.

    Attributes:
        vouched: whether the data are known to make sense: a block that is right with the user's
            data is right with them. Without one, data that are drawn anew do, and more samples, if
            the gradient raised nothing.
    """

    state: State
    asked: Asked
    vouched: bool


class Judge:
    """Knows the numeric gradient, and the loss before anything was edited.

    No gradient may be returned for the blocks in `missing`. `raised` says whether the gradient
    raised when it was last judged, and `read` is that gradient, until something else is run.
    """

    def __init__(self, point: Point, missing: frozenset[int]) -> None:
        self.raised = False
        self.read: Read = ()
        self.further: tuple[Asked, ...] = ()
        self.elsewhere: tuple[Elsewhere, ...] = ()
        self._missing, self._turn, self._is_defined = missing, 0, False
        self._rng = np.random.default_rng(0)
        center = point.problem.loss([value.copy() for value in point.values])
        self._base = replace(point, center=center)
        self._largest = [block.numeric.largest for block in point.blocks]
        self._rounding = ROUNDINGS * epsilon_of(point)
        # followed only if that is quick, or known to be needed
        soon = point.noise.seconds < SOON or any(block.excused for block in point.blocks)
        self._held = any(block.held for block in point.blocks)
        self._guarded = soon and allowing_both(point) is not point
        self._whole = self._asked(self._base)
        chosen = [self._chosen(one.numeric.count, MOST_ENTRIES) for one in point.blocks]
        few = [
            replace(block, numeric=block.numeric[entries])
            for block, entries in zip(point.blocks, chosen, strict=True)
        ]
        self._few = self._asked(self._base.with_blocks(few))

    def _asked(self, point: Point) -> Asked:
        if self._guarded:
            point = allowing_both(point, np.inf)  # also where the loss is nearly flat
        pairs = zip(point.blocks, self._largest, strict=True)
        return point, [Target.of(block, largest, self._rounding) for block, largest in pairs]

    def _asked_at(self, point: Point, most: int, start: Standing) -> Asked:
        """Measure some entries of every block at a point; of many right ones, half in turn."""
        self._turn = 1 - self._turn
        share, is_few = max(LEAST_ENTRIES, most // len(start)), start.count(True) <= MANY
        is_asked = [
            is_few or not right or index % 2 == self._turn for index, right in enumerate(start)
        ]
        entries = [
            self._chosen(block.size, share if asked else 0)
            for block, asked in zip(point.blocks, is_asked, strict=True)
        ]
        measured = point.measured(point.perturb(entries, self._rng))
        return self._asked(with_targets(measured) if self._held else measured)

    def _nearby(self, base: Point, size: float, start: Standing) -> Iterator[Asked]:
        """Yield another point at which the blocks that are right at the user's point are right too.

        If one is wrong there, the loss is too nearly flat to tell, and a nearer point is tried.
        """
        first = None
        for nearer in NEARER:
            with suppress(UserCodeError, UsageError):
                nearby = base.nudged(size / nearer, self._rng)
                if nearby is None:
                    continue
                asked = self._asked_at(nearby, FURTHER_ENTRIES, start)
                if is_kept(start, self._right(asked)):
                    yield asked
                    return
                first = first or asked
        if first is not None and base is self._base:
            yield first

    def prepare(self, data: Data) -> None:
        """Measure the original loss, elsewhere too; call this before anything is edited."""
        self._is_defined = self._makes_no_nan()
        start = self.right_blocks()
        bases = [(self._base, size) for size in NUDGES]
        bases += [(one, NUDGES[-1]) for one in other_points(self._base, self._rng)]
        self.further = tuple(one for place in bases for one in self._nearby(*place, start))
        affordable = AFFORDABLE / self._base.noise.seconds
        if affordable < EVALUATIONS:
            return
        resized, tied = data.resized(min(MOST_SETS, int(affordable / MANY)))
        counted = data.counted()
        every = (data.redrawn(), 1), (resized, 1), (tied, MOST_TIED), (counted, MOST_COUNTED)
        for states, most in every:
            measured = (self._measured(state, self._shown(start)) for state in states)
            found = islice((one for one in measured if one is not None), most)
            self.elsewhere = (*self.elsewhere, *found)

    @property
    def targets(self) -> Sequence[Target]:
        """The targets of the gradients at the user's point, in some entries."""
        return self._few[1]

    def keeps_loss(self) -> bool:
        """True if the loss is unchanged."""
        return self._same_loss(self._few[0])

    def right_blocks(self) -> Standing:
        """Return which blocks are right at the user's point.

        If two calls gave different gradients, a second one has to be right as well.
        """
        right = self._right(self._few)
        if self._base.unstable and any(right):
            again = self._right(self._few)
            right = tuple(one and other for one, other in zip(right, again, strict=True))
        return right

    def progress(self, right: Standing) -> Progress:
        """Return how far the gradient that was judged last has come."""
        partly = sum(
            target.share(one)
            for one, target, is_right in zip(self.read, self._few[1], right, strict=False)
            if one is not None and is_right is False
        )
        return Progress(right, self.raised, partly)

    def proved(self) -> float | None:
        """Return the largest relative error if all entries are right at every point, else None.

        The gradient was called there before: values that it has kept since must not matter.
        """
        with np.errstate(invalid="raise" if self._is_defined else "ignore"):  # no mend by a nan
            return self._largest_error((self._whole, *self.further))

    def _makes_no_nan(self) -> bool:
        """True if the gradient takes no 0 / 0, or the like, that makes a nan."""
        raised = self._right(self._few) and self.raised
        with np.errstate(invalid="raise"):
            self._right(self._few)
        return raised or not self.raised

    def proof(self) -> tuple[int, tuple[str, ...], bool, bool]:
        """Return the number of points that agree, what varies there, if it holds, and if in doubt.

        It is in doubt if it is wrong with sizes that nothing vouches for. If it does not hold, the
        data that it does not hold for are returned as what varies.
        """
        varied = []
        for one in self.elsewhere:
            with one.state.made():
                is_right = self._largest_error((one.asked,)) is not None
            if is_right:
                varied.append(one.state)
            elif one.vouched:
                return 1, (one.state.words,), False, False
        points = 1 + len(self.further) + len(varied)
        doubtful = len(varied) < len(self.elsewhere)
        return points, changed_by(varied), True, doubtful

    def lasts(self, right: Standing) -> bool:
        """True if the blocks that are right are right with other data and sizes, too."""
        shown = self._shown(right)
        for one in self.elsewhere:
            with one.state.made():
                if not is_kept(shown, self._right(one.asked)):
                    return False
        return True

    def _shown(self, right: Standing) -> Standing:
        """Return which blocks are right and no gradient of zeros, as that of inputs of zeros is."""
        pairs = zip(right, self.targets, strict=True)
        return tuple(one and target.largest > 0 for one, target in pairs)

    def _largest_error(self, points: Sequence[Asked]) -> float | None:
        errors = [0.0]
        for point, targets in points:
            if not self._same_loss(point) or not is_mended(self._right((point, targets))):
                return None
            errors += [
                float(np.max(target.distance(one), initial=0.0)) / (target.largest or 1.0)
                for target, one in zip(targets, self.read, strict=True)
                if one is not None and target.is_telling
            ]
        return max(errors)

    def _measured(self, state: State, start: Standing) -> Elsewhere | None:
        """Return the point in a state; None if that makes no sense."""
        before = self.raised
        with state.made():
            problem, values = state.of(self._base.problem, self._base.values)
            try:
                center = problem.loss([value.copy() for value in values])
                if not np.isfinite(center):
                    return None
                point = Point.at(problem, values, center, self._base.noise)
                asked = self._asked_at(point, ELSEWHERE_ENTRIES, start)
            except Exception:  # also raised by code around the user's functions
                return None
            right = self._right(asked)
        if (self.raised and not before) or not is_kept(start, right):
            return None
        return Elsewhere(state, asked, vouched=any(start) or (state.makes_sense and not before))

    def _same_loss(self, point: Point) -> bool:
        try:
            loss = point.problem.loss([value.copy() for value in point.values])
        except (UserCodeError, UsageError):
            return False
        return bool(
            abs(loss - point.center) <= SAME_LOSS * abs(point.center) + 4 * point.noise.level
        )

    def _right(self, asked: Asked) -> Standing:
        """Return which blocks are right."""
        point, targets = asked
        try:
            returned = point.problem.gradient(point.values)
            blocks = read_gradients(returned, point.problem.parameters, copy=False).blocks
        except (UserCodeError, UsageError):
            self.raised, self.read = True, ()
            return (False,) * len(targets)
        self.raised = False
        self.read = [one.value if one.comparable else None for one in blocks]
        return tuple(
            target.is_met(gradient)
            if gradient is not None
            else None
            if blocks[index].verdict == "missing" and index in self._missing
            else False
            for index, (target, gradient) in enumerate(zip(targets, self.read, strict=True))
        )

    def _chosen(self, size: int, most: int) -> Indices:
        """Return at most `most` of the entries, in order."""
        if size <= most:
            return np.arange(size)
        return np.sort(self._rng.choice(size, most, replace=False))


def is_mended(right: Standing) -> bool:
    """True if every returned gradient is right, and there is one."""
    return any(right) and False not in right
