"""How to drop a constant that an expression has too much."""

from __future__ import annotations

import ast

import numpy as np

from gradcheck.trace.locating.state import State
from gradcheck.trace.locating.units import USE, Mend
from gradcheck.trace.record.graph import constant_of
from gradcheck.trace.record.places import Place
from gradcheck.trace.record.sources import numbers_in
from gradcheck.trace.wording.operand_text import operand_text

DROP = "leave the"


def constant_to_drop(mend: Mend, state: State, place: Place) -> str:
    """Return how to drop the size or number that an expression has as a surplus constant."""
    made = state.tape[mend.unit.first]
    name = made.operation
    is_made_here = bool(mend.unit.nodes) and made.place == place
    for position, argument in enumerate(made.arguments if is_made_here else ()):
        constant, text = constant_of(argument, state.tape), operand_text(place.source, position)
        divides = name == "divide" and position == 1
        if not constant or text is None or not (divides or name == "multiply"):
            continue
        if np.isclose(constant if divides else 1 / constant, mend.factor, 1e-9):
            return _dropped(divides, ast.unparse(text), place.source)
    return "" if _is_around_use(mend, state, place) else _number_to_drop(place.source, mend.factor)


def _is_around_use(mend: Mend, state: State, place: Place) -> bool:
    """True if the operation that a wrong operand is given to, right in itself, is in the place."""
    user = state.tape[mend.unit.first].place if mend.unit.kind == USE else None
    return user is not None and place != user and place.covers(user)


def _dropped(divides: bool, constant: str, expression: str) -> str:
    what = "division by" if divides else "factor"
    constant = constant if constant.replace(".", "").isdigit() else f"`{constant}`"
    return f"{DROP} {what} {constant} out of `{expression}`"


def _number_to_drop(expression: str, factor: float) -> str:
    for product, number, divides in numbers_in(expression):
        if np.isclose(number if divides else 1 / (number or np.nan), factor, 1e-9):
            return _dropped(divides, str(number), ast.unparse(product))
    return ""
