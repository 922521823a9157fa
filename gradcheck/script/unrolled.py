"""Comprehensions that train, as `losses = [train(x, y) for x, y in data]`, written out as loops."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Set
from typing import Any

from gradcheck.mending.marks import placed
from gradcheck.script.words import calls_in, names_in

Comprehension = ast.ListComp | ast.GeneratorExp
SIMPLE = ast.Assign | ast.AugAssign | ast.Expr | ast.Return
APART = ast.Lambda | ast.IfExp | ast.BoolOp | ast.SetComp | ast.DictComp
"""What computes its parts later, not always, or in a scope of its own."""


def unroll(tree: ast.Module, updating: Set[str]) -> None:
    """Put a loop before each statement with a comprehension that calls an updating function.

    The loop appends to a list, which stands where the comprehension was; all keep their positions.
    """
    found = [one for one in ast.walk(tree) if isinstance(one, Comprehension)]
    within = {id(part) for one in found for part in ast.walk(one)}
    others = {part for part in ast.walk(tree) if id(part) not in within}
    taken = {one.id for one in others if isinstance(one, ast.Name)}
    taken |= {one.arg for one in others if isinstance(one, ast.arg)}
    for node in ast.walk(tree):
        for _, block in ast.iter_fields(node):
            if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                block[:] = [one for own in block for one in _written_out(own, updating, taken)]


def _written_out(statement: ast.stmt, updating: Set[str], taken: Set[str]) -> list[ast.stmt]:
    training = _training(statement, updating) if isinstance(statement, SIMPLE) else iter(())
    comprehension = next(training, None)
    if comprehension is None:
        return [statement]
    collected = ast.Name(_free("collected", taken), ast.Load())
    loop = _loop(comprehension, collected, taken)
    empty = ast.Assign([ast.Name(collected.id, ast.Store())], ast.List([], ast.Load()))
    _Instead({id(comprehension): collected}).visit(statement)
    return [placed(empty, comprehension), loop, statement]


def _training(node: ast.AST, updating: Set[str]) -> Iterator[Comprehension]:
    """Yield the comprehensions of a statement whose elements call an updating function."""
    for part in ast.iter_child_nodes(node):
        if not isinstance(part, Comprehension):
            yield from () if isinstance(part, APART) else _training(part, updating)
        elif calls_in(part.elt) & updating and not any(one.is_async for one in part.generators):
            yield part


def _loop(comprehension: Comprehension, collected: ast.Name, taken: Set[str]) -> ast.stmt:
    """Return the loop that appends what a comprehension yields; its variables take no names."""
    generators = comprehension.generators
    own = {name for one in generators for name in names_in(one.target)}
    outside = [*ast.walk(generators[0].iter)]
    for part in ast.walk(comprehension):
        if isinstance(part, ast.Name) and part.id in own and part not in outside:
            part.id = _free(part.id, taken)
    append = ast.Call(ast.Attribute(collected, "append", ast.Load()), [comprehension.elt], [])
    body: ast.stmt = placed(ast.Expr(append), comprehension.elt)
    for one in reversed(generators):
        for test in reversed(one.ifs):
            body = placed(ast.If(test, [body], []), test)
        body = placed(ast.For(one.target, one.iter, [body], []), one.target)
    return body


def _free(name: str, taken: Set[str]) -> str:
    """Return a name, with underscores if need be, that nothing else has."""
    while name in taken:
        name += "_"
    return name


class _Instead(ast.NodeTransformer):
    def __init__(self, others: Mapping[int, ast.expr]) -> None:
        self._others = others

    def visit(self, node: ast.AST) -> Any:
        """Return what stands in place of a node."""
        return self._others.get(id(node)) or self.generic_visit(node)
