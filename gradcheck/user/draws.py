"""The random numbers that a layer draws, which are to be the same in every call of it."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import FunctionType, MethodType
from typing import Any

import numpy as np

from gradcheck.user.objects import cells_of, is_object, steps_from
from gradcheck.user.random_states import RandomStates

GENERATORS = np.random.Generator, np.random.RandomState, random.Random

FARTHEST = 4
"""How many attributes and items lead to a generator at most."""

MOST_ITEMS = 100
"""Longer containers hold data."""


@dataclass(frozen=True)
class Draws:
    """The states of all generators that a function may draw from, before it is called.

    Attributes:
        own: those in its object, its closure and its module, with their states.
        of_all: the global ones.
    """

    own: tuple[tuple[Any, Any], ...]
    of_all: RandomStates = field(default_factory=RandomStates)

    @classmethod
    def of(cls, *functions: Callable[..., Any]) -> Draws:
        """The present states."""
        found = {id(each): each for one in functions for each in reached(one, GENERATORS)}
        return cls(tuple((each, _state(each)) for each in found.values()))

    def now(self) -> Draws:
        """The present states of the same generators."""
        own = tuple((each, _state(each)) for each, _ in self.own)
        return Draws(own, self.of_all.now())

    def went_on(self) -> bool:
        """Whether a number was drawn since."""
        return _written(self) != _written(self.now())

    def restore(self) -> None:
        """Let the same numbers be drawn again."""
        self.of_all.restore()
        for generator, state in self.own:
            if isinstance(generator, np.random.Generator):
                generator.bit_generator.state = state
            elif isinstance(generator, random.Random):
                generator.setstate(state)
            else:
                generator.set_state(state)


def _state(generator: Any) -> Any:
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    return generator.getstate() if isinstance(generator, random.Random) else generator.get_state()


def _written(draws: Draws) -> bytes:
    of_all = draws.of_all
    states = [state for _, state in draws.own]
    return pickle.dumps([states, of_all.of_numpy, of_all.of_python, of_all.of_torch])


def reached(function: Any, kinds: Any) -> list[Any]:
    """What is of these kinds in a function's object, its closure and its module's generators."""
    found: dict[int, Any] = {}
    at: list[Any] = [function]
    seen: set[int] = set()
    for _ in range(FARTHEST):
        at = [one for holder in at for one in _held(holder) if id(one) not in seen]
        seen |= {id(one) for one in at}
        found |= {id(one): one for one in at if isinstance(one, kinds)}
    return list(found.values())


def _held(value: Any) -> Iterator[Any]:
    if isinstance(value, partial):
        yield from (value.func, *value.args, *value.keywords.values())
    elif isinstance(value, MethodType):
        yield from (value.__self__, value.__func__)
    elif isinstance(value, FunctionType):
        yield from (content for _, _, content in cells_of(value))
        named = list(value.__globals__.values())
        yield from (one for one in named if isinstance(one, GENERATORS))
    elif isinstance(value, Mapping | list | tuple):
        if len(value) <= MOST_ITEMS:
            yield from (item for _, item in steps_from(value))
    elif is_object(value):
        yield from (item for _, item in steps_from(value))
