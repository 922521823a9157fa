"""Parameters in the attributes of a user's object: found, changed in place and restored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from types import BuiltinFunctionType, CellType, FunctionType, MethodType, ModuleType
from typing import Any
from weakref import ProxyTypes

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import thawed
from gradcheck.user.nodes import is_perturbed
from gradcheck.user.tensors import (
    has_own_memory,
    is_jax,
    is_module,
    is_real_tensor,
    is_tensor,
    like,
    module_parameters,
    put_numbers,
    to_array,
)

Array = NDArray[np.float64]
Path = tuple[Any, ...]

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
"""Types that are not searched for parameters."""

DEEPEST = 64
"""The depth to which an object is searched (a linked list may be longer)."""


@dataclass(frozen=True)
class Position:
    """A place in a list or a tuple, as opposed to a key of a dict or an attribute."""

    index: int


@dataclass(frozen=True)
class Place:
    """An attribute, key or position of a holder, and its value when the check began."""

    holder: Any
    step: Any
    original: Any

    def get(self) -> Any:
        """The current value."""
        if isinstance(self.step, Position):
            return self.holder[self.step.index] if self.step.index < len(self.holder) else None
        if isinstance(self.holder, Mapping):
            return self.holder.get(self.step)
        return getattr(self.holder, self.step, None)

    def set(self, value: Any) -> None:
        """Sets the value; tuples are not changed."""
        if isinstance(self.step, Position):
            if isinstance(self.holder, list):
                self.holder[self.step.index : self.step.index + 1] = [value]
        elif isinstance(self.holder, dict):
            self.holder[self.step] = value
        elif isinstance(self.holder, ProxyTypes):
            setattr(self.holder, self.step, value)
        else:
            object.__setattr__(self.holder, self.step, value)

    def hold(self, value: Any) -> None:
        """Sets the value unless it is there already."""
        if self.get() is not value:
            self.set(value)


@dataclass(frozen=True)
class Memory(Place):
    """The memory of a torch tensor of a type that numpy does not have; the tensor is `holder`."""

    def get(self) -> Any:
        """None, so that `hold` always writes the numbers."""
        return None

    def set(self, value: Any) -> None:
        """Writes the numbers into the tensor."""
        put_numbers(self.holder, value)


@dataclass(frozen=True)
class Slot:
    """The place of one parameter in a user's object.

    Attributes:
        way: the places of the containers that lead to it, the outermost first; the user's code
            may replace these containers.
        working: the array that is perturbed: the original's own memory if it is float64 and
            writeable, else a float64 copy that replaces it during the check; None if a new object
            is made for every value.
        itself: whether `working` is the original's own memory.
        make: makes the object for a value, if `working` is None.
    """

    place: Place
    way: tuple[Place, ...]
    working: Array | None
    itself: bool = False
    make: Callable[[Array], Any] = float

    @property
    def original(self) -> Any:
        """The parameter as the user has it."""
        return self.place.original

    def put(self, value: Array) -> None:
        """Sets the parameter in the object to a value."""
        for place in self.way:
            place.hold(place.original)
        if self.working is None:
            self.place.set(self.make(value))
            return
        if value is not self.working:
            thawed(self.working)[...] = value
        self.place.hold(self.original if self.itself else self.working)

    @property
    def is_replaced(self) -> bool:
        """Whether the user's functions have put something else in its place or on its way."""
        moved = any(place.get() is not place.original for place in self.way)
        return moved or self.place.get() is not (self.original if self.itself else self.working)

    def holds(self, value: Array) -> bool:
        """Whether the original is in its place and has this value."""
        there = self.place.get()
        return there is self.original and np.array_equal(np.asarray(to_array(there)), value)

    def restore(self, value: Array) -> None:
        """Restores the original and its value."""
        for place in self.way:
            place.hold(place.original)
        if self.itself and self.working is not None:
            thawed(self.working)[...] = value
        self.place.hold(self.original)


def is_object(value: Any) -> bool:
    """Whether a value is an object of the user's that may hold parameters in attributes."""
    if value is None or isinstance(value, (*PLAIN, float, np.generic, np.ndarray)):
        return False
    if isinstance(value, Mapping | list | tuple) or is_tensor(value):
        return False
    return hasattr(value, "__dict__") or hasattr(type(value), "__slots__")


def attributes(value: Any) -> dict[str, Any]:
    """The attributes of an object by name, in the order in which they were set."""
    named = dict(vars(value)) if hasattr(value, "__dict__") else {}
    for name in slots_of(type(value)):
        if hasattr(value, name):
            named.setdefault(name, getattr(value, name))
    return named


