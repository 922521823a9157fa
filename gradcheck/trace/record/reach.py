"""Find all that a function can reach, trace its arrays, and restore everything afterwards."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass, field, is_dataclass
from functools import partial
from types import FunctionType, MappingProxyType, MethodType, ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.record.array import TracedArray, traced_leaf, traced_number
from gradcheck.trace.record.distributions import is_distribution
from gradcheck.trace.record.floats import Float
from gradcheck.trace.record.nodes import Tape
from gradcheck.trace.record.ownership import (
    ATOMS,
    LIMIT,
    UNSEEN,
    boxed,
    file_of,
    given_others,
    is_adapter,
    is_users_function,
    is_users_object,
    list_restorer,
    names_in,
    restorer,
)
from gradcheck.trace.record.places import is_followed
from gradcheck.trace.record.proxies import is_jaxs, proxy_of
from gradcheck.trace.record.sparse import Sparse, is_sparse
from gradcheck.trace.record.storage import Storage
from gradcheck.user.objects import cells_of, slots_of
from gradcheck.user.tensors import is_jax, is_real_tensor, is_tensor, to_array

ANY = frozenset(("eval", "exec", "globals"))
"""A function that uses one of these may use any global name."""


@dataclass
class Reach:
    """The search through everything that the functions of one run can reach.

    The old state is noted before each replacement, so that `put_back` restores everything.

    Attributes:
        tape: the tape on which arrays become leaves.
        undo: functions that restore the old state, in the order of the replacements.
        made: the replacement of each array and container, by its id.
        storages: the memory of each array, by the id of its owner.
        written: memory that the user's code may write to, with its original content.
        seen: the ids of the objects already searched.
        kept: objects that must stay alive while their ids are in use.
    """

    tape: Tape
    undo: list[Callable[[], None]] = field(default_factory=list)
    made: dict[int, Any] = field(default_factory=dict)
    storages: dict[int, Storage] = field(default_factory=dict)
    written: list[tuple[Storage, NDArray[Any]]] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)
    kept: list[Any] = field(default_factory=list)

    def traced(self, value: Any, name: str, numbers: bool = False) -> Any:
        """Return the replacement of a value: arrays become traced, containers change in place.

        `name` is the path by which it is reached. With `numbers`, Python floats are traced as well.
        """
        if not self.tape.open:  # the tape is full
            return value
        if isinstance(value, np.ndarray):
            return self._array(value, name)
        if is_tensor(value):
            return self._tensor(value, name)
        if is_jaxs(value) and isinstance(getattr(value, "__wrapped__", None), FunctionType):
            return self.traced(value.__wrapped__, name)  # the function under jit or custom_vjp
        if numbers and (type(value) is float or isinstance(value, np.floating)):
            return traced_number(self.tape, value, name)
        if isinstance(value, ATOMS):
            return value
        if id(value) in self.made:
            return self.made[id(value)]
        is_code = callable(value) or isinstance(value, ModuleType) or is_distribution(value)
        if is_code and (stand_in := self._stand_in(value)) is not value:
            return stand_in
        if type(value) is tuple or (isinstance(value, tuple) and hasattr(value, "_fields")):
            return self._tuple(value, name, numbers)
        if is_sparse(value):
            return self._sparse(value, name)
        if id(value) not in self.seen and len(self.seen) < LIMIT:
            self.seen.add(id(value))
            self.kept.append(value)
            self._look_into(value, name, numbers)
        return value

    def _stand_in(self, value: Any) -> Any:
        """Return what stands for a module or function in this run; for a module always the same."""
        if not isinstance(value, ModuleType):
            return proxy_of(value, self.tape)
        if id(value) not in self.made:
            stand_in = proxy_of(value, self.tape)
            if stand_in is value:
                return value
            self.made[id(value)] = stand_in
        return self.made[id(value)]

    def put_back(self) -> None:
        """Restore everything, including the content of arrays."""
        while self.undo:
            self.undo[-1]()  # removed only when done, in case of an interrupt in between
            self.undo.pop()
        for storage, before in self.written:
            if storage.version:
                storage.root[...] = before

    def _tensor(self, tensor: Any, name: str) -> Any:
        array = np.array(tensor) if is_jax(tensor) else to_array(tensor)
        if not is_real_tensor(tensor):
            return array if is_jax(tensor) else tensor
        if id(tensor) not in self.made:
            self.kept.append(tensor)
            self.made[id(tensor)] = self._array(array, name, self.tape.array_type)
        return self.made[id(tensor)]

    def _array(self, array: NDArray[Any], name: str, kind: type[TracedArray] = TracedArray) -> Any:
        if array.dtype.kind == "O":
            self._objects(array, name)
            return array
        if id(array) in self.made:
            return self.made[id(array)]
        if type(array) is np.matrix:
            return self.made.setdefault(id(array), self._array(array.A, name).view(np.matrix))
        if type(array) is not np.ndarray or array.dtype.kind not in "fciub" or not array.size:
            return array
        owner = array
        while isinstance(owner.base, np.ndarray):
            owner = owner.base
        storage = self.storages.get(id(owner))
        shares = type(owner) is np.ndarray and owner.dtype == array.dtype
        if storage is None and shares and owner.size > array.size:
            storage = traced_leaf(self.tape, owner, f"memory of {name}").storage
        traced = traced_leaf(self.tape, array, name, storage, kind)
        if id(owner) not in self.storages:
            storage = self.storages[id(owner)] = traced.storage
            self.written.append((storage, self.tape.nodes[storage.node].value))
        self.kept.append((array, owner))
        self.made[id(array)] = traced
        return traced

    def _objects(self, array: NDArray[Any], name: str) -> None:
        if id(array) in self.seen:
            return
        self.seen.add(id(array))
        before = array.copy()
        for index in np.ndindex(array.shape):
            array[index] = boxed(self.traced(array[index], f"{name}{list(index)}"))
        self.undo.append(lambda: array.__setitem__(Ellipsis, before))

    def _sparse(self, value: Any, name: str) -> Any:
        self.kept.append(value)
        sparse = Sparse(lambda: value, traced_leaf(self.tape, value.toarray(), name))
        return self.made.setdefault(id(value), sparse)

    def _tuple(self, value: Any, name: str, numbers: bool) -> Any:
        self.kept.append(value)
        items = [self.traced(item, f"{name}[{i}]", numbers) for i, item in enumerate(value)]
        changed = any(new is not old for new, old in zip(items, value, strict=True))
        replacement = value
        if changed:
            replacement = type(value)(*items) if hasattr(value, "_fields") else tuple(items)
        self.made[id(value)] = replacement
        return replacement

    def _look_into(self, value: Any, name: str, numbers: bool) -> None:
        if isinstance(value, FunctionType):
            self._function(value, name)
        elif isinstance(value, MethodType):
            self.traced(value.__self__, name, numbers)
            self.traced(value.__func__, name)
        elif isinstance(value, partial):
            self._partial(value, name)
        elif isinstance(value, dict | list | deque):
            self._container(value, name, numbers)
        elif isinstance(value, MappingProxyType):
            self._tuple(tuple(value.values()), name, numbers=False)
        elif isinstance(value, ModuleType):
            if is_followed(getattr(value, "__file__", None) or "<frozen>"):
                self.module(vars(value), list(vars(value)))
        elif isinstance(value, type):
            if is_followed(file_of(value)):
                self._class(value, name)
        else:
            self._object(value, name, numbers)

    def module(self, names: dict[str, Any], used: Iterable[str]) -> None:
        """Replace numpy, math and float in a module, and search the names in `used`."""
        if id(names) not in self.seen or names.get("float") is not Float:
            self.seen.add(id(names))
            self.kept.append(names)
            self.swap(names)
        for key in used:
            value = names.get(key)
            if not key.startswith("__") and not isinstance(value, ATOMS):
                self._exchange(value, key, partial(names.__setitem__, key))

    def _exchange(
        self, value: Any, name: str, put: Callable[[Any], None], numbers: bool = False
    ) -> None:
        """Replace a value by its traced form, if it has one; `put` stores the replacement."""
        new = self.traced(value, name, numbers)
        if new is not value:
            put(new)

    def swap(self, names: dict[str, Any], keys: Set[str] | None = None) -> None:
        """Replace numpy, math and float in a namespace, or only at `keys`, until `put_back`."""
        self.undo.append(restorer(names, None if keys is None else {*keys, "float"}))
        for key in list(names) if keys is None else names.keys() & keys:
            value = names[key]
            if isinstance(value, ModuleType) or callable(value) or is_distribution(value):
                new = self._stand_in(value)
                if new is not value:
                    names[key] = new
        names.setdefault("float", Float)

    def _function(self, function: FunctionType, name: str) -> None:
        if not is_users_function(function):
            wrapped = getattr(function, "__wrapped__", None)
            if wrapped is not None:
                self.traced(wrapped, name)
            if is_adapter(function):
                self._cells(function)
            return
        names = function.__globals__
        used = names_in(function.__code__)
        everything = not used.isdisjoint(ANY)
        self.module(names, [key for key in names if everything or key in used])
        self._cells(function)
        if function.__defaults__:
            put = partial(setattr, function, "__defaults__")
            self.undo.append(partial(put, function.__defaults__))
            self._exchange(function.__defaults__, f"{name} defaults", put)
        if function.__kwdefaults__:
            self.traced(function.__kwdefaults__, name)
        self.traced(function.__dict__, name)

    def _cells(self, function: FunctionType) -> None:
        for name, cell, value in cells_of(function):
            put = partial(setattr, cell, "cell_contents")
            self.undo.append(partial(put, value))
            self._exchange(value, name, put)

    def _partial(self, value: partial[Any], name: str) -> None:
        self.traced(value.func, name)
        arguments = tuple(self.traced(item, f"{name} argument") for item in value.args)
        keywords = {key: self.traced(item, key) for key, item in value.keywords.items()}
        self.undo.append(given_others(value, arguments, keywords))

    def _container(self, value: Any, name: str, numbers: bool) -> None:
        named = isinstance(value, dict)
        self.undo.append(restorer(value) if named else list_restorer(value))
        for key, item in list(value.items() if named else enumerate(value)):
            label = f"{name}[{key!r}]" if name else str(key)
            self._exchange(item, label, partial(value.__setitem__, key), numbers)

    def _class(self, kind: type, name: str) -> None:
        for base in (one for one in kind.__mro__[:-1] if is_followed(file_of(one))):
            for key, item in list(vars(base).items()):
                item = getattr(item, "__func__", item)
                if isinstance(item, property):
                    for part in (item.fget, item.fset):
                        self.traced(part, key)
                    continue
                if key.startswith("__") and not isinstance(item, FunctionType):
                    continue
                new = self.traced(item, f"{name}.{key}")
                if new is not item:
                    self.undo.append(partial(setattr, base, key, item))
                    setattr(base, key, new)

    def _object(self, value: Any, name: str, numbers: bool) -> None:
        kind = type(value)
        if not is_users_object(kind):
            return
        self.traced(kind, kind.__name__)
        attributes = getattr(value, "__dict__", None)
        if isinstance(attributes, dict):
            self.undo.append(restorer(attributes))
            for key, item in list(attributes.items()):
                label = f"{name}.{key}" if name and not is_dataclass(value) else key
                self._exchange(item, label, partial(attributes.__setitem__, key), numbers)
        for key in slots_of(kind):
            item = getattr(value, key, UNSEEN)
            if item is not UNSEEN:
                put = partial(object.__setattr__, value, key)
                self.undo.append(partial(put, item))
                self._exchange(item, f"{name}.{key}", put, numbers)
