"""Explain terms of a sum that are the right ones times a constant."""

from __future__ import annotations

from gradcheck.arrays import proportion
from gradcheck.trace import fault
from gradcheck.trace.causes.compared import Compared, Followed, less, same
from gradcheck.trace.causes.constant_factors import CLOSE, divisors_of, is_about
from gradcheck.trace.causes.scale_causes import scale_cause
from gradcheck.trace.causes.term_causes import remainders
from gradcheck.trace.fault import Cause
from gradcheck.trace.locating.constants import sizes_of
from gradcheck.trace.locating.units import NODE, OWN, Mend, Unit


def term_scale_cause(compared: Compared, search: Followed) -> Cause | None:
    """Return the cause if one term of a wrong sum is the right one times a constant."""
    state = compared.state
    if compared.is_use:
        return None
    for term, rest in remainders(state, state.tape[compared.operand], compared.expected):
        actual = state.at(term.index)
        factor = proportion(rest, actual)
        if not factor or abs(factor - 1) < CLOSE or term.place is None:
            continue
        unit = Unit(NODE, term.index, nodes=(term.index,))
        alone = Mend(unit, OWN, factor, frozenset(), None, actual, rest, ())
        cause = scale_cause(alone, search, state)
        words = f"the term `{term.source}` is {1 / factor:.6g} times what it should be"
        words += f": {cause.words}" if cause.words else ""
        fix = cause.fix or f"multiply `{term.source}` by {factor:.6g}"
        return Cause(cause.name, words, fix, term.index)
    return _rest_scale_cause(compared)


def _rest_scale_cause(compared: Compared) -> Cause | None:
    """Return the cause if all terms of a wrong sum but one are the right ones times a constant."""
    actual, expected, state = compared.actual, compared.expected, compared.state
    for term, rest in remainders(state, state.tape[compared.operand], expected):
        own = state.at(term.index)
        if not same(less(rest, own), less(expected, actual)):
            own = [-value for value in own]  # it is subtracted
        factor = proportion(less(expected, own), less(actual, own))
        if not factor or abs(factor - 1) < CLOSE or term.place is None:
            continue
        words = f"beside the term `{term.source}` it is {1 / factor:.6g} times what it should be"
        for size in sorted(sizes_of(compared.loss_nodes) - {1}):
            for whole in divisors_of(compared.loss_nodes):
                if is_about(size / factor, whole):
                    fix = f"divide the other terms by {whole}, not by {size}"
                    return Cause(fault.OTHER_SIZE, f"{words}: {size} stands for {whole}", fix)
        return Cause(fault.SCALE, words, f"multiply the other terms by {factor:.6g}")
    return None
