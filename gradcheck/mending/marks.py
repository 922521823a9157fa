"""The marks with which a script's loss is seen inside of a function: an edit keeps them."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dis import Instruction, get_instructions
from types import CodeType

HOOKS, CALLED, SEE = "__gradcheck_", "__gradcheck__", "see"
"""How the names begin that `script` puts into a code, and what its marks call."""

ENDS = re.compile("POP_TOP|RETURN_VALUE|STORE")

Mark = tuple[int, str]
"""Its number, and the name that it sees after this is assigned; none where a return is seen."""


def marks_in(code: CodeType) -> tuple[Mark, ...]:
    """The marks in a code, as `script` puts them there; those of what is printed are left out."""
    every = list(get_instructions(code))
    starts = [index for index, one in enumerate(every) if one.argval == CALLED]
    marks = [_mark(every[index + 2 :]) for index in starts if every[index + 1].argval == SEE]
    return tuple(one for one in marks if one is not None)


def _mark(rest: Sequence[Instruction]) -> Mark | None:
    """What a mark is, from its number on: a name and nothing after it, or a part of a return."""
    number, seen, *after = rest
    called = next(index for index, one in enumerate(after) if one.opname == "CALL")
    end = next((one.opname for one in after[called:] if ENDS.match(one.opname)), "")
    if end == "RETURN_VALUE":
        return number.argval, ""
    is_name = seen.opname.startswith("LOAD_FAST") or seen.opname == "LOAD_DEREF"
    alone = called <= 1 and after[called + 1].opname == "POP_TOP"
    return (number.argval, seen.argval) if is_name and alone else None


def marked(text: str, marks: Sequence[Mark]) -> ast.Module:
    """The tree of a text with marks in it."""
    tree = ast.parse(text)
    for node in list(ast.walk(tree)):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list):
                block[:] = [one for before in block for one in (before, *_after(before, marks))]
        for number, seen in marks:
            if isinstance(node, ast.Return) and node.value is not None and not seen:
                items = node.value.elts if isinstance(node.value, ast.Tuple) else None
                if items:
                    items[0] = _see(number, items[0], node)
                else:
                    node.value = _see(number, node.value, node)
    return tree


def _after(statement: ast.stmt, marks: Sequence[Mark]) -> list[ast.stmt]:
    """The marks of what a statement assigns."""
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    if isinstance(statement, ast.AugAssign):
        targets = [statement.target]
    names = {one.id for target in targets for one in ast.walk(target) if isinstance(one, ast.Name)}
    return [
        ast.copy_location(ast.Expr(_see(number, ast.Name(name, ast.Load()), statement)), statement)
        for number, name in marks
        if name in names
    ]


def _see(number: int, seen: ast.expr, like: ast.AST) -> ast.expr:
    function = ast.Attribute(ast.Name(CALLED, ast.Load()), SEE, ast.Load())
    call = ast.Call(function, [ast.Constant(number), seen], [])
    for node in (call, function, function.value, *call.args):
        ast.copy_location(node, like)
    return call
