"""Where a value gets the name under which it is used: assigned, returned or copied."""

from __future__ import annotations

import ast
import linecache
import re
from collections.abc import Sequence
from dataclasses import replace

from gradcheck.trace.adjoints.quantities import ADJOINT, CONTRIBUTION, PRODUCT, SLOPE, VALUE
from gradcheck.trace.causes.asking import cause_of
from gradcheck.trace.causes.compared import Followed
from gradcheck.trace.causes.other_slopes import is_vague
from gradcheck.trace.locating.state import State
from gradcheck.trace.locating.units import Mend
from gradcheck.trace.locating.view import View
from gradcheck.trace.record.graph import before_moves
from gradcheck.trace.record.names import COPIES, WRITES
from gradcheck.trace.record.nodes import OUTPUT, Assignment, Node
from gradcheck.trace.record.places import Call, Place
from gradcheck.trace.wording.loops import loop_around
from gradcheck.trace.wording.operand_text import text_of_use
from gradcheck.trace.wording.words import Words

PRODUCTS = ("multiply", "matmul", "dot", "einsum")


def naming(assignments: Sequence[Assignment]) -> list[Assignment]:
    """Return the assignments that can be wrong; a helper that returns its argument does nothing."""
    return [one for one in assignments if not one.returned or one.is_argument]


def returned_for(
    mend: Mend, state: State, made: Node, assignments: Sequence[Assignment]
) -> Place | None:
    """Return where a helper that is called for a slope returns a value; None if others use it."""
    if mend.candidate is None or mend.candidate.kind != SLOPE:
        return None
    consumer, operand = mend.unit.uses[0]
    name = _called_for(made, state.tape[consumer], operand)
    rightly = set(state.consumers[operand]) - {user for user, _ in mend.unit.uses}
    for one in rightly:
        user = state.tape[one]
        if user.chain and name == _called_for(user, user, operand):
            return None
    returned = (
        one.place
        for one in assignments
        if one.returned and one.node == operand and one.code.co_name == name
    )
    return next(returned, None)


def handed_back(
    mend: Mend, operand: int, made: Node, assignments: Sequence[Assignment], words: Words
) -> Place | None:
    """Return where a function of the gradient alone returns a value as a derivative, or None."""
    if mend.candidate is None or mend.candidate.kind not in (ADJOINT, CONTRIBUTION):
        return None
    returned = [
        one.place
        for one in assignments
        if one.returned and one.node == operand and one.code not in words.codes
        if one.position <= made.index  # the call has ended
    ]
    return returned[-1] if returned else None


def handed_through(
    mend: Mend, view: View, made: Node, assignments: Sequence[Assignment], words: Words
) -> Place | None:
    """Return where a layer's backward pass returns the derivative by its output for its input's.

    Such a function multiplies by its input, for the gradient of its parameter, what it returns.
    """
    operand, candidate = mend.unit.uses[0][1], mend.candidate
    if candidate is None or candidate.kind not in (ADJOINT, PRODUCT):
        return None
    nodes, known = words.nodes, view.explained.get(operand, ())
    outputs = [one.node for one in known if one.kind == ADJOINT]
    sums = [nodes[one] for one in outputs if nodes[one].operation in ("add", "subtract")]
    outputs += [term for made_of in sums for term in made_of.operands]  # of the same adjoint
    inputs = {index for one in outputs for index in nodes[one].operands}
    tape, codes = view.state.tape, set()
    for user in view.state.consumers[operand]:
        node = tape[user]
        if node.chain and node.operation in PRODUCTS:
            others = {before_moves(tape, one) for one in node.operands}
            values = (one for other in others for one in view.explained.get(other, ()))
            if any(one.kind == VALUE and one.node in inputs for one in values):
                codes.add(node.chain[0].code)
    returned = (
        one.place
        for one in assignments
        if one.returned and one.is_argument and one.node == operand and one.code in codes
        if one.code is not made.chain[0].code and one.position <= made.index
    )
    return next(returned, None)


def listed(
    mend: Mend, state: State, made: Node, assignments: Sequence[Assignment]
) -> Assignment | None:
    """Return how an operand was put into a list, from which a loop takes it by another name."""
    consumer, operand = mend.unit.uses[0]
    name, codes = text_of_use(made, state.tape[consumer], operand), [one.code for one in made.chain]
    put = [
        one
        for one in assignments
        if one.node == operand and not one.names_anew and one.code in codes
    ]
    if not put or not isinstance(name, ast.Name) or name.id in [one.target for one in put]:
        return None
    return put[-1]


