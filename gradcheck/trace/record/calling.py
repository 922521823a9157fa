"""One call of the user's code, followed from the arrays it is given to what it returns."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from gradcheck.trace.record.assignments import assignments_noted
from gradcheck.trace.record.names import split_names
from gradcheck.trace.record.nodes import Leak, Node, Tape
from gradcheck.trace.record.places import run_function
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
    script.handover
    """
)
"""The modules of gradcheck through which arrays pass on their way to the user's code."""


FORGIVEN: tuple[type[Exception], ...] = (Exception,)
"""What may be raised while following: it met code that it cannot follow, and tells nothing."""


@dataclass(frozen=True)
class Trace:
    """What a call did.

    Attributes:
        tape: every value that was made.
        returned: what the calls returned, as untraced calls would have.
        indices: the same structures with the index of a node for every traced array or number,
            and None for everything else.
        starts: where on the tape each call began.
        error: what the last call raised, or None.
    """

    tape: Tape
    returned: tuple[Any, ...]
    indices: tuple[Any, ...]
    starts: tuple[int, ...]
    error: BaseException | None = None

    @property
    def nodes(self) -> list[Node]:
        """The values, in the order in which they were made."""
        return self.tape.nodes

    @property
    def leaks(self) -> tuple[Leak, ...]:
        """What could not be followed: which operation, and where."""
        return tuple(self.tape.leaks)


def trace_call(function: Callable[[Any], Any], argument: Any) -> Trace:
    """Follows one call.

    Args:
        function: of the user's, or one of gradcheck's around one of the user's.
        argument: what it is given; arrays and floats in it, in any structure, are leaves.

    Raises:
        KeyboardInterrupt: as it came; everything has been put back.
    """
    return trace_calls([function], argument)


def trace_calls(
    functions: Sequence[Callable[[Any], Any]],
    argument: Any,
    also: Sequence[Any] = (),
    most: int | None = None,
) -> Trace:
    """Follows several calls with one argument, one after the other, until one raises.

    Arrays and floats in the argument, in any structure, are leaves. `also` are further functions
    and objects of the user's that these call or use. With `most`, so many values are recorded, and
    no assignments, which takes least where the calls take long.
    """
    tape = Tape(kind_for(argument), most=sys.maxsize if most is None else most)
    returned: list[Any] = []
    indices: list[Any] = []
    starts: list[int] = []
    error: BaseException | None = None
    noted = assignments_noted(tape) if most is None else nullcontext()
    with followed(tape, [*functions, *also], argument) as traced, noted:
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
    """Makes everything that the functions reach traced; leaves all as it was found."""
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
                reach.swap(vars(module))
        traced = reach.traced(argument, "", numbers=True)
        for function in functions:
            reach.traced(function, getattr(function, "__name__", "function"))
        yield traced
    finally:
        tape.open = False
        _certainly(reach.put_back)


def _certainly(act: Callable[[], None]) -> None:
    """Does something that can be begun again, even if the user interrupts it meanwhile."""
    try:
        act()
    except KeyboardInterrupt:
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
