"""The user's loss and gradient, followed at several points."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.adjoints.directional import second_adjoints
from gradcheck.trace.adjoints.entering import entering, takes_off_itself
from gradcheck.trace.adjoints.reverse import Adjoints, adjoints
from gradcheck.trace.record.calling import Trace, trace_calls
from gradcheck.trace.record.nodes import OUTPUT, Node, Reference
from gradcheck.user.calls import LEAVING

Array = NDArray[np.float64]


def nothing() -> None:
    """Most gradients depend on no earlier call."""


@dataclass(frozen=True)
class Subject:
    """What is followed.

    Attributes:
        names: of the blocks.
        pack: builds the user's structure around the blocks' values.
        loss: takes that, returns the number (traced, where it is).
        gradient: takes that, returns the gradients by block; blocks without one are left out.
        blocks: the parameters in that structure, by block.
        users: the user's functions and objects that these call.
        cut: cuts the one vector that the user's structure is into the blocks; None where it is
            another structure. `blocks` then has that vector alone.
        along: entries of what `blocks` has, by which every value's derivative is wanted: name and
            flat index.
        enters: whether the gradients are those that enter an adaptive update, where it has them,
            and not what it implies.
        begin: what is done before the gradient is followed.
        direction: where `loss` is to be taken by its derivative along one, of the one array of
            parameters; None where the gradient is its own.
        back: the derivatives by the blocks, of what was packed and the derivatives by its arrays,
            where these are made of the blocks; None where they are the blocks.
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
    back: Callable[[Any, Mapping[str, Array]], Mapping[str, Array]] | None = None


@dataclass(frozen=True)
class FollowedLoss:
    """The loss, followed at one point.

    Attributes:
        loss_nodes: its tape.
        loss_index: of the loss on it.
        parameters: the index of every block's leaf on it, by block.
        derivatives: of the loss, by every value on it.
        subject: whose loss it is.
        packed: the parameters in the user's structure.
    """

    loss_nodes: list[Node]
    loss_index: int
    parameters: Mapping[str, int]
    derivatives: Adjoints
    subject: Subject
    packed: Any

    def gradients(self, derivatives: Adjoints) -> Mapping[str, Array]:
        """The derivatives by the blocks, of adjoints of its tape."""
        by_arrays = self._by_arrays(derivatives)
        if self.subject.back is None:
            return by_arrays
        return self.subject.back(self.packed, by_arrays)

    def _by_arrays(self, derivatives: Adjoints) -> Mapping[str, Array]:
        found = derivatives.of_nodes
        if self.subject.cut is not None:
            (whole,) = self.parameters.values()
            vector = found.get(whole, np.zeros(self.loss_nodes[whole].value.shape))
            return dict(zip(self.subject.names, self.subject.cut(vector), strict=True))
        return {
            name: np.asarray(found.get(index, np.zeros(self.loss_nodes[index].value.shape)))
            for name, index in self.parameters.items()
        }

    @cached_property
    def true(self) -> Mapping[str, Array]:
        """The adjoint of every block."""
        return self.gradients(self.derivatives)


@dataclass(frozen=True)
class Point(FollowedLoss):
    """Both functions, followed at one point.

    Attributes:
        gradient: what the gradient did.
        nodes: its tape, with a node of its own for every block's gradient.
        outputs: the index of that node, by block.
        start: where on the tape the last call of the gradient began.
    """

    gradient: Trace
    nodes: list[Node]
    outputs: Mapping[str, int]
    start: int


class NotFollowedError(Exception):
    """The loss did not come out of operations that can be followed; the message says which."""


def trace_loss(subject: Subject, values: Sequence[Array], most: int | None = None) -> Trace:
    """The loss's tape at a point, given by block; it returns the blocks by name, and the loss.

    With `most`, so many values are recorded, and the arrays of the point are not copied before.
    """

    def of_loss(packed: Any) -> Any:
        return [dict(subject.blocks(packed)), subject.loss(packed)]

    given = [value.copy() for value in values] if most is None else values
    with np.errstate(all="ignore"):
        return trace_calls([of_loss], subject.pack(given), subject.users, most)


def follow_loss(subject: Subject, values: Sequence[Array]) -> FollowedLoss:
    """Follows the loss at a point, given by block; raises NotFollowedError where it cannot."""
    loss = trace_loss(subject, values)
    with np.errstate(all="ignore"):
        if loss.error is not None:
            raise NotFollowedError(f"the loss raised {type(loss.error).__name__}: {loss.error}")
        parameters, index = loss.indices[0]
        if not isinstance(index, int):
            raise NotFollowedError(_unfollowed(loss))
        known = [node.value for node in loss.nodes]
        leaves = {name: i for name, i in parameters.items() if isinstance(i, int)}
        if subject.direction is None:
            derivatives = adjoints(loss.nodes, known, {index: np.ones(known[index].shape)})
        else:
            (leaf,) = leaves.values()
            direction = subject.direction.reshape(known[leaf].shape)
            derivatives = second_adjoints(loss.nodes, index, leaf, direction)
    return FollowedLoss(loss.nodes, index, leaves, derivatives, subject, subject.pack(values))


def followed_loss(subject: Subject, values: Sequence[Array]) -> FollowedLoss | None:
    """The loss at a point, given by block; None where it cannot be followed."""
    try:
        return follow_loss(subject, values)
    except NotFollowedError:
        return None


