"""Values of the loss that the loss adds up, and the gradient uses entry by entry."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.trace import fault
from gradcheck.trace.adjoints.operations import ELEMENTWISE
from gradcheck.trace.adjoints.quantities import VALUE
from gradcheck.trace.causes.compared import same
from gradcheck.trace.causes.reduced import reduced_cause
from gradcheck.trace.faults.blame import Blame
from gradcheck.trace.faults.special import Special
from gradcheck.trace.locating.explain import Known
from gradcheck.trace.locating.state import Replacement
from gradcheck.trace.locating.view import View
from gradcheck.trace.record.graph import grouped
from gradcheck.trace.record.nodes import Node


def not_summed(view: View, wrong: frozenset[str], known: Known) -> Special | None:
    """Return a value that mends all wrong outputs if its sum, a value of the loss, is used."""
    state = view.state
    for nodes in _sums_of_the_loss(view, known):
        replacements = tuple(
            Replacement(nodes={one.index: np.asarray(values[one.index].sum()) for one in nodes})
            for values in state.values
        )
        if state.mended_by(replacements, wrong) == wrong:
            first = nodes[0]
            cause = reduced_cause(first, "sum", None)
            return Special(
                cause.name if cause.name == fault.ELEMENTWISE else fault.OTHER_FORMULA,
                Blame.at(first.chain),
                first.index,
                replacements,
                wrong,
                fix=cause.fix,
                words=cause.words,
            )
    return None


def _sums_of_the_loss(view: View, known: Known) -> Iterator[list[Node]]:
    """Yield the operations, in all passes of a loop, whose sums are values of the loss."""
    state = view.state
    able = [
        state.tape[index]
        for index in view.order
        if state.tape[index].operation in ELEMENTWISE and state.tape[index].value.size > 1
    ]
    for nodes in grouped((one.in_loop, one) for one in able).values():
        totals = [[value.sum().reshape(()) for value in state.at(one.index)] for one in nodes]
        explained = known.explaining_each(totals, exact_values=True)
        if all(
            any(one.kind == VALUE and same(total, one.values) for one in found)
            for total, found in zip(totals, explained, strict=True)
        ):
            yield nodes
