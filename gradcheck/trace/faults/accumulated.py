"""Gradients of an engine that are computed rightly, and not added up rightly."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from types import CodeType

import numpy as np

from gradcheck.trace import fault
from gradcheck.trace.adjoints.reverse import Adjoints
from gradcheck.trace.causes.term_causes import STILL_THERE
from gradcheck.trace.faults.blame import Blame
from gradcheck.trace.faults.special import Special
from gradcheck.trace.locating.engines import Added, Run
from gradcheck.trace.locating.state import Replacement, State
from gradcheck.trace.record.names import SUMS
from gradcheck.trace.record.nodes import Node, Reference
from gradcheck.trace.record.places import Chain, Place
from gradcheck.trace.record.sources import parsed, text_of
from gradcheck.trace.wording.operand_text import added_to

ADD = "add with += what every use of the value gives"
ORDER = "run each operation once, in the reverse of a topological order"


def not_added_up(
    runs: Sequence[Run], state: State, derivatives: Sequence[Adjoints]
) -> Special | None:
    """Return the first of these faults, or None: left over, overwritten, or used too early.

    `derivatives` are those of the loss by the values of the gradient's tape, by point.
    """
    wrong = state.wrong()
    if not wrong:
        return None
    right = [complete(runs, state, whole) for whole in derivatives]
    for special in (
        *_left_over(runs, state),
        *_overwritten(runs, state, right),
        *_out_of_order(runs, state, right),
    ):
        mended = wrong - state.mend(special.replacements).wrong()
        if mended:
            return replace(special, outputs=mended)
    return None


def _left_over(runs: Sequence[Run], state: State) -> Iterator[Special]:
    """Yield the fault of sums that go on from numbers of an earlier pass."""
    sums = [
        (*added.old, added.left_over)
        for run in runs
        for added in run.added
        if added.old is not None and added.before is None and added.left_over
    ]
    if not sums:
        return
    replacements = []
    for nodes, values in zip(state.nodes, state.values, strict=True):
        uses = {}
        for at, position, left_over in sums:
            term = nodes[at].arguments[1 - position]
            taken = -left_over if nodes[at].operation == "add" else left_over
            if isinstance(term, Reference):
                uses[at, term.index] = np.asarray(values[term.index] + taken)
        replacements.append(Replacement(uses=uses))
    node = state.tape[sums[0][0]]
    words = STILL_THERE.format(added_to(node.source))
    fix = f"set the gradients of all parameters to 0 before `{node.chain[-1].place.source}`"
    yield _special(fault.EARLIER_CALL, node, node.chain, replacements, words, fix)


def _overwritten(
    runs: Sequence[Run], state: State, replacements: Sequence[Replacement]
) -> Iterator[Special]:
    """Yield the fault of a function that assigns to a gradient what is to be added to it."""
    lost = ((run, one) for run in runs for one in run.added if _overwrites(one, state))
    for run, added in islice(lost, 1):
        node, name = state.tape[added.gradient], added.name
        words = f"{name} is overwritten: what other uses of the same value have added to it is lost"
        special = _special(fault.OVERWRITTEN, node, node.chain, replacements, words, ADD)
        place = _assignment(run.recorded.code, name)
        yield special if place is None else replace(special, blame=Blame(place))


def _out_of_order(
    runs: Sequence[Run], state: State, replacements: Sequence[Replacement]
) -> Iterator[Special]:
    """Yield the faults of a function that runs again, or before all has arrived at its output."""
    outputs = [(run.owner, run.output) for run in runs]
    done = {output: number for number, output in enumerate(outputs)}
    given: dict[tuple[int, int | None], int] = {
        (one.owner, one.value): number for number, run in enumerate(runs) for one in run.added
    }
    numbered = [(number, run) for number, run in enumerate(runs) if run.output is not None]
    again = (
        run
        for number, run in numbered
        if done[outputs[number]] > number and not run.is_step and _uses_what_arrives(run, state)
    )
    early = (
        run
        for number, run in numbered
        if given.get(outputs[number], -1) > number
        # one that goes on to the operation itself has added before that
        and runs[given[outputs[number]]].recorded.begin > run.recorded.begin
    )
    for run, kind, what in (
        *((run, fault.EXTRA_TERM, "runs again for the same output") for run in islice(again, 1)),
        *((run, fault.PATH_MISSING, f"uses {run.text} too early") for run in islice(early, 1)),
    ):
        node = state.tape[run.recorded.begin]
        words = f"`{run.recorded.code.co_name}` {what}"
        yield _special(kind, node, node.chain[1:] or node.chain, replacements, words, ORDER)


def _uses_what_arrives(run: Run, state: State) -> bool:
    """False for a function that is given the gradient, and may run for each path of its own."""
    own = state.tape[run.recorded.begin : run.recorded.end]
    return run.arriving is not None and any(run.arriving in one.operands for one in own)


def _overwrites(added: Added, state: State) -> bool:
    """True if what was added before is lost, or a part of what an operand used twice gets."""
    before = added.before
    if before is not None and before >= state.start and _is_of_this_pass(state.tape[before]):
        return not state.above[added.gradient] >> before & 1
    return len(added.texts) > 1 and state.tape[added.gradient].operation not in SUMS


def _is_of_this_pass(before: Node) -> bool:
    """True if a gradient is no array of an earlier pass, and not 0 as it was set before this."""
    return not before.is_leaf and bool(np.any(before.value))


def _assignment(code: CodeType, target: str) -> Place | None:
    """Return the place where a function assigns to a target, and does not add to it."""
    lines = {line for _, _, line in code.co_lines()}
    statements = (
        one
        for one in ast.walk(parsed(text_of(code.co_filename)))
        if isinstance(one, ast.Assign) and one.lineno in lines
        if ast.unparse(one.targets[0]) == target
    )
    places = (Place.of(one, code.co_filename, code.co_name) for one in statements)
    return next(places, None)


def complete(runs: Sequence[Run], state: State, derivatives: Adjoints) -> Replacement:
    """Return the replacement of all gradients that an engine computes by the right ones.

    One that is named and not computed, as by `self.grad = out.grad`, is replaced where it is used.
    """
    right = {at: np.asarray(value) for at, value in derivatives.of_nodes.items()}
    last = {added.value: added.gradient for run in runs for added in run.added}
    nodes = {
        added.gradient: right[added.value]
        for run in runs
        for added in run.added
        if added.gradient >= run.recorded.begin and added.value in right
    }
    end = max(run.recorded.end for run in runs)
    uses = {
        (user, at): right[value]
        for value, at in last.items()
        for user in state.consumers[at]
        if user >= end and value in right and value < state.start
    }
    for run in runs:
        own = range(run.recorded.begin, run.recorded.end)
        arrives = None if run.output is None else right.get(run.output)
        if run.arriving is not None and arrives is not None:
            users = (user for user in state.consumers[run.arriving] if user in own)
            uses |= {(user, run.arriving): arrives for user in users}
    return Replacement(nodes, uses)


def _special(
    kind: str, node: Node, chain: Chain, replacements: Sequence[Replacement], words: str, fix: str
) -> Special:
    return Special(kind, Blame.at(chain), node.index, tuple(replacements), words=words, fix=fix)
