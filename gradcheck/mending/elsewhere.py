"""The same functions on other data: what can be changed, and states with it changed.

A state must make sense before it judges anything: the loss is finite there, the gradient raises
nothing new, and what was right is right still. Data that the gradient reads and the loss does not
(one-hot rows beside labels) are made from others: they stay, with what shares a size with them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck.arrays import copied, same_arrays, same_numbers
from gradcheck.errors import UsageError
from gradcheck.mending.held import Held, Holdings
from gradcheck.mending.redrawn import Array, redrawn, redrawn_number, renamed
from gradcheck.user.calls import UserCodeError
from gradcheck.user.gradients import read_gradients
from gradcheck.user.problem import Problem
from gradcheck.words import listed

OTHER_SIZE = "another batch size"

MOST, SINGLE, MOST_CUTS = 24, 4, 6
"""How many data are asked for, tried on their own if all at once make no sense, and cut."""

COUNTS = re.compile(r"[mnNMB]|bs|(n_|num_)?(batch|samples|examples|train)(_size)?|count|size")
"""What people call the batch size."""


@dataclass(frozen=True)
class State:
    """Data as they are changed: what is put where, and which lists lose their last item."""

    words: str
    puts: tuple[tuple[Held, Any], ...]
    lists: tuple[list[Any], ...] = ()

    @contextmanager
    def made(self) -> Iterator[None]:
        """While it is entered, the functions hold the changed data."""
        before = [copied(held.value, 0) for held, _ in self.puts]
        whole = [items.copy() for items in self.lists]
        try:
            for held, new in self.puts:
                held.put(copied(new, 0))
            for items in self.lists:  # after that: the last item may be one of what is put
                del items[-1:]
            yield
        finally:
            for items, every in zip(self.lists, whole, strict=True):
                items[:] = every
            for (held, _), value in zip(self.puts, before, strict=True):
                held.put_back(value)


class Data:
    """The data that the user's functions hold, and which of them may be changed.

    It is asked with the parameters `values`; `restore` puts back what the functions leave behind.
    """

    def __init__(
        self,
        problem: Problem,
        values: Sequence[Array],
        functions: Sequence[Any],
        restore: Callable[[], None],
    ) -> None:
        self._problem = problem
        self._values = values
        self._restore = restore
        self._rng = np.random.default_rng(0)
        self._base = self._answer()
        own = (problem.loss_function, problem.gradient_function, problem.step, problem.layer)
        self._holders = [one for one in (*own, *functions) if one is not None]
        self._found = Holdings.of(self._holders)
        self._kept = self._unchanged_by_a_call()

    def redrawn(self) -> Iterator[State]:
        """States with other data, those with the most first."""
        puts = self._independent()
        numbers = [pair for pair in puts if pair[0][0].is_array]
        for chosen in (puts, numbers, *([pair] for pair in puts[:SINGLE])):
            if chosen:
                names = dict.fromkeys(held.name for pair in chosen for held, _ in pair)
                words = listed([name for name in names if name]) or "data"
                yield State(f"other {words}", tuple(one for pair in chosen for one in pair))

    def cut(self) -> Iterator[State]:
        """States without the last sample, those that cut the most arrays first."""
        arrays = [held for held in self._kept if held.is_array]
        sizes = Counter(
            (axis, held.value.shape[axis])
            for held in arrays
            for axis in (0, -1)
            if held.value.ndim and held.value.shape[axis] > 1
        )
        sizes.update((0, len(items)) for items in self._found.lists if len(items) > 1)
        for (axis, size), _ in sizes.most_common(MOST_CUTS):
            state = self._cut(axis, size)
            if state is not None:
                arrays_alone = tuple(pair for pair in state.puts if pair[0].is_array)
                with replace(state, puts=arrays_alone).made():
                    loss, _ = self._answer()
                if loss is not None and loss != self._base[0]:
                    yield state

    def _cut(self, axis: int, size: int) -> State | None:
        puts: list[tuple[Held, Any]] = []
        for held in self._kept:
            value = held.value
            if held.is_array and value.ndim and value.shape[axis] == size:
                puts.append((held, value.take(range(size - 1), axis)))
            elif not held.is_array and value == size and COUNTS.fullmatch(held.name):
                puts.append((held, type(value)(size - 1)))
        lists = tuple(items for items in self._found.lists if axis == 0 and len(items) == size)
        possible = all(held.can_hold(new) for held, new in puts)
        return State(OTHER_SIZE, tuple(puts), lists) if possible else None

    def _independent(self) -> list[list[tuple[Held, Any]]]:
        """What can be changed on its own, with other values for it."""
        free, derived = [], []
        for group in _groups(self._kept)[:MOST]:
            puts = _drawn(group, self._rng)
            if puts is None or not all(held.can_hold(new) for held, new in puts):
                continue
            with State("", tuple(puts)).made():
                loss, gradient = self._answer()
            if loss is None or (gradient is None and self._base[1] is not None):
                continue
            if loss != self._base[0]:
                free.append(puts)
            elif not same_arrays(gradient or (), self._base[1] or ()):
                derived.append(puts)
        sizes = {size for puts in derived for size in _sizes(puts)}
        return [puts for puts in free if not sizes & _sizes(puts)]

    def _answer(self) -> tuple[float | None, list[Array] | None]:
        """The loss and the gradient; None for what raises or is not finite."""
        try:
            loss = self._problem.loss([value.copy() for value in self._values])
        except (UserCodeError, UsageError):
            self._restore()
            return None, None
        try:
            returned = self._problem.gradient(self._values)
            blocks = read_gradients(returned, self._problem.parameters).blocks
            gradient = [copied(block.value, 0) for block in blocks if block.value is not None]
        except (UserCodeError, UsageError):
            gradient = None
        self._restore()
        return (loss if np.isfinite(loss) else None), gradient

    def _unchanged_by_a_call(self) -> list[Held]:
        """What the user's functions leave as it is: no caches, no parameters, no state."""
        before = [copied(held.value, 0) for held in self._found.held]
        moved = self._problem.parameters.nudged(self._values, 0.1, self._rng)
        with suppress(UserCodeError, UsageError):
            self._problem.loss([value.copy() for value in moved])
            self._problem.gradient(moved)
        now = Holdings.of(self._holders).held
        arrays = {id(held.value) for held in now if held.is_array}
        numbers = {(held.path, held.value) for held in now if not held.is_array}
        kept = [
            held
            for held, value in zip(self._found.held, before, strict=True)
            if (
                id(held.value) in arrays and same_numbers(held.value, value)
                if held.is_array
                else (held.path, held.value) in numbers
            )
        ]
        self._restore()
        return kept


