"""Optimisers that a layer's backward pass calls: the gradients that they are given are read."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import numpy as np

from gradcheck.user.blocks import Leaf
from gradcheck.user.calls import LEAVING, hand_over
from gradcheck.user.names import follow, has_role
from gradcheck.user.objects import Place, attributes, is_object

UPDATE = re.compile(r"_*(update|step|apply|optimi[sz]e|call_*$)", re.IGNORECASE)
"""Methods that move a parameter."""

LAYER = re.compile(r"_*(forward|backward|back_?prop|[fb]prop)", re.IGNORECASE)
"""Methods that an optimiser does not have."""


class Watched:
    """Stands for an optimiser, and shows what it is given."""

    def __init__(self, updater: Any, take: Callable[[Sequence[Any]], None]) -> None:
        vars(self).update(_updater=updater, _take=take)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._updater, name)
        return partial(self._called, value) if callable(value) and UPDATE.match(name) else value

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._updater, name, value)

    def __call__(self, *given: Any, **named: Any) -> Any:
        """Calls the optimiser."""
        return self._called(self._updater, *given, **named)

    def _called(self, method: Callable[..., Any], *given: Any, **named: Any) -> Any:
        self._take([*given, *named.values()])
        plain = {name: _plain(value) for name, value in named.items()}
        return _plain(hand_over(method, *map(_plain, given), **plain))


def _plain(value: Any) -> Any:
    """An array as what numpy makes of it: what an optimiser computes is not followed."""
    return np.asarray(value) if isinstance(value, np.ndarray) else value


@contextmanager
def watching(owner: Any, owned: Sequence[Leaf], handed: dict[str, Any]) -> Iterator[None]:
    """Gathers in `handed` the gradients that optimisers are given for the arrays of an object.

    Copies of the optimisers take them, so that each call finds what they remember as it was.
    """

    def take(given: Sequence[Any]) -> None:
        arrays = [one for one in given if isinstance(one, np.ndarray)]
        for leaf in owned:
            parameter = follow(owner, leaf.path[1:])
            others = [one for one in arrays if one is not parameter and one.shape == leaf.shape]
            if len(others) == 1 and any(one is parameter for one in arrays):
                handed[leaf.name] = others[0].copy()

    places = list(_updaters(owner, owned))
    try:
        for place in places:
            with suppress(*LEAVING):  # what cannot be copied is not watched
                place.set(Watched(copy.deepcopy(place.original), take))
        yield
    finally:
        for place in places:
            place.set(place.original)


def _updaters(owner: Any, owned: Sequence[Leaf]) -> Iterator[Place]:
    """The places of optimisers in the attributes of what holds the arrays, or in a dict there.

    An optimiser holds no weights: a layer that does may have an `update` of its own.
    """
    weights = [leaf for leaf in owned if has_role(leaf.name)]
    layers, holders = _holders(owner, weights), _holders(owner, owned)
    for holder in (one for one in holders.values() if is_object(one)):
        for name, value in attributes(holder).items():
            inside = value.items() if isinstance(value, dict) else ()
            for place in (Place(holder, name, value), *(Place(value, *item) for item in inside)):
                one = place.original
                if is_object(one) and id(one) not in layers and _is_updater(dir(one)):
                    yield place


def _holders(owner: Any, owned: Sequence[Leaf]) -> dict[int, Any]:
    """What leads to arrays, from their owner on, by identity."""
    ways = [leaf.path[1:end] for leaf in owned for end in range(1, len(leaf.path))]
    return {id(one): one for one in (follow(owner, way) for way in ways)}


def _is_updater(methods: Sequence[str]) -> bool:
    return any(map(UPDATE.match, methods)) and not any(map(LAYER.match, methods))
