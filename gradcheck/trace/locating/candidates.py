"""Candidates: quantities laid out in the shape of a value of the gradient, to replace it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import without_units
from gradcheck.trace.adjoints.quantities import (
    ADJOINT,
    BEND,
    CONTRIBUTION,
    SLOPE,
    TANGENT,
    VALUE,
    Quantity,
    What,
)
from gradcheck.trace.adjoints.series import Series
from gradcheck.trace.locating.constants import in_rows
from gradcheck.trace.record.nodes import Node, Reference
from gradcheck.trace.record.places import Place

TURNED = 7
"""The maximum length of two axes, the last or the first, of arrays that are tried reversed, as
kernels are."""

INNER = 6
"""The maximum number of passes of an inner loop in which a series is looked for."""

Shape = tuple[int, ...]
_Passes = Sequence[NDArray[Any]]
_Laid = tuple[What, list[NDArray[Any]]]


@dataclass(frozen=True, eq=False)
class Candidate(What):
    """A quantity that could replace a value, or a value in every pass of a loop.

    Its number is its row in the matrices of its table.
    """

    number: int


@dataclass(frozen=True)
class Table:
    """All candidates of one shape, and their entries by point, with one row per candidate."""

    candidates: tuple[Candidate, ...]
    entries: tuple[NDArray[np.float64], ...]

    def fitting(self, carries_adjoint: bool) -> NDArray[np.bool_]:
        """Return which candidates have a fitting kind: adjoints for adjoints, slopes for slopes."""
        derivatives = (ADJOINT, CONTRIBUTION) if carries_adjoint else (SLOPE, BEND)
        kinds = (VALUE, TANGENT, *derivatives)
        return np.array([one.kind in kinds for one in self.candidates], dtype=bool)


@dataclass
class Candidates:
    """The tables of candidates, each made at its first use.

    Attributes:
        meant: the constants that have a meaning, as `meant_by` returns them.
        handed: the values of the loss that are used outside of the function that makes them.
        parameters: the values of the loss that are blocks.
        of_matrix: whether the gradient is a row of a matrix, so that its values carry no adjoint.
        forward: the places where the loss computes; the gradient's values there are no bug.
        masked: the values of the loss that a mask has set to 0 in places; a comparison tells of the
            mask as well, which is to be multiplied in.
    """

    quantities: Sequence[Quantity]
    series: Sequence[Series]
    meant: NDArray[np.float64]
    handed: frozenset[int] = frozenset()
    parameters: frozenset[int] = frozenset()
    of_matrix: bool = False
    forward: frozenset[Place] = frozenset()
    masked: frozenset[int] = frozenset()
    _tables: dict[Any, Table] = field(default_factory=dict)

    def of_shape(self, alike: NDArray[Any]) -> Table:
        """Return the candidates that can be laid out in the shape of a value.

        Complex ones take the place of complex values, real ones of real values.
        """
        shape, is_complex = alike.shape, alike.dtype.kind == "c"
        key = (shape, is_complex)
        if key not in self._tables:
            found = [(one, laid) for one in self.quantities for laid in layouts(one.values, shape)]
            self._tables[key] = _table(found, math.prod(shape), is_complex)
        return self._tables[key]

    def of_series(self, count: int, alike: NDArray[Any]) -> Table:
        """Return the candidates for a value like this in each of `count` passes of a loop."""
        shape, is_complex = alike.shape, alike.dtype.kind == "c"
        key = (count, shape, is_complex)
        if key not in self._tables:
            found = [*self._from_loops(count, shape), *self._from_axes(count, shape)]
            self._tables[key] = _table(found, count * math.prod(shape), is_complex)
        return self._tables[key]

    def _from_loops(self, count: int, shape: Shape) -> Iterator[_Laid]:
        """Yield the passes of each series in every order in which a backward pass may take them."""
        lengths = {len(series.values[0]) for series in self.series}
        inner = {count // one for one in lengths if count % one == 0 and 1 < one < count}
        for series in self.series:
            for chosen in _in_orders(series, count, inner):
                laid = _all_laid(chosen, shape)
                if laid is not None:
                    yield series.first, laid

    def _from_axes(self, count: int, shape: Shape) -> Iterator[_Laid]:
        """Yield the entries, rows or columns of a quantity, or equal parts of it, as of a batch."""
        single = math.prod(shape) == 1
        for quantity in self.quantities:
            first = quantity.values[0]
            if single and first.size == count and first.ndim > 1:
                yield quantity, [np.ravel(value) for value in quantity.values]
                yield quantity, [np.ravel(value.T) for value in quantity.values]
            for axis in range(first.ndim):
                if first.shape[axis] % count or first.size != count * math.prod(shape):
                    continue
                for order in (1, -1) if first.shape[axis] == count else (1,):
                    chosen = [
                        [*np.stack(np.split(value, count, axis))[::order]]
                        for value in quantity.values
                    ]
                    laid = _all_laid(chosen, shape)
                    if laid is not None:
                        yield quantity, laid


def masked_values(nodes: Sequence[Node], parameters: Iterable[int]) -> frozenset[int]:
    """Return the values of a loss that are multiplied by 0 and a number, and multiples of them."""
    moving, masked = set(parameters), set[int]()
    for node in nodes:
        given = set(node.operands)
        if not moving.isdisjoint(given):
            moving.add(node.index)
        if node.operation not in ("multiply", "divide") or moving.isdisjoint(given):
            continue
        factors = (
            nodes[one.index].value if isinstance(one, Reference) else one
            for one in node.arguments
            if not (isinstance(one, Reference) and one.index in moving)
        )
        others = [np.unique(one) for one in factors]
        is_mask = any(len(levels) == 2 and levels[0] == 0 for levels in others)
        if is_mask or (not masked.isdisjoint(given) and all(len(one) == 1 for one in others)):
            masked.add(node.index)
    return frozenset(masked)


def _in_orders(series: Series, count: int, inner: Iterable[int]) -> Iterator[list[_Passes]]:
    """Yield `count` passes of a series by point: in order and in reverse, up to two passes late.

    For nested loops, whose inner ones may have so many passes as `inner` says, yield one pass of
    the inner loop for every pass of the outer, and all with the inner or the outer loop in reverse.
    """
    length = len(series.values[0])
    strides = [1] if count <= length <= count + 2 else []
    if not strides and length % count == 0 and length // count <= INNER:
        strides = [length // count]
    for stride in strides:
        starts = range(stride if stride > 1 else length - count + 1)
        for order, first in itertools.product((1, -1), starts):
            yield [passes[::order][first::stride][:count] for passes in series.values]
    for run, order in itertools.product(inner if length == count else (), (1, -1)):
        yield [_each_reversed(passes[::order], run) for passes in series.values]
    if series.first.kind == VALUE and count - 1 <= length <= count + 1 and count > 2:
        # only a state has a value, 0, before the first pass
        for order, is_first in itertools.product((1, -1), (True, False)):
            yield [_from_nothing(passes[::order], count, is_first) for passes in series.values]


def _each_reversed(passes: _Passes, run: int) -> _Passes:
    """Return the passes of a loop with each run of an inner loop in reverse."""
    return [
        one for first in range(0, len(passes), run) for one in passes[first : first + run][::-1]
    ]


def _from_nothing(passes: _Passes, count: int, is_first: bool) -> _Passes:
    """Return `count` passes, the first or the last of which is the zero state before the loop."""
    nothing = (np.zeros_like(passes[0]),)
    if is_first:
        return (*nothing, *passes[: count - 1])
    return (*passes[len(passes) - (count - 1) :], *nothing)


def _table(laid_out: Sequence[_Laid], size: int, is_complex: bool) -> Table:
    laid_out = [one for one in laid_out if is_complex == np.iscomplexobj(one[1][0])]
    candidates = tuple(Candidate(*what.key, number) for number, (what, _) in enumerate(laid_out))
    points = len(laid_out[0][1]) if laid_out else 0
    entries = tuple(
        in_rows([laid[point] for _, laid in laid_out]).reshape(len(laid_out), size)
        for point in range(points)
    )
    return Table(candidates, entries)


def _all_laid(chosen: Sequence[Sequence[NDArray[Any]]], shape: Shape) -> list[NDArray[Any]] | None:
    """Return the first layout of every pass, stacked, by point; None if a pass has none."""
    by_point = []
    for passes in chosen:
        laid = [next(iter(layouts([one], shape)), None) for one in passes]
        if any(one is None for one in laid):
            return None
        by_point.append(np.array([one[0] for one in laid if one is not None]))
    return by_point


def layouts(values: Sequence[NDArray[Any]], shape: Shape) -> Iterator[list[NDArray[Any]]]:
    """Yield the layouts of values in a shape: as they are, transposed, reshaped or reversed."""
    first = values[0]
    if first.shape == shape:
        yield list(values)
    if first.ndim == 2 and first.shape[::-1] == shape:
        yield [value.T for value in values]
    size = math.prod(shape)
    if first.shape != shape and first.size == size:
        if without_units(first.shape, shape):
            yield [value.reshape(shape) for value in values]
        elif first.ndim == 2 and without_units(first.shape[::-1], shape):
            yield [value.T.reshape(shape) for value in values]
        elif first.ndim > len(shape) == 1:
            yield [value.reshape(shape) for value in values]
    if first.shape == shape and first.ndim >= 2 and 1 < max(shape[-2:]) <= TURNED:
        yield [value[..., ::-1, ::-1] for value in values]
    if first.shape == shape and first.ndim == 4 and 1 < max(shape[:2]) <= TURNED:
        yield [value[::-1, ::-1] for value in values]
    if first.shape == shape and first.ndim == 1 and 1 < first.size <= TURNED:
        yield [value[::-1] for value in values]
