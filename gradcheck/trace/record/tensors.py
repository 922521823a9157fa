"""Traced tensors of torch and arrays of jax: numpy's arrays that answer to their methods.

Torch asks an argument of another type what to do (`__torch_function__`), so that every function of
its own is seen; jax's are exchanged for numpy's in the user's modules, as numpy's are (`proxies`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck.trace.record.array import TracedArray
from gradcheck.trace.record.functions import OPERATORS
from gradcheck.trace.record.library_functions import PLACING, TORCHS, Placed, words_for
from gradcheck.trace.record.places import is_users_file
from gradcheck.trace.record.recording import apply, open_tape
from gradcheck.user.objects import attributes, is_object
from gradcheck.user.outputs import leaves
from gradcheck.user.tensors import is_jax, is_module, is_tensor, is_torch, to_array

DEEPEST = 3
"""So deep in what a run is given a tensor is looked for."""


class TorchArray(TracedArray):
    """What stands for a tensor of torch's."""

    requires_grad = False
    is_cuda = is_sparse = False

    @classmethod
    def __torch_function__(
        cls, function: Any, types: Any, arguments: Any = (), keywords: Any = None
    ) -> Any:
        name = function.__name__
        dunder = name.startswith("__")
        if name.endswith("_") and not dunder:
            raise NotImplementedError(f"{name} writes into a tensor that is not followed")
        return call_torch(name.strip("_") if dunder else name, function, arguments, keywords or {})

    def __getattr__(self, name: str) -> Any:
        function = getattr(sys.modules["torch"].Tensor, name)  # raises where torch has none either
        if name.endswith("_") and not name.startswith("_"):
            return self._changing(name[:-1])
        return lambda *arguments, **keywords: call_torch(
            name, function, (self, *arguments), keywords
        )

    def _changing(self, name: str) -> Callable[..., Any]:
        """The method that writes what another one gives."""

        def change(*arguments: Any, **keywords: Any) -> Any:
            made = arguments[0] if name == "copy" else getattr(self, name)(*arguments, **keywords)
            if self.scalar is None:
                self[...] = 0.0 if name == "zero" else made
                return self
            return made

        return change

    @property
    def data(self) -> Any:
        """The same without a graph."""
        return self

    @property
    def dtype(self) -> Any:
        """Torch's type of number to the user's code, and numpy's to all other."""
        own = np.ndarray.dtype.__get__(self)
        return getattr(sys.modules["torch"], own.name) if _asked_by_user() else own

    @property
    def size(self) -> Any:
        """Torch's method to the user's code, and numpy's number to all other."""
        shape = self.shape
        if not _asked_by_user():
            return np.ndarray.size.__get__(self)
        return lambda dim=None: shape if dim is None else shape[dim]

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(as_arrays(key))

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(as_arrays(key), as_arrays(value))


def _asked_by_user() -> bool:
    return is_users_file(sys._getframe(2).f_code.co_filename)


class JaxArray(TracedArray):
    """What stands for an array of jax's."""

    @property
    def at(self) -> Any:
        """What `x.at[key].set(y)` begins with."""
        return _At(self)


@dataclass(frozen=True)
class _At:
    array: Any
    key: Any = None

    def __getitem__(self, key: Any) -> _At:
        return _At(self.array, as_arrays(key))

    def set(self, value: Any) -> Any:
        """A copy with other entries there."""
        made = self.array.copy()
        made[self.key] = value
        return made

    def add(self, value: Any) -> Any:
        """A copy with something added there."""
        made = self.array.copy()
        np.add.at(made, self.key, value)
        return made


def kind_for(value: Any, depth: int = 0) -> type[TracedArray]:
    """The class of the arrays of a run that begins with a value."""
    if is_torch(value) or is_module(value):
        return TorchArray
    if is_jax(value):
        return JaxArray
    if isinstance(value, Mapping):
        value = list(value.values())
    elif is_object(value):
        value = list(attributes(value).values())
    if not isinstance(value, list | tuple) or depth > DEEPEST:
        return TracedArray
    kinds = (kind_for(item, depth + 1) for item in value)
    return next((kind for kind in kinds if kind is not TracedArray), TracedArray)


def as_arrays(value: Any) -> Any:
    """A value with numpy's arrays in the place of tensors."""
    if is_tensor(value):
        return to_array(value)
    if type(value) in (list, tuple):
        return type(value)(as_arrays(item) for item in value)
    return value


def call_torch(name: str, function: Any, arguments: Any, keywords: Mapping[str, Any]) -> Any:
    """A function or method of torch's, by numpy's where it is known, else as one operation."""
    given = as_arrays(tuple(arguments))
    named = {key: as_arrays(item) for key, item in keywords.items()}
    if name in TORCHS:
        return TORCHS[name](*given, **words_for(name, named))
    made = apply(open_tape((given, named)), Native(function), given, named, name)
    return Placed(*made) if name in PLACING and isinstance(made, tuple) else made


@dataclass(frozen=True, slots=True)
class Native:
    """A function of torch's, from arrays to arrays."""

    function: Callable[..., Any]

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Calls it; what is differenced is in float64, and torch takes one type at a time."""
        torch = sys.modules["torch"]
        given = [one for (one,) in leaves([*arguments, *keywords.values()])]
        kinds = {one.dtype for one in given if _is_float(one)}

        def tensor(value: Any) -> Any:
            if type(value) in (list, tuple):
                return type(value)(map(tensor, value))
            if not isinstance(value, np.ndarray | np.generic):
                return value
            return torch.from_numpy(
                np.array(value, np.float64 if len(kinds) > 1 and _is_float(value) else None)
            )

        with torch.no_grad():
            named = {key: tensor(value) for key, value in keywords.items()}
            made = self.function(*map(tensor, arguments), **named)
        return as_arrays(tuple(made) if isinstance(made, tuple) else made)


def _is_float(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic) and value.dtype.kind == "f"


def _with_arrays(method: Callable[..., Any]) -> Callable[..., Any]:
    def operation(self: TorchArray, other: Any) -> Any:
        return method(self, as_arrays(other))

    return operation


def _method(name: str) -> Callable[..., Any]:
    def method(self: TorchArray, *arguments: Any, **keywords: Any) -> Any:
        function = getattr(sys.modules["torch"].Tensor, name, None)
        return call_torch(name, function, (self, *arguments), keywords)

    return method


def _complete() -> None:
    """Gives the class torch's operators and methods."""
    for dunder, (_, _, in_place) in OPERATORS.items():
        for form in (dunder, f"r{dunder}", f"i{dunder}") if in_place is not None else ():
            method = getattr(TorchArray, f"__{form}__", None)
            if method is not None:
                setattr(TorchArray, f"__{form}__", _with_arrays(method))
    for name in (*TORCHS, "sort", "argsort"):
        if not isinstance(getattr(TracedArray, name, None), property):
            setattr(TorchArray, name, _method(name))


_complete()
