"""The user's loss and gradient, followed at several points."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.adjoints.directional import second_adjoints
from gradcheck.trace.adjoints.reverse import Adjoints, adjoints
from gradcheck.trace.adjoints.scaled import made_of
from gradcheck.trace.record.calling import Trace, trace_calls
from gradcheck.trace.record.graph import masks_of
from gradcheck.trace.record.names import MOVES
from gradcheck.trace.record.nodes import OUTPUT, Node, own_operation
from gradcheck.user.conventions import TORCH, Convention

Array = NDArray[np.float64]


def nothing() -> None:
    """Do nothing: most gradients depend on no earlier call."""


@dataclass(frozen=True)
class Subject:
    """The user's functions to be followed, and how their arguments are made and read.

    Attributes:
        names: the names of the blocks.
        pack: builds the user's structure around the values of the blocks.
        loss: takes that structure and returns the loss (a traced value while it is followed).
        gradient: takes that structure and returns the gradients of some or all blocks, by block.
        blocks: takes that structure and returns its parameters by block.
        users: the user's functions and objects that these call.
        cut: cuts the one vector that is the user's structure into the blocks; `blocks` then returns
            that vector alone. None for any other structure.
        along: entries of the parameters by which the derivative of every value is computed: the
            name in `blocks` and the flat index.
        enters: whether the gradients that enter an update are followed, if they are known, instead
            of those that it implies.
        begin: runs before the gradient is followed.
        direction: in the one array of parameters, if the derivative of `loss` along it takes the
            place of the loss; else None.
        parts: by block that is a part of complex numbers, "real" or "imag".
        convention: how the user writes the derivatives by complex numbers.
        fixed: returns the values of the followed loss that are held constant, from its tape and
            the indices of its parameters.
        back: takes the packed structure and the derivatives by its arrays, and returns those by the
            blocks; None if the arrays are the blocks.
    """

    names: tuple[str, ...]
    pack: Callable[[Sequence[Array]], Any]
    loss: Callable[[Any], Any]
    gradient: Callable[[Any], Mapping[str, Any]]
    blocks: Callable[[Any], Mapping[str, Any]]
    users: tuple[Any, ...]
    cut: Callable[[Array], Sequence[Array]] | None = None
    along: tuple[tuple[str, int], ...] = ()
    enters: bool = False
    begin: Callable[[], None] = nothing
    direction: Array | None = None
    parts: Mapping[str, str] = field(default_factory=dict)
    convention: Convention = TORCH
    fixed: Callable[[Sequence[Node], Iterable[int]], Container[int]] | None = None
    back: Callable[[Any, Mapping[str, Array]], Mapping[str, Array]] | None = None


@dataclass(frozen=True)
class FollowedLoss:
    """The loss, followed at one point.

    Attributes:
        loss_nodes: the tape of the loss.
        loss_index: the index of the loss on the tape.
        parameters: the index of every block's leaf on the tape, by block.
        derivatives: of the loss, by every value on the tape.
        subject: the functions that were followed.
        packed: the parameters in the user's structure.
    """

    loss_nodes: list[Node]
    loss_index: int
    parameters: Mapping[str, int]
    derivatives: Adjoints
    subject: Subject
    packed: Any

    def gradients(self, derivatives: Adjoints) -> Mapping[str, Array]:
        """Return the derivatives by the blocks, from adjoints of the tape."""
        by_arrays = self._by_arrays(derivatives)
        if self.subject.back is None:
            return by_arrays
        return self.subject.back(self.packed, by_arrays)

    def _by_arrays(self, derivatives: Adjoints) -> Mapping[str, Array]:
        by_node = derivatives.of_nodes
        if self.subject.cut is not None:
            (whole,) = self.parameters.values()
            vector = by_node.get(whole, np.zeros(self.loss_nodes[whole].value.shape))
            return dict(zip(self.subject.names, self.subject.cut(vector), strict=True))
        parts, read = self.subject.parts, self.subject.convention.part
        arrays = {
            name: np.asarray(by_node.get(index, np.zeros(self.loss_nodes[index].value.shape)))
            for name, index in self.parameters.items()
        }
        return {
            name: np.asarray(read(array, parts[name])) if name in parts else array
            for name, array in arrays.items()
        }

    @cached_property
    def true(self) -> Mapping[str, Array]:
        """The gradient of the loss, by block."""
        return self.gradients(self.derivatives)


@dataclass(frozen=True)
class Point(FollowedLoss):
    """Both functions, followed at one point.

    Attributes:
        gradient: the trace of the gradient.
        nodes: the tape of the gradient, with an output node for every block's gradient.
        outputs: the index of the output node, by block.
        start: the index on the tape where the last call of the gradient began.
    """

    gradient: Trace
    nodes: list[Node]
    outputs: Mapping[str, int]
    start: int


class NotFollowedError(Exception):
    """The loss cannot be followed; the message gives the reason."""


def trace_loss(subject: Subject, values: Sequence[Array], most: int | None = None) -> Trace:
    """Record the loss, and the blocks by name, at a point given by block.

    With `most`, at most so many values are recorded, and the arrays of the point are not copied.
    """

    def of_loss(packed: Any) -> Any:
        return [dict(subject.blocks(packed)), subject.loss(packed)]

    given = [value.copy() for value in values] if most is None else values
    with np.errstate(all="ignore"):
        return trace_calls([of_loss], subject.pack(given), subject.users, most, most is None)


def follow_loss(subject: Subject, values: Sequence[Array]) -> FollowedLoss:
    """Follow the loss at a point, given by block; raise NotFollowedError if that is impossible."""
    loss = trace_loss(subject, values)
    with np.errstate(all="ignore"):
        if loss.error is not None:
            raise NotFollowedError(f"the loss raised {type(loss.error).__name__}: {loss.error}")
        parameters, index = loss.indices[0]
        if not isinstance(index, int):
            raise NotFollowedError(_unfollowed(loss))
        computed = [node.value for node in loss.nodes]
        leaves = {name: i for name, i in parameters.items() if isinstance(i, int)}
        if subject.direction is None:
            seed = {index: np.ones(computed[index].shape)}
            fixed = subject.fixed(loss.nodes, leaves.values()) if subject.fixed else ()
            derivatives = adjoints(loss.nodes, computed, seed, fixed)
        else:
            (leaf,) = leaves.values()
            direction = subject.direction.reshape(computed[leaf].shape)
            derivatives = second_adjoints(loss.nodes, index, leaf, direction)
        written = as_written(derivatives, subject.convention)
    return FollowedLoss(loss.nodes, index, leaves, written, subject, subject.pack(values))


def as_written(derivatives: Adjoints, convention: Convention) -> Adjoints:
    """Return the derivatives, those by complex numbers in a convention."""
    if convention is TORCH:
        return derivatives
    return Adjoints(
        {index: convention.written(one) for index, one in derivatives.of_nodes.items()},
        {edge: convention.written(one) for edge, one in derivatives.of_edges.items()},
    )


def followed_loss(subject: Subject, values: Sequence[Array]) -> FollowedLoss | None:
    """Follow the loss at a point, given by block; return None if that is impossible."""
    try:
        return follow_loss(subject, values)
    except NotFollowedError:
        return None


def follow(subject: Subject, values: Sequence[Array], calls: int = 1) -> Point:
    """Follow both functions at a point, given by block, with `calls` calls of the gradient."""
    loss = follow_loss(subject, values)
    gradient = trace_gradient(subject, values, calls)
    nodes, outputs = _with_outputs(subject, gradient, values)
    shared = {one.name: getattr(loss, one.name) for one in fields(loss)}
    starts = gradient.starts[-1]
    return Point(**shared, gradient=gradient, nodes=nodes, outputs=outputs, start=starts)


def _unfollowed(trace: Trace) -> str:
    if trace.leaks:
        leak = trace.leaks[0]
        where = f" ({leak.place.file}:{leak.place.line})" if leak.place else ""
        return f"the loss cannot be followed: {leak.operation}{where}"
    return "the loss is not made of numpy's operations"


def trace_gradient(
    subject: Subject, values: Sequence[Array], calls: int = 1, with_assignments: bool = True
) -> Trace:
    """Follow the gradient function at a point, given by block."""
    subject.begin()
    packed = subject.pack([value.copy() for value in values])
    with np.errstate(all="ignore"):
        functions = [subject.gradient] * calls
        return trace_calls(functions, packed, subject.users, with_assignments=with_assignments)


def computed_blocks(subject: Subject, values: Sequence[Array]) -> frozenset[str]:
    """Return the blocks whose gradient is computed in a call, and not only held and returned."""
    trace = trace_gradient(subject, values, with_assignments=False)
    returned, _ = returned_nodes(trace)
    computing = sum(
        1 << node.index
        for node in trace.nodes
        if node.chain and not node.is_leaf and node.operation not in MOVES
    )
    above = masks_of(trace.nodes)
    return frozenset(name for name, index in returned.items() if above[index] & computing)


def returned_nodes(trace: Trace) -> tuple[dict[str, int], bool]:
    """Return the nodes that the last call returned, by block, and whether that is all of it."""
    returned = trace.indices[-1] if trace.indices and trace.error is None else {}
    nodes = {name: index for name, index in returned.items() if isinstance(index, int)}
    return nodes, len(nodes) == len(returned)


def _with_outputs(
    subject: Subject, gradient: Trace, values: Sequence[Array]
) -> tuple[list[Node], dict[str, int]]:
    nodes = list(gradient.nodes)
    outputs: dict[str, int] = {}
    returned, _ = returned_nodes(gradient)
    blocks = dict(zip(subject.names, values, strict=True))
    entered: Mapping[str, int | None] = returned
    if subject.enters:
        entered, _ = made_of(nodes, returned, blocks)
    for name, index in entered.items():
        made = nodes[returned[name] if index is None else index]
        if index is None:  # nothing enters the update of this block: its gradient is 0
            zeros = np.zeros_like(made.value)
            made = own_operation(len(nodes), "zeros_like", np.zeros_like, zeros, made, at=made)
            nodes.append(made)
        elif subject.enters and made.value.ndim < blocks[name].ndim:  # (n,) is added to (1, n)
            shaped = partial(np.broadcast_to, shape=blocks[name].shape)
            made = own_operation(
                len(nodes), "broadcast_to", shaped, shaped(made.value), made, at=made
            )
            nodes.append(made)
        outputs[name] = len(nodes)
        nodes.append(own_operation(len(nodes), OUTPUT, np.asarray, made.value, made, at=made))
    return nodes, outputs


def comparable(one: Point, other: Point) -> bool:
    """True if two points did the same operations on arrays of the same shapes."""
    return all(
        len(mine) == len(its)
        and all(
            a.name == b.name and a.value.shape == b.value.shape and a.operands == b.operands
            for a, b in zip(mine, its, strict=True)
        )
        for mine, its in ((one.loss_nodes, other.loss_nodes), (one.nodes, other.nodes))
    )
