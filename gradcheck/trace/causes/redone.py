"""Causes further back: one operation before the wrong value, done otherwise, makes it right.

The right value of an operation further back is often unknown: nothing in the loss is equal to it.
Operations of the gradient's own are therefore done in the ways that people confuse, and with
values that are in scope there; the wrong value, which they lead to, must be right at all points.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice

import numpy as np

from gradcheck.arrays import same_arrays
from gradcheck.trace import fault
from gradcheck.trace.adjoints.quantities import Quantity
from gradcheck.trace.causes.axis_causes import REDUCTIONS
from gradcheck.trace.causes.compared import Array, Compared, agrees_with
from gradcheck.trace.causes.kinds import multiple_of
from gradcheck.trace.causes.other_passes import at_other_passes
from gradcheck.trace.causes.other_sizes import with_other_sizes
from gradcheck.trace.causes.redo import (
    RESULT,
    Part,
    Redo,
    Trial,
    on_operand,
    parts_of,
    taking,
    text_at,
    together,
    with_function,
    with_transpose,
)
from gradcheck.trace.causes.reduced import reduced
from gradcheck.trace.causes.ways import (
    CONJUGATED,
    JOINING,
    LACKING,
    LAYOUTS,
    MULTIPLIED,
    NEGATED,
    OTHERWISE,
    PRODUCTS,
    SOLVED,
    TURNED,
    UNLOGGED,
    Way,
)
from gradcheck.trace.fault import Cause
from gradcheck.trace.locating.made_of import fits_into
from gradcheck.trace.locating.state import State
from gradcheck.trace.record.graph import grouped, latest_first
from gradcheck.trace.record.names import WRITES
from gradcheck.trace.record.nodes import Node, Reference
from gradcheck.trace.wording.operand_text import augmented, text_of_use
from gradcheck.trace.wording.scope import names_at
from gradcheck.trace.wording.words import SHORT

JOINED = re.compile(r"\{0\} ([-+*/@]) \{1\}")

FURTHEST, LONGEST, PASSES = 150, 3000, 48
"""The most operations before the wrong value that are done otherwise, and that are executed; the
most passes of a loop in which values in scope are tried."""


def redone_cause(passes: Sequence[Compared]) -> Cause | None:
    """Return the cause if one operation, done otherwise, makes the wrong value right.

    Of a loop, it must be right in all of several passes.
    """
    compared = passes[0]
    if compared.is_use or compared.operand - compared.state.start > LONGEST:
        return None
    places = list(_own_operations(passes))
    for ways in WAYS:
        for nodes in places:
            for cause, changes in ways(nodes, compared):
                if compared.deadline.has_passed:
                    return None
                reached = [one for one in passes if _reaches(one, changes)]
                if reached and all(_is_right(one, changes) for one in reached):
                    return cause
    return None


def _reaches(compared: Compared, changes: Mapping[int, Redo]) -> bool:
    """False for the first or last pass of a loop, which has no neighbour."""
    made = compared.state.above[compared.operand]
    return any(made >> index & 1 for index in changes)


def _is_right(compared: Compared, changes: Mapping[int, Redo]) -> bool:
    return agrees_with(
        compared, lambda nodes: {index: redo(nodes[index]) for index, redo in changes.items()}
    )


def _own_operations(passes: Sequence[Compared]) -> Iterator[list[Node]]:
    """Yield the gradient's own operations behind wrong values: one in all passes and calls."""
    tape = passes[0].state.tape
    able = [one for one in tape if one.operands]
    in_passes = grouped(((one.chain, one.name), one) for one in able)
    in_calls = grouped(((one.chain[:1], one.name), one) for one in able)
    keys = dict.fromkeys((one.chain, one.name) for each in passes for one in _own_behind(each))
    for chain, name in keys:
        yield in_passes[chain, name]
        if len(in_calls[chain[:1], name]) > len(in_passes[chain, name]):
            yield in_calls[chain[:1], name]


