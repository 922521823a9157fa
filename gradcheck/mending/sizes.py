"""Axes that have one size because they are one thing: the samples, the features, the classes.

Axes belong together if the loss is still computed, and changes, when all of them have an entry
more, and not with fewer of them. That tells three features from three samples.
"""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, islice, product
from typing import Any

import numpy as np

from gradcheck.arrays import copied
from gradcheck.mending.grown import extended, repeated, resized
from gradcheck.mending.held import Held
from gradcheck.user.blocks import Array
from gradcheck.user.problem import Problem
from gradcheck.words import listed

STEPS = (1, 2)
"""How much the side of an image may grow; by an even number if it is pooled."""

OTHER_BATCH, OTHER_SIZES = "another batch size", "other sizes"

COUNTS = re.compile(r"[mnNMB]|bs|(n_|num_)?(batch|samples|examples|train)(_size)?|count|size")
"""Usual names of the batch size."""

WIDTHS = re.compile(
    r"[dDhHkKpfFcCsTLV]|dims?|sizes?|shape|layers|[dnk]_\w+|num_\w+|"
    r"\w*(size|dim|dims|features|units|hidden|classes|channels|heads|inputs?|outputs?|width)"
)
"""Usual names of other sizes."""


@dataclass(frozen=True)
class Axis:
    """An axis of an array of data, of a block, or a list of samples.

    Attributes:
        holder: the index of the array, block or list.
        number: the number of the axis.
        last: the number of the last axis that the holder has.
        of_block: whether it is an axis of a parameter.
    """

    holder: int
    number: int
    last: int
    of_block: bool = False


Growth = Mapping[Axis, int]
"""The number of entries that each axis gets in addition."""

Dimension = tuple[int, int, frozenset[Axis]]
"""A size, the step by which it may grow, and the axes that have it for one reason."""


def dimensions(
    sizes: Mapping[int, Sequence[Axis]], makes_sense: Callable[[Growth], bool], most: int
) -> Iterator[Dimension]:
    """Yield the axes that belong together, of all sizes; for each, `most` sets are tried."""

    def growing(sets: Iterable[Sequence[Axis]], size: int) -> Dimension | None:
        """Return the first set that can grow by one, or by its size, as heads dividing it need."""
        pairs = product(dict.fromkeys((1, size)), sets)
        grown = (pair for pair in pairs if makes_sense(dict.fromkeys(pair[1], pair[0])))
        return next(((size, step, frozenset(axes)) for step, axes in grown), None)

    for size, every in sizes.items():
        left = sorted(every, key=lambda axis: (axis.of_block, axis.number, axis.holder))
        if size == 1:
            alone = growing(_single(left), size)
            yield from [] if alone is None else [alone]
            continue
        groups: list[Dimension] = []
        lonely = []
        while left:
            first, *others = left
            sets = ((first, *more) for n in range(len(left)) for more in combinations(others, n))
            chosen = growing((*islice(sets, most), tuple(left)), size)
            if chosen is None:
                lonely.append(first)
            else:
                groups.append(chosen)
            left = [axis for axis in others if chosen is None or axis not in chosen[2]]
        # an axis that cannot grow alone may be cut off by another: `zip(x, y)`
        for group in groups:
            whole = growing([[*group[2], *lonely]], size) if lonely else None
            yield whole or group


def tied(
    left: Sequence[tuple[Axis, int]], makes_sense: Callable[[Growth], bool], most: int
) -> Iterator[Growth]:
    """Yield growths in which a parameter grows by another number than the data it depends on.

    An image that is larger by one row and column gives a dense layer many more rows. `left` has
    the axes that no other growth explains; `most` growths are tried for each of a parameter.
    """
    arrays: dict[tuple[int, int], list[Axis]] = {}
    for axis, size in left:
        if not axis.of_block and size > 1:
            arrays.setdefault((axis.holder, size), []).append(axis)
    sets = [one for every in arrays.values() for one in (every, *([axis] for axis in every))]
    for block in (axis for axis, size in left if axis.of_block and size > 1):
        tries = (
            {**dict.fromkeys(axes, step), block: count}
            for count, step, axes in product(range(1, most), STEPS, sets)
        )
        yield from islice(filter(makes_sense, islice(tries, most)), 1)


