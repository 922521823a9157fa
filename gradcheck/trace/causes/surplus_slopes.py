"""Causes: a right value is multiplied by a slope too many."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from gradcheck.trace import fault
from gradcheck.trace.adjoints.quantities import ADJOINT, SLOPE, VALUE, Quantity
from gradcheck.trace.causes.compared import FEWEST, Array, Compared, product, quotient, same
from gradcheck.trace.causes.factor_causes import parameterisation
from gradcheck.trace.fault import Cause
from gradcheck.trace.record.graph import latest_first, repetitions


def _sigmoid(z: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-z)))


FORMS: Mapping[str, Callable[[Array], Array]] = {
    "a sigmoid": lambda z: _sigmoid(z) * _sigmoid(-z),
    "a sigmoid, as written for its output,": lambda a: a * (1 - a),
    "a tanh": lambda z: 1 - np.tanh(z) ** 2,
    "a tanh, as written for its output,": lambda a: 1 - a * a,
    "a relu": lambda z: np.where(z > 0, 1.0, 0.0),
}
"""Slopes that people multiply by out of habit, as functions of a value of the loss."""


def again_cause(compared: Compared) -> Cause | None:
    """Return the cause if the wrong value is the right one times a slope that it already has."""
    shape = compared.expected[0].shape
    is_value = compared.candidate is not None and compared.candidate.kind == VALUE
    is_other = compared.actual[0].size == 1 and bool(compared.known.explaining(compared.actual))
    for one in (*compared.known.of_kind(SLOPE), *compared.around):
        if one.values[0].shape != shape:
            continue
        if len(np.unique(one.values[0])) < 3 < one.values[0].size:
            continue  # a mask, or classes: twice changes nothing
        if same(compared.actual, product(compared.expected, one.values)):
            if not _is_on_its_way(one, compared):
                continue
            if _is_divided_by(compared):
                cause = parameterisation(compared, one.other, one.node)
                if cause is not None:
                    return cause
            if is_value or is_other:
                return None  # neither a value of the loss nor another number contains a slope
            name = compared.words.quantity(*one.key)
            words = f"{name} is in it already, and is multiplied in once more"
            return Cause(fault.SLOPE_TWICE, words, "take it once")
    return None


def _is_on_its_way(slope: Quantity, compared: Compared) -> bool:
    """False if the loss multiplies by another slope on the way to what it is differentiated by."""
    wanted = compared.candidate
    if wanted is None or wanted.kind != ADJOINT or slope.node == wanted.node:
        return True
    behind = {one.index for one in latest_first(compared.loss_nodes, [slope.node])}
    return any(passed in behind for passed in repetitions(compared.loss_nodes, wanted.node))


def _is_divided_by(compared: Compared) -> bool:
    tape, made = compared.state.tape, compared.operand
    users = [tape[user] for user in compared.state.consumers[made]]
    return bool(users) and all(
        user.operation == "divide" and getattr(user.arguments[1], "index", None) == made
        for user in users
    )


def habit_cause(compared: Compared) -> Cause | None:
    """Return the cause if the right value is multiplied by the slope of a missing activation."""
    numbers = sum(value.size for value in compared.actual)
    if compared.actual[0].shape != compared.expected[0].shape or numbers < FEWEST:
        return None
    if not np.any(compared.actual[0]):
        return None  # all zeros: the factor is unknown
    factor = quotient(compared.actual, compared.expected)
    told = [np.isfinite(values) for values in factor]
    if sum(map(np.count_nonzero, told)) < FEWEST:
        return None
    for one in compared.known.of_kind(VALUE):
        if one.values[0].shape != factor[0].shape:
            continue
        for name, form in FORMS.items():
            slope = [form(value) for value in one.values]
            fits = np.ptp(slope[0][told[0]]) and same(factor, slope)
            if fits and same(compared.actual, product(compared.expected, slope)):
                at = compared.words.name(one.node)
                words = f"the slope of {name} at {at} is multiplied in, and the loss has none there"
                # the loss's own sigmoid or softmax has contributed its slope already
                kind = fault.SLOPE_TWICE if "sigmoid" in name else fault.SLOPE_WRONG
                return Cause(kind, words, "leave that factor out")
    return None
