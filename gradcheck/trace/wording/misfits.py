"""Operands that do not fit together, as the user writes them, and products of them that fit."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.record.sources import expression_of

Array = NDArray[Any]


@dataclass(frozen=True)
class Operand:
    """An operand as the user writes it, and its value at the first point.

    `words` name the quantity of the loss that it is, `dL/dZ2`; empty if that is not known.
    """

    code: str
    words: str
    value: Array


@dataclass(frozen=True)
class Misfit:
    """An operation that raised because of its operands, or whose result let a later one raise.

    Attributes:
        operation: the standard name of the operation.
        code: the operation as the user writes it.
        operands: its operands.
        shape: the shape of its result; None if it raised.
        fitting: another product of the same operands that is right; empty if there is none.
        fitting_words: the quantity that this product is, `dL/dW1`.
    """

    operation: str
    code: str
    operands: tuple[Operand, ...]
    shape: tuple[int, ...] | None
    fitting: str = ""
    fitting_words: str = ""


def products_of(
    left_code: str, right_code: str, left: Array, right: Array
) -> Iterator[tuple[str, Array]]:
    """Yield the products of two operands and of their transposes, as code and value."""
    (a_code, a), (b_code, b) = _bare(left_code, left), _bare(right_code, right)
    a_text, b_text = bracketed(a_code), bracketed(b_code)
    a_turned, b_turned = (
        code if value.ndim < 2 else f"{code}.T" for code, value in ((a_text, a), (b_text, b))
    )
    products: list[tuple[str, Callable[[], Any]]] = [
        (f"np.outer({b_code}, {a_code})", lambda: np.outer(b, a)),
        (f"np.outer({a_code}, {b_code})", lambda: np.outer(a, b)),
        (f"{a_turned} @ {b_text}", lambda: a.T @ b),
        (f"{b_turned} @ {a_text}", lambda: b.T @ a),
        (f"{a_text} @ {b_turned}", lambda: a @ b.T),
        (f"{b_text} @ {a_turned}", lambda: b @ a.T),
        (f"{a_text} @ {b_text}", lambda: a @ b),
        (f"{b_text} @ {a_text}", lambda: b @ a),
        (f"{a_text} * {b_text}", lambda: a * b),
        (f"{a_text} * {b_turned}", lambda: a * b.T),
    ]
    are_matrices = a.ndim == b.ndim == 2
    for code, product in [*products[2:], *products[:2]] if are_matrices else products:
        try:
            yield code, np.asarray(product(), dtype=np.float64)
        except (ValueError, TypeError):
            continue


def with_a_line_less(code: str, value: Array) -> Iterator[tuple[str, Array]]:
    """Yield a matrix without its first or last row or column, which may belong to a bias."""
    if value.ndim == 2:
        for index, part in (("1:", slice(1, None)), (":-1", slice(None, -1))):
            yield f"{bracketed(code)}[{index}]", value[part]
            yield f"{bracketed(code)}[:, {index}]", value[:, part]


def bracketed(code: str) -> str:
    """Put an expression in parentheses if an operator or index after it needs them."""
    atoms = ast.Name | ast.Attribute | ast.Subscript | ast.Call | ast.Constant | None
    return code if isinstance(expression_of(code), atoms) else f"({code})"


def turned(code: str) -> str:
    """Return the expression of the transpose."""
    text = bracketed(code)
    return text.removesuffix(".T") if text.endswith(".T") else f"{text}.T"


def _bare(code: str, value: Array) -> tuple[str, Array]:
    """Return an operand without the transpose or new axis that the user gave it for a product."""
    if not isinstance(expression_of(code), ast.Attribute | ast.Subscript):
        return code, value  # in `a / b[:, None]` the index belongs to `b` alone
    if code.endswith(".T"):
        return code.removesuffix(".T"), value.T
    for added, axis in (("[:, None]", 1), ("[None, :]", 0), ("[None]", 0)):
        if code.endswith(added) and value.ndim == 2:
            return code.removesuffix(added), value.squeeze(axis)
    return code, value
