"""Why a value is wrong, judging from the code that would make it right."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from gradcheck.trace import fault
from gradcheck.trace.adjoints.quantities import ADJOINT, VALUE
from gradcheck.trace.causes.compared import Arrays, same
from gradcheck.trace.fault import Cause
from gradcheck.trace.locating.explain import Known
from gradcheck.trace.locating.state import State
from gradcheck.trace.record.sources import expression_of

SAYS = {
    "multiply": (fault.FACTOR_MISSING, "the factor `{0}` is missing"),
    "divide": (fault.FACTOR_MISSING, "the division by `{0}` is missing"),
    "add": (fault.PATH_MISSING, "`{0}` is to be added"),
    "subtract": (fault.TERM_MISSING, "`{0}` is to be subtracted"),
    "write": (fault.OTHER_OPERAND, "`{0}` belongs here"),
    "leave": (fault.WRONG_FACTOR, "it is one factor too many"),
}
"""The cause of a wrong value, by the first word of the advice."""

TOO_MUCH = {
    "multiply": "what it is multiplied by is one factor too many",
    "divide": "what it is divided by is one factor too many",
    "power": "it is not to be raised to a power",
    "square": "it is not to be squared",
}
"""The cause if the operand of an operation belongs in place of its result."""

TURNS = ("T", "swapaxes(-1, -2)")
"""The attributes and calls that transpose a value."""


@dataclass(frozen=True)
class Written:
    """The code to write in place of a wrong value.

    Attributes:
        code: what to write, in words; empty if nothing at hand makes the value right.
        value: the text of the value at hand.
        node: the index of that value, in a loop that of one pass.
        at: the operation that makes the whole wrong value, if the code replaces that.
        operand: the operand of the wrong expression to replace; empty for the whole expression.
        is_slope: whether the value is the slope of a usual activation, written for its output.
    """

    code: str = ""
    value: str = ""
    node: int = -1
    at: int | None = None
    operand: str = ""
    is_slope: bool = False

    def cause(self, known: Known, state: State, parameters: Sequence[Arrays]) -> Cause | None:
        """Return why the value is wrong, judging from what makes it right."""
        if not self.code:
            return None
        name, words = SAYS[self.code.partition(" ")[0]]
        if self.is_slope and name == fault.FACTOR_MISSING:
            return Cause(fault.SLOPE_MISSING, f"the slope `{self.value}` is missing")
        if name == fault.WRONG_FACTOR:
            return Cause(name, words)
        made = None if self.at is None else state.tape[self.at]
        if name == fault.OTHER_OPERAND and made is not None and self.node in made.operands:
            too_much = TOO_MUCH.get(made.operation)
            return None if too_much is None else Cause(fault.WRONG_FACTOR, too_much)
        if self.operand and name != fault.OTHER_OPERAND:
            name = name if name == fault.FACTOR_MISSING else fault.TERM_MISSING
            is_square = self.operand == self.value and self.code.startswith("multiply")
            lacks = "is to be squared" if is_square else f"lacks `{self.value}`"
            return Cause(name, f"`{self.operand}` {lacks}")
        words = words.format(self.value) + (f", and not `{self.operand}`" if self.operand else "")
        if self.operand and self.value in (f"{self.operand}.{how}" for how in TURNS):
            return Cause(fault.TRANSPOSED, words)
        is_product = isinstance(expression_of(self.operand), ast.BinOp) and "*" in self.operand
        if name == fault.OTHER_OPERAND and is_product and is_part(self.value, self.operand):
            return Cause(fault.WRONG_FACTOR, f"`{self.operand}` has a factor too many")
        if name == fault.OTHER_OPERAND:
            values = state.at(self.node)
            kinds = {one.kind for one in known.explaining(values)}
            if ADJOINT in kinds and VALUE not in kinds:
                name = fault.OTHER_ADJOINT
            elif any(same(values, one) for one in parameters):
                is_its_own = is_part(self.value, self.operand)  # `np.sign(w)` for `w`
                name = name if is_its_own else fault.OTHER_WEIGHTS
        return Cause(name, words)


def is_part(text: str, of: str) -> bool:
    """True if a text is a part of another, whatever spaces there are."""
    text, of = text.replace(" ", ""), of.replace(" ", "")
    return text in of and text != of
