"""Chooses among the replacements that mend, as they are found in the order of execution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradcheck.trace.adjoints.quantities import ADJOINT, NO_OTHER, TANGENT
from gradcheck.trace.locating.candidates import Candidates
from gradcheck.trace.locating.constants import complexity, is_odd
from gradcheck.trace.locating.preferences import already_right, is_better, spoils
from gradcheck.trace.locating.state import State
from gradcheck.trace.locating.trial import Trials
from gradcheck.trace.locating.units import QUANTITY, Mend, Unit
from gradcheck.trace.locating.view import View
from gradcheck.trace.record.names import MOVES
from gradcheck.trace.record.nodes import operands_of

FURTHER = 40
"""The number of operations after the first place found that are searched for a better one."""


@dataclass(frozen=True)
class _Held:
    """A replacement that mends, and whether something speaks against its place.

    Attributes:
        right_for: the values of the loss for which the replaced values are already right.
        is_part: whether, over a loop, the replaced values are contributions to an adjoint.
        spoils: whether the replacement makes right derivatives wrong.
    """

    mend: Mend
    right_for: set[int]
    is_part: bool
    spoils: bool

    @classmethod
    def of(cls, mend: Mend, view: View) -> _Held:
        return cls(mend, *already_right(mend, view), spoils(mend, view))

    @property
    def is_doubtful(self) -> bool:
        return bool(self.right_for) or self.is_part or self.spoils

    def gives_way_to(self, later: _Held, view: View) -> bool:
        """True if a later replacement is to blame instead of this one."""
        if later.spoils or not later.mend.outputs >= self.mend.outputs:
            return False
        reached = view.state.below(self.mend.unit.replaced)
        is_narrower = set(later.mend.unit.replaced) == set(self.mend.unit.replaced)
        is_left = is_narrower or later.mend.unit.first not in reached
        if later.mend.outputs > self.mend.outputs and is_left:
            return True  # it mends more, with this one, or other uses of it, left as it is
        return self.spoils or is_better(later.mend, self.mend, view, self.right_for, self.is_part)


@dataclass
class Choice:
    """The replacements found so far that may be the fault.

    Attributes:
        scale: the places where one constant factor mends the same blocks.
        held: a replacement in a doubtful place, unless a later one is better.
        partial: a replacement that mends some of the wrong blocks.
        is_own: whether `partial` puts in a block's own gradient.
        is_scale: whether a replacement mended no more than the constant factor does.
    """

    trials: Trials
    scale: tuple[Mend, ...] = ()
    held: _Held | None = None
    partial: Mend | None = None
    is_own: bool = False
    is_scale: bool = False

    @property
    def mend(self) -> Mend | None:
        """The best replacement so far."""
        return self.partial if self.held is None else self.held.mend

    def is_made_before(self, unit: Unit) -> bool:
        """True if no replacement of a unit could change the choice."""
        if self.held is not None and _is_far(unit, self.held.mend):
            return True
        if self.partial is not None and not self.is_own and _is_far(unit, self.partial):
            return True
        covers_all = bool(self.scale) and self.scale[0].outputs >= self.trials.wrong
        return self.is_scale and covers_all

    def is_settled_by(self, mend: Mend) -> bool:
        """Add a replacement; True if it is surely the fault."""
        view = self.trials.view
        is_own = _is_own(mend, self.trials.candidates)
        if self.partial is not None and (
            (is_own and not self.is_own and _only_moves(mend, view.state))
            or not _says_more(mend, self.partial, self.is_own and not is_own, view.state)
        ):
            return False
        if self.scale and self.scale[0].outputs >= mend.outputs:
            self.is_scale = True
            return False
        new = _Held.of(mend, view)
        if (
            self.held is not None
            and not new.spoils
            and _is_simpler(mend, self.held.mend, view.state)
        ):
            self.held = None
        if self.held is not None and not self.held.gives_way_to(new, view):
            return False
        if new.is_doubtful:
            self.held = new
            return False
        is_whole = mend.outputs >= self.trials.wrong and not (is_own and mend.unit.is_series)
        if is_whole:
            return True
        self.held = None
        # the cause of a wrong part of one block's gradient may come later on the tape
        self.partial, self.is_own = mend, is_own
        return False

    def between_mend_and_scale(self) -> Mend | None:
        """Return the best replacement; None if a constant factor is to be mended first."""
        mend = self.mend
        return None if mend and self.scale and _comes_first(self.scale[0], mend) else mend


def _is_own(mend: Mend, candidates: Candidates) -> bool:
    """True if the replacement is a block's own gradient, or that of one term the loss adds up."""
    wanted = mend.candidate
    if wanted is None or wanted.kind != TANGENT or candidates.of_matrix:
        return wanted is not None and wanted.node in candidates.parameters
    adjoints = (
        one.values for one in candidates.quantities if one.key == (ADJOINT, wanted.node, NO_OTHER)
    )
    return any(np.ptp(np.concatenate([*map(np.ravel, values)])) == 0 for values in adjoints)


def _only_moves(mend: Mend, state: State) -> bool:
    """True if what is replaced only puts together what other operations make."""
    nodes = mend.unit.nodes
    return bool(nodes) and all(state.tape[node].operation in MOVES for node in nodes)


def _comes_first(scale: Mend, mend: Mend) -> bool:
    """True if a constant factor has to be mended before a replacement."""
    earlier = scale.unit.position < mend.unit.position
    is_another = scale.outputs.isdisjoint(mend.outputs)
    return scale.outputs >= mend.outputs or (
        earlier and (is_another or complexity(mend.factor) > 0)
    )


def _says_more(mend: Mend, partial: Mend, is_cause: bool, state: State) -> bool:
    """True if a mend covers more than another, needs no factor where that does, or is its cause.

    The series of values that the passes of a loop hand on can be the cause of a wrong sum of them.
    """
    is_cause = is_cause and partial.unit.is_series and mend.unit.is_series
    is_cause = is_cause and mend.outputs >= partial.outputs
    return is_cause or mend.outputs > partial.outputs or _is_simpler(mend, partial, state)


def _is_simpler(mend: Mend, other: Mend, state: State) -> bool:
    """True if a mend needs no factor where another does, and does not cover less.

    A size is no such factor: a later line may divide by it. Nor is a sign that a later line turns.
    """
    return (
        mend.factor == 1
        and other.how == QUANTITY
        and is_odd(other.factor)
        and is_odd(other.factor * _sign_after(other.unit, mend.unit.first, state))
        and mend.outputs >= other.outputs
    )


def _sign_after(unit: Unit, end: int, state: State) -> int:
    """Return -1 if what a unit makes is subtracted on its only way to the outputs, or to `end`."""
    index, sign = unit.first, 1
    while index != end and len(users := state.consumers[index]) == 1:
        user = state.tape[users[0]]
        if user.operation in ("subtract", "negative") and operands_of(user.arguments)[-1] == index:
            sign = -sign
        index = user.index
    return sign


def _is_far(unit: Unit, mend: Mend) -> bool:
    return unit.first > mend.unit.position + FURTHER
