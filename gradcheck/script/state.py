"""The variables of a script at one moment: searched, and changed by path."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from types import CellType, FrameType, MethodType
from typing import Any, NamedTuple

import numpy as np

from gradcheck.script.copies import are_atoms, keeps_state
from gradcheck.script.memory import is_shared
from gradcheck.user.blocks import Array
from gradcheck.user.objects import attributes, cells_of

DEPTH, MOST_ITEMS = 9, 200
FLOATS, NUMBERS = "fc", "fciub"  # kinds of arrays: images and tables of words are of whole numbers


BOUND = {MethodType: ("__self__",), partial: ("keywords", "args", "func")}
"""The attributes of what is called without naming what it changes."""


class Attribute(NamedTuple):
    """A step of a path into an attribute; other steps are keys and indices."""

    name: str


class Cell(NamedTuple):
    """A step of a path into a variable of a function's closure."""

    name: str


class Value(NamedTuple):
    """A step to the value of a dict whose key is an object: its copy is another key."""

    place: int


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
            if isinstance(step, Cell):
                value = _cell(value, step).cell_contents
            elif isinstance(step, Value):
                value = list(value.values())[step.place]
            else:
                value = getattr(value, step.name) if isinstance(step, Attribute) else value[step]
        return value

    def number(self, path: Path) -> Array | None:
        """Return the value at a path as `numbers` does; None if it is not numeric."""
        try:
            value = self.get(path)
            return None if value is None else numbers(value)
        except (LookupError, AttributeError, TypeError, ValueError):
            return None

    def places(self, paths: Iterable[Path]) -> set[Any]:
        """Return what tells places apart: the identity of an array, else the path."""
        there = ((path, self.get(path) if self.number(path) is not None else 0) for path in paths)
        return {id(one) if isinstance(one, np.ndarray) else path for path, one in there}

    def put(self, path: Path, value: Any) -> None:
        """Set the attribute or the item at a path; a tuple gives way to another one."""
        holder, last = self.get(path[:-1]), path[-1]
        if isinstance(last, Attribute) and isinstance(holder, tuple):
            named: Any = holder
            self.put(path[:-1], named._replace(**{last.name: value}))
        elif isinstance(holder, tuple):
            self.put(path[:-1], (*holder[:last], value, *holder[last + 1 :]))
        elif isinstance(last, Attribute):
            setattr(holder, last.name, value)
        elif isinstance(last, Cell):
            _cell(holder, last).cell_contents = value
        elif isinstance(last, Value):
            holder[list(holder)[last.place]] = value
        else:
            holder[last] = value


def numbers(value: Any) -> Array:
    """Return a copy of a value as an array in double precision, which is complex if it is."""
    return np.array(value, dtype=np.complex128 if np.iscomplexobj(value) else np.float64)


def added_to(target: str, frame: FrameType, is_array: bool) -> Any:
    """Return what an update adds an array or a number to, in a frame; None if it cannot be told.

    Of an entry `W[i]` that is a number, it is what holds that. A number for a whole `params[key]`
    may stand for no gradient. What would take a call, as `params[next(keys)]`, is not computed.
    """
    try:
        value = None if "(" in target else eval(target, frame.f_globals, frame.f_locals)
    except Exception:
        return None
    if is_number(value) and target.endswith("]"):
        return added_to(target.rpartition("[")[0], frame, is_array=True)
    return value if is_array or is_number(value) or target.isidentifier() else None


def plain(value: Array) -> Any:
    """Return an array as a script holds it: a float if it has no dimensions, else a copy."""
    return float(value) if value.ndim == 0 else value.copy()


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
    if len(path) >= DEPTH and not isinstance(value, np.ndarray | list):
        return  # a shorter path may lead there, too
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
            cell = id(_cell(value, step)) if isinstance(step, Cell) else None
            if cell in seen:  # another function of the factory has it too
                continue
            seen.update([] if cell is None else [cell])
            yield from _below((*path, step), item, seen, kinds)


def steps_into(value: Any) -> list[tuple[Any, Any]]:
    """Return the steps into a container or an object, each with the value there."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return [(Attribute(name), getattr(value, name)) for name in value._fields]
    if isinstance(value, list | tuple):
        return list(enumerate(value))[:MOST_ITEMS]
    if isinstance(value, dict):
        return [
            (key if are_atoms(key if type(key) is tuple else (key,)) else Value(place), item)
            for place, (key, item) in enumerate(value.items())
        ][:MOST_ITEMS]
    if type(value) in BOUND:
        return [(Attribute(name), getattr(value, name)) for name in BOUND[type(value)]]
    if keeps_state(value):
        return [(Cell(name), item) for name, _, item in cells_of(value)]
    if not is_shared(value):
        return [(Attribute(name), item) for name, item in attributes(value).items()]
    return []


def label(path: Path) -> str:
    """Return a path as the script would write it."""
    begins = 3 if path[0] == IMPORTED else 2
    text = ".".join(map(str, path[1:begins]))
    for step in (one for one in path[begins:] if bare(one) != "__self__"):
        if isinstance(step, Cell) and text == path[1]:  # the function itself has a name
            text = step.name
        elif isinstance(step, Value):
            text = f"list({text}.values())[{step.place}]"
        else:
            text += f".{step.name}" if isinstance(step, Attribute | Cell) else f"[{step!r}]"
    return text


def bare(step: Any) -> Any:
    """Return the name of an attribute or a variable, or the key or index itself."""
    return step.name if isinstance(step, Attribute | Cell) else step


def _cell(function: Any, step: Cell) -> CellType:
    """Return the cell of a variable of a function's closure."""
    cell: CellType = function.__closure__[function.__code__.co_freevars.index(step.name)]
    return cell


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


def ruined(after: State, paths: Iterable[Path]) -> str:
    """Name the first array that contains nan after an iteration; "" if there is none."""
    values = ((path, after.number(path)) for path in paths)
    with_nan = (path for path, value in values if value is not None and np.any(np.isnan(value)))
    first = next(with_nan, None)
    return "" if first is None else f"{label(first)} is nan after it"


def movement(after: State, before: State, path: Path) -> Array | None:
    """Return how far an iteration has moved the number at a path; None if it is none now."""
    old, new = before.number(path), after.number(path)
    if old is None or new is None:
        return None
    try:
        return np.asarray(new - old)
    except ValueError:
        return None