def _own_behind(compared: Compared) -> Iterator[Node]:
    """Yield the gradient's own operations behind a wrong value, the last first.

    What the loss does as well is right, and so is what has a known value, with all it is made of:
    but for a sum that is one of its terms, and what is put into an array.
    """
    tape, of_the_loss = compared.state.tape, {call.place for call in compared.words.calls}
    above = list(islice(latest_first(tape, [compared.operand]), FURTHEST))
    explained = compared.known.explaining_each([compared.state.at(one.index) for one in above])
    right = {
        one.index
        for one, known in zip(above, explained, strict=True)
        if any(_is_it(one, quantity, compared) for quantity in known)
        and not (one.operation in (*WRITES, "add.at") or _adds_nothing(one, tape))
    }
    made = latest_first(
        tape, [compared.operand], lambda one: () if one.index in right else one.operands
    )
    own = (one for one in made if one.operands and one.is_float and one.place)
    for one in islice(own, FURTHEST):
        if one.index not in right and one.place not in of_the_loss:
            yield one


def _is_it(node: Node, quantity: Quantity, compared: Compared) -> bool:
    """False if a value has the shape and the numbers of a known one, but in another order."""
    is_alike = node.value.shape == quantity.values[0].shape
    return not is_alike or multiple_of(compared.state.at(node.index), quantity.values) is not None


def _adds_nothing(node: Node, tape: Sequence[Node]) -> bool:
    is_sum = node.operation == "add" or node.operation in REDUCTIONS
    terms = [tape[index].value for index in node.operands] if is_sum else []
    return any(same_arrays([term], [node.value]) for term in terms)


def _done_otherwise(nodes: Sequence[Node], compared: Compared) -> Iterator[Trial]:
    first, tape = nodes[0], compared.state.tape
    texts = [text_at(first, position) for position in range(2)]
    ways: list[tuple[Way, Redo]] = [
        (way, partial(with_function, way[-1])) for way in OTHERWISE.get(first.operation, ())
    ]
    if len(first.arguments) == 1:
        ways.append((NEGATED, partial(on_operand, np.negative, 0)))
    for position, argument in enumerate(first.arguments[:2]):
        if isinstance(argument, Reference) and np.iscomplexobj(tape[argument.index].value):
            ways.insert(0, (CONJUGATED[position], partial(on_operand, np.conj, position)))
    for position, argument in enumerate(first.arguments[:2] if first.operation in JOINING else ()):
        if isinstance(argument, Reference) and np.all(tape[argument.index].value <= 0):
            ways.append((UNLOGGED[position], partial(on_operand, np.exp, position)))
    if first.operation in PRODUCTS:
        ways.append((MULTIPLIED, partial(with_function, np.multiply)))
    for position, way in enumerate(TURNED if first.operation in PRODUCTS else ()):
        ways.append((way, partial(on_operand, np.transpose, position)))
    if first.operation == "solve_triangular":
        ways.append((SOLVED, with_transpose))
    in_place = bool(augmented(first.source))
    for (kind, words, fix, _), change in ways:
        fix = JOINED.sub(r"{0} \1= {1}", fix) if in_place else fix
        words, fix = (one.format(*texts, all=first.source) for one in (words, fix))
        yield Cause(kind, words, fix, first.index), {one.index: change for one in nodes}


def _at_other_indices(nodes: Sequence[Node], compared: Compared) -> Iterator[Trial]:
    """Yield what reads or writes the entries that another array of indices says."""
    first, state = nodes[0], compared.state
    arrays = [one for one in state.tape[: first.index] if one.value.dtype.kind in "iu"]
    given = {one.index: one.value for one in arrays if one.value.ndim}
    for position, argument in enumerate(first.arguments):
        own = given.get(argument.index) if isinstance(argument, Reference) else None
        if own is None:
            continue
        for other, value in given.items():
            if value.shape == own.shape and not np.array_equal(value, own):
                wrong, name = text_at(first, position), _name_in_use(other, state)
                words = f"`{wrong}` are its indices, and `{name}` belong there"
                fix = f"write `{name}` for `{wrong}`"
                changes = {one.index: partial(taking, position, other) for one in nodes}
                yield Cause(fault.OTHER_INDEX, words, fix, first.index), changes


