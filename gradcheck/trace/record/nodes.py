"""What a tape holds: one node for every value that the user's code made."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.record.places import Chain, Place, arguments_of, chain_of_calls

OUTPUT = "output"
RAISED = "raised"


@dataclass(frozen=True, slots=True)
class Reference:
    """Stands for the value of a node among the arguments of another."""

    index: int


@dataclass(frozen=True, slots=True)
class Altered:
    """In the place of a node's function: another computation from the values of a tape.

    Attributes:
        value: what comes out, from the values by index.
        back: takes these and the adjoint of that, gives what reaches each operand.
    """

    value: Callable[[Any], Any]
    back: Callable[[Any, NDArray[Any]], list[tuple[int, NDArray[Any]]]]

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Is never called: it computes from the tape."""
        raise TypeError


@dataclass(slots=True)
class Node:
    """One value.

    Attributes:
        index: its position on the tape.
        name: the standard name of the operation ("multiply"), or of the leaf.
        function: what made it, to be called again; None for a leaf.
        arguments: the positional arguments, with a `Reference` for every value of the tape.
        keywords: likewise.
        value: a copy of the value.
        chain: the places of the call and of its callers, the innermost first.
        frame: tells one run of a function from another.
        operands: the nodes it was made from.
        library_call: the number of the call of a library that made it on the way; 0 if none did.
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

    @property
    def place(self) -> Place | None:
        """Where in the user's code it was made; None where that was not in the user's code."""
        return self.chain[0].place if self.chain else None

    @property
    def source(self) -> str:
        """The text of the expression that made it; empty where that was not in the user's code."""
        return self.chain[0].place.source if self.chain else ""

    @property
    def operation(self) -> str:
        """The name of the operation, without the index of one of several results."""
        return self.name.partition("[")[0]

    @property
    def in_loop(self) -> tuple[Chain, str, tuple[int, ...]]:
        """What it has in common with the values of the other passes of a loop."""
        return self.chain, self.name, self.value.shape

    @property
    def is_float(self) -> bool:
        """Whether it holds real numbers, which have derivatives."""
        return self.value.dtype.kind == "f"

    @property
    def is_leaf(self) -> bool:
        """Whether nothing made it."""
        return self.function is None


@dataclass(frozen=True)
class Leak:
    """An operation that the tape could not follow, in words; and where, if that is known."""

    operation: str
    place: Place | None


@dataclass(frozen=True)
class Assignment:
    """A plain `name = other`, which is no operation, and the index of the value that it named.

    Or `return name`, which gives a value to whoever called. The code is that of the function.
    """

    node: int
    place: Place
    target: str
    code: Any
    returned: bool = False

    @property
    def is_argument(self) -> bool:
        """Whether the name is that of an argument, which `return name` returns as it came."""
        return self.target in arguments_of(self.code)


@dataclass
class Tape:
    """The values in the order in which they were made.

    Attributes:
        nodes: the values.
        leaks: what could not be followed.
        assignments: the plain assignments that ran.
        failed: the node of the operation that raised, if one did.
        array_type: the class of the arrays that record on it.
        open: whether operations are recorded; afterwards traced arrays compute as plain ones.
        hook: what watches the user's lines; it is not called while an operation is recorded.
        most: so many values, and so many thousand numbers in them, are recorded, and then none.
        size: how many numbers there are.
    """

    array_type: type[Any]
    nodes: list[Node] = field(default_factory=list)
    leaks: list[Leak] = field(default_factory=list)
    assignments: list[Assignment] = field(default_factory=list)
    failed: Node | None = None
    open: bool = True
    hook: Callable[..., Any] | None = None
    most: int = sys.maxsize
    size: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    _last: tuple[Chain, tuple[int, ...]] = ((), ())
    _library_calls: int = 0

    def record(
        self,
        name: str,
        function: Callable[..., Any] | None,
        arguments: tuple[Any, ...],
        keywords: Mapping[str, Any],
        value: Any,
    ) -> int:
        """The index of a new node."""
        chain, frame, within = chain_of_calls() if function is not None else ((), 0, ())
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
        """The number of the library's call; it is the last one as long as that goes on."""
        if not (chain == self._last[0] and within > self._last[1] > ()):
            self._library_calls += 1
        self._last = chain, within
        return self._library_calls if within else 0

    def leaf(self, name: str, value: Any) -> int:
        """The index of a new node that nothing made."""
        return self.record(name, None, (), {}, value)

    def leak(self, operation: str) -> None:
        """Notes an operation that is not followed."""
        chain, *_ = chain_of_calls()
        self.leaks.append(Leak(operation, chain[0].place if chain else None))


def operands_of(arguments: Any) -> list[int]:
    """The nodes that arguments refer to, each as often as it is referred to."""
    if isinstance(arguments, Reference):
        return [arguments.index]
    if type(arguments) is dict:
        arguments = list(arguments.values())
    if type(arguments) in (list, tuple):
        return [index for argument in arguments for index in operands_of(argument)]
    return []
