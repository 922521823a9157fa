"""Numbers that functions say in their own text: with other data, these stay as they are."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from types import FunctionType

from gradcheck.mending.source import Function


def sizes_written(
    functions: Sequence[Function], loss: object, texts: Mapping[str, bytes]
) -> frozenset[int]:
    """Return numbers in the place of sizes: those of `np.zeros((3, 2))`, `x[:4]`, `sum(x) / 10`.

    A right gradient is wrong with other sizes then, and so is one of a loss that has such numbers.
    """
    found: set[int] = set()
    trees = {path: ast.parse(text) for path, text in texts.items()}
    pieces: list[ast.AST] = [one.definition(trees[one.path]) for one in functions]
    if isinstance(loss, FunctionType) and loss.__code__.co_filename in trees:
        every, line = ast.walk(trees[loss.__code__.co_filename]), loss.__code__.co_firstlineno
        pieces += [node for node in every if getattr(node, "lineno", 0) == line]
    for piece in pieces:
        for node in ast.walk(piece):
            least, parts = 3, list[ast.expr | None]()
            match node:
                case ast.Call(args=[ast.Tuple(items), *_]):
                    least, parts = 2, [*items]
                case ast.Call(ast.Name("range"), items):
                    parts = [*items]
                case ast.Slice(first, last):
                    parts = [first, last]
                case ast.BinOp(_, ast.Div(), divisor) | ast.AugAssign(_, ast.Div(), divisor):
                    parts = [divisor]
            numbers = [one.value for one in parts if isinstance(one, ast.Constant)]
            found |= {one for one in numbers if type(one) is int and one >= least}
    return frozenset(found)


def numbers_written(functions: Sequence[Function]) -> frozenset[float]:
    """Return the numbers with a fraction that the gradient's own functions have in their text.

    Where the loss takes 0.2 from elsewhere, a gradient that says 0.2 is right with that alone.
    """
    codes = {function.code for function in functions if not function.of_loss}
    return frozenset(one for code in codes for one in code.co_consts if isinstance(one, float))


def weights_in(tree: ast.AST) -> Iterator[float]:
    """Yield the numbers of a file that belong to no formula, such as weights of penalties."""
    for one in ast.walk(tree):
        value = one.value if isinstance(one, ast.Constant) else None
        if isinstance(value, float) and not (2 * value).is_integer():
            yield value
