"""Causes in the terms of a sum: one too many, left out or of another sign; operands exchanged."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck.trace import fault
from gradcheck.trace.causes.compared import FEWEST, Arrays, Compared, agrees_with, less, same
from gradcheck.trace.causes.redo import taking
from gradcheck.trace.fault import Cause
from gradcheck.trace.locating.state import State
from gradcheck.trace.locating.units import Mend
from gradcheck.trace.record.graph import evaluate, resolve
from gradcheck.trace.record.nodes import Node, Reference
from gradcheck.trace.wording.operand_text import added_to, operand_text

STILL_THERE = "`{}` still has what an earlier pass added to it"


@dataclass(frozen=True)
class Inverse:
    """The inverse of an operation on two operands.

    Attributes:
        function: the inverse operation.
        neutral: the operand that changes nothing.
        part: what an operand is called.
        surplus: the cause if an operand is one too many.
    """

    function: Callable[..., Any]
    neutral: float
    part: str
    surplus: str


INVERSES: Mapping[str, Inverse] = {
    "add": Inverse(np.subtract, 0.0, "term", fault.EXTRA_TERM),
    "subtract": Inverse(np.add, 0.0, "term", fault.EXTRA_TERM),
    "multiply": Inverse(np.divide, 1.0, "factor", fault.WRONG_FACTOR),
    "divide": Inverse(np.multiply, 1.0, "factor", fault.WRONG_FACTOR),
}


def term_cause(compared: Compared) -> Cause | None:
    """Return the cause: a term's wrong sign, a term or factor too many, a quotient or product."""
    node = compared.state.tape[compared.node]
    inverse = INVERSES.get(node.operation)
    if inverse is None or len(node.arguments) != 2:
        return None
    if compared.is_use:
        return _sign_of_use(compared, node) if inverse.part == "term" else None
    other = replace(node, function=inverse.function, keywords={})
    inverted = [evaluate(other, known) for known in compared.state.values]
    if inverse.part == "factor" and same(inverted, compared.expected):
        text = operand_text(node.place.source, 1) if node.place else None
        return inverse_cause(node.operation == "divide", f"`{ast.unparse(text)}`" if text else "it")
    for sign, which in ((1, "second"), (-1, "first")) if inverse.part == "term" else ():
        if same([sign * value for value in inverted], compared.expected):
            term = f"the {which} term"
            return Cause(fault.SIGN, f"{term} has the wrong sign", f"change the sign of {term}")
    first, second = node.arguments
    neutral = np.array(inverse.neutral)  # makes an array of a list beside it
    for position, rest in enumerate(((neutral, second), (first, neutral))):
        left = [evaluate(replace(node, arguments=rest), known) for known in compared.state.values]
        text = operand_text(node.place.source, position) if node.place else None
        if text is not None and same(left, compared.expected):
            name = ast.unparse(text)
            words = f"`{name}` is one {inverse.part} too many"
            return Cause(inverse.surplus, words, f"leave `{name}` out")
    return None


def bracket_cause(compared: Compared) -> Cause | None:
    """Return the cause if one term lacks a factor that the other has, as in `a * s + b`."""
    tape, node = compared.state.tape, compared.state.tape[compared.operand]
    if compared.is_use or node.operation not in ("add", "subtract"):
        return None
    for position, other in enumerate(reversed(node.arguments)):
        product = tape[other.index] if isinstance(other, Reference) else node
        for at, factor in enumerate(product.arguments if product.operation == "multiply" else ()):
            made = []
            for known in compared.state.values:
                terms = [resolve(one, known) for one in node.arguments]
                terms[position] = terms[position] * resolve(factor, known)
                made.append(np.asarray(node.function(*terms)) if node.function else node.value)
            text, shared = operand_text(node.source, position), operand_text(product.source, at)
            if text is not None and shared is not None and same(made, compared.expected):
                term, name = f"`{ast.unparse(text)}`", f"`{ast.unparse(shared)}`"
                words = f"{term} lacks the factor {name} of the other term"
                return Cause(fault.FACTOR_MISSING, words, f"multiply {term} by {name}, too")
    return None


