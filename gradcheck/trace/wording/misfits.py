"""Operands that do not fit together, in the user's own words, and products of them that would."""

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

    The words are what it is, `dL/dZ2`; empty where that is not known.
    """

    code: str
    words: str
    value: Array


@dataclass(frozen=True)
class Misfit:
    """An operation that raised for its operands, or whose result let a later one raise.

    Attributes:
        code: as the user writes it.
        shape: of the result; None where it raised.
        fitting: another product of the same operands that is right.
        fitting_words: what that is, `dL/dW1`.
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
    """Products of two operands, as code and value."""
    (bare, a), (bare_other, b) = _bare(left_code, left), _bare(right_code, right)
    one, other = _bracketed(bare), _bracketed(bare_other)
    one_turned, other_turned = (
        code if value.ndim < 2 else f"{code}.T" for code, value in ((one, a), (other, b))
    )
    tried: list[tuple[str, Callable[[], Any]]] = [
        (f"np.outer({bare_other}, {bare})", lambda: np.outer(b, a)),
        (f"np.outer({bare}, {bare_other})", lambda: np.outer(a, b)),
        (f"{one_turned} @ {other}", lambda: a.T @ b),
        (f"{other_turned} @ {one}", lambda: b.T @ a),
        (f"{one} @ {other_turned}", lambda: a @ b.T),
        (f"{other} @ {one_turned}", lambda: b @ a.T),
        (f"{one} @ {other}", lambda: a @ b),
        (f"{other} @ {one}", lambda: b @ a),
        (f"{one} * {other}", lambda: a * b),
        (f"{one} * {other_turned}", lambda: a * b.T),
    ]
    for code, product in tried:
        try:
            yield code, np.asarray(product(), dtype=np.float64)
        except (ValueError, TypeError):
            continue


def with_a_line_less(code: str, value: Array) -> Iterator[tuple[str, Array]]:
    """An operand without its first or last row or column, which may belong to a bias."""
    if value.ndim == 2:
        for index, kept in (("1:", slice(1, None)), (":-1", slice(None, -1))):
            yield f"{_bracketed(code)}[{index}]", value[kept]
            yield f"{_bracketed(code)}[:, {index}]", value[:, kept]


def _bracketed(code: str) -> str:
    """An expression that an operator or an index can stand after."""
    atoms = ast.Name | ast.Attribute | ast.Subscript | ast.Call | ast.Constant | None
    return code if isinstance(expression_of(code), atoms) else f"({code})"


def turned(code: str) -> str:
    """The expression of an operand's transpose."""
    whole = _bracketed(code)
    return whole.removesuffix(".T") if whole.endswith(".T") else f"{whole}.T"


def _bare(code: str, value: Array) -> tuple[str, Array]:
    """An operand without the transpose, or the new axis, that it was given for the product."""
    if not isinstance(expression_of(code), ast.Attribute | ast.Subscript):
        return code, value  # the last operand's: `a / b[:, None]`
    if code.endswith(".T"):
        return code.removesuffix(".T"), value.T
    for added, axis in (("[:, None]", 1), ("[None, :]", 0), ("[None]", 0)):
        if code.endswith(added) and value.ndim == 2:
            return code.removesuffix(added), value.squeeze(axis)
    return code, value
