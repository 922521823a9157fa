"""Numbers that are known at some moments of a function: factors and terms of new expressions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import permutations

import numpy as np

from gradcheck.mending.context import Context
from gradcheck.mending.literals import weights_in
from gradcheck.mending.moments import Moment
from gradcheck.mending.of_factors import sizes_in
from gradcheck.mending.scope import inside
from gradcheck.mending.written import operand
from gradcheck.user.blocks import Array

MOST_SCALARS = 12


class KnownNumbers:
    """Numbers among the values that are `known` at some moments, and sizes and constants."""

    def __init__(
        self, context: Context, moments: Sequence[Moment], known: Mapping[str, Sequence[Array]]
    ) -> None:
        self._context, self._moments, self._known = context, moments, known

    @cached_property
    def factors(self) -> dict[float, str]:
        """Known numbers, each with the text of its product with another; 1 comes first."""
        factors = {1.0: "{}", -1.0: "-{}", 2.0: "2 * {}", 0.5: "{} / 2", -2.0: "-2 * {}"}
        numbers: dict[float, str] = {}
        for text in [*(text for text, _ in sizes_in(self._context) if text != "2"), *self._named()]:
            value = self._moments[0].value(text)
            if value is not None and value.size == 1 and value:
                numbers.setdefault(float(value), text)
        scalars = dict(self._scalars())
        for number, text in {**scalars, **numbers}.items():
            for times, form in ((1, ""), (2, "2 * "), (-1, "-"), (-2, "-2 * ")):
                factors.setdefault(times / number, f"{form}{{}} / {escaped(operand(text, '/'))}")
                factors.setdefault(times * number, f"{form}{escaped(text)} * {{}}")
        for one, other in permutations(list(scalars)[:MOST_SCALARS], 2):
            first, beside = escaped(scalars[one]), escaped(operand(scalars[other], "*"))
            for times, form in ((1, ""), (2, "2 * "), (-1, "-"), (-2, "-2 * ")):
                factors.setdefault(times * one / other, f"{form}{first} * {{}} / {beside}")
                factors.setdefault(times * one * other, f"{form}{first} * {beside} * {{}}")
                factors.setdefault(times / (one * other), f"{form}{{}} / ({first} * {beside})")
        for number in weights_in(self._context.tree):
            factors.setdefault(number, f"{number!r} * {{}}")
            factors.setdefault(2 * number, f"2 * {number!r} * {{}}")
        return factors

    def _scalars(self) -> Iterator[tuple[float, str]]:
        """Yield the known numbers that are the same at all moments, with their texts."""
        for text, values in self._known.items():
            numbers = {float(value) for value in values if not value.ndim}
            if len(numbers) == 1 and not values[-1].ndim and numbers - {0.0, 1.0, -1.0}:
                yield numbers.pop(), operand(text, "*")

    def terms(self) -> dict[float, str]:
        """Return the numbers that may be added to a value, in their shortest texts, and `1 / m`."""
        longest_first = sorted(self._scalars(), key=lambda one: -len(one[1]))
        known = {one: text for one, text in longest_first if one > 0}
        return {1.0: "1", **{1 / one: f"1 / {text}" for one, text in known.items()}, **known}

    def _named(self) -> Iterator[str]:
        """Yield the named numbers, and the sizes of named arrays, at the first moment."""
        moment = self._moments[0]
        for text in inside(moment.names):
            value = self._moments[0].value(text)
            if value is not None and not value.ndim and text not in self._context.counters:
                yield text
        for text, value in {**moment.scope, **moment.names}.items():
            if isinstance(value, float | np.floating) and not text.startswith("_"):
                yield text
            for axis in range(np.ndim(value)) if isinstance(value, np.ndarray) else ():
                yield f"{text}.shape[{axis}]" if axis else f"len({text})"


def escaped(text: str) -> str:
    """Return code as part of a format: the braces of `p[f"W{l}"]` are its own."""
    return text.replace("{", "{{").replace("}", "}}")
