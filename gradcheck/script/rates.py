"""Find possible learning rates of a script, and scale one for the length of an iteration."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from gradcheck.script.marks import INCREMENT, LITERAL, Site
from gradcheck.script.snapshot import Snapshot
from gradcheck.script.state import (
    LOCAL,
    MODULE,
    Path,
    State,
    bare,
    is_number,
    label,
    last_name,
    steps_into,
)
from gradcheck.script.words import RATE
from gradcheck.trace.record.graph import grouped
from gradcheck.trace.record.ownership import is_users_object
from gradcheck.user.objects import defaults_of

DEPTH, MOST_ITEMS = 7, 50
MOST_ALIKE = 20
"""The number of variables and attributes of one name, of which any may be a rate; more are data."""


@dataclass(frozen=True)
class Rate:
    """A learning rate, and where the script keeps it.

    Attributes:
        value: its value; 1 where the code has none.
        words: the way the script writes it; "" where the code has none.
        path: its path among the variables; or
        marks: the marks of the literals or increments that are, or contain, the rate; or
        holder: the class that has it as an attribute, or the function, as a default argument,
        key: and the name of the attribute, or the index of the default.
        others: further places with the same name and value, such as other layers.
    """

    value: float
    words: str
    path: Path | None = None
    marks: tuple[int, ...] = ()
    holder: Any = None
    key: Any = None
    others: tuple[Rate, ...] = ()

    def at(self, snapshot: Snapshot, used: Mapping[int, float]) -> Rate:
        """Return the rate with its value in one iteration; `used` are the values at the marks."""
        if self.path is not None:
            return replace(self, value=float(snapshot.state.get(self.path)))
        values = {used[mark] for mark in self.marks if mark in used}
        return replace(self, value=values.pop()) if len(values) == 1 else self

    def times(self, factor: float) -> Rate:
        """Return the rate with a factor that a counter makes in one iteration, and say so."""
        words = self.words and f"{self.described}, times {factor:.4g} by a counter"
        return replace(self, value=self.value * factor, words=words)

    @property
    def described(self) -> str:
        """The words and the value."""
        if not self.words:
            return "none (1)"
        return self.words if re.search("[= ]", self.words) else f"{self.words} = {self.value:g}"

    @contextmanager
    def scaled(self, state: State, scale: float, marks: dict[int, float]) -> Iterator[None]:
        """Multiply the rate by `scale` within this context."""
        if scale == 1.0:
            yield
            return
        with ExitStack() as places:
            for one in (self, *self.others):
                places.enter_context(one._scaled(state, scale, marks))
            yield

    @contextmanager
    def _scaled(self, state: State, scale: float, marks: dict[int, float]) -> Iterator[None]:
        holder, key = self.holder, self.key
        before: Any
        if self.path is not None:
            before, put = state.get(self.path), partial(state.put, self.path)
            new = before * scale
        elif isinstance(holder, type):
            before, put = getattr(holder, key), partial(setattr, holder, key)
            new = before * scale
        elif holder is not None:
            before, put = holder.__defaults__, partial(setattr, holder, "__defaults__")
            new = (*before[:key], before[key] * scale, *before[key + 1 :])
        else:
            before, put = dict(marks), partial(_fill, marks)
            new = {**marks, **dict.fromkeys(self.marks, scale)}
        put(new)
        try:
            yield
        finally:
            put(before)

    def _place(self, state: State) -> tuple[Any, ...]:
        """Return the place of the rate, the same for all paths that lead to one object."""
        if self.path is None:
            return id(self.holder), self.key
        holder = self.path[:-1] if len(self.path) <= 2 else id(state.get(self.path[:-1]))
        return holder, self.path[-1]


def _fill(marks: dict[int, float], scales: dict[int, float]) -> None:
    marks.clear()
    marks.update(scales)


def candidates(
    snapshot: Snapshot,
    module: dict[str, Any],
    sites: Sequence[Site],
    within: Set[int] = frozenset(),
) -> list[Rate]:
    """Return possible learning rates, the likeliest first; marks `within` the loop are likelier."""
    state = snapshot.state
    rates = _in_parts(state, named=True)
    classes = [one for one in module.values() if isinstance(one, type) and is_users_object(one)]
    rates += [
        Rate(float(value), f"{kind.__name__}.{name}", holder=kind, key=name)
        for kind in classes
        for name, value in vars(kind).items()
        if RATE.match(name) and _is_rate(value)
    ]
    scopes = [module, *map(vars, classes)]
    functions = [
        one for names in scopes for one in names.values() if isinstance(one, types.FunctionType)
    ]
    rates += [rate for function in functions for rate in _defaults(function)]
    rates = [*_together(rates, state), *rates]
    unnamed = grouped((last_name(rate.path or ()), rate) for rate in _in_parts(state, named=False))
    few = (rate for alike in unnamed.values() if len(alike) <= MOST_ALIKE for rate in alike)
    return [*rates, *_literals(sites, within), *few]


def _together(rates: Sequence[Rate], state: State) -> list[Rate]:
    """Combine rates with one name and value that several objects or functions keep."""
    alike: dict[tuple[Any, float], dict[tuple[Any, ...], Rate]] = {}
    for rate in rates:
        last = rate.words.split("=")[0].rsplit(".", 1)[-1]
        alike.setdefault((last, rate.value), {}).setdefault(rate._place(state), rate)
    groups = [tuple(places.values()) for places in alike.values() if len(places) > 1]
    return [replace(first, others=tuple(others)) for first, *others in groups]


def _literals(sites: Sequence[Site], within: Set[int]) -> list[Rate]:
    """Return the literals, those of the loop first: all of one value together, then each alone."""
    literals = ((number, site) for number, site in enumerate(sites) if site.kind == LITERAL)
    marks = grouped((site.value, number) for number, site in literals)
    together = [own for own in marks.values() if len(own) > 1]
    alone = ([number] for own in marks.values() for number in own)
    ordered = sorted((*together, *alone), key=lambda own: within.isdisjoint(own))
    return [Rate(sites[own[0]].value, _where(sites, own), marks=tuple(own)) for own in ordered]


def _where(sites: Sequence[Site], marks: Sequence[int]) -> str:
    lines = list(dict.fromkeys(str(sites[number].line) for number in marks))
    what = f"line {lines[0]}" if len(lines) == 1 else f"lines {', '.join(lines)}"
    return f"the {sites[marks[0]].name} in {what}"


def uses(used: Mapping[int, float], sites: Sequence[Site]) -> list[Rate]:
    """Return the rates that updates use, by value: they may come as an argument of the update."""
    marks = grouped((value, mark) for mark, value in used.items() if value > 0)
    return [Rate(value, sites[own[0]].name, marks=tuple(own)) for value, own in marks.items()]


def increments(sites: Sequence[Site]) -> list[Rate]:
    """Return a rate of 1 for each increment: scaling the rate scales the increment."""
    return [
        Rate(1.0, "", marks=(number,))
        for number, site in enumerate(sites)
        if site.kind == INCREMENT
    ]


def _is_rate(value: Any) -> bool:
    is_a_number = isinstance(value, int | float | np.floating) and not isinstance(value, bool)
    return bool(is_a_number and value > 0)


def _defaults(function: types.FunctionType) -> list[Rate]:
    return [
        Rate(float(value), f"{name}={value!r} of {function.__name__}", holder=function, key=place)
        for place, (name, value) in enumerate(defaults_of(function))
        if RATE.match(name) and _is_rate(value)
    ]


def _in_parts(state: State, named: bool) -> list[Rate]:
    """Return the numbers of a state that are named like a rate, or all others."""
    rates: list[Rate] = []
    for part in (LOCAL, MODULE):
        seen: set[int] = set()
        for name, value in state.part(part).items():
            rates += _in_state((part, name), value, seen, named)
    return rates


def _in_state(path: Path, value: Any, seen: set[int], named: bool) -> Iterator[Rate]:
    last = bare(path[-1])
    is_named = isinstance(last, str) and bool(RATE.match(last))
    if is_named == named and (is_number(value) or named) and _is_rate(value):
        yield Rate(float(value), label(path), path=path)
    elif len(path) < DEPTH and id(value) not in seen:
        seen.add(id(value))
        steps = steps_into(value)
        for step, item in steps if len(steps) < MOST_ITEMS else ():
            yield from _in_state((*path, step), item, seen, named)
