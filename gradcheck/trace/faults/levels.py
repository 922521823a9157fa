"""How many calls above its use a wrong operand was chosen."""

from __future__ import annotations

import ast

from gradcheck.trace.adjoints.quantities import SLOPE, VALUE
from gradcheck.trace.locating.units import CALL, Mend
from gradcheck.trace.locating.view import View
from gradcheck.trace.record.nodes import OUTPUT, Node
from gradcheck.trace.record.places import Chain, arguments_of
from gradcheck.trace.record.sources import expression_of
from gradcheck.trace.wording.operand_text import argument_of, text_of_use
from gradcheck.trace.wording.words import Words

COMPREHENSIONS = ("<listcomp>", "<genexpr>", "<dictcomp>", "<setcomp>")


def levels_up(mend: Mend, view: View, made: Node, words: Words) -> int:
    """Return how many calls above its use a wrong operand was chosen; `made` has a place."""
    state, node = view.state, view.state.tape[mend.unit.first]
    operand = mend.unit.uses[0][1]
    source = state.tape[operand]
    is_call, is_computed, up = mend.unit.kind == CALL, bool(source.chain), 0
    text = text_of_use(made, node, operand)
    if (is_call and not _is_of_closure(text, made.chain)) or (
        _is_given(made, node, operand) and not _is_chosen_here(mend, view, made, operand, words)
    ):
        up = _levels_up(source.chain, made.chain) if is_computed else _levels_of_leaf(made, view)
        is_foreign = not is_call and mend.candidate is not None and mend.candidate.kind == VALUE
        if not up and is_foreign and (is_computed or operand in view.carrying):
            up = _levels_handed(text, made.chain)
        up = level_of_attribute(text, made.chain, up)
    if is_call and (up or not is_computed or node.name == OUTPUT):
        # what the call itself makes and uses, nobody gave it
        up = max(up, mend.unit.outer)
    return _level_of_right_use(mend, view, made.chain, min(up, len(made.chain) - 1))


def _is_of_closure(expression: ast.expr | None, chain: Chain) -> bool:
    """True if the innermost function has a variable from where it is defined: no call gave it."""
    while isinstance(expression, ast.Attribute | ast.Subscript):
        expression = expression.value
    return isinstance(expression, ast.Name) and expression.id in chain[0].code.co_freevars


def _is_given(made: Node, consumer: Node, operand: int) -> bool:
    """True if the function that uses an operand got it as an argument.

    Values that it reads from its own names, or from its object, it chose itself.
    """
    code = made.chain[0].code
    if code.co_name in COMPREHENSIONS:
        return True
    expression = text_of_use(made, consumer, operand)
    while isinstance(expression, ast.Attribute | ast.Subscript):
        if isinstance(expression, ast.Attribute) and expression.attr != "T":
            return False
        expression = expression.value
    if not isinstance(expression, ast.Name):
        return True
    return expression.id in arguments_of(code)


def level_of_attribute(expression: ast.expr | None, chain: Chain, up: int) -> int:
    """Return how many calls up, at most `up`, an argument is read from an object: chosen there."""
    for level in range(1, up):
        if not isinstance(expression, ast.Name):
            return up
        call = expression_of(chain[level].place.source)
        expression = argument_of(chain[level - 1].code, call, expression)
        if isinstance(expression, ast.Attribute) and expression.attr != "T":
            return level
    return up


def _is_chosen_here(mend: Mend, view: View, made: Node, operand: int, words: Words) -> bool:
    """True if the function that uses its argument should have used something else of it.

    It took another item of a dict, or forgot the slope of its argument; not if it is right in
    other calls. A value that the same line made in another pass is the same item of another dict.
    Or it is given the wanted value as well, or an argument that the loss computes it with.
    """
    if mend.candidate is None:
        return False
    wanted = words.nodes[mend.candidate.node]
    nows = [words.nodes[one.node] for one in view.explained.get(operand, ()) if one.kind == VALUE]
    if mend.candidate.kind == SLOPE:
        return bool(nows) and not _elsewhere(made, view)
    others = set(wanted.operands) - {one.index for one in nows}
    is_made_of = mend.candidate.kind == VALUE and len(others) < len(set(wanted.operands))
    names = {*map(words.name, others)}
    if is_made_of and names and names.issubset(arguments_of(made.chain[0].code)):
        return True
    expression = text_of_use(made, view.state.tape[mend.unit.first], operand)
    own = expression.id if isinstance(expression, ast.Name) else ""  # as the z of any helper
    given = {*arguments_of(made.chain[0].code)} - {own}
    if mend.candidate.kind == VALUE and words.name(wanted.index) in given:
        return True
    key = expression.slice if isinstance(expression, ast.Subscript) else None
    is_named = isinstance(key, ast.Constant) and isinstance(key.value, str)
    return is_named and bool(nows) and all(one.place != wanted.place for one in nows)


def _elsewhere(node: Node, view: View) -> list[int]:
    """Return the values that the operation of a node makes in other calls of its function."""
    return [
        other.index
        for other in view.state.tape
        if other.chain[:1] == node.chain[:1] and other.chain[1:] != node.chain[1:]
    ]


def _level_of_right_use(mend: Mend, view: View, chain: Chain, up: int) -> int:
    """Return how many calls up, at most `up`, a function also uses the operand rightly.

    That function got the right value and passed it on; its callers chose nothing. Where it is used
    wrongly, another use is right if it makes something known.
    """
    operand, state = mend.unit.uses[0][1], view.state
    others = set(state.consumers[operand]) - {consumer for consumer, _ in mend.unit.uses}
    used = {one: state.tape[one].chain for one in others if state.live >> one & 1}
    for level in range(up):
        here, outside = chain[level], chain[level + 1 :]
        if any(
            one and one[0].code is here.code and one[1:] == outside
            for index, one in used.items()
            if level or view.is_known(index)
        ):
            return level
    return up


def _levels_up(made: Chain, used: Chain) -> int:
    """Return how many calls above the use the innermost common function stands."""
    depth = 0
    for one, other in zip(reversed(made), reversed(used), strict=False):
        if one.code is not other.code:
            break
        depth += 1
        if one.instruction != other.instruction:
            break
    return max(0, len(used) - depth) if depth else 0


def _levels_handed(expression: ast.expr | None, chain: Chain) -> int:
    """Return how many calls pass on an argument, up to the one that chose it."""
    for level in range(1, len(chain)):
        call = expression_of(chain[level].place.source)
        expression = argument_of(chain[level - 1].code, call, expression)
        if expression is None:
            return level - 1
    return len(chain) - 1


def _levels_of_leaf(node: Node, view: View) -> int:
    """Return how many calls up the wrong use of a parameter or of data stands.

    It stands in the helper, unless the helper gives right results when it is called from elsewhere.
    """
    if len(node.chain) < 2 or not any(map(view.is_known, _elsewhere(node, view))):
        return 0
    up = 0
    while up < len(node.chain) - 1 and node.chain[up].code.co_name in COMPREHENSIONS:
        up += 1
    return up + 1
