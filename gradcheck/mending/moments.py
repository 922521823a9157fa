"""The values of a function's names each time that it came to a statement, and the right ones."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from types import CodeType, FrameType
from typing import Any

import numpy as np

from gradcheck.arrays import copied
from gradcheck.mending.composed import EXACT
from gradcheck.mending.marks import OWN
from gradcheck.mending.pieces import STEP
from gradcheck.mending.scope import run_watched, value_of
from gradcheck.trace import Fault
from gradcheck.trace.faults.levels import COMPREHENSIONS
from gradcheck.user.blocks import Array
from gradcheck.user.calls import LEAVING, Location

MOST_MOMENTS = 400
DEPTH = 3
CLOSE = 1e-9

PRECISIONS = ((CLOSE, EXACT), (1e-6, 1e-5))
"""The relative differences of equal values, and of compositions, in double and single precision."""


@dataclass(frozen=True)
class Moment:
    """One time that a statement was reached: the names of its function, and the scope around it.

    `index` counts the moments of one statement, and `number` those of all that were asked for;
    `frame` tells the calls of a function apart. `returned` holds what the statement has returned,
    if anything.
    """

    names: dict[str, Any]
    scope: dict[str, Any]
    index: int = 0
    number: int = 0
    frame: int = 0
    returned: list[Any] = field(default_factory=list)

    def value(self, text: str) -> Any:
        """Return the value of an expression; None if it is no array or number."""
        with contextlib.suppress(*LEAVING), np.errstate(all="ignore"):
            # an expression of the user's own, or one made of their names, that changes nothing
            result = eval(_compiled(text), self.scope, self.names)
            kind = value_of(result)
            if kind is not None and kind.kind != "list":
                return np.asarray(result, dtype=np.float64)
        return None

    def places(self, text: str, array: str, value: Any) -> Any:
        """Return the positions of an item in an array, given by its text; None if it is no item."""
        name = "_places"
        numbers = np.arange(np.size(value)).reshape(np.shape(value))
        positions = self.knowing({name: numbers}).value(name + text.removeprefix(array))
        return None if positions is None else positions.astype(np.intp)

    def knowing(self, more: Mapping[str, Any]) -> Moment:
        """Return the moment with more names."""
        return replace(self, names={**self.names, **more})


def values_at(moments: Sequence[Moment], text: str) -> list[Any] | None:
    """Return the values of an expression at some moments; None if it lacks one of them."""
    values = []
    for moment in moments:
        value = moment.value(text)
        if value is None:
            return None
        values.append(value)
    return values


@cache
def _compiled(text: str) -> CodeType:
    return compile(text, "<expression>", "eval")


def moments_at(
    path: str, spans: Sequence[tuple[int, int]], run: Callable[[], object]
) -> list[list[Moment]]:
    """Return the moments just before statements run, each given by its first and last line."""
    moments: list[list[Moment]] = [[] for _ in spans]
    inside: dict[int, tuple[int | None, int]] = {}
    around: dict[CodeType, FrameType] = {}
    latest: dict[int, Moment] = {}
    last = max(end for _, end in spans)

    def span_at(line: int) -> int | None:
        return next((i for i, (start, end) in enumerate(spans) if start <= line <= end), None)

    def at_line(frame: FrameType, event: str, argument: Any) -> Any:
        at, line = id(frame), frame.f_lineno
        before, last_line = inside.get(at, (None, 0))
        if event == "return" and before is not None and at in latest:
            latest.pop(at).returned.append(copied(argument, DEPTH))
        span = span_at(line) if event == "line" else None
        begins = span != before or line <= last_line
        if span is not None and begins and len(moments[span]) < MOST_MOMENTS:
            outer = around.get(frame.f_code)
            names = {**(outer.f_locals if outer else {}), **_names(frame)}
            names = {name: one for name, one in names.items() if not name.startswith(OWN)}
            number = sum(map(len, moments))
            kept = copied(names, DEPTH)
            latest[at] = Moment(kept, frame.f_globals, len(moments[span]), number, at)
            moments[span].append(latest[at])
        inside[at] = span, line
        return at_line

    def at_call(frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        if code.co_filename == path:
            around.update((one, frame) for one in code.co_consts if isinstance(one, CodeType))
        if code.co_filename != path or code.co_firstlineno > last or code.co_name in COMPREHENSIONS:
            return None
        return at_line

    run_watched(run, at_call, by_line=True)
    return moments


def _names(frame: FrameType) -> dict[str, Any]:
    """Return the names of a function; for the body of a script's loop, those of its module.

    The keys that its loops go through (`for k, v in model.items()`) are of one pass, as values are.
    """
    if frame.f_code.co_name != STEP or frame.f_locals:
        return frame.f_locals
    known = frame.f_globals.items()
    return {name: one for name, one in known if isinstance(one, str) or value_of(one) is not None}


Told = tuple[Moment, Array]
"""A moment, and the right value of an expression at it."""


@dataclass(frozen=True)
class Wanted:
    """A wrong value, with the right one.

    Attributes:
        place: its place in the source.
        actual: the wrong value; several passes of a loop are flat, one after the other.
        expected: the right value.
    """

    place: Location
    actual: Array
    expected: Array

    @classmethod
    def of(cls, fault: Fault) -> Wanted | None:
        """Return the wrong value of a fault, if its numbers are known."""
        place, actual, expected = fault.place, fault.actual_value, fault.expected_value
        if place is None or actual is None or expected is None:
            return None
        return cls(place.location, np.asarray(actual), np.asarray(expected))


def matched(known: Sequence[Told], wanted: Wanted) -> tuple[Sequence[Told], float] | None:
    """Return the right value at each moment that has the wrong one; None if they do not match.

    Also return the relative difference up to which numbers are the same.
    """
    tried = (
        (_told(known, wanted.actual, wanted.expected, close), exact) for close, exact in PRECISIONS
    )
    return next((one for one in tried if one[0]), None)


def _told(known: Sequence[Told], actual: Array, expected: Array, close: float) -> list[Told]:
    for moment, value in known:
        if value.shape == actual.shape and _are_close(value, actual, close):
            return [(moment, expected)]
    if actual.size != expected.size:
        return []
    for order in (1, -1):
        targets: list[Told] = []
        start = 0
        for moment, value in known[::order]:
            end = start + value.size
            part = actual.reshape(-1)[start:end]
            if part.size == value.size and _are_close(value.reshape(-1), part, close):
                targets.append((moment, expected.reshape(-1)[start:end].reshape(value.shape)))
                start = end
        if targets and start == actual.size:
            return targets
    return []


def _are_close(one: Array, other: Array, close: float) -> bool:
    scale = float(np.max(np.abs(other), initial=0.0))
    return bool(np.all(np.abs(one - other) <= close * scale))