def _called_for(made: Node, consumer: Node, operand: int) -> str | None:
    """Return the name of the function whose call an operand is, where it is used."""
    expression = text_of_use(made, consumer, operand)
    if not isinstance(expression, ast.Call):
        return None
    return ast.unparse(expression.func).rpartition(".")[2]


def copied_elsewhere(state: State, made: Node) -> Place | None:
    """Return where another function copies a value that it was to change, and did not."""
    users = [state.tape[user] for user in state.consumers[made.index]]
    copied = [user for user in users if user.operation in COPIES and user.chain]
    if len(copied) != 1 or len(users) != 1 or copied[0].chain[0].code is made.chain[0].code:
        return None
    changed = (state.tape[user].operation in WRITES for user in state.consumers[copied[0].index])
    return None if any(changed) else copied[0].place


def _comes_before(assigned: Place, used: Place) -> bool:
    """True if a value is assigned before it is used: in the pass before, if not further up."""
    loop = loop_around(used)
    return assigned.line < used.line or (loop is not None and loop == loop_around(assigned))


def assigned_to(
    consumer: Node, operand: int, used: Call, assignments: Sequence[Assignment]
) -> Assignment | None:
    """Return the last plain assignment that gave a value the name under which a call uses it."""
    latest = None
    for assignment in assignments:
        if assignment.node != operand:
            continue
        if consumer.name == OUTPUT:
            latest = assignment
            continue
        text = linecache.getline(used.place.file, used.place.line)
        if (
            assignment.code is used.code
            and _comes_before(assignment.place, used.place)
            and re.search(rf"\b{re.escape(assignment.target)}\b", text)
        ):
            latest = assignment
    return latest


def _is_left(user: int, mend: Mend, state: State) -> bool:
    """True if a mend changes other uses alone, and makes all right that an operation goes into."""
    made = {one.name for one in state.outputs if state.above[one.node] >> user & 1}
    is_other = mend.unit.uses and all(user != consumer for consumer, _ in mend.unit.uses)
    return bool(is_other and made and made <= mend.outputs)


def used_rightly(assignment: Assignment, operand: int, view: View, mend: Mend) -> bool:
    """True if a value is also used by a name that an assignment gave it where all is right.

    So is what the loss computes as well, also on the way to a wrong output; and a use that a mend
    leaves as it is, where all that is made of it is right then.
    """
    state, word = view.state, re.compile(rf"\b{re.escape(assignment.target)}\b")
    wrong = set(view.order)
    right = [
        state.tape[one]
        for one in state.consumers[operand]
        if (one not in wrong or view.is_right_forward(one) or _is_left(one, mend, state))
        and state.live >> one & 1
    ]
    return any(
        one.chain[0].code is assignment.code and word.search(one.source)
        for one in right
        if one.chain
    )


def as_named(mend: Mend, search: Followed, state: State) -> Mend:
    """Return a mend by the derivative of or by `-x`, which has no name, as -1 times that of `x`.

    So a sigmoid that is written with `np.exp(-x)` is told as a function of `x`. Where a cause is
    known as it is, it stays so.
    """
    one, nodes = mend.candidate, search.points[0].loss_nodes
    if one is None or one.kind not in (ADJOINT, SLOPE):
        return mend
    by = one.node if one.kind == ADJOINT else one.other
    turns = any(isinstance(given, int | float) and given == -1 for given in nodes[by].arguments)
    is_negated = nodes[by].operation == "negative" or (nodes[by].operation == "multiply" and turns)
    operands, users = nodes[by].operands, search.points[0].derivatives.users
    if not is_negated or len(operands) != 1 or users.get(operands[0]) != [by]:
        return mend
    if not search.words.name(by).startswith("`"):
        return mend
    node, other = (operands[0], one.other) if one.kind == ADJOINT else (one.node, operands[0])
    wanted = replace(one, node=node, other=other)
    cause = cause_of(mend, search, state)
    if cause is not None and not is_vague(cause):
        return mend
    return replace(mend, candidate=wanted, factor=-mend.factor)
