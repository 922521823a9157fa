"""The gradient that enters an adaptive update, or one that clips it.

Adagrad (Duchi et al. 2011), RMSprop, Adadelta (Zeiler 2012) and Adam (Kingma and Ba 2015) divide by
the root of a mean of g^2, whatever they remember of earlier calls; Adamax by a maximum of |g|.
Others take the sign (Riedmiller and Braun 1993; Chen et al. 2023). Clipping keeps every entry, or
the norm, below a bound (Pascanu et al. 2013); centralisation takes off means (Yong et al. 2020).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import proportion
from gradcheck.trace.record.graph import before_moves, latest_first
from gradcheck.trace.record.names import CONSTANT, MOVES, split_names
from gradcheck.trace.record.nodes import OUTPUT, Node, Reference, operands_of
from gradcheck.user.steps import ADAPTIVE, CUT, SOLVED

Array = NDArray[Any]

SIZES = split_names("absolute abs fabs")
SIGN = "sign"
BOUNDS = split_names("clip minimum maximum")
SELF_PRODUCTS = split_names("multiply dot vdot inner")
INVERSES = split_names("inv pinv pinvh")
PRODUCTS = split_names("matmul dot")
ENTRY_BY_ENTRY = (
    split_names(f"{OUTPUT} add subtract multiply divide negative power sqrt square {SIGN}")
    | SIZES
    | BOUNDS
    | MOVES
)
DEEPEST = 100
"""The maximum number of operations of an update that are followed."""

SAME = 1e-6

Above = Callable[[Node], Iterable[int]]
"""The operands of an operation that are followed, by index."""


def entering(nodes: Sequence[Node], output: int, by_norm: bool) -> tuple[int, str] | None:
    """Return the gradient that enters the update of one block, and what the update does to it.

    The gradient is given by its node. None if the update neither normalises nor clips a gradient,
    nor solves a system with it.

    Args:
        nodes: the tape of the step.
        output: the node of the gradient that the step implies.
        by_norm: whether it may be scaled by its norm; any single number is a multiple of another.
    """
    adaptive = _divided_by_its_size(nodes, output)
    limited = _limited(nodes, output if adaptive is None else adaptive, by_norm)
    found = adaptive if limited is None else limited  # it may have been clipped before
    if found is not None:
        return found, CUT if adaptive is None else ADAPTIVE
    solved = _solved(nodes, output)
    return None if solved is None else (solved, SOLVED)


def signs(nodes: Sequence[Node], output: int, entered: int) -> list[int]:
    """Return all that the gradient of an update may be which takes the sign of it.

    A sign tells nothing of size: what enters may be the value found, or what is made of it alone,
    entry by entry, before the sign is taken.
    """
    entries = _entry_by_entry(nodes, nodes[output].value.shape)
    made = [
        part.index
        for node in ingredients(nodes, output, entries)
        if node.operation == SIGN
        for part in ingredients(nodes, node.operands[0], entries)
        if part.index >= entered
    ]
    return sorted(set(made))


def takes_off_itself(nodes: Sequence[Node], output: int, parameter: Array) -> bool:
    """True if the update of a block contains a multiple of the block itself, as decay does."""
    entries = _entry_by_entry(nodes, nodes[output].value.shape)
    return any(
        node.operation == "multiply"
        and nodes[before_moves(nodes, factor)].is_leaf
        and np.array_equal(nodes[factor].value, parameter)
        for node in ingredients(nodes, output, entries)
        for factor in node.operands
    )


def _divided_by_its_size(nodes: Sequence[Node], output: int) -> int | None:
    """Return the gradient that an update divides by the root of its square, or takes the sign of.

    The last root counts: the backward pass itself may have roots and squares.
    """
    made = nodes[output].value
    entries = _entry_by_entry(nodes, made.shape)

    def unsquared(node: Node) -> Iterable[int]:
        return () if measured_by(nodes, node) else entries(node)

    update = list(ingredients(nodes, output, entries))
    for node in update:
        sized = list(_divided_by(nodes, node, unsquared))
        if sized:
            return min(sized)
    signed = [
        index
        for node in update
        if node.operation == SIGN
        for index in _entered(nodes, ingredients(nodes, node.operands[0], entries))
    ]
    return min(signed, default=None)


def _limited(nodes: Sequence[Node], output: int, by_norm: bool) -> int | None:
    """Return the gradient that an update clips; None if there is none."""
    made = nodes[output].value
    update = list(ingredients(nodes, output, _entry_by_entry(nodes, made.shape)))
    cut = {base for node in update for base in _cut(nodes, node, made)}
    cut.update(_scaled_by_its_norm(nodes, update, made) if by_norm else ())
    followed = cut & {node.index for node in update}
    return min((base for base in followed if _is_only_scaled(nodes, base, update)), default=None)


def _solved(nodes: Sequence[Node], output: int) -> int | None:
    """Return the right side of the linear system that an update solves; None if there is none."""
    made = nodes[output].value
    for node in ingredients(nodes, output, _entry_by_entry(nodes, made.shape)):
        given = operands_of(node.arguments)
        inverts = given and nodes[before_moves(nodes, given[0])].operation in INVERSES
        if node.operation == "solve" or (node.operation in PRODUCTS and inverts):
            right = given[-1]
            if len(given) == 2 and nodes[right].value.shape == node.value.shape:
                return right
    return None


def _entry_by_entry(nodes: Sequence[Node], shape: tuple[int, ...]) -> Above:
    """Return a function that gives the operands, in one shape, of entrywise operations.

    An operand may lack leading axes of length 1: a sum of (n,) that an update adds to (1, n).
    """
    shapes = [shape[axis:] for axis in range(len(shape) + 1) if set(shape[:axis]) <= {1}]

    def entries(node: Node) -> list[int]:
        is_followed = node.operation in ENTRY_BY_ENTRY
        return [one for one in node.operands if is_followed and nodes[one].value.shape in shapes]

    return entries


def ingredients(
    nodes: Sequence[Node], start: int, above: Above = lambda node: node.operands
) -> Iterator[Node]:
    """Yield a value and what it is made of, the last first, as far as is followed."""
    return islice(latest_first(nodes, [start], above), DEEPEST)


def _divisor(node: Node) -> int | None:
    """Return the divisor of an operation, or the operation itself if it is a negative power."""
    if node.operation == "divide" and isinstance(node.arguments[1], Reference):
        return node.arguments[1].index
    return node.index if _exponent(node) < 0 else None


def _divided_by(nodes: Sequence[Node], node: Node, above: Above) -> Iterator[int]:
    """Yield the values by whose size an operation divides; the division may be under the root."""
    divisor = _divisor(node)
    if divisor is not None and nodes[divisor].value.shape == node.value.shape:
        for part in ingredients(nodes, divisor, above):
            yield from _sized_in(nodes, part, above)
    elif _is_root(node):
        divisors = map(_divisor, ingredients(nodes, node.operands[0], above))
        for under in (one for one in divisors if one is not None):
            yield from _squares_in(nodes, under, above)


def _sized_in(nodes: Sequence[Node], node: Node, above: Above) -> Iterator[int]:
    """Yield the values that are squared under a root, or whose absolute value is taken."""
    if node.operation in SIZES:
        yield node.operands[0]
    elif _is_root(node):
        yield from _squares_in(nodes, node.operands[0], above)


def _squares_in(nodes: Sequence[Node], start: int, above: Above) -> Iterator[int]:
    squares = (_square(nodes, one) for one in ingredients(nodes, start, above))
    return (base for base in squares if base is not None)


def _is_root(node: Node) -> bool:
    return node.operation == "sqrt" or abs(_exponent(node)) == 0.5


def _cut(nodes: Sequence[Node], node: Node, made: Array) -> Iterator[int]:
    """Yield the value that an operation clips."""
    is_bound = node.operation in BOUNDS and len(node.operands) == 1
    if (is_bound or _is_centred(nodes, node)) and _is_multiple(made, node.value):
        yield node.operands[0]


def _scaled_by_its_norm(
    nodes: Sequence[Node], update: Sequence[Node], made: Array
) -> Iterator[int]:
    """Yield the values that an update scales by a number made of their norm."""
    for part in _numbers_made_of(nodes, update, lambda node: node.operands):
        for sized in measured_by(nodes, part):
            moved = ingredients(nodes, sized, moved_from)
            yield from (it.index for it in moved if _is_multiple(made, it.value))


def _numbers_made_of(nodes: Sequence[Node], update: Sequence[Node], above: Above) -> Iterator[Node]:
    """Yield the scalars that an update multiplies or divides by, and what they are made of."""
    scaling = (node for node in update if node.operation in ("multiply", "divide"))
    numbers = {one for node in scaling for one in node.operands if nodes[one].value.size == 1}
    return islice(latest_first(nodes, numbers, above), DEEPEST * len(numbers))


def _is_centred(nodes: Sequence[Node], node: Node) -> bool:
    """True if an operation subtracts the mean of a value from this value."""
    given = operands_of(node.arguments) if node.operation == "subtract" else []
    if len(given) != 2:
        return False
    mean = nodes[before_moves(nodes, given[1])]
    return mean.operation == "mean" and mean.operands == (given[0],)


def _entered(nodes: Sequence[Node], made_of: Iterable[Node]) -> list[int]:
    """Return the only value that is not made entry by entry, as a gradient is; else nothing."""
    entrywise = ENTRY_BY_ENTRY | CONSTANT
    made = (node for node in made_of if node.operands)
    gradients = [node.index for node in made if node.operation not in entrywise]
    return gradients if len(gradients) == 1 else []


def _is_only_scaled(nodes: Sequence[Node], base: int, update: Sequence[Node]) -> bool:
    """True if an update scales a value by norms and constants only, and not by an error."""

    def above(node: Node) -> Sequence[int]:
        return () if node.index == base or measured_by(nodes, node) else node.operands

    later = [node for node in update if node.index > base]
    made_of = _numbers_made_of(nodes, later, above)
    return all(part.value.size == 1 or bool(measured_by(nodes, part)) for part in made_of)


def measured_by(nodes: Sequence[Node], node: Node) -> list[int]:
    """Return the values whose norm or square an operation takes."""
    if node.operation in SIZES or node.operation == "norm":
        return list(node.operands)
    square = _square(nodes, node)
    return [] if square is None else [square]


def moved_from(node: Node) -> Iterable[int]:
    """Return the operands of an operation that merely moves data."""
    return node.operands if node.operation in MOVES else ()


def _is_multiple(one: Array, other: Array) -> bool:
    return other.dtype.kind == "f" and bool(proportion([one], [other], SAME))


def _square(nodes: Sequence[Node], node: Node) -> int | None:
    """Return the value that an operation squares, as `g**2` and `0.1 * g * g` do; or None."""
    factors = operands_of(node.arguments) if node.operation in SELF_PRODUCTS else []
    if len(factors) == 2:
        pairs = (factors, factors[::-1])
        squared = (factor for factor, other in pairs if factor in _without_number(nodes, other))
        return next(squared, None)
    return node.operands[0] if node.operation == "square" or _exponent(node) == 2 else None


def _without_number(nodes: Sequence[Node], index: int) -> Iterator[int]:
    """Yield a value, and the value that it is a constant multiple of."""
    yield index
    node = nodes[index]
    if node.operation in ("multiply", "divide") and len(node.operands) == 1:
        yield node.operands[0]


def _exponent(node: Node) -> float:
    """Return the constant exponent of a power; nan for any other operation."""
    if node.operation != "power" or len(node.operands) != 1:
        return np.nan
    return float(np.asarray(node.arguments[1]).reshape(-1)[0])
