"""The replacements of `numpy`, `math` and their functions in the user's modules during a trace."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import numpy as np

from gradcheck.trace.record.array import call_numpy
from gradcheck.trace.record.distributions import Distribution, is_distribution
from gradcheck.trace.record.library_functions import ACTIVATIONS, FOLLOWED, form_of
from gradcheck.trace.record.matrices import holds_matrix
from gradcheck.trace.record.names import split_names
from gradcheck.trace.record.nodes import Tape
from gradcheck.trace.record.recording import apply, as_array, open_tape, plain
from gradcheck.trace.record.sparse import sparse_form
from gradcheck.user.calls import is_users_file

UFUNC_OF = {"atan": "arctan", "atan2": "arctan2", "pow": "power"}
"""Standard names of functions of `math` for which numpy has another name."""

UNTRACED = ("random", "testing", "typing", "exceptions", "dtypes", "f2py", "ctypeslib", "ma")
"""Parts of numpy that are not replaced."""

FEW = 200
"""The largest array of which each number is followed through a function of single numbers."""

BEGINNING = ("zeros", "ones", "full", "eye")
"""Functions of torch that create tensors from shapes and numbers."""

NOT_FUNCTIONS = split_names(
    """
    errstate seterr geterr seterrcall geterrcall printoptions set_printoptions
    get_printoptions isscalar iterable load loads fromfile genfromtxt loadtxt vectorize
    nditer ndindex ndenumerate broadcast show_config info get_include finfo iinfo
    array2string
    """
)


class ModuleProxy(ModuleType):
    """A module such as `math` or one of jax's, whose functions record their calls."""

    def __init__(self, module: Any, tape: Tape) -> None:
        super().__init__(module.__name__)
        self.__dict__.update(_module=module, _tape=tape)

    def __getattr__(self, name: str) -> Any:
        proxy = self.__dict__[name] = proxy_of(getattr(self._module, name), self._tape)
        return proxy


class NumpyProxy(ModuleProxy):
    """A module of numpy's, with its submodules and its index objects such as `np.r_`."""

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._module, name)
        proxy: Any
        if isinstance(value, ModuleType):
            proxy = value if name in UNTRACED else NumpyProxy(value, self._tape)
        elif name in ("c_", "r_", "s_", "index_exp", "mgrid", "ogrid"):
            proxy = value if name in ("s_", "index_exp") else IndexProxy(value, name, self._tape)
        else:
            proxy = proxy_of(value, self._tape)
        self.__dict__[name] = proxy
        return proxy

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._module, name, value)

    def __dir__(self) -> list[str]:
        return dir(self._module)


class TorchProxy(ModuleProxy):
    """Torch: its functions trace by themselves, except those that create tensors."""

    def __getattr__(self, name: str) -> Any:
        original = getattr(self._module, name)
        numpys = _numpy_function(getattr(np, name), self._tape) if name in BEGINNING else original

        def begun(*arguments: Any, dtype: Any = None, **keywords: Any) -> Any:
            if not self._tape.open or (dtype is not None and not dtype.is_floating_point):
                return original(*arguments, dtype=dtype, **keywords)
            is_shape = name in ("zeros", "ones") and isinstance(arguments[0], int)
            return numpys(arguments) if is_shape else numpys(*arguments)

        return original if numpys is original else begun


class IndexProxy:
    """`np.c_`, `np.r_` and similar objects."""

    def __init__(self, target: Any, name: str, tape: Tape) -> None:
        self.target, self.name, self.tape = target, name, tape

    def __getitem__(self, key: Any) -> Any:
        keys = key if isinstance(key, tuple) else (key,)
        take = self.target.__getitem__
        return apply(self.tape, lambda *parts: take(parts), keys, {}, self.name, force=True)


class UfuncProxy:
    """A ufunc or a method of one, which would take the numbers out of a list of traced ones."""

    def __init__(self, ufunc: Callable[..., Any]) -> None:
        self._ufunc = ufunc

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Call it with traced arrays for such lists; the index of `at` may be a tuple of arrays."""
        index = 1 if self._ufunc.__name__ == "at" else None
        given = (one if at == index else as_array(one) for at, one in enumerate(arguments))
        return self._ufunc(*given, **keywords)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._ufunc, name)
        return UfuncProxy(value) if callable(value) else value

    def __eq__(self, other: object) -> bool:
        return self._ufunc is getattr(other, "_ufunc", other)

    def __hash__(self) -> int:
        return hash(self._ufunc)


def proxy_of(value: Any, tape: Tape) -> Any:
    """Return the replacement of a value taken from a module, or the value itself if none."""
    if type(value) in (FunctionType, type) and not _may_be_replaced(value):
        return value
    if type(value) is Distribution or isinstance(value, ModuleProxy):
        return value
    if value is np:
        return NumpyProxy(np, tape)
    if value is math:
        return ModuleProxy(math, tape)
    if isinstance(value, ModuleType):
        package, *parts = value.__name__.split(".")
        if value.__name__ == "jax.numpy":
            return NumpyProxy(np, tape)
        if package == "jax":
            return ModuleProxy(value, tape)
        if value.__name__ == "torch":
            return TorchProxy(value, tape)
        inside = package in ("numpy", "scipy") and not set(UNTRACED) & set(parts)
        return NumpyProxy(value, tape) if inside else value
    if value is np.float64:
        return value
    if is_distribution(value):
        return Distribution(value, tape)
    if isinstance(value, np.ufunc):
        return UfuncProxy(value)
    if isinstance(value, BuiltinFunctionType) and getattr(math, value.__name__, None) is value:
        return _math_function(value, tape)
    if is_jaxs(value):
        return _jax_function(value, tape)
    if (form := sparse_form(value, tape)) is not None:
        return form
    return _numpy_function(value, tape) if is_numpys(value) else value


def _may_be_replaced(value: FunctionType | type) -> bool:
    """Quick test whether a function or class is of a package with replaced functions."""
    return (value.__module__ or "").partition(".")[0] in ("numpy", "scipy", "math", "jax", "jaxlib")


def is_jaxs(value: Any) -> bool:
    """Whether a value is a function of jax's, or one wrapped by jax."""
    module = type(value).__module__  # of Cython's functions, a descriptor
    return callable(value) and str(module).partition(".")[0] in ("jax", "jaxlib")