def _name_in_use(index: int, state: State) -> str:
    """Return the text by which an operation takes a value."""
    users = (state.tape[user] for user in state.consumers[index])
    texts = (text_of_use(user, user, index) for user in users if user.place)
    return next((ast.unparse(text) for text in texts if text), state.tape[index].name)


def _with_values_in_scope(nodes: Sequence[Node], compared: Compared) -> Iterator[Trial]:
    """Yield what is made with a factor, term or operand that has a name there."""
    if len(nodes) > PASSES:
        return
    first, parts = nodes[0], parts_of(nodes[0], compared)
    scopes = [_scope(one, compared) for one in nodes]
    common = set.intersection(*map(set, scopes)) - {first.source}
    known = compared.state.values[0]  # with what is mended before
    names = [one for one in common if np.any(known[scopes[0][one]])]  # zeros fit by chance
    for name in sorted(names, key=lambda text: (not text.isidentifier(), len(text), text)):
        value = known[scopes[0][name]]
        for cause, change in _ways_with(name, value, first, parts, compared):
            at = zip(nodes, scopes, strict=True)
            yield cause, {one.index: change(scope[name]) for one, scope in at}
    for leaf in compared.loss_nodes:  # the gradient may not have read this data at all
        if leaf.is_leaf and leaf.is_float and leaf.index not in compared.parameters:
            name = compared.words.name(leaf.index).strip("`")
            for cause, change in _ways_with(name, leaf.value, first, parts, compared):
                yield cause, {one.index: change(leaf.value) for one in nodes}


def _ways_with(
    name: str, value: Array, node: Node, parts: Sequence[Part], compared: Compared
) -> Iterator[tuple[Cause, Callable[[int | Array], Redo]]]:
    """Yield how a value may be taken into an operation: a function of its index, or of data."""
    whole = f"`{node.source}`"
    is_reduction = node.operation in REDUCTIONS
    is_elementwise = node.operation in OTHERWISE and not is_reduction
    for text, layout in LAYOUTS:
        laid, named = layout(value), text.format(name)
        own = compared.state.values[0][node.index]
        for position, present, what in ((RESULT, own, whole), *parts):
            made = node.value if is_elementwise else present
            fits = laid.size and fits_into(laid.shape, made.shape)
            itself = laid.shape == present.shape and bool(np.array_equal(laid, present))
            for kind, words, fix, combine in LACKING if fits else ():
                if itself and combine in (np.subtract, np.divide):
                    continue  # nobody forgets to write `x - x`
                where = "" if position == RESULT else f" in {whole}"
                words, fix = (one.format(what, named) + where for one in (words, fix))
                change = partial(partial, together, combine, layout, position)
                yield Cause(kind, words, fix, node.index), change
    for position, present, what in parts:
        fits = is_elementwise and value.size and fits_into(value.shape, node.value.shape)
        reduced = is_reduction and value.ndim == present.ndim and node.index != compared.operand
        if fits or reduced or present.shape == value.shape:
            where = f"{_which(what, position, node)}{what}"
            words = f"`{name}` belongs in the place of {where} in {whole}"
            fix = f"write `{name}` for {where}"
            change = partial(partial, taking, position)
            yield Cause(fault.OTHER_OPERAND, words, fix, node.index), change


def _which(what: str, position: int, node: Node) -> str:
    """Return which of the places where an operation reads an operand is meant, if there are two."""
    places = re.findall(rf"(?<!\w){re.escape(what.strip('`'))}(?!\w)", node.source)
    return "" if len(places) < 2 else "the last " if position else "the first "


def _scope(node: Node, compared: Compared) -> dict[str, int]:
    if node.place is None:
        return {}
    names = compared.points[0].gradient.tape.names
    scope = names_at(compared.state, node.index, node.place, names)
    return {name: at for name, at in scope.items() if at != node.index and len(name) <= SHORT}


WAYS = (
    at_other_passes,
    _done_otherwise,
    with_other_sizes,
    _at_other_indices,
    reduced,
    _with_values_in_scope,
)
"""The ways in which operations are done otherwise, in the order in which they are tried."""