def _groups(kept: Sequence[Held]) -> list[list[Held]]:
    """What is drawn together: the items of a list, and what is equal; views are left out.

    Whole numbers within the items of a list may name one another: they are one group.
    """
    groups: dict[Any, list[Held]] = {}
    for held in sorted(kept, key=_size, reverse=True):
        if "*" in held.path:
            below = held.path.index("*") + 1
            is_whole = np.asarray(held.value).dtype.kind in "iu"
            within = is_whole and below < len(held.path)
            groups.setdefault(held.path[:below] if within else held.path, []).append(held)
            continue
        ones = [group for path, group in groups.items() if "*" not in path]
        if held.is_array and any(np.shares_memory(held.value, one[0].value) for one in ones):
            continue
        equal = next((group for group in ones if _are_equal(group[0].value, held.value)), None)
        if equal is None:
            groups[held.path] = [held]
        else:
            equal.append(held)
    return list(groups.values())


def _size(held: Held) -> int:
    return int(held.value.nbytes) if held.is_array else 0


def _are_equal(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.shape == other.shape and np.array_equal(one, other)
    return type(one) is type(other) is float and one == other and not one.is_integer()


def _drawn(group: Sequence[Held], rng: np.random.Generator) -> list[tuple[Held, Any]] | None:
    """Other values for what is drawn together; None where it is to stay."""
    first = group[0]
    shapes = {np.shape(held.value) for held in group}
    several = len({held.path for held in group if "*" in held.path}) > 1
    if several or ("*" in first.path and len(group) > 1 and len(shapes) == 1):
        values = [np.asarray(held.value) for held in group]
        items = renamed(values, rng) if several else redrawn(np.stack(values), rng)
        if items is None:
            return None
        pairs = zip(group, items, strict=True)
        return [(held, new if held.is_array else type(held.value)(new)) for held, new in pairs]
    if not first.is_array:
        whole = isinstance(first.value, int | np.integer)
        number = None if whole else redrawn_number(float(first.value), rng)
        return None if number is None else [(held, type(held.value)(number)) for held in group]
    if len(shapes) == 1:
        drawn = redrawn(first.value, rng)
        return None if drawn is None else [(held, drawn) for held in group]
    each = [(held, redrawn(held.value, rng)) for held in group if held.is_array]
    return None if any(new is None for _, new in each) else each


def _sizes(puts: Sequence[tuple[Held, Any]]) -> set[int]:
    """The sizes of what is changed; numbers have the size 1 in common."""
    return {size for held, _ in puts for size in np.shape(held.value) or (1,)}