def left_over_cause(mend: Mend, state: State) -> Cause | None:
    """Return the cause if a sum goes on from what was in it before the gradient was begun."""
    consumer, operand = mend.unit.uses[0]
    target = added_to(state.tape[consumer].source)
    if not (target and state.tape[operand].is_leaf):
        return None
    words = STILL_THERE.format(target)
    return Cause(fault.EARLIER_CALL, words, f"set `{target}` to 0 before, or assign with = here")


def inverse_cause(divides: bool, operand: str, code: str = "") -> Cause:
    """Return the cause of a product with what has to be divided by, or of such a quotient."""
    done, meant = ("divided", "multiply") if divides else ("multiplied", "divide")
    words = f"it is {done} by {operand}, and the reverse is right"
    return Cause(fault.WRONG_FACTOR, words, code or f"{meant} by {operand}")


def _sign_of_use(compared: Compared, node: Node) -> Cause | None:
    if not same([-value for value in compared.actual], compared.expected):
        return None
    term = f"{'second' if compared.operand == node.operands[-1] else 'first'} term"
    return Cause(fault.SIGN, f"the {term} has the wrong sign", f"change the sign of the {term}")


def remainders(state: State, made: Node, expected: Arrays) -> Iterator[tuple[Node, Arrays]]:
    """Yield the terms of a sum, each with what the others leave of the sum's expected value.

    A sum among the terms is a term, and has its own terms if it stands in the same line.
    """
    inverse = INVERSES.get(made.operation)
    terms = [one.index for one in made.arguments if isinstance(one, Reference)]
    if inverse is None or inverse.part != "term" or len(terms) != 2:
        return
    sign = 1 if made.operation == "add" else -1
    first, second = state.at(terms[0]), [sign * value for value in state.at(terms[1])]
    rests = less(expected, second), [sign * rest for rest in less(expected, first)]
    for index, rest in zip(terms, rests, strict=True):
        term = state.tape[index]
        yield term, rest
        if term.chain[1:] == made.chain[1:] and term.line == made.line:
            yield from remainders(state, term, rest)


def number_cause(compared: Compared) -> Cause | None:
    """Return the cause if a right value lacks a whole number, as the 1 of `exp(z) - 1`."""
    actual, expected = (
        np.concatenate([*map(np.ravel, values)]) for values in (compared.actual, compared.expected)
    )
    if actual.shape != expected.shape or actual.size < FEWEST:
        return None
    apart = expected - actual
    number = round(float(np.mean(apart))) if np.all(np.isfinite(apart)) else 0
    if not number or len(np.unique(actual)) < 3 or term_cause(compared) is not None:
        return None  # two levels are apart by a number however they are wrong
    if not same([actual + number], [expected]):
        return None
    verb = "add" if number > 0 else "subtract"
    words = f"the term {number:+d} is left out"
    return Cause(fault.TERM_MISSING, words, f"{verb} {abs(number)}")


def exchanged_cause(compared: Compared) -> Cause | None:
    """Return the cause if two products of a sum have an operand of each other."""
    node, tape = compared.state.tape[compared.operand], compared.state.tape
    terms = [tape[one] for one in node.operands]
    if compared.is_use or node.operation not in ("add", "subtract") or len(terms) != 2:
        return None
    if any(len(term.arguments) != 2 for term in terms):
        return None
    for position in (1, 0):
        given = [term.arguments[position] for term in terms]
        operands = [one.index for one in given if isinstance(one, Reference)]
        if len(operands) < 2 or not agrees_with(compared, _exchanged(terms, position, operands)):
            continue
        texts = [operand_text(term.source, position) for term in terms]
        first, second = (f"`{ast.unparse(one)}`" if one else "an operand" for one in texts)
        is_weights = all(compared.is_parameter(one) for one in operands)
        kind = fault.OTHER_WEIGHTS if is_weights else fault.OTHER_OPERAND
        return Cause(kind, f"{first} and {second} are exchanged", f"exchange {first} and {second}")
    return None


def _exchanged(
    terms: Sequence[Node], position: int, operands: Sequence[int]
) -> Callable[[Sequence[Node]], dict[int, Node]]:
    pairs = [(term.index, other) for term, other in zip(terms, reversed(operands), strict=True)]
    return lambda nodes: {one: taking(position, other, nodes[one]) for one, other in pairs}
