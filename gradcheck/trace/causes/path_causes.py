"""Causes: a derivative that sums over several uses lacks a path, statistics or a penalty."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from gradcheck.trace import fault
from gradcheck.trace.adjoints.points import Point
from gradcheck.trace.adjoints.quantities import PATHS
from gradcheck.trace.causes.compared import (
    Arrays,
    Compared,
    agrees,
    agrees_with,
    less,
    quotient,
    same,
)
from gradcheck.trace.causes.operation_causes import MATRIX_PRODUCTS
from gradcheck.trace.causes.penalties import penalty_terms, whole_term
from gradcheck.trace.causes.repeated import adding_each, repeated, repeated_cause
from gradcheck.trace.fault import Cause
from gradcheck.trace.record.graph import adding, before_moves, made_from
from gradcheck.trace.record.names import MOVES, WRITES
from gradcheck.trace.record.nodes import Node
from gradcheck.trace.wording.words import Words

STATISTICS = frozenset(("mean", "var", "std", "sum", "add.reduce"))

ADD_TO_IT = "add with += what is assigned with ="


def path_cause(compared: Compared) -> Cause | None:
    """Return the cause if the right sum lacks some of its terms, or has one with another sign."""
    for node, reached in _sums(compared):
        parts = compared.parts(node)
        is_sum = all(part[0].shape == reached[0].shape for part in parts.values())
        if not (is_sum and 1 < len(parts) < PATHS):
            continue
        missing = _left_out(parts, reached)
        if missing:
            return _of_missing(compared, node, missing)
        turned = _taken_off(parts, reached)
        if turned is not None:
            term = f"what comes through `{compared.loss_nodes[turned].source}`"
            return Cause(fault.SIGN, f"{term} has the wrong sign", f"change the sign of {term}")
    return None


def _sums(compared: Compared) -> Iterator[tuple[int, Arrays]]:
    """Yield the values of the loss whose derivative is wrong, with the value in its place."""
    for node in compared.derived_by:
        yield node, compared.actual
        laid = _laid_out(compared, node)
        if laid != node:
            shape = compared.loss_nodes[laid].value.shape
            yield laid, [value.reshape(shape) for value in compared.actual]
    for quantity, _ in compared.slopes:
        yield quantity.node, quotient(compared.actual, quantity.values)
    # a mean that is subtracted depends on all samples: the path through it may be missing
    for node in compared.derived_by:
        for made in compared.loss_nodes[node + 1 :]:
            if node in made.operands and made.operation in ("subtract", "add"):
                yield made.index, compared.actual


def _laid_out(compared: Compared, node: int) -> int:
    """Return the value that a value of the loss becomes by cuts and reshapes, else itself."""
    users = compared.points[0].derivatives.users.get(node, [])
    if len(users) != 1 or compared.loss_nodes[users[0]].operation not in MOVES:
        return node
    arriving = compared.adjoints(users[0])
    wanted = [*map(np.ravel, compared.expected)]
    is_same = arriving is not None and same([*map(np.ravel, arriving)], wanted)
    return _laid_out(compared, users[0]) if is_same else node


def _left_out(parts: dict[int, Arrays], reached: Arrays) -> list[int]:
    """Return the users whose parts are missing from a sum; none if it is no such sum."""
    users = list(parts)
    whole = _total([parts[user] for user in users])
    for user in users:
        others = [one for one in users if one != user]
        if same(reached, parts[user]):
            return others
        if same(reached, less(whole, parts[user])):
            return [user]
    for cut in range(2, len(users) - 1):
        for present in (users[:cut], users[cut:]):
            if same(reached, _total([parts[user] for user in present])):
                return [user for user in users if user not in present]
    return []


def _taken_off(parts: dict[int, Arrays], reached: Arrays) -> int | None:
    """Return the user whose part is subtracted from a sum to which it is to be added, or None."""
    whole = _total([*parts.values()])
    for user, part in parts.items():
        if np.any(part[0]) and same(reached, less(less(whole, part), part)):
            return user
    return None


def _total(parts: Sequence[Arrays]) -> Arrays:
    return [np.sum(at_point, axis=0) for at_point in zip(*parts, strict=True)]


def _of_missing(compared: Compared, node: int, missing: list[int]) -> Cause:
    nodes, cause = compared.loss_nodes, missing_uses(compared.points, compared.words, node, missing)
    parts = compared.parts(node)
    is_loop = len({nodes[user].chain for user in parts}) == 1 and len(parts) > 2
    if cause.name != fault.PATH_MISSING or not is_loop:
        made = compared.state.tape[compared.node]
        is_deeper = len(made.chain) > max(len(nodes[one].chain) for one in missing)
        may_be = cause.name != fault.PENALTY_MISSING or is_deeper
        is_beside = may_be and _is_beside_call(nodes, missing, {*parts} - {*missing})
        return replace(cause, is_beside_call=is_beside)
    if len(missing) <= len(parts) // 2:
        verb = "is" if len(missing) == 1 else "are"
        made = compared.state.tape[compared.node]
        alike = [one.name for one in compared.state.tape if one.place == made.place]
        is_its_loop = alike.count(made.name) == len(parts) - len(missing)
        words = f"{len(missing)} of the {len(parts)} passes of the loop {verb} not in it"
        fix = "let the loop go over all of them"
        return Cause(fault.PASS_MISSING if is_its_loop else fault.PATH_MISSING, words, fix)
    words = "only one pass of the loop is in it, and all of them add up"
    fix = "let the loop go over all of them, and add what each gives"
    return Cause(fault.NOT_ACCUMULATED, words, fix)


def _is_beside_call(nodes: Sequence[Node], missing: Iterable[int], present: Iterable[int]) -> bool:
    """True if the function that makes the missing uses calls others for all that are present."""
    makers = {call.code for one in missing for call in nodes[one].chain[:1]}
    callers = [{call.code for call in nodes[one].chain[1:]} for one in present]
    return len(makers) == 1 and all(makers <= codes for codes in callers)


def missing_uses(points: Sequence[Point], words: Words, node: int, missing: Sequence[int]) -> Cause:
    """Return the cause if the derivative through some operations of the loss is missing.

    That is a penalty, if these are all operations of one; or statistics; or a path.
    """
    nodes, name = points[0].loss_nodes, words.name
    read = [  # an operation that only reads a value has the name of the value
        name(user) if name(user) != name(node) else f"`{nodes[user].source}`"
        for user in missing[:4]
    ]
    through = ", ".join(dict.fromkeys(read))
    terms = penalty_terms(points)
    if before_moves(nodes, node) in points[0].parameters.values() and terms.issuperset(missing):
        ends = [whole_term(points[0], terms, user) for user in missing]
        present = set(points[0].derivatives.users[node]) - set(missing)
        if not any(whole_term(points[0], terms, one) in ends for one in present & terms):
            named = [
                name(user if nodes[end].place == nodes[-1].place else end)  # not the whole loss
                for user, end in zip(missing, ends, strict=True)
            ]
            through = ", ".join(dict.fromkeys(named))
            text = f"the derivative of the penalty {through} by {name(node)} is missing"
            fix = f"add the derivative of {through} by {name(node)}"
            return Cause(fault.PENALTY_MISSING, text, fix)
    users = points[0].derivatives.users
    is_mean = any(nodes[user].operation in STATISTICS for user in missing) or any(
        nodes[one].operation == "mean" for user in missing for one in users.get(user, ())
    )  # of squares, as a root mean square is
    if is_mean and all(_is_statistic(points[0], user, node) for user in missing):
        verb = "are" if len(missing) > 1 else "is"
        text = f"{through} {verb} taken for constant, and made of {name(node)} too"
        return Cause(fault.STATISTICS_CONSTANT, text)
    text = f"what comes through {through} is missing"
    return Cause(fault.PATH_MISSING, text, f"add what comes back through {through}")


def _is_statistic(point: Point, user: int, node: int) -> bool:
    """True if a use is a statistic, such as a mean, that goes into values as large as its operand.

    Or if all that is made of the use are such statistics, such as those of squares. A mean that a
    matrix product makes something of is none: it is the input of a network, such as a gate.
    """
    nodes = point.loss_nodes
    if nodes[user].operation not in STATISTICS:
        further = point.derivatives.users.get(user, [])
        is_made_for_it = nodes[user].value.shape == nodes[node].value.shape and bool(further)
        return is_made_for_it and all(_is_statistic(point, one, node) for one in further)
    reached = point.derivatives.of_nodes  # not what a gradient beside the loss makes of it
    made = sorted(made_from(nodes, user, len(nodes)).intersection(reached))
    sizes = (one for one in made if nodes[one].value.size == nodes[node].value.size)
    before = range(user, next(sizes, user) + 1)
    return len(before) > 1 and not any(
        nodes[one].operation in MATRIX_PRODUCTS for one in made if one in before
    )


def written_cause(compared: Compared) -> Cause | None:
    """Return the cause if a value is assigned into a buffer where it should be added."""
    node = compared.state.tape[compared.node]
    if node.operation not in WRITES or not node.operands:
        return _written_before(compared)
    actual, expected = compared.actual[0], compared.expected[0]
    if actual.shape != expected.shape:
        return None
    size = float(np.max(np.abs(expected), initial=0.0))
    wrong = np.abs(actual - expected) > 1e-9 * size
    tape = compared.state.tape
    passes = [
        one.index
        for one in tape[: compared.operand + 1]
        if one.name == "setitem" and one.chain == node.chain
    ]
    alone = [node.index] if node.name == "setitem" else []
    often = [place for one in passes or alone for place in repeated(tape[one], tape)]
    if often and any(_is_right_added(compared, one) for one in (alone, passes)):
        return repeated_cause(node, often)
    if wrong.all() and wrong.size > 1:
        return None
    before = compared.state.at(node.operands[0])
    if same(before, compared.expected) and node.place is not None:
        words = f"what is written to `{node.place.source}` spoils values that were right"
        return Cause(fault.SPOILED, words, "leave that out, or write the right numbers", node.index)
    if agrees(compared, node, adding):
        words = "it is assigned over what is there, and has to be added"
        return Cause(fault.NOT_ACCUMULATED, words, ADD_TO_IT)
    return None


def _written_before(compared: Compared) -> Cause | None:
    """Return the cause if a step writes once, to a parameter, what an index says several times."""
    for one in compared.state.tape[: compared.operand]:
        often = repeated(one, compared.state.tape) if one.name == "setitem" else []
        if often and _is_right_added(compared, [one.index]):
            return replace(repeated_cause(one, often), node=one.index)
    return None


def _is_right_added(compared: Compared, writes: Sequence[int]) -> bool:
    """True if the value is right once values are added for every occurrence of an index."""
    return bool(writes) and agrees_with(
        compared, lambda nodes: {one: adding_each(nodes[one]) for one in writes}
    )
