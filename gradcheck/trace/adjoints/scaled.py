"""The gradient that a linear update multiplies with a learning rate, and adds to a velocity.

Groups of parameters have rates of their own, dampening takes off a share of what enters a velocity
(Sutskever et al. 2013), and a look-ahead moves part of the way only (Zhang et al. 2019).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.adjoints.entering import entering
from gradcheck.trace.record.graph import constant_of, latest_first, masks_of
from gradcheck.trace.record.names import CONSTANT, MOVES, SUMS
from gradcheck.trace.record.nodes import Node, Reference, operands_of
from gradcheck.user.steps import REMEMBERED, SCALED, UPDATES

DEEPEST = 30


def made_of(
    nodes: Sequence[Node], implied: Mapping[str, int], blocks: Mapping[str, NDArray[Any]]
) -> tuple[dict[str, int | None], str]:
    """The nodes of what enters an update, or is implied by it, and how it is made of these.

    None where nothing enters it, and what it remembers alone moves the block.
    """
    by_norm = any(block.size > 1 for block in blocks.values())
    found = {name: entering(nodes, index, by_norm) for name, index in implied.items()}
    if not any(found.values()):
        own = {_before_the_step(nodes, _unmoved(nodes, index)) for index in implied.values()}
        found = {name: _scaled(nodes, index, blocks[name], own) for name, index in implied.items()}
    kinds = {one[1] for one in found.values() if one is not None}
    update = next((kind for kind in UPDATES if kind in kinds), "")
    entered: dict[str, int | None] = {}
    for name, one in found.items():
        is_left = one is None and bool(update) and _is_of_the_past(nodes, implied[name])
        entered[name] = one[0] if one else None if is_left else implied[name]
    return entered, update


def _scaled(
    nodes: Sequence[Node], output: int, parameter: NDArray[Any], parameters: Set[int | None]
) -> tuple[int, str] | None:
    """The node that an update is a multiple of, and whether it has something of earlier calls too.

    A number is that of the update where it stands in the line of a sum with the parameter or with
    a velocity, or is the first that the parameter's difference is multiplied with; further ones
    belong to the gradient. None where there is no such number, where what is remembered enters as
    it was, and where the step goes up.

    Args:
        nodes: the tape of the step.
        output: the node of what the step implies.
        parameter: the block before the step.
        parameters: the nodes of all blocks before it, of which none is a learning rate.
    """
    index, is_scaled, is_velocity, line = _unmoved(nodes, output), False, False, None
    before = _before_the_step(nodes, index)

    def is_parameter(one: int) -> bool:  # a velocity and a bias may both be zeros
        return _unmoved(nodes, one) == before or (
            bool(np.any(parameter)) and np.array_equal(nodes[one].value, parameter)
        )

    plain: Counter[int] = Counter()
    sign = 1
    for _ in range(DEEPEST):
        node = nodes[index]
        place = node.place
        if node.operation in SUMS and len(node.arguments) == 2:
            kept = [one for one in node.operands if not _is_kept(nodes, one, is_parameter)]
            if len(kept) != 1:
                break
            others = [_unmoved(nodes, one) for one in node.operands if one != kept[0]]
            plain.update(one for one in others if _factor(nodes, nodes[one]) is None)
            is_alone = len(node.operands) == 1  # beside a number that was not recorded
            is_velocity |= is_alone or any(_factor(nodes, nodes[one]) for one in others)
            line = place and place.line
            following = kept[0]
            is_taken_off = node.operation == "subtract" and operands_of(node.arguments[1]) == kept
            sign = -sign if is_taken_off else sign
        elif node.operation == "negative":
            following = node.operands[0]
            sign = -sign
        elif (factor := _factor(nodes, node, parameters)) is not None:
            is_of_update = place is None or place.line == line
            first = not is_scaled and not is_velocity
            if not (is_of_update and abs(factor[1]) < 1) and not first:
                break
            is_scaled |= place is not None
            following = factor[0]
            sign = -sign if factor[1] < 0 else sign
        else:
            break
        index = _unmoved(nodes, following)
    is_known = all(is_parameter(one) for one, times in plain.items() if times == 1)
    if not (is_scaled and is_known and sign > 0) or nodes[index].is_leaf:
        return None
    return index, REMEMBERED if is_velocity or len(plain) > 1 else SCALED


def _is_of_the_past(nodes: Sequence[Node], output: int) -> bool:
    """Whether nothing enters an update: it moves a block by what it remembers, and by its decay.

    The row of an embedding that no word of this call uses is moved so.
    """
    before = _before_the_step(nodes, _unmoved(nodes, output))
    leaves = (node.index for node in latest_first(nodes, [output]) if node.is_leaf)
    return before is not None and all(index == before for index in leaves)


def updates_in_a_row(nodes: Sequence[Node], output: int) -> int:
    """The number of gradients that a block is moved by, each taken where the last one left it."""
    index = _unmoved(nodes, output)
    before = _before_the_step(nodes, index)
    if before is None:
        return 0
    difference = nodes[_unmoved(nodes, nodes[index].operands[0])]
    last, count, made_of = _unmoved(nodes, difference.operands[1]), 0, masks_of(nodes)
    while last != before:
        node = nodes[last]
        if node.operation not in SUMS or len(node.operands) != 2:
            return 0
        base, taken = (_unmoved(nodes, one) for one in node.operands)
        while (factor := _factor(nodes, nodes[taken])) is not None:
            taken = _unmoved(nodes, factor[0])
        if node.place is None and nodes[taken].operation == "subtract":  # at another rate than one
            last = _unmoved(nodes, nodes[taken].operands[0])
            continue
        count += taken != base and bool(made_of[taken] >> base & 1)
        last = base
    return count


def _before_the_step(nodes: Sequence[Node], implied: int) -> int | None:
    """The parameter that a step was given, from (old - new) / learning_rate."""
    if not nodes[implied].operands:
        return None
    difference = nodes[_unmoved(nodes, nodes[implied].operands[0])]
    is_difference = difference.operation == "subtract" and difference.place is None
    return _unmoved(nodes, difference.operands[0]) if is_difference else None


def _is_kept(nodes: Sequence[Node], index: int, is_parameter: Callable[[int], bool]) -> bool:
    """Whether a value was there before the step, or is a multiple of one that is no decay."""
    node = nodes[_unmoved(nodes, index)]
    factor = _factor(nodes, node)
    is_new = node.operation not in CONSTANT and bool(node.operands)
    if factor is None:
        return not is_new
    return not is_parameter(factor[0]) and _is_kept(nodes, factor[0], is_parameter)


def _unmoved(nodes: Sequence[Node], index: int) -> int:
    """A value before it was copied, or written over all entries of another."""
    while nodes[index].operation in MOVES:
        given, value = nodes[index].operands, nodes[index].value.ravel()
        same = (one for one in given if np.array_equal(nodes[one].value.ravel(), value))
        before = next(same, None)
        if before is None:
            break
        index = before
    return index


def _factor(
    nodes: Sequence[Node], node: Node, parameters: Set[int | None] = frozenset()
) -> tuple[int, float] | None:
    """What an operation multiplies with one constant number, and that number; no parameter."""
    if node.operation not in ("multiply", "divide") or len(node.arguments) != 2:
        return None
    for one, other in (node.arguments, node.arguments[::-1]):
        number = constant_of(other, nodes)
        if isinstance(other, Reference) and _unmoved(nodes, other.index) in parameters:
            continue
        is_divisor = other is node.arguments[1]
        if number and isinstance(one, Reference) and (is_divisor or node.operation == "multiply"):
            return one.index, 1 / number if node.operation == "divide" else number
    return None
