"""The marks that show a script's loss and rate in a function; an edit keeps them."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dis import Instruction, get_instructions
from types import CodeType
from typing import Any

HOOKS, CALLED = "__gradcheck_", "__gradcheck__"
SEE, USED, DIFFERENCE = "see", "used", "difference"
"""The beginning of the names that `script` puts into a code, and the calls of its marks."""

ENDS = re.compile("POP_TOP|RETURN_VALUE|STORE")

Mark = tuple[int, str, str]
"""The number of a mark, its call, and the name whose value it shows after an assignment.

The name is empty for a return; for a rate or a difference, it is the text of the expression.
"""


def marks_in(code: CodeType, lines: Sequence[str]) -> tuple[Mark, ...]:
    """Return the marks in a code, as `script` puts them there, without those of printed values.

    Args:
        code: the code.
        lines: the lines of its file.
    """
    every = list(get_instructions(code))
    starts = [index for index, one in enumerate(every) if one.argval == CALLED]
    made = {SEE: _seen, USED: _used}
    marks = [
        made[every[index + 1].argval](every[index + 2 :])
        for index in starts
        if every[index + 1].argval in made
    ]
    marks += [
        (every[index + 2].argval, DIFFERENCE, _text_at(every[index], lines))
        for index in starts
        if every[index + 1].argval == DIFFERENCE
    ]
    return tuple(one for one in marks if one is not None)


def _text_at(instruction: Instruction, lines: Sequence[str]) -> str:
    """Return the expression of an instruction, as `ast` writes it; "" if it is unknown."""
    at = instruction.positions
    if at is None or at.lineno is None or at.lineno != at.end_lineno:
        return ""
    line = lines[at.lineno - 1].encode("utf-8") if at.lineno <= len(lines) else b""
    try:
        return ast.unparse(ast.parse(line[at.col_offset : at.end_col_offset].decode("utf-8")))
    except (SyntaxError, ValueError):
        return ""


def _used(rest: Sequence[Instruction]) -> Mark | None:
    """Return the mark of a rate, a name or an attribute; or None."""
    number, first, *after = rest
    end = next(index for index, one in enumerate(after) if one.opname in ("PRECALL", "CALL"))
    parts = [first, *after[:end]]
    if not all(one.opname.startswith("LOAD_") for one in parts):
        return None
    return number.argval, USED, ".".join(str(one.argval) for one in parts)


def _seen(rest: Sequence[Instruction]) -> Mark | None:
    """Return the mark of a loss, a name with nothing after it or a part of a return; or None."""
    number, seen, *after = rest
    called = next(index for index, one in enumerate(after) if one.opname == "CALL")
    end = next((one.opname for one in after[called:] if ENDS.match(one.opname)), "")
    if end == "RETURN_VALUE":
        return number.argval, SEE, ""
    is_name = seen.opname.startswith("LOAD_FAST") or seen.opname == "LOAD_DEREF"
    alone = called <= 1 and after[called + 1].opname == "POP_TOP"
    return (number.argval, SEE, seen.argval) if is_name and alone else None


def marked(text: str, marks: Sequence[Mark]) -> ast.Module:
    """Return the tree of a text with marks in it."""
    tree = ast.parse(text)
    _Expressions(marks).visit(tree)
    ast.fix_missing_locations(tree)
    for node in list(ast.walk(tree)):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list):
                block[:] = [one for before in block for one in (before, *_after(before, marks))]
        for number, called, seen in marks:
            if (
                called == SEE
                and isinstance(node, ast.Return)
                and node.value is not None
                and not seen
            ):
                items = node.value.elts if isinstance(node.value, ast.Tuple) else None
                if items:
                    items[0] = _see(number, items[0], node)
                else:
                    node.value = _see(number, node.value, node)
    return tree


def _after(statement: ast.stmt, marks: Sequence[Mark]) -> list[ast.stmt]:
    """Return the marks of the names that a statement assigns."""
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    if isinstance(statement, ast.AugAssign):
        targets = [statement.target]
    names = {one.id for target in targets for one in ast.walk(target) if isinstance(one, ast.Name)}
    return [
        ast.copy_location(ast.Expr(_see(number, ast.Name(name, ast.Load()), statement)), statement)
        for number, called, name in marks
        if called == SEE and name in names
    ]


class _Expressions(ast.NodeTransformer):
    """Mark rates wherever they are read, and differences."""

    def __init__(self, marks: Sequence[Mark]) -> None:
        self._marks = {(called, text): number for number, called, text in marks}

    def visit_Name(self, node: Any) -> Any:
        """Mark a name."""
        number = self._marks.get((USED, ast.unparse(node)))
        is_read = number is not None and isinstance(node.ctx, ast.Load)
        return _see(int(number or 0), node, node, USED) if is_read else self.generic_visit(node)

    visit_Attribute = visit_Name  # noqa: N815

    def visit_BinOp(self, node: ast.BinOp) -> Any:
        """Mark a difference."""
        number = self._marks.get((DIFFERENCE, ast.unparse(node)))
        self.generic_visit(node)
        if number is None:
            return node
        names = [f"{HOOKS}left__", f"{HOOKS}right__"]
        node.left, node.right = (
            ast.copy_location(ast.NamedExpr(ast.Name(name, ast.Store()), side), side)
            for name, side in zip(names, (node.left, node.right), strict=True)
        )
        call = _see(number, node, node, DIFFERENCE)
        call.args += [ast.copy_location(ast.Name(name, ast.Load()), node) for name in names]
        return call


def _see(number: int, seen: ast.expr, like: ast.AST, calls: str = SEE) -> ast.Call:
    function = ast.Attribute(ast.Name(CALLED, ast.Load()), calls, ast.Load())
    call = ast.Call(function, [ast.Constant(number), seen], [])
    for node in (call, function, function.value, *call.args):
        ast.copy_location(node, like)
    return call
