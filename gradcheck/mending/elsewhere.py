"""The same functions with other data: the data that can be changed, and states with them changed.

A state must make sense before it judges anything: the loss is finite there, the gradient raises
nothing new, and what was right is still right. Data that the gradient reads and the loss does not
(one-hot rows beside labels) are made from others: they stay, with all that share a size with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain, islice
from typing import Any

import numpy as np

from gradcheck.arrays import copied, same_arrays, same_numbers
from gradcheck.errors import UsageError
from gradcheck.mending.grown import resizable, slots_of
from gradcheck.mending.held import Held, Holdings, passed_on
from gradcheck.mending.redrawn import Array, redrawn, redrawn_number, renamed
from gradcheck.mending.sizes import (
    COUNTS,
    UNCHANGED,
    WIDTHS,
    Growth,
    Sizes,
    State,
    apart,
    dimensions,
    summed,
    tied,
)
from gradcheck.user.calls import UserCodeError
from gradcheck.user.gradients import gradients_at
from gradcheck.user.problem import Problem
from gradcheck.words import listed

TIED = 2
"""How many times more growths are tried if parameters grow by another number than the data."""

MOST, SINGLE, LARGEST = 24, 4, 64
"""The numbers of data that are redrawn, and of those tried alone if all together make no sense.

