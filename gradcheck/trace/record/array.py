"""Arrays and numbers that record the operations on them.

A traced array is a view of the memory that the user's code would use without tracing, and numpy
does every operation on plain arrays: results are the same bit for bit. A traced number stands for
the Python float or numpy scalar of the untraced run.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from functools import partial, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.record.flat_entries import FlatEntries
from gradcheck.trace.record.functions import (
    IN_PLACE,
    IN_PLACE_METHODS,
    METHODS,
    OPERATORS,
    PROPERTIES,
    QUESTIONS,
    call_method,
)
from gradcheck.trace.record.matrices import as_matrix, as_plain_array
from gradcheck.trace.record.nodes import Tape
from gradcheck.trace.record.recording import apply, as_array, open_tape, plain
from gradcheck.trace.record.storage import Storage, Traced
from gradcheck.trace.record.writing import change, compute_into


def _rounded(value: Any, digits: int | None) -> Any:
    number: Any = value[()] if isinstance(value, np.ndarray) else value
    return round(number, digits) if digits is not None else round(number)


class TracedArray(Traced):
    """An array that records all operations on it."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        outputs = keywords.pop("out", None)
        tape = open_tape((inputs, outputs))
        name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
        function = ufunc if method == "__call__" else getattr(ufunc, method)
        if method == "at":
            return change(tape, f"{ufunc.__name__}.at", function, inputs[0], inputs[1:], {})
        if outputs is None:
            return apply(tape, function, inputs, keywords, name)
        if len(outputs) > 1:
            return function(*plain(inputs), out=plain(outputs), **plain(keywords))
        return compute_into(tape, function, inputs, keywords, name, outputs[0])

    def __array_function__(
        self, function: Any, types: Any, arguments: Any, keywords: Mapping[str, Any]
    ) -> Any:
        return call_numpy(
            open_tape((arguments, keywords)), function, tuple(arguments), dict(keywords)
        )

    def __getitem__(self, key: Any) -> Any:
        return apply(self.tape, operator.getitem, (self, key), {}, "getitem")

    def __setitem__(self, key: Any, value: Any) -> None:
        change(self.tape, "setitem", operator.setitem, self, (key, as_array(value)), {})

    def __iter__(self) -> Iterator[Any]:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    def __float__(self) -> float:
        if self.tape is not None and self.tape.open:
            self.tape.leak("a number was turned into a Python float")
        return float(plain(self))

    def __complex__(self) -> complex:
        if self.tape is not None and self.tape.open:
            self.tape.leak("a number was turned into a Python complex")
        return complex(plain(self))

    def __as_float__(self) -> Any:
        return apply(self.tape, float, (self,), {}, "float")

    def __round__(self, digits: int | None = None) -> Any:
        return apply(self.tape, _rounded, (self, digits), {}, "round")

    def __contains__(self, item: Any) -> bool:
        return plain(item) in plain(self)

    def __deepcopy__(self, memo: Any = None) -> Any:
        return self.copy()

    __copy__ = __deepcopy__

    def __reduce__(self) -> Any:
        return plain(self).__reduce__()

    def tolist(self) -> Any:
        """Return nested lists of traced numbers."""
        if self.ndim == 0:
            return self if isinstance(self.scalar, float) else self.item()
        return [self[i].tolist() if self.ndim > 1 else self[i].item() for i in range(len(self))]

    @property
    def flat(self) -> Any:
        """The entries in order, as `numpy.ndarray.flat`."""
        return FlatEntries(self)

    def view(self, *arguments: Any, **keywords: Any) -> Any:
        """Return a traced view; one of another class or dtype is not traced, but for a matrix."""
        if arguments == (np.matrix,) and not keywords and self.ndim:
            rows: Any = self if self.ndim > 1 else self.reshape(1, -1)
            return as_matrix(rows)
        if not arguments and not keywords:
            return apply(self.tape, partial(call_method, "view"), (self,), {}, "view")
        if self.tape is not None and self.tape.open:
            self.tape.leak(f"a view as {getattr(arguments[0], '__name__', arguments[0])}")
        return plain(self).view(*arguments, **keywords)


def call_numpy(
    tape: Tape | None,
    function: Any,
    arguments: tuple[Any, ...],
    keywords: dict[str, Any],
    force: bool = False,
) -> Any:
    """Call a numpy function and record it; with `force`, even if no argument is traced."""
    if function is np.average and len(arguments) < 3 and keywords.keys() <= {"axis", "keepdims"}:
        function = np.mean
    name = function.__name__
    if function is np.asmatrix and isinstance(arguments[0], Traced):
        return arguments[0].view(np.matrix)
    if name in QUESTIONS:
        return function(*plain(arguments), **plain(keywords))
    if name in IN_PLACE and arguments:
        return change(tape, name, function, arguments[0], arguments[1:], keywords)
    out = keywords.pop("out", None)
    if out is not None:
        return compute_into(tape, function, arguments, keywords, name, out)
    return apply(tape, function, arguments, keywords, name, force)