def follow(subject: Subject, values: Sequence[Array], calls: int = 1) -> Point:
    """Follows both functions at a point, given by block, with so many calls of the gradient."""
    loss = follow_loss(subject, values)
    gradient = _trace_gradient(subject, values, calls)
    nodes, outputs = _with_outputs(gradient, subject.enters)
    shared = {one.name: getattr(loss, one.name) for one in fields(loss)}
    starts = gradient.starts[-1]
    return Point(**shared, gradient=gradient, nodes=nodes, outputs=outputs, start=starts)


def _unfollowed(trace: Trace) -> str:
    if trace.leaks:
        leak = trace.leaks[0]
        where = f" ({leak.place.file}:{leak.place.line})" if leak.place else ""
        return f"the loss cannot be followed: {leak.operation}{where}"
    return "the loss is not made of numpy's operations"


def _trace_gradient(
    subject: Subject, values: Sequence[Array], calls: int = 1, most: int | None = None
) -> Trace:
    subject.begin()
    packed = subject.pack([value.copy() for value in values])
    with np.errstate(all="ignore"):
        return trace_calls([subject.gradient] * calls, packed, subject.users, most)


def gradients_that_enter(
    subject: Subject, values: Sequence[Array]
) -> tuple[dict[str, Array], bool | None]:
    """The gradients that enter an update at a point, by block, and whether it is adaptive.

    It is neither that nor does it cut gradients off where this is None, and nothing is returned.
    """
    trace = _trace_gradient(subject, values, most=sys.maxsize)
    returned = {} if trace.error is not None else trace.indices[-1]
    implied = {name: index for name, index in returned.items() if isinstance(index, int)}
    entered = {name: entering(trace.nodes, index) for name, index in implied.items()}
    kinds = [found[1] for found in entered.values() if found is not None]
    if not kinds or len(implied) < len(returned):
        return {}, None
    made = {name: found[0] if found else implied[name] for name, found in entered.items()}
    return {name: np.array(trace.nodes[index].value) for name, index in made.items()}, any(kinds)


def decayed_blocks(subject: Subject, values: Sequence[Array]) -> frozenset[str]:
    """The blocks of which an update takes off a multiple, at a point."""
    trace = _trace_gradient(subject, values, most=sys.maxsize)
    returned = {} if trace.error is not None else trace.indices[-1]
    by_name = dict(zip(subject.names, values, strict=True))
    return frozenset(
        name
        for name, index in returned.items()
        if isinstance(index, int) and takes_off_itself(trace.nodes, index, by_name[name])
    )


def _with_outputs(gradient: Trace, enters: bool) -> tuple[list[Node], dict[str, int]]:
    nodes = list(gradient.nodes)
    outputs: dict[str, int] = {}
    returned = gradient.indices[-1] if gradient.indices and gradient.error is None else {}
    for name, index in returned.items():
        if not isinstance(index, int):
            continue
        found = entering(nodes, index) if enters else None
        index = index if found is None else found[0]
        made, own = nodes[index], len(nodes)
        outputs[name] = own
        given = (Reference(index),)
        nodes.append(Node(own, OUTPUT, np.asarray, given, {}, made.value, made.chain, 0, (index,)))
    return nodes, outputs


def comparable(one: Point, other: Point) -> bool:
    """Whether two points did the same operations, on arrays of the same shapes."""
    return all(
        len(mine) == len(its)
        and all(
            a.name == b.name and a.value.shape == b.value.shape and a.operands == b.operands
            for a, b in zip(mine, its, strict=True)
        )
        for mine, its in ((one.loss_nodes, other.loss_nodes), (one.nodes, other.nodes))
    )


def adjoints_agree(
    subject: Subject, point: Point, values: Sequence[Array], rng: np.random.Generator
) -> bool:
    """Whether the adjoints agree with differences of the user's own loss along random directions.

    Three of four directions must agree: one may cross a kink. Where second derivatives are
    followed, they are made of the adjoints that are asked.
    """
    agreeing, true = 0, point.true
    if subject.direction is not None:
        known, last = [node.value for node in point.loss_nodes], point.loss_index
        seed = {last: np.ones(known[last].shape)}
        true = point.gradients(adjoints(point.loss_nodes, known, seed))
    with np.errstate(all="ignore"):
        for asked in range(4):
            if agreeing == 3 or asked - agreeing == 2:
                break
            directions = [rng.standard_normal(value.shape) for value in values]
            exact = sum(
                float(np.vdot(true[name], direction))
                for name, direction in zip(subject.names, directions, strict=True)
                if name in true
            )
            differences = (_difference(subject, values, directions, h) for h in (1e-5, 1e-6, 1e-3))
            agreeing += any(_close(exact, one) for one in differences)
    return agreeing >= 3


def _difference(
    subject: Subject, values: Sequence[Array], directions: Sequence[Array], size: float
) -> float:
    ends = []
    for sign in (size, -size):
        moved = [v + sign * d for v, d in zip(values, directions, strict=True)]
        try:
            ends.append(float(np.asarray(subject.loss(subject.pack(moved))).reshape(())))
        except LEAVING:  # the user's: the loss ends there
            return np.nan
    return (ends[0] - ends[1]) / (2 * size)


def _close(exact: float, numeric: float) -> bool:
    return abs(exact - numeric) <= 1e-3 * max(abs(exact), abs(numeric), 1e-8)