The last is the largest whole number that is changed alone.
"""

DRAWS = 3
"""How often an array is drawn until the loss or the gradient changes."""


class Data:
    """The data that the user's functions hold, and which of them may be changed.

    The functions are called with the parameters `values`; `restore` undoes what calls leave behind.
    Axes of the sizes in `fixed` stay as they are, and so do the numbers in `formulas`.
    """

    def __init__(
        self,
        problem: Problem,
        values: Sequence[Array],
        functions: Sequence[Any],
        restore: Callable[[], None],
        fixed: frozenset[int] = frozenset(),
        formulas: frozenset[float] = frozenset(),
    ) -> None:
        # following what enters an adaptive step anew in each call would tell no more of the data
        step = problem.step
        implied = problem if step is None else replace(problem, step=replace(step, entering=None))
        self._problem, self._values, self._restore = implied, values, restore
        self._fixed, self._formulas = fixed, formulas
        self._rng = np.random.default_rng(0)
        self._base = self._answer()
        stepping = None if step is None else step.step
        own = (problem.loss_function, problem.gradient_function, stepping, problem.layer)
        owner = problem.parameters.owner if problem.parameters.in_place else None
        self._holders = [one for one in (*own, *functions, owner) if one is not None]
        self._found = self._holdings()
        self._staying, self._kept = self._after_a_call()
        idle = {id(one) for one in self._kept if len(self._kept) > MOST and self._is_idle(one)}
        self._staying = [one for one in self._staying if id(one) not in idle]
        self._kept = [one for one in self._kept if id(one) not in idle]

    def _holdings(self) -> Holdings:
        found, problem = Holdings.of(self._holders), self._problem
        found.held += passed_on(problem.loss_function, problem.gradient_function)
        return found

    def redrawn(self) -> Iterator[State]:
        """Yield states with other data, those with the most changes first."""
        puts = self._independent()
        arrays = [pair for pair in puts if pair[0][0].is_array]
        for chosen in (puts, arrays, *([pair] for pair in puts[:SINGLE])):
            if chosen:
                names = dict.fromkeys(held.name for pair in chosen for held, _ in pair)
                words = listed([name for name in names if name]) or "data"
                yield State(f"other {words}", tuple(one for pair in chosen for one in pair))

    def counted(self) -> Iterator[State]:
        """Yield states in which a whole number that is no size is another one."""
        numbers: dict[tuple[str, int], list[Held]] = {}
        for held in self._kept:
            is_size = COUNTS.fullmatch(held.name) or WIDTHS.fullmatch(held.name)
            is_whole = type(held.value) is int or isinstance(held.value, np.integer)
            if is_whole and not is_size and 1 < held.value <= LARGEST and "*" not in held.path:
                numbers.setdefault((held.name, int(held.value)), []).append(held)
        for (name, value), every in sorted(numbers.items(), key=lambda item: item[0][1])[:SINGLE]:
            news = () if value in self._fixed else (value + 1, 2 * value, value - 1)
            states = (
                State(f"other {name}", tuple((held, type(held.value)(new)) for held in every))
                for new in news
            )
            yield from islice((one for one in states if self._is_sound(one, False)), 1)

    def resized(self, most: int) -> tuple[Iterator[State], ...]:
        """Return states with other sizes, and states with sizes that are tied to others.

        The first states change all sizes; `most` sets of axes are tried for each size.
        """
        parameters = self._problem.parameters
        own = [one for slot, _ in slots_of(parameters) for one in (slot.working, slot.original)]
        arrays = [
            held
            for held in self._staying
            if held.puts and not any(np.shares_memory(np.asarray(one), held.value) for one in own)
        ]
        values = self._values if resizable(self._problem) else ()
        numbers = [held for held in self._kept if not held.is_array]
        sizes = Sizes(arrays, self._found.lists, values, numbers)

        def makes_sense(growth: Growth) -> bool:
            state = sizes.grown(growth)
            return state is not None and self._is_sound(state, 1 in map(sizes.size, growth))

        every = {size: axes for size, axes in sizes.axes.items() if size not in self._fixed}
        found = list(dimensions(every, makes_sense, most))
        used = {axis for _, _, axes in found for axis in axes}
        left = [(axis, size) for size, axes in every.items() for axis in axes if axis not in used]
        ties = chain(tied(left, makes_sense, TIED * most), summed(left, makes_sense, most))
        return tuple(filter(None, map(sizes.grown, growths)) for growths in (apart(found), ties))

    def _is_sound(self, state: State, is_single: bool) -> bool:
        """True if the loss changes, or an axis had size 1, and no gradient is lost."""
        loss, gradient = self._answer(state)
        before, known = self._base
        as_many = len(gradient or ()) == len(known or ()) and (gradient is None) == (known is None)
        return loss is not None and as_many and (is_single or loss != before)

    def _is_idle(self, held: Held) -> bool:
        """True if nothing reads an array, such as one that an earlier call has left behind."""
        if not held.is_array or held.value.dtype.kind != "f":
            return False
        new = held.value + 1
        loss, gradient = self._answer(State("", ((held, new),)))
        return loss == self._base[0] and same_arrays(gradient or (), self._base[1] or ())

    def _independent(self) -> list[list[tuple[Held, Any]]]:
        """Return the data that can be changed on their own, with other values for them."""
        free, derived, step = [], [], self._problem.step
        rate = None if step is None else step.learning_rate  # other gradients follow from another
        for group in _groups(one for one in self._kept if one.is_array or one.value != rate)[:MOST]:
            is_written = not group[0].is_array and group[0].value in self._formulas
            for _ in range(DRAWS if group[0].is_array else 1):  # one sample may be drawn as it was
                puts = _drawn(group, self._rng)
                if puts is None or not all(held.can_hold(new) for held, new in puts):
                    break
                loss, gradient = self._answer(State("", tuple(puts)))
                if loss is None or (gradient is None and self._base[1] is not None):
                    break
                if loss != self._base[0]:
                    free += [] if is_written else [puts]
                    break
                if not same_arrays(gradient or (), self._base[1] or ()):
                    derived.append(puts)
                    break
        sizes = {size for puts in derived for size in _sizes(puts)}
        return [puts for puts in free if not sizes & _sizes(puts)]

    def _answer(self, state: State = UNCHANGED) -> tuple[float | None, list[Array] | None]:
        """Return the loss and the gradient in a state; None for what raises or is not finite."""
        loss, gradient = None, None
        with state.made(), suppress(Exception):  # wrappers raise too, as weights of rows do
            problem, values = state.of(self._problem, self._values)
            loss = problem.loss([value.copy() for value in values])
            blocks = gradients_at(problem, values)
            whole = [one.value for one in blocks if one.comparable and one.value is not None]
            gradient = [copied(value, 0) for value in whole]
        self._restore()
        return (None if loss is None or not np.isfinite(loss) else loss), gradient

    def _after_a_call(self) -> tuple[list[Held], list[Held]]:
        """Return the arrays in place after a call, and the data that it left as they were."""
        before = [copied(held.value, 0) for held in self._found.held]
        moved = self._problem.parameters.nudged(self._values, 0.1, self._rng)
        with suppress(UserCodeError, UsageError):
            self._problem.loss([value.copy() for value in moved])
            self._problem.gradient(moved)
        now = self._holdings().held
        arrays = {id(held.value) for held in now if held.is_array}
        numbers = {(held.path, held.value) for held in now if not held.is_array}
        in_place, unchanged = [], []
        for held, value in zip(self._found.held, before, strict=True):
            if held.is_array and id(held.value) in arrays:
                in_place.append(held)
                unchanged += [held] if same_numbers(held.value, value) else []
            elif not held.is_array and (held.path, held.value) in numbers:
                unchanged.append(held)
        self._restore()
        return in_place, unchanged


def _groups(data: Iterable[Held]) -> list[list[Held]]:
    """Return the data that are drawn together: items of a list, and equal data, without views.

    Whole numbers inside the items of a list may refer to one another: they are one group.
    """
    groups: dict[Any, list[Held]] = {}
    for held in sorted(data, key=_size, reverse=True):
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
            groups.setdefault(held.path, []).append(held)  # in all snapshots of a script
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
    """Return other values for data that are drawn together; None if they have to stay."""
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
        if any(isinstance(held.value, int | np.integer) for held in group):
            return None
        others = {value: redrawn_number(value, rng) for value in {held.value for held in group}}
        if None in others.values():
            return None
        return [(held, type(held.value)(others[held.value])) for held in group]
    if len(shapes) == 1:
        drawn = redrawn(first.value, rng)
        return None if drawn is None else [(held, drawn) for held in group]
    each = [(held, redrawn(held.value, rng)) for held in group if held.is_array]
    return None if any(new is None for _, new in each) else each


def _sizes(puts: Sequence[tuple[Held, Any]]) -> set[int]:
    """Return the sizes of changed data; numbers have the size 0 in common."""
    return {size for held, _ in puts for size in np.shape(held.value) or (0,)}
