"""What generators of a script yield, so that each replay of an iteration gets the same items.

A generator can neither be copied nor be set back: `X, y = next(batches)` would take another batch
in every replay.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import GeneratorType
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

from gradcheck.script.copies import deep_copy
from gradcheck.user.draws import Draws
from gradcheck.user.random_states import RandomStates

MOST_KEPT = 100
"""How many items of a generator are kept: no replay begins earlier."""

Source: TypeAlias = "GeneratorType[Any, Any, Any]"


@dataclass
class _Stream:
    """The last items of a generator, by their numbers, with the random states after each of them.

    Attributes:
        at: the number of the item that is taken next.
        count: how many items the generator has yielded.
    """

    items: dict[int, tuple[Any, RandomStates]] = field(default_factory=dict)
    at: int = 0
    count: int = 0


class Streams:
    """The generators of one run of a script, and what they have yielded."""

    def __init__(self) -> None:
        self._streams: WeakKeyDictionary[Source, _Stream] = WeakKeyDictionary()

    def drawn(self, source: Any, *otherwise: Any) -> Any:
        """Hook in the place of `next`."""
        if not isinstance(source, GeneratorType):
            return next(source, *otherwise)
        stream = self._streams.setdefault(source, _Stream())
        if stream.at == stream.count:
            item = next(source, *otherwise)
            stream.items[stream.count] = _copied(item), RandomStates()
            stream.items.pop(stream.count - MOST_KEPT, None)
            stream.count += 1
        elif stream.at in stream.items:
            item, states = stream.items[stream.at]
            item = _copied(item)  # an iteration may change it in place
            states.restore()
        else:
            return next(source, *otherwise)
        stream.at += 1
        return item

    def places(self) -> dict[Source, int]:
        """Return which item each generator yields next."""
        return {source: stream.at for source, stream in self._streams.items()}

    def set_back(self, places: Mapping[Source, int]) -> None:
        """Let each generator yield an item next; what has begun since then yields its first."""
        for source, stream in self._streams.items():
            stream.at = places.get(source, 0)


def _copied(item: Any) -> Any:
    """Return a copy, or what cannot be copied itself."""
    with contextlib.suppress(Exception):
        return deep_copy(item, {})
    return item


@dataclass(frozen=True)
class States:
    """The states of random generators, and which item each generator of the script yields next."""

    draws: Draws
    streams: Streams
    places: Mapping[Source, int]

    @classmethod
    def of(cls, draws: Draws, streams: Streams) -> States:
        """Return the present states."""
        return cls(draws, streams, streams.places())

    def now(self) -> States:
        """Return the present states of the same generators."""
        return self.of(self.draws.now(), self.streams)

    def restore(self) -> None:
        """Let the same numbers and items be drawn again."""
        self.draws.restore()
        self.streams.set_back(self.places)