def summed(
    left: Sequence[tuple[Axis, int]], makes_sense: Callable[[Growth], bool], most: int
) -> Iterator[Growth]:
    """Yield growths of axes with those that they are parts of: a state beside an input, gates.

    `left` has the axes that no other growth explains; `most` sets are tried for each two sizes.
    """
    by_size: dict[int, list[Axis]] = {}
    for axis, size in left:
        by_size.setdefault(size, []).append(axis)
    for (part, axes), (whole, others) in product(by_size.items(), repeat=2):
        if 1 < part < whole and (whole - part in by_size or not whole % part):
            sets = (one for n in range(1, len(axes) + 1) for one in combinations(axes, n))
            counts = {1, whole // part}
            tries = (
                {**dict.fromkeys(chosen, 1), **dict.fromkeys(others, count)}
                for chosen in islice(sets, most)
                for count in counts
            )
            yield from islice(filter(makes_sense, tries), len(counts))


def _single(axes: Sequence[Axis]) -> list[list[Axis]]:
    """Return the sets of axes of size 1 that may be one thing; their size cannot tell which are."""
    firsts = [one for one in axes if one.number == 0]
    sides = (firsts, [one for one in axes if one.number == one.last])
    alone = [[one for one in side if not one.of_block] for side in sides]
    return [one for one in (*alone, *sides) if one]


def apart(groups: Sequence[Dimension]) -> list[Growth]:
    """Return the growth of all dimensions at once, to different sizes, and that of each."""
    used = {size for size, _, _ in groups}
    whole: dict[Axis, int] = {}
    for size, step, axes in groups:
        new = next(one for one in itertools.count(size + step, step) if one not in used)
        used.add(new)
        whole.update(dict.fromkeys(axes, new - size))
    return [whole, *(dict.fromkeys(axes, step) for _, step, axes in groups)] if groups else []


@dataclass(frozen=True)
class State:
    """A change of the data.

    Attributes:
        words: what is changed.
        puts: the data to replace, with the new values.
        lists: the lists of samples, with the number of first items to repeat at the end.
        values: the parameters, if they have other sizes.
        kept: the sizes that stay, if others do not.
    """

    words: str
    puts: tuple[tuple[Held, Any], ...]
    lists: tuple[tuple[list[Any], int], ...] = ()
    values: tuple[Array, ...] | None = None
    kept: frozenset[int] = frozenset()

    @property
    def makes_sense(self) -> bool:
        """True if nothing has other sizes but the samples, of which there were several.

        Whether a whole number alone may be another one, only the user's functions tell.
        """
        if self.puts and all(isinstance(held.value, int | np.integer) for held, _ in self.puts):
            return False
        grown = [(np.shape(held.value), np.shape(new)) for held, new in self.puts]
        axes = (pair for before, now in grown for pair in zip(before, now, strict=True))
        return self.values is None and all(before > 1 or now == before for before, now in axes)

    def of(self, problem: Problem, values: Sequence[Array]) -> tuple[Problem, Sequence[Array]]:
        """Return the problem and parameters inside of `made`, with the data that it has then."""
        fresh = {name: (array, array.copy()) for name, (array, _) in problem.data.items()}
        if self.values is None:
            return replace(problem, data=fresh), values
        parameters = resized(problem.parameters, self.values)
        return replace(problem, data=fresh, parameters=parameters), self.values

    @contextmanager
    def made(self) -> Iterator[None]:
        """Let the functions hold the changed data, inside of a with statement."""
        before = [copied(held.value, 0) for held, _ in self.puts]
        whole = [items.copy() for items, _ in self.lists]
        try:
            for held, new in self.puts:
                held.put(copied(new, 0))
            for items, more in self.lists:  # last, since items may hold what is put
                items += [copy.deepcopy(items[one % len(items)]) for one in range(more)]
            yield
        finally:
            for (items, _), every in zip(self.lists, whole, strict=True):
                items[:] = every
            for (held, _), value in zip(self.puts, before, strict=True):
                held.put_back(value)


def changed_by(states: Sequence[State]) -> tuple[str, ...]:
    """Return what some states change, in words, with the sizes that none of them does."""
    kept = [one.kept for one in states if one.words in (OTHER_BATCH, OTHER_SIZES)]
    left = sorted(frozenset.intersection(*kept)) if kept else []
    but = f" (but {listed(list(map(str, left)))})" if left else ""
    words = dict.fromkeys(one.words for one in states)
    return tuple(one + but * (one == OTHER_SIZES) for one in words)


UNCHANGED = State("", ())


class Sizes:
    """The arrays of data, lists of samples and blocks that have sizes, and numbers that count them.

    Blocks that cannot be given in other shapes are not among them.
    """

    def __init__(
        self,
        arrays: Sequence[Held],
        lists: Sequence[list[Any]],
        values: Sequence[Array],
        numbers: Sequence[Held],
    ) -> None:
        self._arrays, self._lists = arrays, lists
        self._values, self._numbers = values, numbers

    @cached_property
    def axes(self) -> dict[int, list[Axis]]:
        """Return all axes by their sizes, the most frequent size first."""
        by_size: dict[int, list[Axis]] = {}
        for index, shape in enumerate(self._shapes):
            for number, size in enumerate(shape):
                of_block = index >= len(self._arrays) + len(self._lists)
                by_size.setdefault(size, []).append(Axis(index, number, len(shape) - 1, of_block))
        return dict(sorted(by_size.items(), key=lambda item: -len(item[1])))

    @cached_property
    def _shapes(self) -> list[tuple[int, ...]]:
        arrays = [*(held.value for held in self._arrays), *self._values]
        shapes = [one.shape for one in arrays]
        shapes[len(self._arrays) : len(self._arrays)] = [(len(one),) for one in self._lists]
        return shapes

    def size(self, axis: Axis) -> int:
        """Return the number of entries along an axis."""
        return self._shapes[axis.holder][axis.number]

    def grown(self, growth: Growth) -> State | None:
        """Return the state in which axes have more entries; None if an array loses its kind."""
        more: dict[int, dict[int, int]] = {}
        for axis, count in growth.items():
            more.setdefault(axis.holder, {})[axis.number] = count
        rng, ends = np.random.default_rng(0), len(self._arrays)
        puts = [
            (held, repeated(held.value, more[index]))
            for index, held in enumerate(self._arrays)
            if index in more
        ]
        if any(new is None for _, new in puts):
            return None
        lists = [(one, more[ends + i][0]) for i, one in enumerate(self._lists) if ends + i in more]
        ends += len(self._lists)
        values = tuple(
            extended(one, more.get(ends + block, {}), rng) for block, one in enumerate(self._values)
        )
        of_blocks = any(axis.of_block for axis in growth)
        puts += self._counting(growth)
        words = OTHER_SIZES if of_blocks else OTHER_BATCH
        kept = {size for size, axes in self.axes.items() if size > 1 and set(axes) - set(growth)}
        given = values if of_blocks else None
        return State(words, tuple(puts), tuple(lists), given, frozenset(kept))

    def _counting(self, growth: Growth) -> Iterator[tuple[Held, Any]]:
        """Yield the numbers that count grown axes, with their new values."""
        for of_block, names in ((False, COUNTS), (True, WIDTHS)):
            more = {self.size(axis): n for axis, n in growth.items() if axis.of_block == of_block}
            for held in self._numbers:
                if held.value in more and names.fullmatch(held.name):
                    yield held, type(held.value)(held.value + more[held.value])
