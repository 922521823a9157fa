"""What can be edited as one: a function, the body of a loop, or the lines of a script without one.

Where such a piece stands among those of a file does not change with an edit of another line.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from types import CodeType

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Piece = Definition | ast.For | ast.While | ast.Module
"""A function, the loop of a script whose body is run as one, or lines of a script."""

STEP, LINES, ONCE = "training_step", "lines_of_the_script", "__gradcheck_once__"
"""The name of the function made of a script's loop body, and of one made of the lines of a script
without a loop; and the variable of its only pass."""

LAMBDA = "<lambda>"


def definitions(
    tree: ast.AST, names: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Definition]]:
    """Yield all functions of a tree with the names that lead to them."""
    for node in ast.iter_child_nodes(tree):
        inner = names
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = (*names, node.name)
        elif isinstance(node, ast.Lambda):
            inner = (*names, LAMBDA)
        if isinstance(node, Definition):
            yield inner, node
        yield from definitions(node, inner)


def loops_of(tree: ast.AST) -> list[ast.For | ast.While]:
    """Return the loops of a tree, in an order that no edit inside one of them changes."""
    return [node for node in ast.walk(tree) if isinstance(node, ast.For | ast.While)]


def lines_of(tree: ast.Module) -> Iterator[ast.stmt]:
    """Yield what stands at the top of a script, or below its `if __name__ == "__main__":`."""
    for node in tree.body:
        if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test):
            yield from node.body
        else:
            yield node


def blocks_of(tree: ast.Module) -> dict[tuple[str, ...], list[ast.stmt]]:
    """Return the statements of a script, and those of each function at its top, by its name."""
    functions = (one for one in lines_of(tree) if isinstance(one, ast.FunctionDef))
    return {(): list(lines_of(tree)), **{(one.name,): one.body for one in functions}}


def block_run(tree: ast.Module, code: CodeType) -> tuple[tuple[str, ...], int, frozenset[str]]:
    """Return the block whose lines a code runs, the place of the first, and which it leaves out.

    Raises:
        LookupError: there is no such block.
    """
    run = set(_lines(code))
    for names, block in blocks_of(tree).items():
        for first, node in enumerate(block):
            if node.lineno == code.co_firstlineno:
                left = [one for one in block[first:] if run.isdisjoint(range_of(one))]
                return names, first, frozenset(map(ast.unparse, left))
    raise LookupError


def range_of(node: Piece | ast.stmt) -> range:
    """Return the numbers of the lines of a piece."""
    ends = (node.body[0], node.body[-1]) if isinstance(node, ast.Module) else (node, node)
    return range(ends[0].lineno, (ends[1].end_lineno or ends[1].lineno) + 1)


def lines_run(block: Sequence[ast.stmt], left_out: frozenset[str]) -> ast.Module:
    """Return the statements of a block that are not left out."""
    return ast.Module([one for one in block if ast.unparse(one) not in left_out], [])


def lines_as_function(
    left_out: frozenset[str], head: Sequence[str], body: bytes, line: int
) -> ast.Module:
    """Return the tree of a function of a script's lines, of which `line` is the first in its file.

    Raises:
        SyntaxError: they are no Python.
    """
    above = "\n" * (line - 2) + ("if 1:\n" if body[:1] in (b" ", b"\t") else "\n" * (line > 1))
    tree = ast.parse(above + body.decode("utf-8"))
    first = tree.body[0]
    block = first.body if above.strip() and isinstance(first, ast.If) else tree.body
    function = ast.parse("\n".join([*head, "  pass"]))
    loops_of(function)[0].body = lines_run(block, left_out).body
    return function


def apply(text: bytes, edits: Sequence[tuple[int, int, bytes]]) -> bytes:
    """Return a text with parts replaced: (start, end, replacement), which do not overlap."""
    for start, end, replacement in sorted(edits, reverse=True):
        text = text[:start] + replacement + text[end:]
    return text


def offsets(text: bytes) -> list[int]:
    """Return where every line begins, in bytes."""
    starts = [0]
    for line in text.split(b"\n"):
        starts.append(starts[-1] + len(line) + 1)
    return starts


def span(starts: Sequence[int], node: ast.expr | ast.stmt) -> tuple[int, int]:
    """Return the start and end of a node, in bytes, in a file whose lines begin at `starts`."""
    end = starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
    return starts[node.lineno - 1] + node.col_offset, end


def span_of_piece(starts: Sequence[int], node: Piece) -> tuple[int, int]:
    """Return the start and end of a lambda, or of a definition's lines without decorators."""
    if isinstance(node, ast.Lambda):
        return span(starts, node)
    first = node.body[0].lineno
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        first = node.lineno
    last = node.body[-1]
    return starts[first - 1], starts[last.end_lineno or last.lineno]


def _lines(code: CodeType) -> Iterator[int]:
    """Yield the lines of a code, and of those inside it."""
    yield from (line for _, _, line in code.co_lines() if line is not None)
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _lines(inner)
