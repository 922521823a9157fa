"""The guards of a loss: small numbers that keep it finite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck.trace.adjoints.points import (
    Array,
    FollowedLoss,
    Subject,
    followed_loss,
)
from gradcheck.trace.adjoints.reverse import adjoints
from gradcheck.trace.record.graph import carried, constant_of
from gradcheck.trace.record.nodes import Node, Reference

LOGS = ("log", "log2", "log10")
TO_ONE = ("clip", "minimum")
"""What keeps a number from 1 as well."""

GUARDED = ("add", "maximum", *TO_ONE)
LARGEST_GUARD = 1e-3


def without_guards(
    subject: Subject, values: Sequence[Array]
) -> tuple[Mapping[str, Array], Mapping[str, Array]] | None:
    """The gradient of the loss by block, and that of the same loss with every guard put to 0.

    A guard is a small number that is added before a log is taken, or that its argument is kept
    from. None where the loss has none, or cannot be followed.
    """
    with np.errstate(all="ignore"):
        loss = followed_loss(subject, values)
        bare = {} if loss is None else dict(_guards(loss))
        if loss is None or not bare:
            return None
        nodes = [
            _left_out(node, bare[node.index]) if node.index in bare else node
            for node in loss.loss_nodes
        ]
        known = [node.value for node in nodes]
        for index, other in sorted(bare.items()):
            changed = {index: _unguarded(known[index], known[other])}
            for at, value in carried(nodes, known, changed, loss.loss_index).items():
                known[at] = value
        seed = {loss.loss_index: np.ones(known[loss.loss_index].shape)}
        return loss.true, loss.gradients(adjoints(nodes, known, seed))


def _unguarded(guarded: Array, term: Array) -> Array:
    """The other term, but where it is 0 or 1 to the last bit, and a log would not be finite."""
    return np.where((term > 0) & (term != 1), term, guarded)


def _left_out(node: Node, other: int) -> Node:
    """The node as that of its other term alone; a sum has the same derivative as it is."""
    if node.operation == "add":
        return node
    whole: dict[str, Any] = {"arguments": (Reference(other),), "keywords": {}, "operands": (other,)}
    return replace(node, name="positive", function=np.positive, **whole)


def _guards(loss: FollowedLoss) -> Iterator[tuple[int, int]]:
    """What is guarded before its log, or that of 1 less it, is taken, each with its other term."""
    nodes, parameters = loss.loss_nodes, set(loss.parameters.values())
    for node in nodes:
        if node.operation not in LOGS or len(node.operands) != 1:
            continue
        made = nodes[node.operands[0]]
        if made.operation == "subtract" and constant_of(made.arguments[0], nodes) == 1:
            made = nodes[made.operands[-1]]
        if made.operation not in GUARDED:
            continue
        given = [*made.arguments, *made.keywords.values()]
        others = [one for one in given if not _is_guard(one, made.operation, nodes, parameters)]
        if len(others) == 1 and len(given) > 1 and isinstance(others[0], Reference):
            yield made.index, others[0].index


def _is_guard(term: Any, name: str, nodes: Sequence[Node], parameters: set[int]) -> bool:
    """Whether a term is so small, or as near to 1, or no bound at all."""
    if term is None:
        return name == "clip"
    if isinstance(term, Reference) and term.index in parameters:
        return False
    constant = constant_of(term, nodes)
    if constant is None:
        return False
    from_one = 1 - constant if name in TO_ONE else 0.0
    return 0 < constant <= LARGEST_GUARD or 0 < from_one <= LARGEST_GUARD
