"""The tape: one node for every value that the user's code computes."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import CodeType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.record.places import NOWHERE, Called, Calls, Chain, Place, arguments_of

OUTPUT = "output"
RAISED = "raised"

PLAIN, RETURNED, HANDED = "assigned as it is", "returned", "handed over"
"""How a value gets a name; arguments, loops and unpackings hand it over."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An argument of a node that is the value of another node."""

    index: int


@dataclass(frozen=True, slots=True)
class Altered:
    """A replacement for a node's function that computes from all values of the tape.

    Attributes:
        value: computes the new value from the values by index.
        back: maps the values and the adjoint of the result to adjoints of operands, by index.
    """

    value: Callable[[Any], Any]
    back: Callable[[Any, NDArray[Any]], list[tuple[int, NDArray[Any]]]]

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Raise an error: an altered node is evaluated from the tape."""
        raise TypeError


@dataclass(slots=True)
class Node:
    """One value.

    Attributes:
        index: its position on the tape.
        name: the standard name of the operation ("multiply"), or the name of the leaf.
        function: the function that computed it, for repeated calls; None for a leaf.
        arguments: the positional arguments, with a `Reference` for every value of the tape.
        keywords: the keyword arguments, likewise.
        value: a copy of the value.
        chain: the places of the call and of its callers, the innermost first.
        frame: identifies the run of the innermost function.
        operands: the indices of the values it was computed from.
        library_call: the number of the library call inside of which it was computed, or 0.
        is_matrix: whether it is a matrix of numpy's, for which `*` is the product of matrices.
    """

    index: int
    name: str
    function: Callable[..., Any] | None
    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any]
    value: NDArray[Any]
    chain: Chain
    frame: int
    operands: tuple[int, ...]
    library_call: int = 0
    is_matrix: bool = False

    @property
    def place(self) -> Place | None:
        """The place in the user's code where it was computed; None outside of the user's code."""
        return self.chain[0].place if self.chain else None

    @property
    def source(self) -> str:
        """The text of the expression that computed it; "" outside of the user's code."""
        return self.chain[0].place.source if self.chain else ""

    @property
    def line(self) -> int:
        """The line of that expression; 0 outside of the user's code."""
        return self.chain[0].place.line if self.chain else 0

    @property
    def operation(self) -> str:
        """The name of the operation, without an index into several results."""
        return self.name.partition("[")[0]

    @property
    def in_loop(self) -> tuple[Chain, str, tuple[int, ...]]:
        """A key that is the same for corresponding values in all passes of a loop."""
        return self.chain, self.name, self.value.shape

    @property
    def is_float(self) -> bool:
        """Whether the value holds real or complex numbers, which have derivatives."""
        return self.value.dtype.kind in "fc"

    def positions(self, operand: int) -> list[int]:
        """Return which of the positional arguments are the value of an index."""
        named = enumerate(self.arguments)
        return [at for at, one in named if isinstance(one, Reference) and one.index == operand]

    @property
    def is_leaf(self) -> bool:
        """Whether the value is an input, computed by no operation."""
        return self.function is None


@dataclass(frozen=True)
class Leak:
    """An operation that could not be traced, and its place if known."""

    operation: str
    place: Place | None


@dataclass(frozen=True)
class Assignment:
    """A plain `name = other`, which is no operation, and the index of the value it names.

    It may also be `return name` or `return self.name`, or a `name` that is put into a dict or list.
    `code` is the function's, `callers` led to it, and `position` operations were recorded before.
    """

    node: int
    place: Place
    target: str
    code: Any
    position: int
    how: str = PLAIN
    callers: Chain = ()

    @property
    def returned(self) -> bool:
        """Whether the value is returned by the name."""
        return self.how == RETURNED

    @property
    def is_argument(self) -> bool:
        """Whether the name is an argument of the function, which `return name` hands back."""
        return self.target in arguments_of(self.code)

    @property
    def names_anew(self) -> bool:
        """Whether it names or returns the value; one put into a dict or list keeps its name."""
        return self.returned or self.place.source != self.target


Held = Mapping[str, Mapping[str, int]]
"""By name, the attributes of an object that are values of the tape, each with its index."""


