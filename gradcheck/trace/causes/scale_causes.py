"""Explain a wrong constant factor: a missing mean, a sign, a two, another size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gradcheck.trace import fault
from gradcheck.trace.adjoints.quantities import VALUE
from gradcheck.trace.causes.compared import Followed, same
from gradcheck.trace.causes.constant_factors import (
    CLOSE,
    SCALES,
    constant_in_loss,
    divisors_of,
    has_axis,
    is_about,
    is_half,
    kept_share,
    other_number,
    other_way_round,
    written_factor,
)
from gradcheck.trace.causes.penalties import is_square, makes_penalty
from gradcheck.trace.causes.term_causes import inverse_cause
from gradcheck.trace.causes.ways import PRODUCTS
from gradcheck.trace.fault import Cause
from gradcheck.trace.locating.constants import is_odd, sizes_of
from gradcheck.trace.locating.state import State
from gradcheck.trace.locating.units import OWN, Mend
from gradcheck.trace.record.graph import constant_of, latest_first
from gradcheck.trace.record.nodes import Node

NEAR = 1e-4
"""How near to -1 the factor of a penalty is a sign: it is small, and takes up what else is off."""


@dataclass(frozen=True)
class _Scaled:
    """A value that is the right one times a constant, and the loss that it is compared with."""

    mend: Mend
    search: Followed
    state: State

    @property
    def ratio(self) -> float:
        """The value over the right one."""
        return 1 / self.mend.factor if self.mend.factor else np.inf

    @property
    def node(self) -> Node:
        """The operation that made the value."""
        return self.state.tape[self.mend.unit.first]

    @property
    def loss_nodes(self) -> Sequence[Node]:
        return self.search.points[0].loss_nodes

    @cached_property
    def divisors(self) -> set[int]:
        """The integers that the loss divides by."""
        return divisors_of(self.loss_nodes)

    @cached_property
    def constants(self) -> set[float]:
        """The numbers that the value was multiplied with or divided by on the way."""
        tape = self.state.tape
        made = [node for node in latest_first(tape, [self.node.index]) if node.operation in SCALES]
        return {constant_of(one, tape) or 0.0 for node in made for one in node.arguments}

    def is_written(self, size: float) -> bool:
        """Whether the value's own line multiplies or divides by a size."""
        tape, line = self.state.tape, self.node.line
        made = (one for one in latest_first(tape, [self.node.index]) if one.line == line)
        scaled = (each for one in made if one.operation in SCALES for each in one.arguments)
        return any(constant_of(each, tape) == size for each in scaled)

    @cached_property
    def sizes(self) -> set[int]:
        """The lengths of the axes in the loss."""
        return sizes_of(self.loss_nodes)


def scale_cause(mend: Mend, search: Followed, state: State) -> Cause:
    """Return the cause of a value that is the right one times a constant."""
    scaled = _Scaled(mend, search, state)
    causes = filter(None, (cause_of(scaled) for cause_of in CAUSES))
    return next(causes, None) or Cause(fault.SCALE, _excess(scaled.ratio))


def _of_sign(scaled: _Scaled) -> Cause | None:
    if abs(scaled.ratio + 1) >= CLOSE:
        return None
    fix = "leave the minus out" if scaled.node.operation == "negative" else "change its sign"
    return Cause(fault.SIGN, "its sign is wrong", fix)


def _of_written_number(scaled: _Scaled) -> Cause | None:
    """Return the cause if a number in the text of the product is the factor."""
    written = written_factor(scaled.node, scaled.ratio)
    if not written:
        return None
    kind = fault.FACTOR_TWO if _is_two(scaled.ratio) else fault.NUMBER
    return Cause(kind, f"the {written} is too much", f"leave the {written} out")


def _of_size_at_hand(scaled: _Scaled) -> Cause | None:
    """Return the cause if one size is a factor or divisor here, and another would be right."""
    divides = scaled.node.operation == "divide"
    if scaled.node.operation != "multiply" and (not divides or _is_two(scaled.ratio)):
        return None  # a 2 that is forgotten is likelier than a divisor that is twice as large
    items = scaled.node.arguments[1:2] if divides else scaled.node.arguments
    numbers = {constant_of(item, scaled.state.tape) for item in items}
    for size in (one for one in scaled.sizes if one in numbers):
        for other in scaled.sizes:
            if is_about(size * scaled.ratio if divides else size / scaled.ratio, other):
                words = f"{size} stands where {other} belongs"
                verb = "divide" if divides else "multiply"
                return Cause(fault.OTHER_SIZE, words, f"{verb} by {other}, not by {size}")
    return None


