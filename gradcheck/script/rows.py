"""Passes over fewer rows: one that takes long is replayed with a part of its data."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.script.copies import deep_copy
from gradcheck.script.memory import is_shared
from gradcheck.script.snapshot import Snapshot
from gradcheck.script.state import PARTS, Path, State, label, leaves, steps_into

SLOW_PASS = 0.004
"""Seconds of a pass from which its replays take fewer rows: a check may replay thousands."""

DISTURBED = 0.1
"""Seconds of a pass up to which it is timed again: other work may have taken them."""

KEPT = (256, 64, 16)
"""Numbers of rows to keep: the largest that makes no slow pass, else the last."""

FEWER = 4
"""How many times as many rows there must be."""

MANY = FEWER * KEPT[-1]
"""Number of items from which a list has one for every row."""

KINDS = "fciubUS"

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class FewerRows:
    """The rows of the data that replays take, by the number of all rows."""

    kept: Mapping[int, Rows]

    @property
    def words(self) -> str:
        """Say of how many rows how many are taken."""
        parts = (f"{rows.size} of {number:,}" for number, rows in self.kept.items())
        return f"for speed, it is checked with {' and '.join(parts)} rows of its data"

    def of(self, snapshot: Snapshot) -> Snapshot:
        """Return a snapshot of these rows alone, which knows the whole one."""
        memo: dict[int, Any] = {}
        for array in leaves(snapshot.state, KINDS).values():
            memo[id(array)] = self._taken(array) if isinstance(array, np.ndarray) else array
        for value in _sequences(snapshot.state):
            if len(value) in self.kept:
                memo[id(value)] = type(value)(value[row] for row in self.kept[len(value)])
        old = snapshot.state
        state: State = State(*deep_copy((old.module, old.local, old.imported), memo))
        for path, number in [*_counts(state, self.kept)]:
            state.put(path, type(number)(self.kept[int(number)].size))
        return replace(snapshot, state=state, constant={}, written=set(), whole=snapshot)

    def _taken(self, array: NDArray[Any]) -> NDArray[Any]:
        for axis, length in enumerate(array.shape):
            if length in self.kept:
                array = array.take(self.kept[length], axis)
        return array


def fewer_rows(
    before: Snapshot,
    now: State,
    seconds: float,
    updated: Collection[str],
    replayed: Callable[[Snapshot], State | None],
) -> FewerRows | None:
    """Choose the rows with which a slow pass is replayed; None if it cannot be with fewer.

    The pass begins with `before`, ends with `now` and takes `seconds`; it updates the variables
    of the names `updated`. With fewer rows it must change the same arrays.
    """
    if SLOW_PASS <= seconds < DISTURBED:
        seconds = min(seconds, *(_timed(replayed, before)[1] for _ in range(2)))
    if seconds < SLOW_PASS:
        return None
    found, changed = None, before.changed(now)
    lengths = _lengths(before.state, changed, updated)
    for kept in KEPT:
        long = [one for one in lengths if one >= FEWER * kept]
        if not long:
            continue
        rows = FewerRows({one: _rows(before.state, one, kept) for one in long})
        cut = rows.of(before)
        after, seconds = _timed(replayed, cut)
        if after is None or not {*changed} <= {*cut.changed(after)}:
            break
        found = rows
        if seconds < SLOW_PASS:
            break
    return found


def _timed(
    replayed: Callable[[Snapshot], State | None], snapshot: Snapshot
) -> tuple[State | None, float]:
    """Return the state after a replay, and the seconds that it takes."""
    began = time.perf_counter()
    return replayed(snapshot), time.perf_counter() - began


def _lengths(state: State, changed: Collection[Path], updated: Collection[str]) -> Counter[int]:
    """Count how many numbers the arrays hold whose longest axis, of no parameter, is so long."""
    arrays = leaves(state, KINDS)
    holders = {one.partition("[")[0] for one in updated}
    parameters = [path for path in changed if label(path).partition("[")[0] in holders]
    taken = {length for path in parameters for length in np.shape(arrays[path])}
    of_samples = {id(one) for one in _sequences(state) if len(one) >= MANY}
    lengths = Counter[int]()
    for path, array in arrays.items():
        rows = {*np.shape(array)} - taken
        if id(holder := state.get(path[:2])) in of_samples:
            lengths[len(holder)] += np.size(array)
        elif path not in changed and rows:
            lengths[max(rows)] += np.size(array)
    return lengths


def _rows(state: State, number: int, kept: int) -> Rows:
    """Draw rows; those of the smallest and the largest label tell how many classes there are."""
    drawn = {*np.random.default_rng(0).choice(number, kept, replace=False).tolist()}
    for array in leaves(state, KINDS).values():
        if np.shape(array) == (number,):
            drawn |= {int(np.argmin(array)), int(np.argmax(array))}
    return np.array(sorted(drawn))


def _sequences(state: State) -> Iterator[Any]:
    """Yield the lists and tuples among the variables, as of one array for every sample."""
    values = (value for part in PARTS for value in state.part(part).values())
    return (value for value in values if type(value) in (list, tuple))


def _counts(state: State, lengths: Collection[int]) -> Iterator[tuple[Path, Any]]:
    """Yield the variables and attributes that are the number of all rows."""
    for part in PARTS:
        for name, value in state.part(part).items():
            held = [] if is_shared(value) or type(value) in (list, tuple) else steps_into(value)
            for path, one in [((part, name), value), *(((part, name, s), one) for s, one in held)]:
                if type(one) in (int, float, np.int64, np.float64) and one in lengths:
                    yield path, one