@dataclass(frozen=True)
class BackwardRun:
    """One run of a function that goes back through an operation of an engine.

    It is a closure that the operation defines, or a method of the object for its output.

    Attributes:
        code: its code.
        begin: the number of operations that were recorded before.
        end: the number of operations that were recorded at its end.
        before: the objects that it refers to by name, at its beginning.
        after: the same at its end.
        numbers: the other numbers that these objects have at its beginning, likewise.
        objects: the ids of these objects, by name.
        steps: the updates in its loops, as runs of their own.
    """

    code: CodeType
    begin: int
    end: int
    before: Held
    after: Held
    numbers: Mapping[str, Mapping[str, float]]
    objects: Mapping[str, int]
    steps: tuple[BackwardRun, ...] = ()


@dataclass
class Tape:
    """The values in the order of their computation.

    Attributes:
        nodes: the values.
        leaks: the operations that could not be traced.
        names: the names that values were given or returned by, in the order of execution.
        backward_runs: the runs of functions that go back through operations, by their ends.
        failed: the node of the operation that raised an exception, if any.
        array_type: the class of the arrays that record on this tape.
        open: whether operations are recorded; if not, traced arrays behave like plain ones.
        hook: the trace hook on the user's lines; it is suspended while an operation is recorded.
        most: the largest number of values; it is also the limit of their total size in thousands.
        size: the total number of entries of all values.
    """

    array_type: type[Any]
    nodes: list[Node] = field(default_factory=list)
    leaks: list[Leak] = field(default_factory=list)
    names: list[Assignment] = field(default_factory=list)
    backward_runs: list[BackwardRun] = field(default_factory=list)
    failed: Node | None = None
    open: bool = True
    hook: Callable[..., Any] | None = None
    most: int = sys.maxsize
    size: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    calls: Calls = field(default_factory=Calls)
    _last: tuple[Chain, tuple[int, ...]] = ((), ())
    _library_calls: int = 0

    @cached_property
    def assignments(self) -> list[Assignment]:
        """The plain assignments and returns, which can be wrong."""
        return [one for one in self.names if one.how != HANDED]

    def record(
        self,
        name: str,
        function: Callable[..., Any] | None,
        arguments: tuple[Any, ...],
        keywords: Mapping[str, Any],
        value: Any,
        called: Called | None = None,
    ) -> int:
        """Add a node, and return its index; `called` are the calls that led to an earlier one."""
        chain, frame, within = called or (self.calls.here() if function is not None else NOWHERE)
        operands = operands_of(arguments)
        if keywords:
            operands += operands_of(dict(keywords))
        copied = np.array(value)
        with self.lock:
            index = len(self.nodes)
            self.nodes.append(
                Node(
                    index,
                    name,
                    function,
                    arguments,
                    keywords,
                    copied,
                    chain,
                    frame,
                    tuple(dict.fromkeys(operands)),
                    self._number_of_call(chain, within),
                )
            )
            self.size += copied.size
        if self.open and (index >= self.most or self.size > 1000 * self.most):
            self.leak("more than is recorded")
            self.open = False
        return index

    def _number_of_call(self, chain: Chain, within: tuple[int, ...]) -> int:
        """Return the number of the current library call; a new one if the last has ended."""
        if not (chain == self._last[0] and within > self._last[1] > ()):
            self._library_calls += 1
        self._last = chain, within
        return self._library_calls if within else 0

    def leaf(self, name: str, value: Any) -> int:
        """Add a leaf, and return its index."""
        return self.record(name, None, (), {}, value)

    def leak(self, operation: str) -> None:
        """Note an operation that cannot be traced."""
        chain, *_ = self.calls.here()
        self.leaks.append(Leak(operation, chain[0].place if chain else None))


def own_operation(
    index: int, name: str, function: Any, value: Any, *operands: Node, at: Node | None = None
) -> Node:
    """Return an operation of gradcheck's own on some values, in the place of one of them if any."""
    given = tuple(Reference(one.index) for one in operands)
    chain = () if at is None else at.chain
    indices = tuple(dict.fromkeys(one.index for one in operands))
    return Node(index, name, function, given, {}, np.asarray(value), chain, 0, indices)


def operands_of(arguments: Any) -> list[int]:
    """Return the indices of the nodes in some arguments, with repetitions."""
    if isinstance(arguments, Reference):
        return [arguments.index]
    if type(arguments) is dict:
        arguments = list(arguments.values())
    if type(arguments) in (list, tuple):
        return [index for argument in arguments for index in operands_of(argument)]
    return []
