"""Parameters that live in a user's object: found in its attributes, changed in place, put back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
PLAIN = (
    type,
    str,
    bytes,
    bool,
    int,
    complex,
    range,
    set,
    frozenset,
    ModuleType,
    FunctionType,
    MethodType,
    BuiltinFunctionType,
    np.random.Generator,
    np.random.RandomState,
    np.dtype,
)
"""What is never looked into."""


@dataclass(frozen=True)
class Position:
    """A place in a list or a tuple, as opposed to a key of a dict or an attribute."""

    index: int


@dataclass(frozen=True)
class Place:
    """An attribute, key or position, and what it held when the check began.

    Attributes:
        holder: the object, dict, list or tuple.
        step: the attribute's name, the key, or the position.
        original: what was there.
    """

    holder: Any
    step: Any
    original: Any

    def get(self) -> Any:
        """What is there now."""
        if isinstance(self.step, Position):
            return self.holder[self.step.index] if self.step.index < len(self.holder) else None
        if isinstance(self.holder, Mapping):
            return self.holder.get(self.step)
        return getattr(self.holder, self.step, None)

    def set(self, value: Any) -> None:
        """Puts something there; tuples stay as they are."""
        if isinstance(self.step, Position):
            if isinstance(self.holder, list):
                self.holder[self.step.index : self.step.index + 1] = [value]
        elif isinstance(self.holder, dict):
            self.holder[self.step] = value
        else:
            object.__setattr__(self.holder, self.step, value)

    def hold(self, value: Any) -> None:
        """Puts something there unless it is."""
        if self.get() is not value:
            self.set(value)


@dataclass(frozen=True)
class Slot:
    """The place of one parameter in a user's object.

    Attributes:
        place: where it is.
        way: the places of the containers that lead to it, the outermost first; the user's code
            may put new ones there.
        working: the array that is perturbed: the original itself where it is float64 and can be
            written to, else a float64 copy that takes its place during the check; None for a
            number.
    """

    place: Place
    way: tuple[Place, ...]
    working: Array | None

    @property
    def original(self) -> Any:
        """The parameter as the user has it."""
        return self.place.original

    def put(self, value: Array) -> None:
        """Makes the object hold the value."""
        for place in self.way:
            place.hold(place.original)
        if self.working is None:
            self.place.set(float(value))
            return
        if value is not self.working:
            self.working[...] = value
        self.place.hold(self.working)

    def restore(self, value: Array) -> None:
        """Puts back what was there, exactly."""
        for place in self.way:
            place.hold(place.original)
        if self.working is not None and self.working is self.original:
            self.working[...] = value
        self.place.hold(self.original)


def is_object(value: Any) -> bool:
    """Whether a value is an object of the user's, with attributes to look into."""
    if value is None or isinstance(value, (*PLAIN, float, np.generic, np.ndarray)):
        return False
    if isinstance(value, Mapping | list | tuple):
        return False
    return hasattr(value, "__dict__") or hasattr(type(value), "__slots__")


def attributes(value: Any) -> dict[str, Any]:
    """The attributes of an object, in the order in which they were set."""
    found = dict(vars(value)) if hasattr(value, "__dict__") else {}
    for kind in type(value).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                found.setdefault(name, getattr(value, name))
    return found


def find_slots(value: Any) -> list[tuple[tuple[Any, ...], Slot]]:
    """The floating-point arrays and numbers in an object's attributes, with their paths."""
    return [
        ((*(place.step for place in slot.way), slot.place.step), slot)
        for slot in _walk(value, (), {id(value)})
    ]


def _walk(holder: Any, way: tuple[Place, ...], seen: set[int]) -> Iterator[Slot]:
    for step, value in _steps(holder):
        place = Place(holder, step, value)
        if isinstance(value, float | np.floating):
            if not isinstance(holder, tuple):
                yield Slot(place, way, None)
        elif id(value) in seen:
            continue
        elif isinstance(value, np.ndarray):
            working = _working_array(place)
            if working is not None:
                seen.add(id(value))
                yield Slot(place, way, working)
        elif isinstance(value, Mapping | list | tuple) or is_object(value):
            seen.add(id(value))
            yield from _walk(value, (*way, place), seen)


def _steps(holder: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(holder, Mapping):
        yield from list(holder.items())
    elif isinstance(holder, list | tuple):
        for index, item in enumerate(holder):
            yield Position(index), item
    else:
        yield from attributes(holder).items()


def _working_array(place: Place) -> Array | None:
    """The array to perturb in a place; None where there is no parameter that can be."""
    array = place.original
    if array.dtype.kind != "f":
        return None
    if array.dtype == np.float64 and array.flags.writeable and type(array) is np.ndarray:
        return np.asarray(array)
    if isinstance(place.holder, tuple):
        return None
    return np.array(array, dtype=np.float64, order="K")
