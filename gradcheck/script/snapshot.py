"""Copies of a script's variables, from which an iteration of its loop is replayed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import FunctionType
from typing import Any

import numpy as np

from gradcheck.script.copies import deep_copy, keeps_state
from gradcheck.script.drawn import States, Streams
from gradcheck.script.memory import is_shared, keep_memory_shared, own_what_classes_hold, views
from gradcheck.script.state import NUMBERS, Path, State, label, leaves, numbers
from gradcheck.trace.record.array import traced_leaf
from gradcheck.trace.record.ownership import is_users_object
from gradcheck.trace.record.proxies import proxy_of
from gradcheck.trace.record.recording import open_tape
from gradcheck.user.blocks import Array
from gradcheck.user.draws import Draws
from gradcheck.user.objects import cells_of

WORTH_SHARING = 2000
"""Size from which an array is no longer copied, once an iteration has left it unchanged."""

OWN_ARRAYS = "{0} is of {1}, a subclass of np.ndarray with attributes, which copies of it lose"
READ_ONLY = "read-only"
"""Part of numpy's message about an array that may not be written to."""


class Copies:
    """Copies of large arrays in the last snapshot: the next one needs none of what has stayed."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, Any]] = {}

    def still(self, arrays: Iterable[Any]) -> dict[int, Any]:
        """Return the copies of those arrays that are as they were, by id."""
        known = ((array, self._known.get(id(array), (None, None))) for array in arrays)
        return {
            id(array): copied
            for array, (original, copied) in known
            if array is original and _is_same(array, copied)
        }

    def keep(self, arrays: Iterable[Any], memo: Mapping[int, Any]) -> None:
        """Keep the copies of these arrays alone."""
        self._known = {id(one): (one, memo[id(one)]) for one in arrays if id(one) in memo}


@dataclass(frozen=True)
class Snapshot:
    """A copy of a script's variables and generators' states, from which an iteration is replayed.

    Attributes:
        state: the variables that are copied for every replay.
        shared: the function's variables that are not copied.
        states: those of the random generators, global and in closures, and of other generators.
        left_out: the names of the module's variables, and of the function's, that are in neither.
        constant: read-only views of arrays that no iteration changes, by id; these are not copied.
        written: the ids of arrays that turned out to be changed after all.
        whole: the snapshot with all rows of the data, where this one has fewer.
    """

    state: State
    shared: dict[str, Any]
    states: States
    left_out: tuple[Set[str], Set[str]] = frozenset(), frozenset()
    constant: dict[int, Any] = field(default_factory=dict)
    written: set[int] = field(default_factory=set)
    whole: Snapshot | None = None

    @cached_property
    def _views(self) -> list[tuple[Array, Array]]:
        return views(leaves(self.state).values())

    def copied(self, values: Mapping[Path, Any]) -> State:
        """Return a copy with other values at some paths; arrays that share memory still do.

        If a value is traced, so are all other arrays, except large ones that an iteration changes,
        and the functions of `math` that a table holds.
        """
        memo: dict[int, Any] = dict(self.constant)
        tape = open_tape(list(values.values()))
        if tape is not None:
            memo.update((id(one), proxy_of(one, tape)) for one in vars(math).values())
            for path, array in leaves(self.state).items():
                if path in values or not isinstance(array, np.ndarray):
                    continue
                if id(array) in self.constant or array.size <= WORTH_SHARING:
                    memo[id(array)] = traced_leaf(tape, array.copy(), label(path))
        kept = []
        for path, value in values.items():
            old = self.state.get(path)
            if isinstance(old, np.ndarray):  # an iteration may change it in place
                memo[id(old)] = value.copy() if isinstance(value, np.ndarray) else value
                kept.append(old)
        keep_memory_shared(self._views, memo, self.constant)
        parts = self.state.module, self.state.local, self.state.imported
        state: State = State(*deep_copy(parts, memo))
        for path, value in values.items():
            old = self.state.get(path)
            if isinstance(old, list):
                state.get(path)[:] = list(value)
            elif not isinstance(old, np.ndarray):
                state.put(path, value)
        return state

    def touched(self, before: State, after: State) -> State:
        """Return the variables after an iteration, less those left out that it has not set."""
        of_module, of_function = self.left_out
        module = _set_of(of_module, before.module, after.module)
        local = after.local and _set_of(of_function, before.local or {}, after.local)
        return replace(after, module=module, local=local)

    def changed(self, after: State) -> dict[Path, Array]:
        """Return the numbers that an iteration changes, as they are before it."""
        changed = {}
        repeated = {id(view) for _, view in self._views}
        there = leaves(after)
        for path, value in leaves(self.state).items():
            if id(value) in repeated or _is_same(value, there.get(path)):
                continue
            before, now = numbers(value), after.number(path)
            is_list = isinstance(value, list)
            if now is None or (is_list and now.shape != before.shape):
                continue
            if not np.array_equal(now, before, equal_nan=True):
                changed[path] = before
        return changed

    def lost(self) -> str:
        """Say which array is of a class of the user's whose attributes copies lose; "" if none."""
        for path, array in leaves(self.state).items():
            kind = type(array)
            if "__array_finalize__" in vars(kind) and is_users_object(kind):
                return OWN_ARRAYS.format(label(path), kind.__name__)
        return ""

    def share(self, begun: Mapping[Path, Any]) -> None:
        """Stop copying large arrays that the iteration which began with `begun` left unchanged."""
        for path, before in leaves(self.state, NUMBERS).items():
            if isinstance(before, np.ndarray) and before.size > WORTH_SHARING:
                now = begun.get(path)
                is_kept = now is not None and np.array_equal(now, before)
                if is_kept and id(before) not in self.written:
                    self.constant[id(before)] = shared = before.view()
                    shared.flags.writeable = False

    def is_shared_no_more(self, error: ValueError) -> bool:
        """Whether an error is due to a shared array; if so, copy all of them from now on.

        An iteration with another learning rate or other values may write to such an array.
        """
        if not self.constant or READ_ONLY not in str(error):
            return False
        self.written.update(self.constant)
        self.constant.clear()
        return True