def slots_of(kind: type) -> Iterator[str]:
    """Yields the names of the slots of a class."""
    for base in kind.__mro__:
        slots = vars(base).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__"):
                yield name


def cells_of(function: FunctionType) -> Iterator[tuple[str, CellType, Any]]:
    """Yields the names of the variables in a function's closure, their cells and their values."""
    names = function.__code__.co_freevars
    for name, cell in zip(names, function.__closure__ or (), strict=True):
        with suppress(ValueError):  # the cell is still empty
            yield name, cell, cell.cell_contents


def defaults_of(function: FunctionType) -> list[tuple[str, Any]]:
    """The positional arguments with a default value, and these values."""
    defaults, code = function.__defaults__ or (), function.__code__
    first = code.co_argcount - len(defaults)
    return list(zip(code.co_varnames[first : code.co_argcount], defaults, strict=True))


@dataclass(frozen=True)
class Walk:
    """A walk through the attributes of objects.

    Attributes:
        whole: whether every array is perturbed in its own memory, whatever its type.
        torch: the modules and torch tensors found.
        fixed: the paths and shapes of arrays that cannot be changed.
        working: the arrays that are perturbed, by the identity of the original.
    """

    whole: bool
    torch: list[Any] = field(default_factory=list)
    fixed: list[tuple[Path, tuple[int, ...]]] = field(default_factory=list)
    working: dict[int, Array | None] = field(default_factory=dict)

    def slots(self, value: Any, path: Path = ()) -> Iterator[tuple[Path, Slot]]:
        """Yields path and slot of the floating-point arrays and numbers in an object's attributes.

        An array in several places has a slot in each. The parameters of a `torch.nn.Module` have
        the names that torch gives them.
        """
        return self._below(value, path, (), {id(value)})

    def _below(
        self, holder: Any, path: Path, way: tuple[Place, ...], seen: set[int]
    ) -> Iterator[tuple[Path, Slot]]:
        if is_module(holder):
            self.torch.append(holder)
            for name, tensor in module_parameters(holder):
                if tensor.requires_grad:
                    yield (*path, name), _tensor_slot(Place({name: tensor}, name, tensor), way)
                else:
                    self.fixed.append(((*path, name), tuple(tensor.shape)))
            return
        for step, value in steps_from(holder):
            place, there = Place(holder, step, value), (*path, step)
            if is_perturbed(holder, step, value):
                yield there, Slot(place, way, None)
            elif isinstance(value, np.ndarray):
                if id(value) not in self.working:
                    self.working[id(value)] = value if self.whole else _working_array(place)
                working = self.working[id(value)]
                if value.dtype.kind in "fc" and working is not None:
                    yield there, Slot(place, way, working, itself=working is value)
                elif value.dtype.kind in "fc":
                    self.fixed.append((there, value.shape))
            elif is_real_tensor(value):
                if not is_jax(value):
                    self.torch.append(value)
                yield there, _tensor_slot(place, way)
            elif id(value) in seen or len(way) > DEEPEST:
                continue
            elif isinstance(value, Mapping | list | tuple) or is_object(value):
                seen.add(id(value))
                yield from self._below(value, there, (*way, place), seen)


def _tensor_slot(place: Place, way: tuple[Place, ...]) -> Slot:
    """The slot of a tensor: torch's are perturbed in place, jax's are immutable and made anew."""
    tensor = place.original
    if is_jax(tensor):
        return Slot(place, way, None, make=partial(like, tensor))
    if not has_own_memory(tensor):
        return Slot(Memory(tensor, place.step, to_array(tensor)), way, None, make=np.asarray)
    return Slot(place, way, to_array(tensor), itself=True)


def steps_from(holder: Any) -> Iterator[tuple[Any, Any]]:
    """Yields the items of a container or object, in order: (key, `Position` or name; value)."""
    if isinstance(holder, Mapping):
        yield from list(holder.items())
    elif isinstance(holder, list | tuple):
        for index, item in enumerate(holder):
            yield Position(index), item
    else:
        yield from attributes(holder).items()


def _working_array(place: Place) -> Array | None:
    """The array to perturb in a place; None if it is no parameter or cannot be changed."""
    array = place.original
    if array.dtype.kind not in "fc":
        return None
    wide = np.dtype(np.float64 if array.dtype.kind == "f" else np.complex128)
    if array.dtype == wide and array.flags.writeable and type(array) is np.ndarray:
        return array
    if isinstance(place.holder, tuple):  # no copy can replace it: float32 is perturbed itself
        return array if array.flags.writeable else None
    return np.array(array, dtype=wide, order="K")