def _of_inverse(scaled: _Scaled) -> Cause | None:
    """Return the cause if it is multiplied by what it has to be divided by, or the reverse."""
    fix = other_way_round(scaled.node, scaled.state.tape, scaled.ratio)
    return inverse_cause(scaled.node.operation == "divide", *fix) if fix else None


def _of_dropout(scaled: _Scaled) -> Cause | None:
    kept = kept_share(scaled.loss_nodes, scaled.ratio)
    if kept is None:
        return None
    once = f"the loss divides what it keeps by {kept:.6g}"
    twice = Cause(fault.SCALE, f"{once} once, and this does so twice")
    return twice if scaled.ratio > 1 else Cause(fault.KEEP_MISSING, once)


def _of_mean(scaled: _Scaled) -> Cause | None:
    """Return the cause if the loss divides by a size, and the value does not, or once more."""
    nodes, divisors = scaled.loss_nodes, scaled.divisors
    halves = 2 not in divisors and any(is_half(node) for node in nodes)
    for number in sorted(scaled.sizes - ({2} if halves else set())):
        if is_about(scaled.ratio, number) and number in divisors:
            words = f"the loss divides by {number}, and this does not"
            return Cause(fault.MEAN_MISSING, words, f"divide by {number}")
        whole = next((count for count in sorted(divisors) if has_axis(nodes, count, number)), None)
        if is_about(scaled.ratio, number) and whole is not None:
            words = f"the loss divides by {whole}, and this lacks the {number} in it"
            return Cause(fault.MEAN_MISSING, words, f"divide by {number}")
        if is_about(scaled.ratio, 1 / number) and number in divisors:
            words = f"it is divided by {number} once more than the loss is"
            return Cause(fault.MEAN_TWICE, words, f"divide by {number} once")
    return None


def _of_two(scaled: _Scaled) -> Cause | None:
    if not _is_two(scaled.ratio):
        return None
    which = "twice" if scaled.ratio > 1 else "half"
    return Cause(fault.FACTOR_TWO, f"it is {which} what it should be")


def _of_mean_and_two(scaled: _Scaled) -> Cause | None:
    """Return the cause if a size that the loss divides by is off, and the two of a square too."""
    ratio, nodes = scaled.ratio, scaled.loss_nodes
    squares = any(is_square(node) and len(set(node.operands)) == 1 for node in nodes)
    lacks_two = squares and 2 not in scaled.constants
    for number in sorted((scaled.sizes & scaled.divisors) - scaled.constants - {1, 2}):
        lacks = f"the loss divides by {number}, and this does not"
        if lacks_two and is_about(ratio, number / 2):
            words = f"{lacks}; the 2 of the square's derivative is missing, too"
            return Cause(fault.MEAN_AND_TWO, words, f"multiply by 2 / {number}")
        if 2 in scaled.constants and is_about(ratio, number * 2):
            return Cause(fault.MEAN_AND_TWO, f"{lacks}; a 2 is too much", f"divide by 2 * {number}")
    return None


def _of_constant_factor(scaled: _Scaled) -> Cause | None:
    """Return the cause if the product has a constant operand that is the factor."""
    factors = (constant_of(item, scaled.state.tape) or 0.0 for item in scaled.node.arguments)
    if _excess(scaled.ratio) or not any(is_about(scaled.ratio, factor) for factor in factors):
        return None
    return Cause(fault.SCALE, f"the factor {scaled.ratio:.6g} is too much", "leave it out")


def _of_own_mean(scaled: _Scaled) -> Cause | None:
    """Return the cause if it is a mean, and the sum is right."""
    node, of = scaled.node, [scaled.state.tape[index].value.size for index in scaled.node.operands]
    count = of[0] / node.value.size if node.operation == "mean" else 1
    if count < 2 or not is_about(scaled.ratio, 1 / count):
        return None
    return Cause(fault.OTHER_SIZE, f"it is a mean of {count:g}, and is to be a sum", "take the sum")


