"""Causes: another derivative or value is sent back, summed or multiplied than belongs there."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from gradcheck.arrays import proportion
from gradcheck.trace import fault
from gradcheck.trace.adjoints.quantities import ADJOINT, SLOPE, VALUE
from gradcheck.trace.causes.axis_causes import REDUCTIONS
from gradcheck.trace.causes.compared import Array, Arrays, Compared, less, product, quotient, same
from gradcheck.trace.causes.operation_causes import MATRIX_PRODUCTS, user_of
from gradcheck.trace.fault import Cause
from gradcheck.trace.record.graph import carried
from gradcheck.trace.record.names import CONSTANT
from gradcheck.trace.record.nodes import Node


def upstream_cause(compared: Compared) -> Cause | None:
    """Return the cause if the wrong value lacks the factor of a derivative that arrives there."""
    if compared.actual[0].shape != compared.expected[0].shape:
        return None
    explained = compared.known.explaining(compared.actual)
    of_slopes = {one.node for one in explained if one.kind == SLOPE}
    for quantity in compared.known.of_kind(ADJOINT):
        values = quantity.values
        if quantity.node in compared.derived_by:
            continue  # the expected derivative itself does not arrive there
        if values[0].shape != compared.actual[0].shape or not np.ptp(values[0]):
            continue
        lacking = product(compared.actual, values)
        of_slope = quantity.node in of_slopes and proportion(compared.expected, lacking, 1e-6)
        for times in (1.0, of_slope or compared.factor):
            if not same([times * value for value in lacking], compared.expected):
                continue
            weights = _given([times * value for value in values], compared)
            if weights:
                words = f"the factor {weights} is left out"
                return Cause(fault.FACTOR_MISSING, words, f"multiply by {weights}")
            if not values[0].all() and len(np.unique(values[0])) == 2:
                continue  # a mask is missing, which leaves entries of the loss out
            arriving = compared.words.quantity(ADJOINT, quantity.node)
            arriving = arriving if times == 1 else f"{times:.6g} times {arriving}"
            words = f"{arriving}, which arrives there, is left out"
            return Cause(fault.UPSTREAM_MISSING, words, f"multiply by {arriving}")
    return None


def upstream_number_cause(compared: Compared) -> Cause | None:
    """Return the cause if the number that arrives at a scalar, such as a norm, is left out."""
    nodes = compared.loss_nodes
    for begin in compared.derived_by if compared.actual[0].size > 1 else ():
        for node in nodes[begin + 1 :]:
            arriving = compared.adjoints(node.index) if begin in node.operands else None
            if arriving is None or arriving[0].size != 1 or not np.ptp(np.ravel(arriving)):
                continue
            if same(product(compared.actual, arriving), compared.expected):
                name = compared.words.quantity(ADJOINT, node.index)
                words = f"{name}, which arrives there, is left out"
                return Cause(fault.UPSTREAM_MISSING, words, f"multiply by {name}")
    return None


def _given(values: Arrays, compared: Compared) -> str:
    """Return the name of a value of the loss that no parameter moves, such as weights, or ''."""
    moved = set(compared.parameters)
    for node in compared.loss_nodes:
        if node.is_float and not moved.isdisjoint(_moving(node, compared)):
            moved.add(node.index)
    explained = compared.known.explaining(values)
    given = [
        one.node
        for one in explained
        if one.kind == VALUE and one.node not in moved and same(values, one.values)
    ]
    return compared.words.name(given[0]) if given else ""


def _moving(node: Node, compared: Compared) -> list[int]:
    """Return the operands of an operation that move its value, unlike a condition."""
    operands = () if node.operation in CONSTANT else node.operands
    return [one for one in operands if compared.loss_nodes[one].is_float]


def sent_back_cause(compared: Compared) -> Cause | None:
    """Return the cause if another derivative is summed, or sent back through weights."""
    used, user = _named(compared), user_of(compared)
    if not used:
        return None
    name = f"dL/d{compared.words.name(min(compared.derived_by))}"
    if user.operation in REDUCTIONS and _is_of_a_parameter(compared, user):
        return Cause(fault.BIAS_OF_ANOTHER, f"{used} is summed, and {name} belongs here")
    for _, arriving in compared.slopes if _is_sent_back(compared, user) else ():
        if same(compared.actual, arriving):
            return Cause(fault.RAW_ERROR, f"{used} is sent back, and {name} belongs here")
    return None


def _is_of_a_parameter(compared: Compared, user: Node) -> bool:
    """True if a sum of the right values is a multiple of the derivative by a parameter."""
    sums = [
        carried(compared.state.tape, known, {compared.operand: right}, user.index)[user.index]
        for known, right in zip(compared.state.values, compared.expected, strict=True)
    ]
    wanted = (compared.adjoints(node) for node in compared.parameters)
    return any(one is not None and proportion(sums, one, 1e-6) for one in wanted)


def summed_cause(compared: Compared) -> Cause | None:
    """Return the cause if a sum for a bias is made of another known quantity."""
    operands = compared.state.tape[compared.operand].operands
    is_known = operands and compared.known.explaining(compared.state.at(operands[0]))
    return other_sum_cause(compared) if is_known else None


def other_sum_cause(compared: Compared) -> Cause | None:
    """Return the cause if a sum for a bias is not made of the derivative that it should sum."""
    node = compared.state.tape[compared.operand]
    if node.operation not in REDUCTIONS or compared.is_use or node.place is None:
        return None
    for index in compared.derived_by:
        for made in compared.loss_nodes[index + 1 :]:
            is_added = made.operation in ("add", "subtract") and index in made.operands
            if is_added and made.value.size > compared.loss_nodes[index].value.size:
                name = compared.words.quantity(ADJOINT, made.index)
                words = f"{name} is to be summed, and something else is"
                return Cause(fault.BIAS_OF_ANOTHER, words, f"sum {name}")
    return None


def adjoint_cause(compared: Compared) -> Cause | None:
    """Return the cause if a value, or the derivative by it, stands for another derivative."""
    used = _named(compared)
    if used.startswith("dL/d") or (used and _is_sent_back(compared, user_of(compared))):
        name = f"dL/d{compared.words.name(min(compared.derived_by))}"
        which = f"{used} is used where {name} belongs"
        if used == name:  # one line of the loss made both
            which = f"{used} of another pass or call belongs here"
        return Cause(fault.OTHER_ADJOINT, which)
    return None


def _is_sent_back(compared: Compared, user: Node) -> bool:
    """True if the wrong value is used in a matrix product with a parameter."""
    return user.operation in MATRIX_PRODUCTS and any(map(compared.is_parameter, user.operands))


def weights_cause(compared: Compared) -> Cause | None:
    """Return the cause if the derivative by a matrix product stands for that by its operand."""
    reached = [(node, compared.actual) for node in compared.derived_by]
    reached += [(one.node, quotient(compared.actual, one.values)) for one, _ in compared.slopes]
    for node, actual in reached:
        for made in compared.loss_nodes[node + 1 :]:
            if node not in made.operands or made.operation not in MATRIX_PRODUCTS:
                continue
            arriving = compared.adjoints(made.index)
            if arriving is not None and any(same(actual, one) for one in _forms(arriving, actual)):
                others = [compared.words.name(one) for one in made.operands if one != node]
                words = f"the product with {' and '.join(others)} is missing"
                fix = f"multiply by {' and '.join(others)} on the way back, transposed"
                return Cause(fault.WEIGHTS_MISSING, words, fix)
    return None


LIKELIHOODS: tuple[tuple[str, Callable[[Array], Array]], ...] = (
    ("cross-entropy", lambda output: output * (1 - output)),
    ("likelihood of Poisson counts", lambda output: output),
)
"""Losses whose derivative by what a sigmoid or an exponential is of is the output less the target,
and the slope of that function."""


def entropy_cause(compared: Compared) -> Cause | None:
    """Return the cause if the loss is the squared error, and it is the derivative of another one.

    The output less the target is the derivative of the cross-entropy by what the sigmoid is of. The
    loss may be the root of the mean square, too, which has another factor at every point.
    """
    for slope in (one for one, _ in compared.slopes):
        output = compared.values(slope.node)
        fits = (
            name for name, of in LIKELIHOODS if same(slope.values, [of(value) for value in output])
        )
        other = next(fits, "")
        for error in _errors(compared, slope.node) if other else ():
            pairs = zip(compared.expected, product(error, slope.values), strict=True)
            times = [proportion([wanted], [square], 1e-6) for wanted, square in pairs]
            part = proportion(compared.actual, error, 1e-6)
            if all(times) and part and error[0].size > 2:
                name, factors = (
                    compared.words.name(slope.node),
                    [(one or 1.0) / part for one in times],
                )
                is_root = np.ptp(factors) > 1e-6 * abs(factors[0])
                scale = (
                    ""
                    if is_root or abs(abs(factors[0]) - 1) < 1e-6
                    else f"{abs(factors[0]):.6g} times "
                )
                loss = "root of the squared error" if is_root else "squared error"
                words = f"it is the derivative of the {other}, and the loss is the {loss}"
                sign = "change its sign, and " if factors[0] < 0 else ""
                fix = (
                    f"{sign}multiply by {scale}the slope of {name}, or let the loss be the "
                    f"{other}: the two must agree"
                )
                return Cause(fault.OTHER_LOSS, words, fix)
    return None


def loss_cause(compared: Compared) -> Cause | None:
    """Return the cause if it is the derivative of the squared or absolute error, not the loss."""
    slopes = [one for one, _ in compared.slopes]
    for node in (*compared.derived_by, *(one.node for one in slopes)):
        for error in _errors(compared, node):
            forms: list[tuple[str, Arrays]] = [
                ("absolute error", [np.sign(value) for value in error]),
                ("squared error", error),
            ]
            forms += [("squared error", product(error, one.values)) for one in slopes]
            for name, form in forms:
                if form[0].size > 2 and _is_instead(compared, form):
                    words = f"it is the derivative of the {name}, not of the loss"
                    return Cause(fault.OTHER_LOSS, words)
    return None


def _is_instead(compared: Compared, form: Arrays) -> bool:
    return (
        proportion(compared.actual, form, 1e-6) is not None
        and proportion(compared.expected, form, 1e-6) is None
    )


def _errors(compared: Compared, node: int) -> Iterator[Arrays]:
    """Yield the differences between a value of the loss and data of the same shape.

    Zeros are a state before the first pass of a loop.
    """
    shape = compared.loss_nodes[node].value.shape
    for leaf in compared.loss_nodes if np.any(compared.actual[0]) else ():
        is_data = leaf.is_leaf and leaf.index not in compared.parameters and np.any(leaf.value)
        if is_data and leaf.value.shape == shape:
            yield less(compared.values(node), compared.values(leaf.index))
        elif leaf.operation == "subtract" and leaf.operands == (node,):
            yield compared.values(leaf.index)  # from whole numbers, which are not followed


def _named(compared: Compared) -> str:
    """Return the quantity used where a derivative belongs, a derivative first; empty if unknown."""
    if not compared.is_use or not compared.derived_by:
        return ""
    for kind in (ADJOINT, VALUE):
        for quantity in compared.known.of_kind(kind):
            if same(compared.actual, quantity.values):
                return compared.words.quantity(kind, quantity.node)
    return ""


def _forms(arriving: Arrays, actual: Arrays) -> Iterator[Arrays]:
    """Yield the forms of a derivative for another shape: itself, or summed and broadcast."""
    yield arriving
    for axis in range(arriving[0].ndim):
        total = [np.sum(value, axis=axis, keepdims=True) for value in arriving]
        try:
            yield [np.broadcast_to(a, b.shape) for a, b in zip(total, actual, strict=True)]
        except ValueError:
            continue
