"""What is missing where a value belongs: a slope, a factor, a term."""

from __future__ import annotations

import numpy as np

from gradcheck.trace import fault
from gradcheck.trace.adjoints.quantities import SLOPE, VALUE
from gradcheck.trace.causes.compared import Compared, same
from gradcheck.trace.fault import Cause
from gradcheck.trace.record.nodes import Reference, before_moves, made_from


def missing_cause(compared: Compared, begin: int, end: int) -> Cause | None:
    """What is missing: a slope, or the factor that the loss multiplies by."""
    nodes = compared.loss_nodes[begin + 1 : end + 1]
    first = next((node for node in nodes if begin in node.operands), None)
    if first is None:
        return None
    if first.operation in ("multiply", "divide", "where"):
        for index in set(first.operands) - {begin}:
            if before_moves(compared.loss_nodes, index) in compared.parameters:
                name = compared.words.name(index)
                return Cause(
                    fault.GAMMA_MISSING, f"the factor {name} is missing", f"multiply by {name}"
                )
        for argument in first.arguments:
            value = argument
            if isinstance(argument, Reference):
                value = compared.loss_nodes[argument.index].value
                if argument.index == begin:
                    continue
            levels = np.unique(np.asarray(value, dtype=np.float64))
            if len(levels) == 2 and levels[0] == 0:
                name = compared.words.name(argument.index) if argument is not value else "its mask"
                return Cause(
                    fault.MASK_MISSING,
                    f"{name} is missing" if "mask" in name else f"the mask {name} is missing",
                    f"multiply by {name} on the way back too",
                    _made_for(compared, first.index),
                )
        others = set(first.operands) - {begin}
        made_of_it = made_from(compared.loss_nodes, begin, end)
        if first.index == end and len(others) == 1 and others.isdisjoint(made_of_it):
            name, done = compared.words.name(others.pop()), first.operation
            what = f"the {'factor' if done == 'multiply' else 'division by'} {name} is missing"
            return Cause(fault.FACTOR_MISSING, what, f"{done} by {name}")
    cause = parameterisation(compared, begin, first.index)
    if cause is not None:
        return cause
    name = compared.words.quantity(SLOPE, end, begin)
    return Cause(fault.SLOPE_MISSING, f"{name} is missing", f"multiply by {name}")


def _made_for(compared: Compared, node: int) -> int | None:
    """Where the gradient makes the derivative by a value of the loss; it is an operand here."""
    arriving = compared.adjoints(node)
    for operand in compared.state.tape[compared.node].operands:
        values = compared.state.at(operand)
        if arriving is not None and same(values, arriving):
            return operand
    return None


def parameterisation(compared: Compared, begin: int, end: int) -> Cause | None:
    """The derivative by exp(theta), where theta is a parameter."""
    of, name = compared.words.name(begin), compared.words.name(end)
    is_parameter = before_moves(compared.loss_nodes, begin) in compared.parameters
    if not is_parameter or compared.loss_nodes[end].operation != "exp":
        return None
    return Cause(
        fault.PARAMETERISATION,
        f"this is the derivative by {name}, and the parameter is {of}: a factor {name} is missing",
    )


def left_out_cause(compared: Compared) -> Cause | None:
    """One term of a sum of the loss, where the whole of it belongs."""
    candidate = compared.candidate
    if candidate is None or candidate.kind != VALUE or compared.factor != 1:
        return None
    made = compared.loss_nodes[candidate.node]
    if made.operation not in ("add", "subtract") or len(made.operands) != 2:
        return None
    for kept, left_out in (made.operands, made.operands[::-1]):
        if same(compared.values(kept), compared.actual):
            name = compared.words.name(left_out)
            verb = "add" if made.operation == "add" else "subtract"
            return Cause(fault.TERM_MISSING, f"{name} is left out", f"{verb} {name}")
    return None
