"""Traced tensors of torch and arrays of jax: traced numpy arrays with the other library's methods.

Torch lets an argument of another type handle a call (`__torch_function__`), so that all of its
functions are seen; jax's functions are replaced by numpy's in the user's modules (`proxies`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck.arrays import mapped
from gradcheck.trace.record.array import TracedArray
from gradcheck.trace.record.functions import OPERATORS
from gradcheck.trace.record.library_functions import PLACING, TORCHS, Placed, words_for
from gradcheck.trace.record.recording import apply, open_tape
from gradcheck.user.calls import is_users_file
from gradcheck.user.objects import attributes, is_object
from gradcheck.user.outputs import leaves
from gradcheck.user.tensors import is_jax, is_module, is_tensor, is_torch, to_array

DEEPEST = 3
"""Depth to which the argument of a run is searched for a tensor."""


class TorchArray(TracedArray):
    """A traced array in place of a tensor of torch's."""

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
        function = getattr(sys.modules["torch"].Tensor, name)  # raises if torch lacks it
        if name.endswith("_") and not name.startswith("_"):
            return self._changing(name[:-1])
        return lambda *arguments, **keywords: call_torch(
            name, function, (self, *arguments), keywords
        )

    def _changing(self, name: str) -> Callable[..., Any]:
        """Return an in-place method, which writes the result of the method `name`."""

        def change(*arguments: Any, **keywords: Any) -> Any:
            result = arguments[0] if name == "copy" else getattr(self, name)(*arguments, **keywords)
            if self.scalar is None:
                self[...] = 0.0 if name == "zero" else result
                return self
            return result

        return change

    @property
    def data(self) -> Any:
        """The tensor itself, as there is no graph to detach it from."""
        return self

    @property
    def dtype(self) -> Any:
        """Torch's dtype for the user's code, numpy's for all other code."""
        dtype = np.ndarray.dtype.__get__(self)
        return getattr(sys.modules["torch"], dtype.name) if _asked_by_user() else dtype

    @property
    def size(self) -> Any:
        """Torch's method for the user's code, numpy's number of entries for all other code."""
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
    """A traced array in place of an array of jax's."""

    @property
    def at(self) -> Any:
        """The attribute `at` in `x.at[key].set(y)`."""
        return _At(self)


@dataclass(frozen=True)
class _At:
    array: Any
    key: Any = None

    def __getitem__(self, key: Any) -> _At:
        return _At(self.array, as_arrays(key))

    def set(self, value: Any) -> Any:
        """Return a copy of the array with these entries replaced by `value`."""
        copy = self.array.copy()
        copy[self.key] = value
        return copy

    def add(self, value: Any) -> Any:
        """Return a copy of the array with `value` added to these entries."""
        copy = self.array.copy()
        np.add.at(copy, self.key, value)
        return copy


def kind_for(value: Any, depth: int = 0) -> type[TracedArray]:
    """Return the class of traced arrays for a run with this argument."""
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
    """Replace tensors by numpy arrays."""
    return mapped(lambda one: to_array(one) if is_tensor(one) else one, value)


def call_torch(name: str, function: Any, arguments: Any, keywords: Mapping[str, Any]) -> Any:
    """Call a function or method of torch's, by its numpy equivalent if there is one."""
    positional, named = as_arrays((tuple(arguments), dict(keywords)))
    if name in TORCHS:
        return TORCHS[name](*positional, **words_for(name, named))
    result = apply(open_tape((positional, named)), Native(function), positional, named, name)
    return Placed(*result) if name in PLACING and isinstance(result, tuple) else result


@dataclass(frozen=True, slots=True)
class Native:
    """A function of torch's with numpy arrays as arguments and results."""

    function: Callable[..., Any]

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Call the function; mixed float types, as in finite differences, become float64."""
        torch = sys.modules["torch"]
        arrays = [one for (one,) in leaves([*arguments, *keywords.values()])]
        kinds = {one.dtype for one in arrays if _is_float(one)}

        def tensor(value: Any) -> Any:
            if not isinstance(value, np.ndarray | np.generic):
                return value
            return torch.from_numpy(
                np.array(value, np.float64 if len(kinds) > 1 and _is_float(value) else None)
            )

        with torch.no_grad():
            result = self.function(*mapped(tensor, arguments), **mapped(tensor, keywords))
        return as_arrays(tuple(result) if isinstance(result, tuple) else result)


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
    """Add torch's operators and methods to the class."""
    for dunder, (_, _, in_place) in OPERATORS.items():
        for form in (dunder, f"r{dunder}", f"i{dunder}") if in_place is not None else ():
            method = getattr(TorchArray, f"__{form}__", None)
            if method is not None:
                setattr(TorchArray, f"__{form}__", _with_arrays(method))
    for name in (*TORCHS, "sort", "argsort"):
        if not isinstance(getattr(TracedArray, name, None), property):
            setattr(TorchArray, name, _method(name))


_complete()
