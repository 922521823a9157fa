"""What may be the learning rate of a script, and how it is scaled for one iteration."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck.script.marks import INCREMENT, LITERAL, Site
from gradcheck.script.state import (
    LOCAL,
    MODULE,
    Attribute,
    Path,
    Snapshot,
    State,
    is_number,
    is_shared,
    label,
)
from gradcheck.script.words import RATE
from gradcheck.trace.record.ownership import is_users_object

DEPTH = 7


@dataclass(frozen=True)
class Rate:
    """A learning rate.

    Attributes:
        value: what it is; 1 where the code has none.
        words: how the script writes it; empty where the code has none.
        path: where the state holds it, or
        marks: the numbers of the literals or increments that are, or hold, it, or
        holder: the class or function that keeps it,
        key: under this name, or at this place of the defaults.
        others: where else the same number is kept under the same name, as by every layer.
    """

    value: float
    words: str
    path: Path | None = None
    marks: tuple[int, ...] = ()
    holder: Any = None
    key: Any = None
    others: tuple[Rate, ...] = ()

    def at(self, snapshot: Snapshot, used: Mapping[int, float]) -> Rate:
        """What it is in an iteration.

        Args:
            snapshot: where the iteration begins.
            used: what its updates use, by the numbers of the marks.
        """
        if self.path is not None:
            return replace(self, value=float(snapshot.state.get(self.path)))
        values = {used[mark] for mark in self.marks if mark in used}
        return replace(self, value=values.pop()) if len(values) == 1 else self

    @contextmanager
    def scaled(self, state: State, scale: float, marks: dict[int, float]) -> Iterator[None]:
        """Has an iteration run with the rate times a number."""
        if scale == 1.0:
            yield
            return
        undo = [one._scale(state, scale, marks) for one in (self, *self.others)]
        try:
            yield
        finally:
            for put_back in undo:
                put_back()

    def _place(self, state: State) -> tuple[Any, ...]:
        """Where it is kept: an object has one place, whatever paths lead to it."""
        if self.path is None:
            return id(self.holder), self.key
        holder = self.path[:-1] if len(self.path) <= 2 else id(state.get(self.path[:-1]))
        return holder, self.path[-1]

    def _scale(self, state: State, scale: float, marks: dict[int, float]) -> Callable[[], None]:
        if self.path is not None:
            path, before = self.path, state.get(self.path)
            state.put(path, before * scale)
            return lambda: state.put(path, before)
        if self.holder is None:
            marks.update(dict.fromkeys(self.marks, scale))
            return marks.clear
        holder, key = self.holder, self.key
        if isinstance(holder, type):
            kept = getattr(holder, key)
            setattr(holder, key, kept * scale)
            return lambda: setattr(holder, key, kept)
        defaults = holder.__defaults__
        holder.__defaults__ = tuple(
            value * scale if place == key else value for place, value in enumerate(defaults)
        )
        return lambda: setattr(holder, "__defaults__", defaults)


def candidates(snapshot: Snapshot, module: dict[str, Any], sites: Sequence[Site]) -> list[Rate]:
    """What may be the learning rate, the likeliest first."""
    state = snapshot.state
    found: list[Rate] = []
    for part in (LOCAL, MODULE):
        seen: set[int] = set()
        for name, value in state.part(part).items():
            found += _in_state((part, name), value, seen)
    classes = [kind for kind in module.values() if _is_own_class(kind)]
    found += [
        Rate(float(value), f"{kind.__name__}.{name}", holder=kind, key=name)
        for kind in classes
        for name, value in vars(kind).items()
        if RATE.match(name) and _is_rate(value)
    ]
    functions = [one for one in module.values() if isinstance(one, types.FunctionType)]
    functions += [
        one
        for kind in classes
        for one in vars(kind).values()
        if isinstance(one, types.FunctionType)
    ]
    for function in functions:
        found += _defaults(function)
    found = [*_together(found, state), *found]
    found += _literals(sites)
    for part in (LOCAL, MODULE):
        seen = set()
        for name, value in state.part(part).items():
            found += _in_state((part, name), value, seen, named=False)
    return found


def _together(found: Sequence[Rate], state: State) -> list[Rate]:
    """Rates that several objects or functions keep under one name, each place once."""
    alike: dict[tuple[Any, float], dict[tuple[Any, ...], Rate]] = {}
    for rate in found:
        last = rate.words.split("=")[0].rsplit(".", 1)[-1]
        alike.setdefault((last, rate.value), {}).setdefault(rate._place(state), rate)
    groups = [tuple(places.values()) for places in alike.values() if len(places) > 1]
    return [replace(first, others=tuple(others)) for first, *others in groups]


def _literals(sites: Sequence[Site]) -> list[Rate]:
    """Numbers of the text: those that are written alike together, then each."""
    marks: dict[float, list[int]] = {}
    for number, site in enumerate(sites):
        if site.kind == LITERAL:
            marks.setdefault(site.value, []).append(number)
    together = [own for own in marks.values() if len(own) > 1]
    return [
        Rate(sites[own[0]].value, _where(sites, own), marks=tuple(own))
        for own in (*together, *([number] for own in marks.values() for number in own))
    ]


def _where(sites: Sequence[Site], marks: Sequence[int]) -> str:
    lines = list(dict.fromkeys(str(sites[number].line) for number in marks))
    what = f"line {lines[0]}" if len(lines) == 1 else f"lines {', '.join(lines)}"
    return f"the {sites[marks[0]].name} in {what}"


def increments(sites: Sequence[Site]) -> list[Rate]:
    """Every increment as if it were made with a rate of 1."""
    return [
        Rate(1.0, "", marks=(number,))
        for number, site in enumerate(sites)
        if site.kind == INCREMENT
    ]


def _is_own_class(kind: Any) -> bool:
    return isinstance(kind, type) and is_users_object(kind)


def _is_rate(value: Any) -> bool:
    is_number = isinstance(value, int | float | np.floating) and not isinstance(value, bool)
    return bool(is_number and value > 0)


def _defaults(function: types.FunctionType) -> list[Rate]:
    defaults = function.__defaults__ or ()
    code = function.__code__
    names = code.co_varnames[: code.co_argcount][code.co_argcount - len(defaults) :]
    return [
        Rate(float(value), f"{name}={value!r} of {function.__name__}", holder=function, key=place)
        for place, (name, value) in enumerate(zip(names, defaults, strict=True))
        if RATE.match(name) and _is_rate(value)
    ]


def _in_state(path: Path, value: Any, seen: set[int], named: bool = True) -> Iterator[Rate]:
    """The numbers that are named like a rate; or all others, each of which may be one."""
    last = path[-1].name if isinstance(path[-1], Attribute) else path[-1]
    is_named = isinstance(last, str) and bool(RATE.match(last))
    if is_named == named and (is_number(value) or named) and _is_rate(value):
        yield Rate(float(value), label(path), path=path)
    elif len(path) < DEPTH and id(value) not in seen:
        seen.add(id(value))
        steps: list[tuple[Any, Any]] = []
        if isinstance(value, dict):
            steps = list(value.items())[:50]
        elif isinstance(value, list | tuple) and len(value) < 30:
            steps = list(enumerate(value))
        elif hasattr(value, "__dict__") and not is_shared(value):
            steps = [(Attribute(name), item) for name, item in vars(value).items()]
        for step, item in steps:
            yield from _in_state((*path, step), item, seen, named)
