"""The guards of a loss: small numbers that keep it finite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from gradcheck.trace.adjoints.operations import base_name
from gradcheck.trace.adjoints.points import (
    Array,
    FollowedLoss,
    NotFollowedError,
    Subject,
    follow_loss,
)
from gradcheck.trace.adjoints.reverse import adjoints
from gradcheck.trace.record.nodes import Node, Reference, carried, constant_of

LOGS = ("log", "log2", "log10")
LARGEST_GUARD = 1e-3


def _followed(subject: Subject, values: Sequence[Array]) -> FollowedLoss | None:
    """The loss at a point, given by block; None where it cannot be followed."""
    try:
        return follow_loss(subject, values)
    except NotFollowedError:
        return None


def without_guards(
    subject: Subject, values: Sequence[Array]
) -> tuple[Mapping[str, Array], Mapping[str, Array]] | None:
    """The gradient of the loss by block, and that of the same loss with every guard put to 0.

    A guard is a small number that is added before a log is taken. None where the loss has none,
    or cannot be followed.
    """
    with np.errstate(all="ignore"):
        loss = _followed(subject, values)
        bare = {} if loss is None else dict(_guards(loss))
        if loss is None or not bare:
            return None
        known = [node.value for node in loss.loss_nodes]
        for index, other in sorted(bare.items()):
            changed = {index: np.broadcast_to(known[other], known[index].shape)}
            for at, value in carried(loss.loss_nodes, known, changed, loss.loss_index).items():
                known[at] = value
        seed = {loss.loss_index: np.ones(known[loss.loss_index].shape)}
        return loss.true, loss.gradients(adjoints(loss.loss_nodes, known, seed))


def _guards(loss: FollowedLoss) -> Iterator[tuple[int, int]]:
    """The sums with a guard whose log is taken, each with its other term."""
    parameters = set(loss.parameters.values())
    for node in loss.loss_nodes:
        if base_name(node) not in LOGS or len(node.operands) != 1:
            continue
        made = loss.loss_nodes[node.operands[0]]
        if base_name(made) != "add" or len(made.arguments) != 2:
            continue
        for term, other in (made.arguments, made.arguments[::-1]):
            if isinstance(other, Reference) and _is_guard(term, loss.loss_nodes, parameters):
                yield made.index, other.index


def _is_guard(term: Any, nodes: Sequence[Node], parameters: set[int]) -> bool:
    if isinstance(term, Reference) and term.index in parameters:
        return False
    constant = constant_of(term, nodes)
    return constant is not None and 0 < constant <= LARGEST_GUARD
