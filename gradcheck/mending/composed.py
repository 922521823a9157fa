"""Expressions that have a value that is wanted, made of others whose values are known.

With the entries of every value as a row, `r a`, `r a b`, `r a / b`, `k (a + s b)`, and where these
are none `r a b c` and `r (a + s b) c` are compared with what is wanted as directions; the factors
r and k have to be known as well.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from gradcheck.user.blocks import Array

EXACT = 1e-7
FEW_ENTRIES = 3
"""With fewer entries, everything is everything else but for a factor."""

MOST, MOST_OF_THREE, MOST_OUTER = 120, 32, 16
"""How many values are combined in twos, and in threes, the shortest; how many factors of sums."""


@dataclass(frozen=True)
class Rows:
    """The entries of some values, and what gives the text of each."""

    values: Array
    text: Callable[[int], str]

    def first(self, most: int) -> Rows:
        """So many of them."""
        return Rows(self.values[:most], self.text)

    def times(self, other: Rows) -> Rows:
        """All products with others."""
        return self._paired(other, self.values[:, None] * other.values[None], "*")

    def by(self, other: Rows) -> Rows:
        """All quotients."""
        return self._paired(other, self.values[:, None] / other.values[None], "/")

    def plus(self) -> Rows:
        """All sums and differences of two."""
        signed = np.stack([self.values, -self.values])
        values = self.values[None, :, None] + signed[:, None]
        count = len(self.values)

        def text(index: int) -> str:
            sign, rest = divmod(index, count * count)
            one, other = divmod(rest, count)
            right = _operand(self.text(other), True) if sign else self.text(other)
            return f"{self.text(one)} {'+-'[sign]} {right}"

        return Rows(values.reshape(-1, self.values.shape[1]), text)

    def _paired(self, other: Rows, values: Array, symbol: str) -> Rows:
        count = len(other.values)

        def text(index: int) -> str:
            one, two = divmod(index, count)
            return f"{_operand(self.text(one))} {symbol} {_operand(other.text(two), True)}"

        return Rows(values.reshape(-1, self.values.shape[1]), text)


@dataclass(frozen=True)
class Composer:
    """What expressions are made of.

    Attributes:
        values: the entries that are looked at, by the text of the expression.
        factors: numbers, with what they make of a text `{}`.
    """

    values: Mapping[str, Array]
    factors: Mapping[float, str]

    def having(self, wanted: Array) -> list[str]:
        """Expressions that have these entries."""
        texts = sorted(self.values, key=len)[:MOST]
        if not texts or not np.any(wanted) or not np.all(np.isfinite(wanted)):
            return []
        rows = Rows(np.array([self.values[text] for text in texts]), texts.__getitem__)
        few = rows.first(MOST_OF_THREE)
        with np.errstate(all="ignore"):
            found = [
                *self._multiples(wanted, rows),
                *self._sums(wanted, rows),
                *self._multiples(wanted, rows.times(rows)),
                *self._multiples(wanted, rows.by(rows)),
            ]
            if not found:
                found = [
                    *self._multiples(wanted, few.times(few).times(few)),
                    *self._multiples(wanted, few.plus().times(few)),
                ]
        return list(dict.fromkeys(found))

    def _multiples(self, wanted: Array, rows: Rows) -> Iterator[str]:
        """Rows that are what is wanted but for a factor; without it too, which may stand elsewhere.

        Where another fault adds to what is wanted, it is its factor.
        """
        for index, factor in _aligned(rows.values, wanted[None, :])[0]:
            form, text = self._form(factor, len(wanted)), rows.text(index)
            if form is not None and form != "{}":
                yield form.format(_operand(text, True))
            if form is not None or len(wanted) >= FEW_ENTRIES:
                yield text

    def _sums(self, wanted: Array, rows: Rows) -> Iterator[str]:
        """`k (a + s b)`: what is left of what is wanted over k when a is taken off is `s b`.

        What is a multiple of what is wanted itself is no term.
        """
        multiples = {index for index, _ in _aligned(rows.values, wanted[None, :])[0]}
        for outer, form in list(self.factors.items())[:MOST_OUTER]:
            if outer < 0:
                continue
            rest = wanted[None, :] / outer - rows.values
            for one, found in enumerate(_aligned(rows.values, rest)):
                for other, factor in found:
                    known = self._form(abs(factor), len(wanted))
                    if known is None or one == other or one in multiples:
                        continue
                    term = known.format(_operand(rows.text(other), factor < 0 or known != "{}"))
                    inner = f"{rows.text(one)} {'-' if factor < 0 else '+'} {term}"
                    yield inner if form == "{}" else form.format(f"({inner})")

    def _form(self, factor: float, count: int) -> str | None:
        """What a number makes of a text; None where it is not known."""
        for number, form in self.factors.items():
            known = number == 1 or count >= FEW_ENTRIES
            if known and abs(factor - number) <= EXACT * abs(number):
                return form
        return None


def _aligned(rows: Array, wanted: Array) -> list[list[tuple[int, float]]]:
    """For every row of what is wanted the rows that it is a multiple of, with the factors."""
    dots = wanted @ rows.T
    squares, others = np.sum(rows**2, axis=1), np.sum(wanted**2, axis=1)
    found: list[list[tuple[int, float]]] = [[] for _ in wanted]
    near = dots**2 >= (1 - 1e-9) * squares[None, :] * others[:, None]
    for one, other in zip(*np.nonzero(near), strict=True):
        factor, scale = dots[one, other] / squares[other], np.max(np.abs(wanted[one]))
        if scale > 0 and np.max(np.abs(wanted[one] - factor * rows[other])) <= EXACT * scale:
            found[one].append((int(other), float(factor)))
    return found


def _operand(text: str, is_right: bool = False) -> str:
    """A text as a factor, in brackets where it needs them."""
    try:
        node = ast.parse(text, mode="eval").body
    except SyntaxError:
        return f"({text})"
    loose = ast.IfExp | ast.Compare | ast.BoolOp | ast.Lambda | ast.UnaryOp
    if isinstance(node, ast.BinOp) and not isinstance(node.op, ast.Pow):
        return f"({text})" if is_right or isinstance(node.op, ast.Add | ast.Sub) else text
    return f"({text})" if isinstance(node, loose) else text
