"""What a tape holds: one node for every value that the user's code made."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import or_
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.record.names import MOVES
from gradcheck.trace.record.places import Chain, Place, arguments_of, chain_of_calls

Key = TypeVar("Key")
Item = TypeVar("Item")

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
    """A plain `name = other`, which is no operation, and the value that it named.

    Attributes:
        node: the value's index.
        place: of the statement.
        target: the name that was given.
        code: identifies the function that it stands in.
        returned: whether it is `return name`, which gives a value to whoever called.
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


def grouped(pairs: Iterable[tuple[Key, Item]]) -> dict[Key, list[Item]]:
    """Items that come with a key, by that."""
    found: dict[Key, list[Item]] = {}
    for key, item in pairs:
        found.setdefault(key, []).append(item)
    return found


def users_of(nodes: Sequence[Node]) -> list[list[int]]:
    """The operations that use each value."""
    users: list[list[int]] = [[] for _ in nodes]
    for node in nodes:
        for operand in node.operands:
            users[operand].append(node.index)
    return users


def masks_of(nodes: Sequence[Node]) -> list[int]:
    """The values that each value is made of, and itself, as bits."""
    masks: list[int] = []
    for node in nodes:
        masks.append(reduce(or_, (masks[operand] for operand in node.operands), 1 << node.index))
    return masks


def leaves_its_line(nodes: Sequence[Node], index: int, users: Sequence[int]) -> bool:
    """Whether a value is used beside the line that makes it: what an inner loop has added up."""
    own = nodes[index].place
    places = (nodes[user].place for user in users)
    return own is not None and any(one is None or one.line != own.line for one in places)


def never_leaves(nodes: Sequence[Node], index: int, users: Sequence[int]) -> bool:
    """Whether a value is used inside of the library's call that makes it, and only there."""
    return bool(users) and all(is_inside(nodes, user, index) for user in users)


def is_inside(nodes: Sequence[Node], user: int, operand: int) -> bool:
    """Whether a library uses what it has made itself."""
    call = nodes[operand].library_call
    return call > 0 and call == nodes[user].library_call


def operands_of(arguments: Any) -> list[int]:
    """The nodes that arguments refer to, each as often as it is referred to."""
    if isinstance(arguments, Reference):
        return [arguments.index]
    if type(arguments) is dict:
        arguments = list(arguments.values())
    if type(arguments) in (list, tuple):
        return [index for argument in arguments for index in operands_of(argument)]
    return []


def resolve(argument: Any, values: Any) -> Any:
    """An argument with the values in the place of references."""
    if isinstance(argument, Reference):
        return values[argument.index]
    if type(argument) in (list, tuple):
        return type(argument)(resolve(item, values) for item in argument)
    if type(argument) is dict:
        return {key: resolve(item, values) for key, item in argument.items()}
    return argument


def evaluate(node: Node, values: Any) -> NDArray[Any]:
    """A node's value from other values of its operands, given by index."""
    if node.function is None:
        return node.value
    if isinstance(node.function, Altered):
        return np.asarray(node.function.value(values))
    arguments = [resolve(argument, values) for argument in node.arguments]
    if node.keywords:
        return np.asarray(node.function(*arguments, **resolve(dict(node.keywords), values)))
    return np.asarray(node.function(*arguments))


def adding(node: Node) -> Node:
    """The write of a value that adds it to what is there."""
    write = node.function

    def add(before: Any, *written: Any) -> Any:
        return None if write is None else before + write(np.zeros_like(before), *written)

    return replace(node, function=add)


def carried(
    nodes: Sequence[Node], known: Any, changed: Mapping[int, NDArray[Any] | Node], last: int
) -> dict[int, NDArray[Any]]:
    """The values that are others, up to the last node, once some values or operations are."""
    values: dict[int, NDArray[Any]] = {}
    for own in nodes[min(changed) : last + 1]:
        node = changed.get(own.index, own)
        if not isinstance(node, Node):
            values[own.index] = node
        elif node is not own or not values.keys().isdisjoint(node.operands):
            operands = {index: values.get(index, known[index]) for index in node.operands}
            values[own.index] = evaluate(node, operands)
    return values


def made_from(nodes: Sequence[Node], start: int, last: int) -> set[int]:
    """A value, and all up to the last node that is made of it."""
    found = {start}
    for node in nodes[start + 1 : last + 1]:
        if not found.isdisjoint(node.operands):
            found.add(node.index)
    return found


def latest_first(nodes: Sequence[Node], starts: Iterable[int]) -> Iterator[Node]:
    """Some values, and all that they are made of, each once and the last first."""
    pending = set(starts)
    while pending:
        index = max(pending)
        pending.remove(index)
        yield nodes[index]
        pending.update(nodes[index].operands)


def before_moves(nodes: Sequence[Node], index: int) -> int:
    """What a value was before it was only moved or laid out."""
    while nodes[index].operation in MOVES and len(nodes[index].operands) == 1:
        index = nodes[index].operands[0]
    return index


def constant_of(argument: Any, nodes: Sequence[Node]) -> float | None:
    """The number that an argument of an operation is, if it is one that nothing made."""
    if isinstance(argument, Reference):
        node = nodes[argument.index]
        return float(node.value.reshape(())) if node.is_leaf and node.value.size == 1 else None
    return float(argument) if isinstance(argument, int | float | np.number) else None
