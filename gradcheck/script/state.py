"""The variables of a script at one moment: copied, searched, and changed by path."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from gradcheck.script.copies import deep_copy
from gradcheck.script.memory import is_shared, keep_memory_shared, own_what_classes_hold, views
from gradcheck.trace.record.array import traced_leaf
from gradcheck.trace.record.proxies import proxy_of
from gradcheck.trace.record.recording import open_tape
from gradcheck.user.blocks import Array
from gradcheck.user.objects import attributes
from gradcheck.user.tensors import RandomStates

DEPTH, MOST_ITEMS = 9, 200
WORTH_SHARING = 2000
"""Size from which an array is no longer copied, once an iteration has left it unchanged."""
FLOATS, NUMBERS = "fc", "fciub"  # kinds of arrays: images and tables of words are of whole numbers
READ_ONLY = "read-only"
"""Part of numpy's message about an array that may not be written to."""


class Attribute(NamedTuple):
    """A step of a path into an attribute; other steps are keys and indices."""

    name: str


Path = tuple[Any, ...]
"""One of `PARTS`, the name of a variable, and the steps from it to a number or an array."""

LOCAL, MODULE, IMPORTED = PARTS = ("local", "module", "imported")


@dataclass(frozen=True)
class State:
    """The variables of a script's module, of the function that holds the loop, and of imports.

    `imported` has the variables of the user's modules, by the names of the modules.
    """

    module: dict[str, Any]
    local: dict[str, Any] | None
    imported: dict[str, dict[str, Any]] = field(default_factory=dict)

    def part(self, name: str) -> dict[str, Any]:
        """Return the variables of one of `PARTS`."""
        return {MODULE: self.module, IMPORTED: self.imported}.get(name, self.local or {})

    def get(self, path: Path) -> Any:
        """Return the value at a path.

        Raises:
            LookupError, AttributeError, TypeError: there is none.
        """
        value: Any = self.part(path[0])
        for step in path[1:]:
            value = getattr(value, step.name) if isinstance(step, Attribute) else value[step]
        return value

    def number(self, path: Path) -> Array | None:
        """Return the value at a path as `numbers` does; None if it is not numeric."""
        try:
            return numbers(self.get(path))
        except (LookupError, AttributeError, TypeError, ValueError):
            return None

    def places(self, paths: Iterable[Path]) -> set[Any]:
        """Return what tells places apart: the identity of an array, else the path."""
        there = ((path, self.get(path) if self.number(path) is not None else 0) for path in paths)
        return {id(one) if isinstance(one, np.ndarray) else path for path, one in there}

    def put(self, path: Path, value: Any) -> None:
        """Set the attribute or the item at a path."""
        holder, last = self.get(path[:-1]), path[-1]
        if isinstance(last, Attribute):
            setattr(holder, last.name, value)
        else:
            holder[last] = value


@dataclass(frozen=True)
class Snapshot:
    """A copy of a script's variables and random states, from which an iteration is replayed.

    Attributes:
        state: the variables that are copied for every replay.
        shared: the function's variables that are not copied.
        random_states: those of the global random generators.
        constant: read-only views of arrays that no iteration changes, by id; these are not copied.
        written: the ids of arrays that turned out to be changed after all.
    """

    state: State
    shared: dict[str, Any]
    random_states: RandomStates
    constant: dict[int, Any] = field(default_factory=dict)
    written: set[int] = field(default_factory=set)

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


def take_snapshot(state: State, left_out: Set[str] = frozenset()) -> Snapshot:
    """Return a copy of all variables but modules, functions, classes and those to be left out."""
    memo: dict[int, Any] = {}
    parts = [state.module, state.local or {}, state.imported]
    own_what_classes_hold(parts)
    keep_memory_shared(views(leaves(state).values()), memo)
    local = state.local
    copied = State(
        _copied(state.module, memo, left_out if local is None else set()),
        None if local is None else _copied(local, memo, left_out),
        {name: _copied(own, memo, set()) for name, own in state.imported.items()},
    )
    shared = {n: v for n, v in (local or {}).items() if n not in (copied.local or {})}
    return Snapshot(copied, shared, RandomStates())


