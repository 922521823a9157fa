"""The right values of operands while all others stay."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from gradcheck.mending.context import Context
from gradcheck.mending.matching import CLOSE
from gradcheck.mending.moments import Moment, values_at
from gradcheck.user.blocks import Array

Solve = Callable[[Array, Array], Array]

SOLVED: dict[type[ast.operator], tuple[Solve, ...]] = {
    ast.Add: (np.subtract, np.subtract),
    ast.Sub: (np.add, lambda whole, left: left - whole),
    ast.Mult: (np.divide, np.divide),
    ast.Div: (np.multiply, lambda whole, left: left / whole),
}
"""The right value of the left and the right operand, from the whole and the other operand."""

INVERSES: dict[str, Callable[[Array], Array]] = {"exp": np.log, "log": np.exp, "sqrt": np.square}
"""The right value of an argument, from that of the call."""


def parts_of(
    context: Context, node: ast.expr, moments: Sequence[Moment], expected: Sequence[Array]
) -> Iterator[tuple[ast.expr, Sequence[Array]]]:
    """Yield an expression and its operands, with the right value of each if the rest stays."""
    yield node, expected
    match node:
        case ast.UnaryOp(ast.USub(), operand):
            yield from parts_of(context, operand, moments, [-one for one in expected])
        case ast.Call(ast.Attribute(attr=name) | ast.Name(name), [argument]) if name in INVERSES:
            with np.errstate(all="ignore"):
                yield from parts_of(context, argument, moments, [*map(INVERSES[name], expected)])
        case ast.Call(ast.Attribute(attr="where") | ast.Name("where"), [mask, *branches]):
            masks = values_at(moments, context.source(mask))
            pairs = list(zip(masks or (), expected, strict=False))
            if masks and all(one.shape == value.shape for one, value in pairs):
                for branch, is_chosen in zip(branches, (True, False), strict=False):
                    chosen = [np.where(one == is_chosen, value, np.nan) for one, value in pairs]
                    yield from parts_of(context, branch, moments, chosen)
        case ast.BinOp(left, op, right) if type(op) in SOLVED:
            sides = ((left, right), (right, left))
            for (part, other), solve in zip(sides, SOLVED[type(op)], strict=True):
                own, beside = (values_at(moments, context.source(one)) for one in (part, other))
                every = zip(own or (), beside or (), expected, strict=False)
                solved = [_solved(solve, *values) for values in every]
                wanted = [one for one in solved if one is not None]
                if len(wanted) == len(moments):
                    yield from parts_of(context, part, moments, wanted)


def _solved(solve: Solve, own: Array, beside: Array, whole: Array) -> Array | None:
    """Return the right value of an operand beside the other; None if no array is.

    Where the other is 0, any value will do, or none.
    """
    if np.broadcast(own, beside).shape != whole.shape:
        return None
    with np.errstate(all="ignore"):
        value = np.asarray(solve(whole, beside))
        return None if np.any(np.isinf(value)) else _shrunk(value, own.shape)


def _shrunk(value: Array, shape: tuple[int, ...]) -> Array | None:
    """Return the array of a shape that broadcasts to this one, or itself; nan is unknown."""
    if value.shape == shape:
        return value
    finite = np.where(np.isfinite(value), value, np.nan)
    more = value.ndim - len(shape)
    axes = [axis for axis in range(value.ndim) if axis < more or shape[axis - more] == 1]
    if more < 0 or not np.isfinite(finite).any():
        return None
    mean = np.nanmean(finite, axis=tuple(axes), keepdims=True)
    close = np.abs(finite - mean) <= CLOSE * np.nanmax(np.abs(finite))
    same = mean.size == np.prod(shape) and np.all(close | np.isnan(finite))
    return mean.reshape(shape) if same else value if shape else None
