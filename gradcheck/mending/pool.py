"""Values that are known at some moments of a function: the parts of new expressions."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise, product

import numpy as np

from gradcheck.mending.composed import Composer
from gradcheck.mending.context import Context
from gradcheck.mending.items import INDEX, broadcasts_in, functions_of, items_of, projected
from gradcheck.mending.known_numbers import KnownNumbers
from gradcheck.mending.moments import Moment, values_at
from gradcheck.mending.scope import expressions, inside, moved_by, value_of
from gradcheck.mending.writes import Sum
from gradcheck.mending.written import operand
from gradcheck.user.blocks import Array

MOST_ENTRIES, MOST_PRODUCTS = 24, 800
MOST_ALIKE, MOST_EQUAL, LONGEST = 12, 2, 30
FORMS = (
    "1 - {0}",
    "1 - {0}**2",
    "{0} * (1 - {0})",
    "{0} > 0",
    "{0} <= 0",
    "{0}[::-1]",
    "{0}**2",
    "{1}.sqrt({2})",
    "{1}.exp({2})",
    "{1}.cos({2})",
    "{1}.sin({2})",
    "{1}.sign({2})",
)
"""Expressions of a value `{0}`, or `{2}` without brackets, with numpy as `{1}`: mostly slopes."""


class Pool:
    """Values known at some moments: of names, and of expressions of one or two of these."""

    def __init__(
        self, context: Context, moments: Sequence[Moment], node: ast.expr, exact: float
    ) -> None:
        self._context, self._moments, self._node, self._exact = context, moments, node, exact
        self._composers: dict[bytes, Composer] = {}

    def having(self, expected: Sequence[Array], of_three: bool, own: str = "") -> list[str]:
        """Return expressions that have these values at the moments, where the values are finite.

        The present expression may be part of them.
        """
        self._expected = expected
        finite = np.concatenate([np.isfinite(one).reshape(-1) for one in expected])
        if not finite.any():
            return []
        rng = np.random.default_rng(0)
        chosen = np.sort(rng.permutation(np.flatnonzero(finite))[:MOST_ENTRIES])
        ends = np.cumsum([0, *(one.size for one in expected)])
        self._picked = [
            chosen[(first <= chosen) & (chosen < last)] - first for first, last in pairwise(ends)
        ]
        key = repr([one.shape for one in expected]).encode() + chosen.tobytes()
        composer = self._composer(key)
        return composer.having(self._entries(expected), of_three, own)

    def adding_up(self, total: Sum, of_three: bool) -> list[str]:
        """Return expressions that, in place of the present one, add up to the right sum."""
        self._expected = [np.empty(shape) for shape in total.shapes]
        self._picked, own = [*total.picked], self._context.source(self._node)
        values = values_at(self._moments, own)
        if values is None:
            return []
        composer = self._composer(b"sum", len(total.moments))
        wanted = total.missing + composer.folded(self._entries(values)[None])[0]
        return composer.having(wanted, of_three, own)

    def _composer(self, key: bytes, passes: int = 1) -> Composer:
        """Return what composes expressions of the entries that are picked."""
        if key not in self._composers:
            known, near = self._with_columns(), self._near()
            shape = self._expected[0].shape
            names = sorted(
                (one for one, values in self._known.items() if values[0].shape == shape),
                key=lambda one: (one not in near, len(one)),
            )
            self._composers[key] = Composer(
                self._distinct((*known.items(), *self._made(known))),
                self._numbers.factors,
                near,
                self._exact,
                self._distinct(projected(self._context, self._moments, names)),
                self._numbers.terms(),
                passes,
            )
        return self._composers[key]

    @cached_property
    def _numbers(self) -> KnownNumbers:
        return KnownNumbers(self._context, self._moments, self._known)

    def _entries(self, values: Sequence[Array]) -> Array:
        shapes = [one.shape for one in self._expected]
        whole = [np.broadcast_to(one, shape) for one, shape in zip(values, shapes, strict=True)]
        pairs = zip(whole, self._picked, strict=True)
        return np.concatenate(
            [np.where(picked < 0, 0, one.reshape(-1)[picked]) for one, picked in pairs]
        )

    def _near(self) -> frozenset[str]:
        texts = [self._text(one) for one in ast.walk(self._node) if isinstance(one, ast.expr)]
        return frozenset((*texts, *(f"{text}**2" for text in texts)))

    def _text(self, node: ast.expr) -> str:
        """Return the text of an expression in one line."""
        return " ".join(self._context.source(node).split())

    def _with_columns(self) -> dict[str, list[Array]]:
        """Return the known values, those of functions, and values of fewer axes as columns."""
        known, shape = {**self._known, **self._called()}, self._expected[0].shape
        column = "[:, None]" if len(shape) == 2 else "[..., None]"
        for text, values in list(known.items()) if len(shape) > 1 else ():
            if values[0].shape == shape[:-1]:
                known[f"{text}{column}"] = [value[..., None] for value in values]
        return known

    def _distinct(self, made: Iterable[tuple[str, list[Array]]]) -> dict[str, Array]:
        """Return the entries of all values of the wanted shape; of equal values, two."""
        rows: dict[str, Array] = {}
        seen: Counter[bytes] = Counter()
        for text, values in made:
            try:
                row = self._entries(values)
            except ValueError:  # it has another shape
                continue
            key = np.round(row, 12).tobytes()
            if seen[key] < MOST_EQUAL and _is_telling(row) and np.all(np.isfinite(row)):
                seen[key] += 1
                rows[text] = row
        return rows

    @cached_property
    def _known(self) -> dict[str, list[Array]]:
        """The values of names, of parts of these values, and of the function's own expressions."""
        moment, names = self._moments[0], dict(self._moments[0].names)
        texts = [*names, *inside(names), *items_of(self._context, names)]
        texts += [
            name
            for name, value in moment.scope.items()
            if not name.startswith("_") and value_of(value) is not None and name not in names
        ]
        sources = {ast.unparse(one): self._text(one) for one in self._context.all_of(ast.expr)}
        every = [one for one in expressions(self._context.definition) if one[0] not in "[{"]
        texts += [sources.get(one, one) for one in every]
        texts += broadcasts_in(self._context.tree)
        known = {}
        whole = self._context.source(self._node)
        moved = set(INDEX.findall(whole))
        texts.sort(key=lambda one: (not moved & set(INDEX.findall(one)), len(one)))
        epochs = moved_by(self._context.definition) & self._context.counters
        for text in dict.fromkeys([whole, *(one for one in texts if one not in epochs)]):
            is_old = not text.isidentifier() and self._context.is_made_later(text, self._node)
            values = None if is_old else values_at(self._moments, text)
            if values is not None:
                known[text] = values
        results = [one for moment in self._moments for one in moment.returned]
        arrays = [np.asarray(one) for one in results if isinstance(one, np.ndarray | np.floating)]
        is_returned = isinstance(self._context.parents.get(self._node), ast.Return)
        if is_returned and len(arrays) == len(self._moments):
            known.setdefault(whole, arrays)
        return known

    def _called(self) -> dict[str, list[Array]]:
        """Return the values of calls in the expression, and of functions of values of its shape."""
        shape = self._expected[0].shape
        known, counters = self._known.items(), self._context.counters
        alike = [text for text, own in known if own[0].shape == shape and text not in counters]
        calls = [one for one in ast.walk(self._node) if isinstance(one, ast.Call)]
        texts = [
            self._text(one) for one in calls if ast.unparse(one.func) in self._context.functions
        ]
        texts += [
            f"{name}({one})" for name in functions_of(self._context) for one in alike[:MOST_ALIKE]
        ]
        return dict(pair for text in texts for pair in self._asked(text))

    def _made(self, known: dict[str, list[Array]]) -> Iterator[tuple[str, list[Array]]]:
        """Yield slopes, transposes, sums and products of known values."""
        shape = self._expected[0].shape
        library = self._context.library or "np"
        near = self._near()
        for text, values in known.items():
            is_own = text == self._context.source(self._node)
            if values[0].shape == shape and (is_own or len(text) < LONGEST):
                for form in FORMS if np.any(values[0] < 0) else FORMS[:-1]:  # no sign of a relu
                    yield from self._asked(form.format(operand(text, "**"), library, text))
            elif f"{text}**2" in near and values[0].size < self._expected[0].size:
                yield f"{operand(text, '**')}**2", [value**2 for value in values]
            if values[0].ndim == 2 and values[0].shape[::-1] == shape:
                yield f"{text}.T", [value.T for value in values]
            if values[0].ndim > len(shape) or (values[0].ndim == 2 and 1 in shape):
                for axis in ("axis=0", "axis=1", "axis=0, keepdims=True", "axis=1, keepdims=True"):
                    yield from self._asked(f"{operand(text, '**')}.sum({axis})")
                if not shape:
                    yield f"{library}.sum({text})", [np.asarray(np.sum(value)) for value in values]
        yield from self._products(known)

    def _asked(self, text: str) -> Iterator[tuple[str, list[Array]]]:
        values = values_at(self._moments, text)
        if values is not None and values[0].shape == self._expected[0].shape:
            yield text, values

    def _products(self, known: dict[str, list[Array]]) -> Iterator[tuple[str, list[Array]]]:
        """Yield products of matrices and vectors that have the wanted shape."""
        shape, count = self._expected[0].shape, 0
        arrays = [
            (text, values)
            for text, values in known.items()
            if values[0].ndim in (1, 2) or values[0].shape[:-1] == shape[:-1]
        ]
        sides = [
            (f"{operand(text, '**')}{turn}", [value.T for value in values] if turn else values)
            for text, values in arrays
            for turn in (("", ".T") if values[0].ndim == 2 else ("",))
        ]
        pairs = sorted(product(sides, sides), key=lambda pair: len(pair[0][0]) + len(pair[1][0]))
        for (one, left), (other, right) in pairs:
            if not (left[0].ndim and 0 < right[0].ndim < 3):
                continue
            fits = left[0].shape[-1] == right[0].shape[0]
            if fits and (*left[0].shape[:-1], *right[0].shape[1:]) == shape:
                try:
                    made = [np.asarray(a @ b) for a, b in zip(left, right, strict=True)]
                    yield f"{one} @ {other}", made
                except ValueError:
                    continue
                count += 1
            elif left[0].ndim == right[0].ndim == 1 and (*left[0].shape, *right[0].shape) == shape:
                text = f"{self._context.library or 'np'}.outer({one}, {other})"
                yield text, [np.outer(a, b) for a, b in zip(left, right, strict=True)]
                count += 1
            if count > MOST_PRODUCTS:
                return


def _is_telling(row: Array) -> bool:
    """True if the entries of a value differ, or its only entry is not 0."""
    return bool(np.ptp(row) > 0 if len(row) > 1 else np.any(row))