def _copied(names: Mapping[str, Any], memo: dict[int, Any], but: Set[str]) -> dict[str, Any]:
    copies = {}
    for name, value in names.items():
        if name.startswith("__") or name in but or is_shared(value):
            continue
        try:
            copies[name] = deep_copy(value, memo)
        except Exception:  # generators and locks, for example, cannot be copied, and are shared
            continue
    return copies


def counted(one: State, other: State) -> dict[Path, int]:
    """Return the whole numbers that are not the same in two states, as they are in the first."""
    return {
        (part, name): value
        for part in (LOCAL, MODULE)
        for name, value in one.part(part).items()
        if type(value) is int and type(now := other.part(part).get(name)) is int and value != now
    }


def numbers(value: Any) -> Array:
    """Return a copy of a value as an array in double precision, which is complex if it is."""
    return np.array(value, dtype=np.complex128 if np.iscomplexobj(value) else np.float64)


def is_number(value: Any) -> bool:
    """Whether a value is a floating-point number."""
    return isinstance(value, float | np.floating)


def leaves(state: State, kinds: str = FLOATS) -> dict[Path, Any]:
    """Return the numbers of a state, and its arrays of these kinds, each array once."""
    seen: set[int] = set()
    numbers: dict[Path, Any] = {}
    for part in PARTS:
        for name, value in state.part(part).items():
            if not name.startswith("__"):
                numbers.update(_below((part, name), value, seen, kinds))
    return numbers


def _below(path: Path, value: Any, seen: set[int], kinds: str) -> Iterator[tuple[Path, Any]]:
    if is_number(value):
        yield path, value
        return
    if isinstance(value, str | bytes | int) or value is None or id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, np.ndarray):
        if value.dtype.kind in kinds and value.size:
            yield path, value
        elif value.dtype.kind == "O" and value.size <= MOST_ITEMS:
            for index, item in np.ndenumerate(value):
                yield from _below((*path, index if len(index) > 1 else index[0]), item, seen, kinds)
    elif isinstance(value, list) and value and all(map(is_number, value)):
        yield path, value
    elif len(path) < DEPTH and not (type(value) is list and set(map(type, value)) <= {int, str}):
        for step, item in steps_into(value):
            yield from _below((*path, step), item, seen, kinds)


def steps_into(value: Any) -> list[tuple[Any, Any]]:
    """Return the steps into a container or an object, each with the value there."""
    if isinstance(value, list | tuple):
        return list(enumerate(value))[:MOST_ITEMS]
    if isinstance(value, dict):
        return list(value.items())[:MOST_ITEMS]
    if not is_shared(value):
        return [(Attribute(name), item) for name, item in attributes(value).items()]
    return []


def label(path: Path) -> str:
    """Return a path as the script would write it."""
    begins = 3 if path[0] == IMPORTED else 2
    text = ".".join(map(str, path[1:begins]))
    for step in path[begins:]:
        text += f".{step.name}" if isinstance(step, Attribute) else f"[{step!r}]"
    return text


def bare(step: Any) -> Any:
    """Return the name of an attribute, or the key or index itself."""
    return step.name if isinstance(step, Attribute) else step


def last_name(path: Path) -> str:
    """Return the last name on a path: of a variable, an attribute or a string key."""
    return next((one for one in map(bare, reversed(path[1:])) if isinstance(one, str)), "")


def alike(one: Any, other: Any) -> bool:
    """Whether two arrays are equal, perhaps after broadcasting `other` to the shape of `one`."""
    if one is None or other is None:
        return False
    if one.shape == other.shape:
        return bool(np.array_equal(one, other, equal_nan=True))
    try:
        return other.size < one.size and np.array_equal(one, np.broadcast_to(other, one.shape))
    except ValueError:
        return False


def movement(after: State, before: State, path: Path) -> Array | None:
    """Return how far an iteration has moved the number at a path; None if it is none now."""
    old, new = before.number(path), after.number(path)
    if old is None or new is None:
        return None
    try:
        return np.asarray(new - old)
    except ValueError:
        return None


def all_moved(first: State, last: State, updated: Collection[str]) -> bool:
    """Whether all variables in `updated` have changed between two passes of a loop."""
    paths = [path for path in leaves(first) if label(path) in updated]
    return not any(alike(first.number(path), last.number(path)) for path in paths)
