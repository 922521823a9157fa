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
from gradcheck.trace.faults.blame import Blame
from gradcheck.trace.faults.special import Special
from gradcheck.trace.locating.engines import SUMS, Added, Run
from gradcheck.trace.locating.state import Replacement, State
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
    for special in (*_left_over(runs, state), *_lost(runs, state, derivatives)):
        mended = wrong - state.mend(special.replacements).wrong()
        if mended:
            return replace(special, outputs=mended)
    return None


def _left_over(runs: Sequence[Run], state: State) -> Iterator[Special]:
    """Yield the fault of sums that go on from numbers of an earlier pass."""
    sums = [
        (at, 1 - position, before)
        for run in runs
        for added in run.added
        if added.old is not None
        for at, position in (added.old,)
        for before in (state.tape[at].arguments[position],)
        if not isinstance(before, Reference) and before
    ]
    if not sums:
        return
    replacements = []
    for nodes, values in zip(state.nodes, state.values, strict=True):
        uses = {}
        for at, position, before in sums:
            term = nodes[at].arguments[position]
            taken = -before if nodes[at].operation == "add" else before
            if isinstance(term, Reference):
                uses[at, term.index] = np.asarray(values[term.index] + taken)
        replacements.append(Replacement(uses=uses))
    node = state.tape[sums[0][0]]
    words = f"`{added_to(node.source)}` still has what an earlier pass added to it"
    fix = f"set the gradients of all parameters to 0 before `{node.chain[-1].place.source}`"
    yield _special(fault.EARLIER_CALL, node, node.chain, replacements, words, fix)


def _lost(runs: Sequence[Run], state: State, derivatives: Sequence[Adjoints]) -> Iterator[Special]:
    """Yield the faults of functions that overwrite a gradient, run again, or run too early."""
    replacements = [_complete(runs, state, whole) for whole in derivatives]
    lost = (
        (run.recorded.code, added)
        for run in runs
        for added in run.added
        if _overwrites(added, state)
    )
    for code, added in islice(lost, 1):
        node, name = state.tape[added.gradient], added.name
        words = f"{name} is overwritten: what other uses of the same value have added to it is lost"
        special = _special(fault.OVERWRITTEN, node, node.chain, replacements, words, ADD)
        place = _assignment(code, name)
        yield special if place is None else replace(special, blame=Blame(place))
    last = {added.value: number for number, run in enumerate(runs) for added in run.added}
    done = {run.output: number for number, run in enumerate(runs)}
    again = (run for number, run in enumerate(runs) if done[run.output] > number)
    early = (
        run
        for number, run in enumerate(runs)
        if last.get(run.output, -1) > number
        # one that goes on to the operation itself has added before that
        and runs[last[run.output]].recorded.begin > run.recorded.begin
    )
    for run, kind, what in (
        *((run, fault.EXTRA_TERM, "runs again for the same output") for run in islice(again, 1)),
        *((run, fault.PATH_MISSING, f"uses {run.text} too early") for run in islice(early, 1)),
    ):
        node = state.tape[run.recorded.begin]
        words = f"`{run.recorded.code.co_name}` {what}"
        yield _special(kind, node, node.chain[1:] or node.chain, replacements, words, ORDER)


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


def _complete(runs: Sequence[Run], state: State, derivatives: Adjoints) -> Replacement:
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
        if user >= end and value in right and state.tape[value].is_leaf
    }
    for run in runs:
        own = range(run.recorded.begin, run.recorded.end)
        if run.arriving is not None and run.output in right:
            users = (user for user in state.consumers[run.arriving] if user in own)
            uses |= {(user, run.arriving): right[run.output] for user in users}
    return Replacement(nodes, uses)


def _special(
    kind: str, node: Node, chain: Chain, replacements: Sequence[Replacement], words: str, fix: str
) -> Special:
    return Special(kind, Blame.at(chain), node.index, tuple(replacements), words=words, fix=fix)
