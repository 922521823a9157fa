"""States of the user's data: what is changed in them, and for how long."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from gradcheck.arrays import copied
from gradcheck.mending.grown import resized
from gradcheck.mending.held import Held
from gradcheck.user.blocks import Array
from gradcheck.user.problem import Problem


@dataclass(frozen=True)
class State:
    """Data as they are changed.

    Attributes:
        words: what is changed.
        puts: what is put where.
        lists: the lists of samples, and how many of their first items they have once more.
        values: the parameters, where these have other sizes.
    """

    words: str
    puts: tuple[tuple[Held, Any], ...]
    lists: tuple[tuple[list[Any], int], ...] = ()
    values: tuple[Array, ...] | None = None

    def of(self, problem: Problem, values: Sequence[Array]) -> tuple[Problem, Sequence[Array]]:
        """The problem and its parameters while this is made: its data are what they are then."""
        fresh = {name: (array, array.copy()) for name, (array, _) in problem.data.items()}
        if self.values is None:
            return replace(problem, data=fresh), values
        parameters = resized(problem.parameters, self.values)
        return replace(problem, data=fresh, parameters=parameters), self.values

    @contextmanager
    def made(self) -> Iterator[None]:
        """While it is entered, the functions hold the changed data."""
        before = [copied(held.value, 0) for held, _ in self.puts]
        whole = [items.copy() for items, _ in self.lists]
        try:
            for held, new in self.puts:
                held.put(copied(new, 0))
            for items, more in self.lists:  # after that: items may hold what is put
                items += [copy.deepcopy(items[one % len(items)]) for one in range(more)]
            yield
        finally:
            for (items, _), every in zip(self.lists, whole, strict=True):
                items[:] = every
            for (held, _), value in zip(self.puts, before, strict=True):
                held.put_back(value)


UNCHANGED = State("", ())
