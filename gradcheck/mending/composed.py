"""Expressions that have a wanted value, made of others whose values are known.

With the entries of every value as a row, `r a`, `r a b`, `r a / b`, `k (a + s b)`, or `r a b c` and
`r (a + s b) c` are compared with the wanted entries as directions; the factors r and k have to be
known as well.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from gradcheck.mending.written import operand
from gradcheck.user.blocks import Array

EXACT = 1e-7
FEW_ENTRIES = 3
"""With fewer entries, almost any two values agree but for a factor."""

MOST, MOST_OF_THREE, MOST_OUTER = 120, 32, 16
"""The numbers of values combined in twos and threes, the shortest first; of factors of sums."""


@dataclass(frozen=True)
class Rows:
    """The entries of some values, a row for each, and a function that gives the text of a row."""

    values: Array
    text: Callable[[int], str]

    @cached_property
    def squares(self) -> Array:
        """The squared lengths of the rows."""
        return np.asarray(np.sum(self.values**2, axis=1))

    def first(self, most: int) -> Rows:
        """Return the first rows, at most `most`."""
        return Rows(self.values[:most], self.text)

    def times(self, other: Rows) -> Rows:
        """Return all products with other rows."""
        return self._paired(other, self.values[:, None] * other.values[None], "*")

    def by(self, other: Rows) -> Rows:
        """Return all quotients by other rows."""
        return self._paired(other, self.values[:, None] / other.values[None], "/")

    def plus(self) -> Rows:
        """Return all sums and differences of two rows."""
        signed = np.stack([self.values, -self.values])
        values = self.values[None, :, None] + signed[:, None]
        count = len(self.values)

        def text(index: int) -> str:
            sign, rest = divmod(index, count * count)
            one, other = divmod(rest, count)
            right = operand(self.text(other), "-") if sign else self.text(other)
            return f"{self.text(one)} {'+-'[sign]} {right}"

        return Rows(values.reshape(-1, self.values.shape[1]), text)

    def _paired(self, other: Rows, values: Array, symbol: str) -> Rows:
        count = len(other.values)

        def text(index: int) -> str:
            one, two = divmod(index, count)
            return f"{operand(self.text(one))} {symbol} {operand(other.text(two), symbol)}"

        return Rows(values.reshape(-1, self.values.shape[1]), text)


@dataclass(frozen=True)
class Composer:
    """The parts from which expressions are composed.

    Attributes:
        values: the entries that are compared, by the text of the expression.
        factors: known numbers, each with the text of its product with `{}`.
        near: the texts in the wrong expression, which come before shorter ones.
        exact: the relative difference up to which numbers are the same.
    """

    values: Mapping[str, Array]
    factors: Mapping[float, str]
    near: frozenset[str] = frozenset()
    exact: float = EXACT

    @cached_property
    def _every(self) -> Rows:
        texts = sorted(self.values, key=lambda text: (text not in self.near, len(text)))
        return Rows(np.array([self.values[text] for text in texts]), texts.__getitem__)

    @cached_property
    def _of_two(self) -> tuple[Rows, ...]:
        rows = self._every.first(MOST)
        return rows, rows.times(rows), rows.by(rows)

    @cached_property
    def _of_three(self) -> tuple[Rows, ...]:
        few = self._every.first(MOST_OF_THREE)
        return few.times(few).times(few), few.plus().times(few)

    def having(self, wanted: Array, of_three: bool = False, own: str = "") -> list[str]:
        """Return expressions of one or two values, or of three, that have these entries.

        If there are none, return the present expression, `own`, plus such a product.
        """
        if not self.values or not np.any(wanted):
            return []
        with np.errstate(all="ignore"):
            if of_three:
                texts = [text for rows in self._of_three for text in self._multiples(wanted, rows)]
            else:
                rows, products, quotients = self._of_two
                texts = [
                    *self._multiples(wanted, self._every),
                    *self._sums(wanted, rows),
                    *self._multiples(wanted, products),
                    *self._multiples(wanted, quotients),
                ]
                texts = texts or [*self._with_term(wanted, own, (self._every, products, quotients))]
        return list(dict.fromkeys(texts))

    def _multiples(self, wanted: Array, rows: Rows) -> Iterator[str]:
        """Yield multiples of rows that are the wanted one; also without the factor.

        The factor may stand elsewhere in the code, or come from another fault.
        """
        for index, factor in _aligned(rows, wanted[None, :], self.exact)[0]:
            form, text = self._form(factor, len(wanted)), rows.text(index)
            if form is not None and form != "{}":
                yield form.format(operand(text))
            if form is not None or len(wanted) >= FEW_ENTRIES:
                yield text

    def _sums(self, wanted: Array, rows: Rows) -> Iterator[str]:
        """Yield `k (a + s b)`: if a is subtracted from the wanted row over k, `s b` is left.

        A multiple of the wanted row itself is no term.
        """
        multiples = {index for index, _ in _aligned(rows, wanted[None, :], self.exact)[0]}
        for outer, form in list(self.factors.items())[:MOST_OUTER]:
            if outer < 0:
                continue
            rest = wanted[None, :] / outer - rows.values
            for one, terms in enumerate(_aligned(rows, rest, self.exact)):
                for other, factor in terms:
                    known = self._form(abs(factor), len(wanted))
                    if known is None or one == other or one in multiples:
                        continue
                    term = rows.text(other)
                    if factor < 0 or known != "{}":
                        term = known.format(operand(term, "-"))
                    inner = f"{rows.text(one)} {'-' if factor < 0 else '+'} {term}"
                    yield inner if form == "{}" else form.format(f"({inner})")

    def _with_term(self, wanted: Array, own: str, of: Iterable[Rows]) -> Iterator[str]:
        """Yield `own + s a b`, for a present expression that lacks a term."""
        if own not in self.values or len(wanted) < FEW_ENTRIES:
            return
        rest = wanted - self.values[own]
        for rows in of:
            for index, factor in _aligned(rows, rest[None, :], self.exact)[0]:
                form = self._form(abs(factor), len(wanted))
                if form is not None:
                    sign, term = "-" if factor < 0 else "+", form.format(operand(rows.text(index)))
                    yield f"{own} {sign} {operand(term, sign)}"

    def _form(self, factor: float, count: int) -> str | None:
        """Return the text of the product with a factor; None if the factor is not known."""
        for number, form in self.factors.items():
            known = number == 1 or count >= FEW_ENTRIES
            if known and abs(factor - number) <= self.exact * abs(number):
                return form
        return None


def _aligned(rows: Rows, wanted: Array, exact: float) -> list[list[tuple[int, float]]]:
    """Return for every wanted row the rows that it is a multiple of, with the factors."""
    dots = wanted @ rows.values.T
    multiples: list[list[tuple[int, float]]] = [[] for _ in wanted]
    bounds = (1 - 1e-9) * rows.squares[None, :] * np.sum(wanted**2, axis=1)[:, None]
    ones, others = np.nonzero((dots**2 >= bounds) & (bounds > 0))
    factors = dots[ones, others] / rows.squares[others]
    left = np.abs(wanted[ones] - factors[:, None] * rows.values[others]).max(axis=1, initial=0.0)
    near = left <= exact * np.abs(wanted[ones]).max(axis=1, initial=0.0)
    if wanted.shape[1] < FEW_ENTRIES:
        near &= np.abs(np.abs(factors) - 1) <= exact
    for one, other, factor in zip(ones[near], others[near], factors[near], strict=True):
        multiples[one].append((int(other), float(factor)))
    return multiples


@cache
def is_roundabout(text: str) -> bool:
    """True if an expression undoes what it does, as `a**2 / a` or `1 - (1 - a)` do."""
    for node in ast.walk(ast.parse(text, mode="eval")):
        over, under = Counter(_factors(node)), Counter(_factors(node, False))
        if over & under or any(count > 1 and ")" in one for one, count in (over + under).items()):
            return True
        terms = list(_terms(node))
        bases = [{*_factors(term), *_factors(term, False)} for term in terms]
        rests = {f"1 - {base}" for one in bases for base in one}
        constants = sum(isinstance(term, ast.Constant) for term in terms)
        twice = len(terms) > len(set(map(ast.unparse, terms)))
        if len(terms) > 1 and (constants > 1 or twice or any(rests & one for one in bases)):
            return True
    return False


def _factors(node: ast.AST, over: bool = True) -> Iterator[str]:
    """Yield the factors over or under the line of a fraction, without powers."""
    match node:
        case ast.BinOp(left, ast.Mult() | ast.Div() as op, right):
            yield from _factors(left, over)
            yield from _factors(right, over == isinstance(op, ast.Mult))
        case ast.BinOp(left, ast.Pow(), _) if over:
            yield ast.unparse(left)
        case _ if over and not isinstance(node, ast.Expression | ast.Constant):
            yield ast.unparse(node)


def _terms(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the terms of a sum or difference."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        yield from _terms(node.left)
        yield from _terms(node.right)
    else:
        yield node
