"""Expressions that have a wanted value, made of others whose values are known.

With the entries of every value as a row, `r a`, `r a b`, `r a / b`, `k (a + s b)`, or `r a b c`,
`r a b / c`, `r (a + s b) c` and `r a p / b`, with a projection p, are compared with the wanted
entries as directions; the factors r and k have to be known as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations_with_replacement

import numpy as np

from gradcheck.mending.roundabout import is_product_of
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
    def directions(self) -> Array:
        """The rows, divided by their lengths."""
        return _directions(self.values)

    def first(self, most: int) -> Rows:
        """Return the first rows, at most `most`."""
        return Rows(self.values[:most], self.text)

    def of_three(self) -> Rows:
        """Return all products of three rows; the first stand in front."""
        count = len(self.values)
        triples = np.array([*combinations_with_replacement(range(count), 3)]).reshape(-1, 3)
        values = np.prod(self.values[triples], axis=1)
        return Rows(
            values, lambda at: " * ".join(operand(self.text(one), "*") for one in triples[at])
        )

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
        projections: sums of products along an axis, by their texts.
        scalars: numbers that may be added to a value, with their texts.
        passes: the number of passes, one after the other in the entries, that are added up.
    """

    values: Mapping[str, Array]
    factors: Mapping[float, str]
    near: frozenset[str] = frozenset()
    exact: float = EXACT
    projections: Mapping[str, Array] = field(default_factory=dict)
    scalars: Mapping[float, str] = field(default_factory=dict)
    passes: int = 1

    @cached_property
    def _every(self) -> Rows:
        texts = sorted(self.values, key=lambda text: (text not in self.near, _length(text)))
        return Rows(np.array([self.values[text] for text in texts]), texts.__getitem__)

    def folded(self, values: Array) -> Array:
        """Return rows with the entries of all passes added up."""
        return np.asarray(values.reshape(len(values), self.passes, -1).sum(axis=1))

    def _folded(self, *every: Rows) -> tuple[Rows, ...]:
        return tuple(Rows(self.folded(rows.values), rows.text) for rows in every)

    @cached_property
    def _of_two(self) -> tuple[Rows, ...]:
        rows = self._every.first(MOST)
        return self._folded(rows, rows.times(rows), rows.by(rows))

    @cached_property
    def _of_three(self) -> tuple[Rows, ...]:
        few = self._every.first(MOST_OF_THREE)
        rows = self._folded(few.of_three(), few.times(few).by(few), few.plus().times(few))
        if not self.projections:
            return rows
        texts = list(self.projections)
        few = few.first(MOST_OUTER)
        projected = few.times(Rows(np.array([*self.projections.values()]), texts.__getitem__))
        return (*rows, *self._folded(projected, projected.by(few)))

    def having(self, wanted: Array, of_three: bool = False, own: str = "") -> list[str]:
        """Return expressions of one or two values, or of three, that have these entries.

        Among them is the present expression, `own`, plus such a product.
        """
        if not self.values or not np.any(wanted):
            return []
        with np.errstate(all="ignore"):
            every = (*self._folded(self._every), *self._of_two[1:])
            every = self._of_three if of_three else every
            texts = [text for rows in every for text in self._multiples(wanted, rows)]
            texts += () if of_three else self._sums(wanted, self._of_two[0])
            texts += self._with_term(wanted, own, every)
        return list(dict.fromkeys(texts))

    def _multiples(self, wanted: Array, rows: Rows) -> Iterator[str]:
        """Yield multiples of rows that are the wanted one; also without the factor.

        The factor may stand elsewhere in the code, or come from another fault.
        """
        for index, factor in _aligned(rows, wanted[None, :], self.exact)[0]:
            form, text = self._form(factor, len(wanted)), rows.text(index)
            if form is not None and form != "{}":
                yield form.format(operand(text))
            if form is not None or len(wanted) > FEW_ENTRIES:
                yield text

    def _sums(self, wanted: Array, rows: Rows) -> Iterator[str]:
        """Yield `k (a + s b)`: if a is subtracted from the wanted row over k, `s b` is left.

        A multiple of the wanted row itself is no term.
        """
        multiples = {index for index, _ in _aligned(rows, wanted[None, :], self.exact)[0]}
        most = MOST_OUTER if len(wanted) >= FEW_ENTRIES else 1
        for outer, form in list(self.factors.items())[:most]:
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
            for one, inner in self._plus_scalar(rows, rest):
                if one not in multiples:
                    yield inner if form == "{}" else form.format(f"({inner})")

    def _plus_scalar(self, rows: Rows, rest: Array) -> Iterator[tuple[int, str]]:
        """Yield the rows from which the rest is the same known number in every entry."""
        if rest.shape[1] < FEW_ENTRIES:
            return
        same = np.ptp(rest, axis=1) <= self.exact * np.abs(rest).max(axis=1)
        for one in map(int, np.flatnonzero(same)):
            number, text = float(rest[one, 0]), rows.text(one)
            for scalar, name in self.scalars.items():
                if abs(abs(number) - scalar) <= self.exact * scalar:
                    yield one, f"{text} {'-' if number < 0 else '+'} {name}"

    def _with_term(self, wanted: Array, own: str, of: Iterable[Rows]) -> Iterator[str]:
        """Yield `own + s a b`, for a present expression that lacks a term; not `own - own a`."""
        if own not in self.values or len(wanted) < FEW_ENTRIES:
            return
        rest = wanted - self.folded(self.values[own][None])[0]
        for rows in of:
            for index, factor in _aligned(rows, rest[None, :], self.exact)[0]:
                form = self._form(abs(factor), len(wanted))
                if form is not None and not is_product_of(own, rows.text(index)):
                    sign, term = "-" if factor < 0 else "+", form.format(operand(rows.text(index)))
                    yield f"{own} {sign} {operand(term, sign)}"

    def _form(self, factor: float, count: int) -> str | None:
        """Return the text of the product with a factor; None if the factor is not known."""
        known = self._numbers if count >= FEW_ENTRIES else self._numbers[:1]
        near = np.flatnonzero(np.abs(factor - known) <= self.exact * np.abs(known))
        return [*self.factors.values()][near[0]] if len(near) else None

    @cached_property
    def _numbers(self) -> Array:
        return np.array([*self.factors])


def _length(text: str) -> int:
    """Return the length of a text, without what makes a column of it."""
    return len(text.removesuffix("[:, None]").removesuffix("[..., None]"))


def _aligned(rows: Rows, wanted: Array, exact: float) -> list[list[tuple[int, float]]]:
    """Return for every wanted row the rows that it is a multiple of, with the factors."""
    multiples: list[list[tuple[int, float]]] = [[] for _ in wanted]
    cosines = _directions(wanted) @ rows.directions.T
    ones, others = np.nonzero(np.abs(cosines) >= 1 - 1e-9)
    found = rows.values[others]
    factors = np.sum(wanted[ones] * found, axis=1) / np.sum(found**2, axis=1)
    left = np.abs(wanted[ones] - factors[:, None] * found).max(axis=1, initial=0.0)
    near = left <= exact * np.abs(wanted[ones]).max(axis=1, initial=0.0)
    if wanted.shape[1] < FEW_ENTRIES:
        near &= np.abs(np.abs(factors) - 1) <= exact
    for one, other, factor in zip(ones[near], others[near], factors[near], strict=True):
        multiples[one].append((int(other), float(factor)))
    return multiples


def _directions(values: Array) -> Array:
    return np.asarray(values / np.sqrt(np.sum(values**2, axis=1, keepdims=True)))