def traced_leaf(
    tape: Tape,
    array: NDArray[Any],
    name: str,
    storage: Storage | None = None,
    kind: type[TracedArray] = TracedArray,
) -> Any:
    """Return a traced view of a user's array; `storage` is its memory if others share it."""
    if type(array) is np.matrix:
        return as_matrix(traced_leaf(tape, np.ndarray.view(array, np.ndarray), name, storage))
    traced = array.view(kind)
    traced.tape = tape
    if storage is None:
        storage = Storage(tape, array, tape.leaf(name, array))
        traced.node = storage.node
    traced.storage = storage
    return traced


def traced_number(tape: Tape, number: Any, name: str) -> Any:
    """Return a traced number in place of a number of the user's."""
    traced = np.asarray(number).view(tape.array_type)
    traced.tape, traced.scalar, traced.node = tape, number, tape.leaf(name, number)
    return traced


def _untraced(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, *arguments: function(plain(self), *arguments)


def _binary(name: str, function: Callable[..., Any], swapped: bool) -> Callable[..., Any]:
    def operation(self: TracedArray, other: Any) -> Any:
        operands = (other, self) if swapped else (self, other)
        return apply(open_tape(operands), function, operands, {}, name)

    return operation


def _unary(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def operation(self: TracedArray) -> Any:
        return apply(self.tape, function, (self,), {}, name)

    return operation


def _in_place(
    name: str, function: Callable[..., Any], out_of_place: Callable[..., Any]
) -> Callable[..., Any]:
    def operation(self: TracedArray, other: Any) -> Any:
        if self.scalar is not None:
            return apply(self.tape, out_of_place, (self, other), {}, name)
        change(open_tape((self, other)), name, function, self, (other,), {})
        return self

    return operation


def _method(name: str) -> Callable[..., Any]:
    function = partial(call_method, name)

    def method(self: TracedArray, *arguments: Any, **keywords: Any) -> Any:
        tape = open_tape((self, arguments, keywords))
        out = keywords.pop("out", None)
        if out is not None:
            return compute_into(tape, function, (self, *arguments), keywords, name, out)
        return apply(tape, function, (self, *arguments), keywords, name)

    return method


def _changing_method(name: str) -> Callable[..., Any]:
    def method(self: TracedArray, *arguments: Any, **keywords: Any) -> Any:
        return change(self.tape, name, partial(call_method, name), self, arguments, keywords)

    return method


def _property(name: str) -> property:
    function = operator.attrgetter(name)
    return property(lambda self: apply(self.tape, function, (self,), {}, name))


def _complete() -> None:
    """Add the operators, methods and properties of the tables to the class."""
    for dunder, (name, function, in_place) in OPERATORS.items():
        if in_place is None:
            setattr(TracedArray, f"__{dunder}__", _unary(name, function))
            continue
        setattr(TracedArray, f"__{dunder}__", _binary(name, function, swapped=False))
        if in_place:
            setattr(TracedArray, f"__r{dunder}__", _binary(name, function, swapped=True))
            inner = getattr(operator, f"i{dunder}", None)
            if inner is not None:
                setattr(TracedArray, f"__i{dunder}__", _in_place(name, inner, function))
    for function in (hash, bool, repr, str, format):  # numpy's numbers can be hashed, too
        setattr(TracedArray, f"__{function.__name__}__", _untraced(function))
    for name in METHODS:
        setattr(TracedArray, name, _method(name))
    for name in IN_PLACE_METHODS:
        setattr(TracedArray, name, _changing_method(name))
    for name in PROPERTIES:
        setattr(TracedArray, name, _property(name))


_complete()


def _times(self: TracedMatrix, other: Any) -> Any:
    return self * other


def _to_the_power(self: TracedMatrix, power: Any) -> Any:
    return reduce(operator.mul, [self] * power)


class TracedMatrix(TracedArray):
    """A traced array in place of a matrix of numpy's."""

    is_matrix = True
    __imul__: Any = _times
    __pow__: Any = _to_the_power

    @property
    def A(self) -> Any:  # noqa: N802 - numpy's own name, as those below
        """The array."""
        return as_plain_array(self)

    @property
    def A1(self) -> Any:  # noqa: N802
        """The array with a single axis."""
        return as_plain_array(self).ravel()

    @property
    def I(self) -> Any:  # noqa: E743, N802
        """The inverse."""
        return apply(self.tape, np.linalg.inv, (self,), {}, "inv")

    def getA(self) -> Any:  # noqa: N802
        """Return the array."""
        return as_plain_array(self)

    def getA1(self) -> Any:  # noqa: N802
        """Return the array with a single axis."""
        return self.A1

    def getT(self) -> Any:  # noqa: N802
        """Return the transpose."""
        return self.T


Traced.matrix_type = TracedMatrix
