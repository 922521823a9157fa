"""Where the user's functions hold their data, so that these can be changed and put back."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from dis import get_instructions
from itertools import islice
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.record.ownership import names_in
from gradcheck.user.blocks import Parameters
from gradcheck.user.bounds import Bounds
from gradcheck.user.calls import is_users_file
from gradcheck.user.contracted import Moves, Weighted
from gradcheck.user.draws import Draws
from gradcheck.user.objects import Place, Position, cells_of, defaults_of, is_object, steps_from
from gradcheck.user.random_states import RandomStates

DEPTH = 7
MOST_ITEMS, MOST_NUMBERS = 500, 64

NO_DATA = (Parameters, Bounds, Weighted, Moves, Draws, RandomStates)
"""Holders of gradcheck's own functions around the user's, and of what is no data of theirs."""

VARIABLES = (("module",), ("local",), ("imported",))
"""Where a script's state holds them."""

SAMPLE = (int, float, np.number, np.ndarray, tuple)
Put = Callable[[Any], object]
Path = tuple[str, ...]


@dataclass(frozen=True)
class Held:
    """An array or number, with functions that replace it, wherever it is held.

    The items of a list share one path.
    """

    value: Any
    path: Path
    puts: tuple[Put, ...]

    @property
    def name(self) -> str:
        """The name of the data: the last step of its path that is a name."""
        return next((step for step in reversed(self.path) if step.isidentifier()), "")

    @property
    def is_array(self) -> bool:
        """True if it is an array and not a number."""
        return isinstance(self.value, np.ndarray)

    def put(self, new: Any) -> None:
        """Put a value in its place, into the same memory if that can hold it."""
        if _fits(self.value, new):
            np.copyto(self.value, new)
        else:
            for put in self.puts:
                put(new)

    def put_back(self, before: Any) -> None:
        """Put it back everywhere, with its earlier contents."""
        if self.is_array and self.value.flags.writeable:
            np.copyto(self.value, before)
        for put in self.puts:
            put(self.value if self.is_array else before)

    def can_hold(self, new: Any) -> bool:
        """True if another value can be put there."""
        return bool(self.puts) or _fits(self.value, new)


def _fits(array: Any, new: Any) -> bool:
    return isinstance(array, np.ndarray) and array.flags.writeable and array.shape == np.shape(new)


@dataclass
class Holdings:
    """All arrays, numbers and lists of samples that are found from some functions and objects.

    `containers` are lists and dicts; `objects` have attributes.
    """

    held: list[Held] = field(default_factory=list)
    lists: list[list[Any]] = field(default_factory=list)
    containers: list[list[Any] | dict[Any, Any]] = field(default_factory=list)
    objects: list[Any] = field(default_factory=list)
    _seen: set[int] = field(default_factory=set)
    _arrays: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, holders: Sequence[Any]) -> Holdings:
        """Return what can be reached from functions and objects, without running any of it."""
        holdings = cls()
        for holder in holders:
            holdings._visit(holder, None, (), DEPTH)
        return holdings

    def _visit(
        self, value: Any, put: Put | None, path: Path, depth: int, is_own: bool = False
    ) -> None:
        """Find what a value holds; numbers that gradcheck itself keeps are no data."""
        if isinstance(value, NO_DATA):
            return
        if isinstance(value, np.ndarray):
            is_traced = str(type(value).__module__).startswith("gradcheck.")
            if value.dtype.kind in "fiubc" and value.size and not is_traced:
                self._add_array(value, put, path)
        elif isinstance(value, int | float | np.number) and not isinstance(value, bool):
            if put is not None and not is_own:
                self.held.append(Held(value, path, (put,)))
        elif depth >= 0 and (type(value) is tuple or id(value) not in self._seen):
            self._seen.add(id(value))  # one tuple may be the defaults of two functions
            if type(value) in (list, dict):
                self.containers.append(value)
            elif hasattr(value, "__dict__") and is_object(value):
                self.objects.append(value)
            is_inside = "*" in path  # of another list, whose items are the samples
            if isinstance(value, list) and value and not is_inside:
                self.lists += [value] if all(isinstance(one, SAMPLE) for one in value) else []
            if is_inside and type(value) is list and _are_many_numbers(value):
                return
            was_own, is_own = is_own, _is_of_gradcheck(value, path, is_own)
            if was_own and path[-1:] in VARIABLES:
                path = path[-1:]  # gradcheck's own lists, of its snapshots, are no samples
            for inner, inner_put, step in _inside(value, put):
                self._visit(inner, inner_put, (*path, *step), depth - 1, is_own)

    def _add_array(self, array: NDArray[Any], put: Put | None, path: Path) -> None:
        puts = () if put is None else (put,)
        index = self._arrays.setdefault(id(array), len(self.held))
        if index == len(self.held):
            self.held.append(Held(array, path, puts))
        else:
            before = self.held[index]
            self.held[index] = Held(array, before.path, before.puts + puts)


