"""The place to blame among those where one constant factor mends the same blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gradcheck.arrays import proportion
from gradcheck.trace.adjoints.quantities import ADJOINT, CONTRIBUTION, Quantity
from gradcheck.trace.causes.ways import PRODUCTS
from gradcheck.trace.locating.state import State
from gradcheck.trace.locating.trial import Trials
from gradcheck.trace.locating.units import NODE, SERIES, USE, Mend, Unit
from gradcheck.trace.record.graph import constant_of, latest_first
from gradcheck.trace.record.names import LAID_OUT, MOVES, SUMS, WRITES
from gradcheck.trace.record.nodes import OUTPUT, Node
from gradcheck.trace.record.places import Place
from gradcheck.trace.wording.parts import returned_place


@dataclass(frozen=True)
class ScaleFault:
    """The place of a constant factor.

    Attributes:
        mend: the mend at that place.
        is_right: whether the value is right for what comes before, and used as something else.
        joined: the sum to blame instead, which the value enters with the wrong sign.
    """

    mend: Mend
    is_right: bool = False
    joined: int | None = None


def place_of_scale(
    scale: Sequence[Mend], state: State, quantities: Sequence[Quantity]
) -> ScaleFault:
    """Return the place to blame among those where a constant factor mends the same.

    An operation with that constant comes first, then the first place: after values right as they
    stand, the first that the factor makes a derivative. If only one value is wrong, it is the last,
    where that is made, before it is laid out otherwise. One of several products that are added up,
    as of weights that are used twice, is no such value: what the product is of is told.
    """
    tape = state.tape
    mends = [one for one in scale if _may_be_told(one, state, quantities)] or list(scale)
    right = _last_right(mends, state, quantities)
    joined = _sign_where_joined(mends, right, state, quantities)
    if joined is not None:
        return joined
    if right is not None and right is mends[-1]:
        return ScaleFault(right, is_right=True)
    if right is not None:
        later, first = mends[mends.index(right) + 1 :], right.unit.first
        mends = [mend for mend in later if mend.unit.first != first] or later
    with_constant = [mend for mend in mends if _constants(tape[mend.unit.first], state)]
    for mend in with_constant:
        if _is_of_constant(tape[mend.unit.first], mend.factor, state):
            return ScaleFault(mend)
    for mend in mends if with_constant else ():
        if _is_sum_for_mean(tape[mend.unit.first], mend.factor, tape):
            return ScaleFault(mend)
    for operation in ("subtract", "negative") if abs(mends[0].factor + 1) < 1e-9 else ():
        signed = [mend for mend in mends if tape[mend.unit.first].operation == operation]
        if signed:
            return ScaleFault(signed[0])
    reached = set(state.below(mends[0].unit.replaced))
    blocks = {
        output.block
        for output in state.outputs  # of 0, any multiple is right
        if output.name in scale[0].outputs or (output.is_nothing and output.node in reached)
    }
    last = tape[mends[-1].unit.first]
    is_of_several = len(blocks) > 1 or _is_joined(last, tape) or _is_one_of_many(last, state)
    is_made_once = right is not None or is_of_several
    adjoint = _first_adjoint(mends, state, quantities) if is_made_once else None
    if adjoint is not None or with_constant:
        return ScaleFault(adjoint or with_constant[0])
    if right is not None:
        return ScaleFault(right, is_right=True)
    made = [mend for mend in mends if tape[mend.unit.first].operation not in MOVES] or mends
    return ScaleFault(mends[0] if is_of_several else made[-1])


def _may_be_told(mend: Mend, state: State, quantities: Sequence[Quantity]) -> bool:
    """True if a mended value is made by a line, and not only written to where results are kept.

    An adjoint that several blocks are made of is made where its last entries are written.
    """
    node = state.tape[mend.unit.first]
    if not node.chain or node.name == OUTPUT:
        return False
    blocks = {output.block for output in state.outputs if output.name in mend.outputs}
    return node.name not in WRITES or (
        len(blocks) > 1 and _is_adjoint(mend, 1 / mend.factor, state, quantities)
    )


def _is_sum_for_mean(node: Node, factor: float, tape: Sequence[Node]) -> bool:
    """True if an operation adds up as many entries as a value is too large by."""
    if node.operation not in ("sum", "add.reduce") or not node.operands or not node.value.size:
        return False
    count = tape[node.operands[0]].value.size / node.value.size
    return count > 1 and abs(factor * count - 1) < 1e-9


def _is_joined(node: Node, tape: Sequence[Node]) -> bool:
    """True if a value, as that of all parameters in one vector, is laid out of several others."""
    if node.operation in WRITES:
        return tape[node.operands[0]].operation in WRITES
    return node.operation in LAID_OUT and len(node.operands) > 1


def _is_one_of_many(product: Node, state: State) -> bool:
    """True if a matrix product is added to others."""
    users = state.consumers[product.index] if product.operation in PRODUCTS else []
    if len(users) != 1 or state.tape[users[0]].operation not in SUMS:
        return False
    terms = latest_first(
        state.tape, users, lambda one: one.operands if one.operation in SUMS else ()
    )
    return sum(one.operation == product.operation for one in terms) > 1


def beyond_right_ones(scale: Sequence[Mend], trials: Trials) -> Sequence[Mend]:
    """Return the places of a factor without operations that other passes or calls do rightly.

    If there is no other place, one of the operands that the operation is given is off. The passes
    of a loop over the parameters may each be given another one: the first is told.
    """
    state, tape, first = trials.state, trials.state.tape, scale[0].unit.first
    given = [index for index in tape[first].operands if not tape[index].is_leaf]
    off = [
        trials.own(unit)
        for index in given
        for unit in (Unit(NODE, index, nodes=(index,)), Unit(USE, first, uses=((first, index),)))
    ]
    operands = [mend for mend in off if mend is not None and mend.outputs]
    of_all = [mend for mend in operands if mend.outputs >= scale[0].outputs]
    for mends in (scale, of_all, operands if len(scale[0].unit.nodes) > 1 else ()):
        others = [mend for mend in mends if not _is_right_elsewhere(mend, state)]
        if others:
            return others
    return scale


def _is_right_elsewhere(mend: Mend, state: State) -> bool:
    """True if other calls or passes of the operation, which the mend leaves alone, are right."""
    node, right = state.tape[mend.unit.first], {output.name for output in state.outputs}
    if mend.unit.kind == USE:
        return False
    made = state.outputs_made_of(right - (state.wrong() - mend.outputs)) | state.makes_right_entries
    return bool(node.chain) and any(
        other.chain[:1] == node.chain[:1] and other.name == node.name and made >> other.index & 1
        for other in state.tape
        if other.index not in state.mended.union(mend.unit.nodes)
    )


def beside_right_ones(mend: Mend, state: State) -> Place | None:
    """Return the part of a returned structure that lacks the constant of others in its line."""
    block = next(one.block for one in state.outputs if one.name in mend.outputs)
    for output in state.outputs:
        node = state.tape[output.node]
        while node.operands and (node.name == OUTPUT or node.operation in MOVES):
            node = state.tape[node.operands[0]]
        if output.name not in mend.outputs and _is_of_constant(node, mend.factor, state):
            place = returned_place(node.chain, block)
            if place is not None and place.line == node.line:
                return place
    return None


def _is_of_constant(node: Node, factor: float, state: State) -> bool:
    """True if an operation multiplies or divides by the constant that has to be mended.

    Where it does one instead of the other, that is the constant's square.
    """
    constants = map(abs, _constants(node, state))
    sizes = [size for constant in constants for size in (constant, constant**2)]
    factor = abs(factor)
    return any(
        size and (abs(factor - size) < 1e-9 * size or abs(factor * size - 1) < 1e-9)
        for size in sizes
    )


def _sign_where_joined(
    mends: Sequence[Mend], right: Mend | None, state: State, quantities: Sequence[Quantity]
) -> ScaleFault | None:
    """Return the sum that a value enters with a wrong sign, unless a difference comes first.

    It is the one that a right value enters; without one, the last value that the sign mends. What
    is the negative of a derivative before has the wrong sign already.
    """
    first = mends[0]
    if abs(first.factor + 1) > 1e-9 or state.tape[first.unit.first].operation == "subtract":
        return None
    if right is None and any(_is_adjoint(one, -1.0, state, quantities) for one in mends[:-1]):
        return None
    for one in filter(None, (right, mends[-1])):
        users = state.consumers[one.unit.first]
        if len(users) == 1 and state.tape[users[0]].operation in ("add", "subtract"):
            return ScaleFault(one, joined=users[0])
    return None


def _last_right(mends: Sequence[Mend], state: State, quantities: Sequence[Quantity]) -> Mend | None:
    """Return the last mend of a value that is an adjoint of the loss as it stands, or None.

    It may be the negative of one, as that of `-x` is, where the sign is not what is wrong.
    """
    signs = (1.0,) if abs(mends[0].factor + 1) < 1e-9 else (1.0, -1.0)
    right = (
        mend
        for mend in reversed(mends)
        if any(_is_adjoint(mend, sign, state, quantities) for sign in signs)
    )
    return next(right, None)


def _first_adjoint(
    mends: Sequence[Mend], state: State, quantities: Sequence[Quantity]
) -> Mend | None:
    """Return the first mend that makes a value an adjoint of the loss, or None."""
    kinds = (ADJOINT, CONTRIBUTION)
    adjoints = (m for m in mends if _is_adjoint(m, 1 / m.factor, state, quantities, kinds))
    return next(adjoints, None)


def _is_adjoint(
    mend: Mend,
    times: float,
    state: State,
    quantities: Sequence[Quantity],
    kinds: Sequence[str] = (ADJOINT,),
) -> bool:
    """True if a value, or each value of a series, is `times` an adjoint of the loss."""
    known = [one for one in quantities if one.kind in kinds]
    return mend.unit.kind in (NODE, SERIES) and all(
        any(
            quantity.values[0].shape == values[0].shape
            and abs((proportion(values, quantity.values) or 0.0) / times - 1) < 1e-7
            for quantity in known
        )
        for values in map(state.at, mend.unit.nodes)
    )


def _constants(node: Node, state: State) -> list[float]:
    """Return the constants by which an operation scales."""
    if node.operation == "mean":
        operand = state.tape[node.operands[0]].value.size if node.operands else 1
        return [operand / max(node.value.size, 1)]
    if node.operation not in ("multiply", "divide"):
        return []
    constants = (constant_of(argument, state.tape) for argument in node.arguments)
    return [constant for constant in constants if constant is not None]
