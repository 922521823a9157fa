"""The cause of a wrong value in right code: another number is given to it than in the loss."""

from __future__ import annotations

import ast

import numpy as np

from gradcheck.trace import fault
from gradcheck.trace.causes.compared import Compared
from gradcheck.trace.fault import Cause
from gradcheck.trace.wording.operand_text import operand_text


def same_code_cause(compared: Compared) -> Cause | None:
    """Return the cause if the loss runs the same instruction with another number."""
    node, made = compared.state.tape[compared.node], compared.computed_by_the_loss
    if made is None or not node.chain or node.chain[:1] != made.chain[:1]:
        return None
    for position, pair in enumerate(zip(node.arguments, made.arguments, strict=False)):
        here, there = pair
        if all(isinstance(one, int | float | np.number) for one in pair) and here != there:
            text = operand_text(node.source, position)
            name = "a number" if text is None else f"`{ast.unparse(text)}`"
            words = f"with {name} = {there:.6g} in the loss, with {here:.6g} here"
            return Cause(fault.OTHER_FORMULA, words, f"give it {there:.6g}, as the loss does")
    return None
