"""The factor that is left out of a product, inside of what a wrong value is made of.

Inside a softmax or a normalisation few values are derivatives of anything: `np.sum(dp * p)` is not.
There a known value times another is tried, in its use.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradcheck.trace.adjoints.quantities import ADJOINT, PRODUCT, SLOPE, VALUE, Quantity
from gradcheck.trace.adjoints.reverse import Edge
from gradcheck.trace.locating.candidates import Candidate, Table
from gradcheck.trace.locating.multiples import in_rows, proportion
from gradcheck.trace.locating.trial import Trials
from gradcheck.trace.locating.units import NODE, QUANTITY, USE, Mend, Unit
from gradcheck.trace.locating.view import View


def factor_left_out(trials: Trials, mend: Mend) -> Mend | None:
    """The last uses of a known value where it, times a value of the loss, mends the same."""
    if mend.unit.kind not in (NODE, USE):
        return None
    view = trials.view
    above = view.state.above[mend.unit.first]
    varying = [one for one in trials.candidates.quantities if one.values[0].size > 1]
    varying = [one for one in varying if np.ptp(one.values[0]) > 0]
    values = [one for one in varying if one.kind in (VALUE, SLOPE)]
    adjoints = [one for one in varying if one.kind == ADJOINT]
    for index in reversed(view.order):
        node = view.state.tape[index]
        if not above >> index & 1 or node.value.dtype.kind != "f" or trials.is_late:
            continue
        for operand in dict.fromkeys(node.operands):
            known = {one.kind for one in view.explained.get(operand, ())}
            factors = values if ADJOINT in known else adjoints if known else []
            for uses in (wrong_uses(operand, view), ((index, operand),)):
                unit = Unit(USE, index, uses=uses)
                found = _with_factor(unit, trials, factors)
                if found is not None and found.outputs >= mend.outputs:
                    return found
    return None


def wrong_uses(operand: int, view: View) -> tuple[Edge, ...]:
    """The uses of a value by what wrong outputs are made of."""
    order = set(view.order)
    return tuple((user, operand) for user in view.state.consumers[operand] if user in order)


def _with_factor(unit: Unit, trials: Trials, factors: Sequence[Quantity]) -> Mend | None:
    view, index = trials.view, unit.replaced[0]
    shape = view.state.values[0][index].shape
    chosen = [one for one in factors if shape and _fits(one.values[0].shape, shape)]
    own = next(iter(view.explained.get(index, ())), None)
    if not chosen or own is None:
        return None
    entries = tuple(
        in_rows([values[index] * one.values[point] for one in chosen])
        for point, values in enumerate(view.state.values)
    )
    pairs = [(one, own) if own.kind == ADJOINT else (own, one) for one in chosen]
    candidates = tuple(
        Candidate(PRODUCT, factor.node, adjoint.node, number)
        for number, (factor, adjoint) in enumerate(pairs)
    )
    actual = trials.actual(unit)
    for candidate in trials.survivors(unit, Table(candidates, entries)):
        values = [rows[candidate.number] for rows in entries]
        if proportion(actual, values) is not None:
            continue
        mend = trials.attempt(unit, values, QUANTITY, candidate)
        if mend is not None and mend.factor == 1:
            return mend
    return None


def _fits(shape: tuple[int, ...], into: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(shape, into) == into
    except ValueError:
        return False