def take_snapshot(
    state: State,
    left_out: Set[str] = frozenset(),
    unread: Set[str] = frozenset(),
    copies: Copies | None = None,
    streams: Streams | None = None,
) -> Snapshot:
    """Return a copy of all variables but modules, functions, classes and those to be left out.

    `left_out` are variables where the loop stands, `unread` those around a function that holds it.
    `copies` are those of the last snapshot, if there was one, and become those of this one;
    `streams` are the generators of the run.
    """
    left = (left_out, set[str]()) if state.local is None else (unread, left_out)
    local = None if state.local is None else _without_inner(_without(state.local, left[1]))
    kept = State(_without(state.module, left[0]), local, state.imported)
    own_what_classes_hold([kept.module, kept.local or {}, kept.imported])
    large = [one for one in leaves(kept, NUMBERS).values() if np.size(one) > WORTH_SHARING]
    memo: dict[int, Any] = {} if copies is None else copies.still(large)
    keep_memory_shared(views(leaves(kept).values()), memo)
    copied = State(
        _copied(kept.module, memo),
        None if kept.local is None else _copied(kept.local, memo),
        {name: _copied(own, memo) for name, own in kept.imported.items()},
    )
    if copies is not None:
        copies.keep(large, memo)
    shared = {n: v for n, v in (state.local or {}).items() if n not in (copied.local or {})}
    names = (state.module, state.local or {}, *state.imported.values())
    closures = (one for own in names for one in own.values() if getattr(one, "__closure__", None))
    states = States.of(Draws.of(*filter(callable, closures)), streams or Streams())
    return Snapshot(copied, shared, states, left)


def _is_same(one: Any, other: Any) -> bool:
    """Whether two values are arrays of one kind with the same numbers."""
    are_arrays = isinstance(one, np.ndarray) and type(one) is type(other)
    return are_arrays and one.dtype == other.dtype and np.array_equal(one, other)


def _set_of(names: Set[str], before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    unset = {name for name in names & before.keys() if after.get(name) is before[name]}
    return _without(after, unset)


def _without(names: Mapping[str, Any], left_out: Set[str]) -> dict[str, Any]:
    return {name: value for name, value in names.items() if name not in left_out}


def _without_inner(names: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the functions that keep nothing but these variables, which replays show them."""

    def is_inner(value: Any) -> bool:
        return keeps_state(value) and all(
            names.get(name) is held or isinstance(held, FunctionType)
            for name, _, held in cells_of(value)
        )

    return {name: value for name, value in names.items() if not is_inner(value)}


def _copied(names: Mapping[str, Any], memo: dict[int, Any]) -> dict[str, Any]:
    copies = {}
    for name, value in names.items():
        if name.startswith("__") or is_shared(value):
            continue
        try:
            copies[name] = deep_copy(value, memo)
        except Exception:  # generators and locks, for example, cannot be copied, and are shared
            continue
    return copies
