"""Updates that scale the gradient of each sample by its own norm, and add the results up.

Private training clips every sample's gradient so (Abadi et al. 2016); the sum is no gradient of the
loss, and without the scaling it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from gradcheck.trace.adjoints.entering import ingredients, measured_by, moved_from
from gradcheck.trace.record.graph import before_moves, carried, constant_of, latest_first
from gradcheck.trace.record.names import ADDITIVE, MOVES
from gradcheck.trace.record.nodes import Node, operands_of


def without_scaling(nodes: Sequence[Node], implied: Mapping[str, int]) -> dict[str, NDArray[Any]]:
    """Return what an update implies, by block, if it did not scale the gradients of samples.

    Empty if it adds up no gradients, each scaled by a number made of its own norm.
    """
    added = {name: list(_added(nodes, index)) for name, index in implied.items()}
    scaled = {
        name: {node.index: pair for node in parts if (pair := _scaled_by_its_norm(nodes, node))}
        for name, parts in added.items()
    }
    if not any(_is_of_samples(nodes, own, implied[name]) for name, own in scaled.items()):
        return {}
    pairs = {index: pair for own in scaled.values() for index, pair in own.items()}
    norms = {before_moves(nodes, factor) for _, factor in pairs.values()}
    of_norms = {  # a bias with one number per sample is as small as its norm
        node.index: gradient
        for parts in added.values()
        for node in parts
        for gradient, factor in _pairs(node)
        if before_moves(nodes, factor) in norms
    }
    bases = {index: gradient for index, (gradient, _) in pairs.items()} | of_norms
    values = [node.value for node in nodes]
    changed = {index: values[gradient] for index, gradient in bases.items()}
    return {
        name: carried(nodes, values, changed, index).get(index, values[index])
        for name, index in implied.items()
    }


def _is_of_samples(nodes: Sequence[Node], scaled: Collection[int], output: int) -> bool:
    """Whether several values are scaled for a block, or one with an axis more than the block."""
    size = nodes[output].value.size
    return len(scaled) > 1 or any(nodes[index].value.size > size for index in scaled)


def _added(nodes: Sequence[Node], output: int) -> Iterator[Node]:
    """Yield the terms of the sums that an update is made of, and the sums themselves."""

    def above(node: Node) -> Iterable[int]:
        if node.operation in ADDITIVE or node.operation in MOVES:
            return node.operands
        is_scaled = node.operation in ("multiply", "divide")
        numbers = [constant_of(one, nodes) for one in node.arguments] if is_scaled else []
        return node.operands if any(number is not None for number in numbers) else ()

    return latest_first(nodes, [output], above)


def _pairs(node: Node) -> Iterator[tuple[int, int]]:
    """Yield what may be the gradient of a sample in a product or a quotient, and its factor."""
    given = operands_of(node.arguments)
    if node.operation in ("multiply", "divide") and len(given) == 2:
        yield given[0], given[1]
        if node.operation == "multiply":
            yield given[1], given[0]


def _scaled_by_its_norm(nodes: Sequence[Node], node: Node) -> tuple[int, int] | None:
    """Return the value that an operation multiplies with fewer numbers made of its norm, and these.

    A value that was not computed is a parameter: dividing one by its norm is no update.
    """
    for gradient, factor in _pairs(node):
        source = before_moves(nodes, gradient)
        if nodes[factor].value.size >= nodes[gradient].value.size or nodes[source].is_leaf:
            continue
        for part in ingredients(nodes, factor):
            for one in measured_by(nodes, part):
                if any(it.index == source for it in ingredients(nodes, one, moved_from)):
                    return gradient, factor
    return None