def _of_quotient(scaled: _Scaled) -> Cause | None:
    """Return the cause if the factor is one size over another that the loss divides by."""
    above = latest_first(scaled.state.tape, [scaled.node.index])
    is_mean = any("mean" in node.operation for node in above)
    for size in sorted(scaled.sizes if is_mean else scaled.sizes & scaled.constants):
        for other in sorted(scaled.divisors - {1, size}):
            for verb, ratio in (("divide", other / size), ("multiply", size / other)):
                if is_about(scaled.ratio, ratio):
                    words = f"{size:g} stands where {other} belongs"
                    fix = f"{verb} by {other}, not by {size:g}"
                    return Cause(fault.OTHER_SIZE, words, fix if scaled.is_written(size) else "")
    return None


def _of_length(scaled: _Scaled) -> Cause | None:
    """Return the cause if the factor is the length of an axis."""
    larger = max(scaled.ratio, 1 / scaled.ratio)
    size = next((size for size in scaled.sizes - {1} if is_about(larger, size)), None)
    if size is None:
        return None
    off = "large" if scaled.ratio > 1 else "small"
    words = f"it is {size} times too {off}, and {size} is the length of an axis"
    return Cause(fault.OTHER_SIZE, words)


def _of_named_constant(scaled: _Scaled) -> Cause | None:
    """Return the cause if what the loss multiplies by, a weight with a name, is missing."""
    node, nodes = scaled.node, scaled.loss_nodes
    return constant_in_loss(nodes, scaled.ratio, scaled.constants, node, (), is_named=True)


def _of_other_constant(scaled: _Scaled) -> Cause | None:
    """Return the cause if another constant stands here than the loss has."""
    node, tape = scaled.node, scaled.state.tape
    own = [
        (position, number)
        for position, argument in enumerate(node.arguments if node.operation in SCALES else ())
        if (number := constant_of(argument, tape)) and (node.operation, position) != ("divide", 0)
    ]
    return constant_in_loss(scaled.loss_nodes, scaled.ratio, scaled.constants, node, own)


def _excess(ratio: float) -> str:
    """Say how far a factor is from 1 if it is so near that it would read as 1; otherwise empty."""
    if abs(ratio - 1) >= 1e-3:
        return ""
    return (
        f"it is too {'large' if ratio > 1 else 'small'} by {abs(ratio - 1):.2g} of the right size"
    )


def _is_two(ratio: float) -> bool:
    return is_about(ratio, 2) or is_about(ratio, 0.5)


def _of_penalty(scaled: _Scaled) -> Cause | None:
    """Return the cause if a penalty's derivative, a multiple of a parameter, has a wrong factor."""
    mend, search, state = scaled.mend, scaled.search, scaled.state
    index, points = mend.unit.replaced[0], search.points
    actual, parameters = state.at(index), points[0].parameters
    if actual[0].size == 1 and is_odd(abs(mend.factor)):
        return None  # some factor makes any single number right
    is_parameter = mend.how == OWN and any(
        quantity.kind == VALUE and quantity.node in parameters.values()
        for quantity in search.known.explaining(actual)
    )
    users = (state.tape[user].operation for user in state.consumers[index])
    is_parameter = is_parameter and not any(user in PRODUCTS for user in users)
    is_penalty = makes_penalty(index, mend.factor, points, state)
    if not (is_parameter or is_penalty) or any(
        same(actual, [point.loss_nodes[node].value for point in points])
        and state.tape[index].is_leaf
        and len(state.consumers[index]) > 1
        for node in parameters.values()
    ):
        return None
    if abs(mend.factor + 1) < NEAR:
        return Cause(fault.PENALTY_SIGN, "the sign of the penalty's derivative is wrong")
    words = f"the penalty's derivative is {1 / mend.factor:.6g} times what it should be"
    return Cause(fault.PENALTY_WRONG, words)


CAUSES = (
    _of_penalty,
    _of_sign,
    _of_written_number,
    _of_named_constant,
    _of_size_at_hand,
    _of_inverse,
    _of_dropout,
    _of_mean_and_two,
    _of_mean,
    _of_two,
    _of_constant_factor,
    _of_own_mean,
    _of_quotient,
    lambda own: constant_in_loss(own.loss_nodes, own.ratio, own.constants, own.node, ()),
    _of_other_constant,
    _of_length,
    lambda own: other_number(own.node, own.ratio),
)
"""What may explain a factor, the most specific first."""