def _is_of_gradcheck(value: Any, path: Path, within: bool) -> bool:
    """True of gradcheck's own objects, and what they hold, but for the variables of a script."""
    if isinstance(value, tuple | list | dict):
        return within and path[-1:] not in VARIABLES
    owner = value if inspect.isfunction(value) else type(value)
    return str(owner.__module__).startswith("gradcheck.")


def _are_many_numbers(items: list[Any]) -> bool:
    """Whether a sample is a long list of Python's numbers, which are not drawn one by one."""
    return len(items) > MOST_NUMBERS and set(map(type, items)) <= {int, float}


def passed_on(*functions: Any) -> Iterator[Held]:
    """Yield the number that all functions pass on alike, as in `lambda w: cost(w, 0.5)`."""
    written = {_passed_by(one) for one in functions}
    for number in written.pop() if len(written) == 1 else ():
        puts = [functools.partial(_write, one, [number]) for one in functions]
        yield Held(number, (repr(number),), tuple(puts))


def _passed_by(function: Any) -> tuple[float, ...]:
    code = function.__code__ if inspect.isfunction(function) else None
    if code is None or any(one.opname == "BINARY_OP" for one in get_instructions(code)):
        return ()
    return tuple(one for one in code.co_consts if isinstance(one, float))


def _write(function: FunctionType, now: list[float], new: float) -> None:
    """Replace the number written in a function by another one."""
    code = function.__code__
    consts = (new if type(one) is float and one in now else one for one in code.co_consts)
    function.__code__ = code.replace(co_consts=tuple(consts))
    now[:] = [new]


def _inside(value: Any, put: Put | None) -> Iterator[tuple[Any, Put | None, Path]]:
    """Yield what a container, function or object holds, how to replace it, and the step to it."""
    if isinstance(value, tuple):
        yield from _inside_tuple(value, put)
    elif isinstance(value, functools.partial):
        for item in (value.func, *value.args, *value.keywords.values()):
            yield item, None, ("partial",)
    elif inspect.ismethod(value):
        yield value.__func__, None, ()
        yield value.__self__, None, ("self",)
    elif inspect.isfunction(value):
        yield from _inside_function(value)
    elif isinstance(value, Mapping | list) or is_object(value):
        can_be_set = isinstance(value, dict) or not isinstance(value, Mapping)
        for step, item in islice(steps_from(value), MOST_ITEMS):
            if isinstance(step, Position):
                yield item, functools.partial(_set_item, value, step.index), ("*",)
            elif step != "__builtins__":
                yield item, Place(value, step, item).set if can_be_set else None, (str(step),)


def _set_item(items: list[Any], index: int, new: Any) -> None:
    """Set an item of a list, unless the list has become shorter."""
    if index < len(items):
        items[index] = new


def _inside_tuple(
    value: tuple[Any, ...], put: Put | None
) -> Iterator[tuple[Any, Put | None, Path]]:
    """Yield the items of a tuple, which is held as a whole: a new tuple takes its place."""
    items = list(value)
    others: set[int] = set()
    put = put if type(value) is tuple else None

    def set_item(index: int, new: Any) -> None:
        items[index] = new
        (others.discard if new is value[index] else others.add)(index)
        if put is not None:
            put(tuple(items) if others else value)

    for index, item in enumerate(value[:MOST_ITEMS]):
        yield item, functools.partial(set_item, index) if put else None, (str(index),)


def _inside_function(function: Any) -> Iterator[tuple[Any, Put | None, Path]]:
    for name, cell, value in cells_of(function):
        yield value, functools.partial(setattr, cell, "cell_contents"), (name,)
    every = _inside_tuple(
        function.__defaults__ or (), functools.partial(setattr, function, "__defaults__")
    )
    for (name, _), (item, put, _) in zip(defaults_of(function), every, strict=False):
        yield item, put, (name,)
    yield function.__kwdefaults__ or {}, None, ()
    yield vars(function), None, ()
    scope, names = function.__globals__, names_in(function.__code__)
    # what a script's state holds is found first, where nothing is too deep
    for name in sorted(names & scope.keys(), key=lambda one: (not one.startswith("__"), one)):
        value = scope[name]
        if isinstance(value, ModuleType):
            yield from _inside_module(value, names)
        elif not inspect.isclass(value):
            yield value, functools.partial(scope.__setitem__, name), (name,)


def _inside_module(module: ModuleType, names: set[str]) -> Iterator[tuple[Any, Put | None, Path]]:
    """Yield what a function names of one of the user's own modules."""
    if not is_users_file(getattr(module, "__file__", None) or "<none>"):
        return
    for name in sorted(names & vars(module).keys()):
        value = getattr(module, name)
        if not isinstance(value, ModuleType) and not inspect.isclass(value):
            yield value, functools.partial(setattr, module, name), (name,)