def _jax_function(function: Any, tape: Tape) -> Any:
    """Return numpy's function of the same name for a function of jax's."""
    module = (getattr(function, "__module__", None) or "").partition(".")[0]
    name = getattr(function, "__name__", "")
    if module != "jax":
        return function
    if name in ACTIVATIONS:
        return lambda x, axis=-1, **named: _activated(ACTIVATIONS[name], x, axis, named)
    return proxy_of(getattr(np, name), tape) if hasattr(np, name) else function


def _activated(function: Callable[..., Any], x: Any, axis: Any, named: dict[str, Any]) -> Any:
    words = {"keepdims": "keepdim"}
    return function(x, dim=axis, **{words.get(key, key): item for key, item in named.items()})


def importing(real: Callable[..., Any], tape: Tape) -> Callable[..., Any]:
    """Replace `__import__`, so that imports inside of the user's functions return proxies."""

    def import_(*arguments: Any, **keywords: Any) -> Any:
        module = real(*arguments, **keywords)
        caller = sys._getframe(1).f_code
        inside = tape.open and caller.co_name != "<module>" and is_users_file(caller.co_filename)
        return proxy_of(module, tape) if inside else module

    return import_


def is_numpys(value: Any) -> bool:
    """Whether a value is a function of numpy's or scipy's, other than a ufunc or a class."""
    if isinstance(value, type | np.ufunc) or not callable(value):
        return False
    package, *parts = (getattr(value, "__module__", None) or "").split(".")
    name = getattr(value, "__name__", "")
    if package == "scipy":
        return bool(name) and not {*FOLLOWED}.isdisjoint(parts[:1])
    return package == "numpy" and name not in NOT_FUNCTIONS and "random" not in parts


def _numpy_function(function: Any, tape: Tape) -> Callable[..., Any]:
    def traced(*arguments: Any, **keywords: Any) -> Any:
        if not tape.open:
            return function(*plain(arguments), **plain(keywords))
        form = form_of(function, arguments, keywords)
        if form is not None:
            return form(*arguments, **keywords)
        return call_numpy(tape, function, arguments, keywords, force=True)

    traced.__name__ = function.__name__
    traced.__doc__ = function.__doc__
    return traced


def vectorizing(real: Callable[..., Any], tape: Tape) -> Callable[..., Any]:
    """Replace `np.vectorize`: the function gets whole arrays, if that gives the same result."""

    def traced(self: np.vectorize, *arguments: Any, **keywords: Any) -> Any:
        wanted = real(self, *plain(arguments), **plain(keywords))
        if not tape.open:
            return wanted
        try:
            whole = self.pyfunc(*arguments, **keywords)
        except Exception:  # the function takes only single numbers
            whole = _one_by_one(self.pyfunc, arguments, wanted, tape)
        whole = whole.view(np.matrix) if any(map(holds_matrix, arguments)) else whole
        return whole if np.array_equal(plain(whole), wanted) else wanted

    return traced


def _one_by_one(function: Any, arguments: Any, wanted: Any, tape: Tape) -> Any:
    """Return the results of a function of single numbers as one traced array, if it is small."""
    alike = all(np.shape(one) in ((), np.shape(wanted)) for one in arguments)
    if not alike or type(wanted) is not np.ndarray or wanted.size > FEW:
        return wanted
    columns = [one.ravel() if np.ndim(one) else [one] * wanted.size for one in arguments]
    items = [function(*numbers) for numbers in zip(*map(_flat, columns), strict=True)]
    return call_numpy(tape, np.array, (items,), {}).reshape(wanted.shape)


def _flat(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [values.flat[at] for at in range(values.size)]


def _math_function(function: Any, tape: Tape) -> Callable[..., Any]:
    name = UFUNC_OF.get(function.__name__, function.__name__)

    def traced(*arguments: Any) -> Any:
        return apply(open_tape(arguments), function, arguments, {}, name)

    traced.__name__ = function.__name__
    return traced
