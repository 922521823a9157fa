"""Trace calls of the user's code, from their arguments to their results."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from gradcheck.errors import OutOfTimeError
from gradcheck.trace.record.assignments import assignments_noted
from gradcheck.trace.record.names import split_names
from gradcheck.trace.record.nodes import Leak, Node, Tape
from gradcheck.trace.record.places import Calls, run_function
from gradcheck.trace.record.proxies import importing, vectorizing
from gradcheck.trace.record.reach import Reach
from gradcheck.trace.record.recording import node_of, plain
from gradcheck.trace.record.storage import Traced
from gradcheck.trace.record.tensors import kind_for
from gradcheck.user.calls import LEAVING

SEEN_THROUGH = split_names(
    """
    user.layers user.outputs user.forms user.steps user.structures user.packing user.tensors
    user.gradients user.returned user.contracted user.problem user.number user.names user.blocks
    script.handover optimize
    """
)
"""The modules of gradcheck that pass arrays on to the user's code, and are traced as well."""

NUMERICAL = frozenset(("np", "math"))
"""What these have of numpy's and Python's, beside float."""


FORGIVEN: tuple[type[Exception], ...] = (Exception,)
"""What may be raised while following: it met code that it cannot follow, and tells nothing."""


@dataclass(frozen=True)
class Trace:
    """The record of one or several calls.

    Attributes:
        tape: all values that were computed.
        returned: the results of the calls, as plain arrays and numbers.
        indices: the same structures, with the index of the node for each traced array or number,
            and None for everything else.
        starts: the position on the tape at which each call began.
        error: the exception raised by the last call, or None.
    """

    tape: Tape
    returned: tuple[Any, ...]
    indices: tuple[Any, ...]
    starts: tuple[int, ...]
    error: BaseException | None = None

    @property
    def nodes(self) -> list[Node]:
        """The values, in the order of their computation."""
        return self.tape.nodes

    @property
    def leaks(self) -> tuple[Leak, ...]:
        """The operations that could not be traced, with their places."""
        return tuple(self.tape.leaks)


def trace_call(function: Callable[[Any], Any], argument: Any) -> Trace:
    """Trace one call.

    Args:
        function: a user's function, or one of gradcheck's that calls one.
        argument: its argument; all arrays and floats in it, however nested, become leaves.

    Raises:
        KeyboardInterrupt: the user interrupts the call; everything has been restored.
    """
    return trace_calls([function], argument)


def trace_calls(
    functions: Sequence[Callable[[Any], Any]],
    argument: Any,
    also: Sequence[Any] = (),
    most: int | None = None,
    with_assignments: bool = True,
) -> Trace:
    """Trace several calls with one argument, in order, until one raises.

    Arrays and floats in the argument, however nested, become leaves. `also` are further functions
    and objects of the user's that the calls use. With `most`, only so many values are recorded.
    Without assignments, which are noted line by line, slow calls take less time.
    """
    tape = Tape(kind_for(argument), most=sys.maxsize if most is None else most)
    returned: list[Any] = []
    indices: list[Any] = []
    starts: list[int] = []
    error: BaseException | None = None
    recording = assignments_noted(tape) if with_assignments else nullcontext()
    with followed(tape, [*functions, *also], argument) as traced, recording:
        for function in functions:
            starts.append(len(tape.nodes))
            try:
                value = run_function(function, traced)
            except LEAVING as raised:
                error = raised
                break
            indices.append(_indices(tape, value))
            returned.append(plain(value))
    return Trace(tape, tuple(returned), tuple(indices), tuple(starts), error)


@contextmanager
def followed(tape: Tape, functions: Sequence[Any], argument: Any) -> Iterator[Any]:
    """Trace all that the functions and the argument reach; restore it afterwards."""
    reach = Reach(tape)
    try:
        reach.undo.append(partial(setattr, builtins, "__import__", builtins.__import__))
        vars(builtins)["__import__"] = importing(builtins.__import__, tape)
        vectorize: Any = np.vectorize
        reach.undo.append(partial(setattr, vectorize, "__call__", vectorize.__call__))
        vectorize.__call__ = vectorizing(vectorize.__call__, tape)
        for name in SEEN_THROUGH:
            module = sys.modules.get(f"gradcheck.{name}")
            if module is not None:
                reach.swap(vars(module), NUMERICAL)
        traced = reach.traced(argument, "", numbers=True)
        for function in functions:
            reach.traced(function, getattr(function, "__name__", "function"))
        yield traced
    finally:
        tape.open, tape.calls = False, Calls()
        _certainly(reach.put_back)


def _certainly(act: Callable[[], None]) -> None:
    """Carry out a repeatable action even if the user interrupts it, or the time is over."""
    try:
        act()
    except (KeyboardInterrupt, OutOfTimeError):
        act()
        raise


def _indices(tape: Tape, value: Any) -> Any:
    if isinstance(value, Traced):
        return node_of(tape, value)
    if isinstance(value, Mapping):
        return {key: _indices(tape, item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        items = [_indices(tape, item) for item in value]
        return items if isinstance(value, list) else tuple(items)
    return None
