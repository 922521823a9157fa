"""Small numbers that a loss adds before it takes a log: its gradient with them, and without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.nodes import Node, Reference, carried, constant_of
from gradcheck.trace.operations import base_name
from gradcheck.trace.points import FollowedLoss, NotFollowedError, Subject, follow_loss
from gradcheck.trace.reverse import adjoints

Array = NDArray[np.float64]

LOGS = ("log", "log2", "log10")
LARGEST_GUARD = 1e-3


def without_guards(
    subject: Subject, values: Sequence[Array]
) -> tuple[Mapping[str, Array], Mapping[str, Array]] | None:
    """The gradient of the loss by block, and that of the same loss with every guard put to 0.

    None where the loss has no guard, or cannot be followed.

    Args:
        subject: the functions.
        values: the point, by block.
    """
    with np.errstate(all="ignore"):
        try:
            loss = follow_loss(subject, values)
        except NotFollowedError:
            return None
        bare = dict(_guards(loss))
        if not bare:
            return None
        known = [node.value for node in loss.nodes]
        for index, other in sorted(bare.items()):
            changed = {index: np.broadcast_to(known[other], known[index].shape)}
            for at, value in carried(loss.nodes, known, changed, loss.index).items():
                known[at] = value
        seed = {loss.index: np.ones(known[loss.index].shape)}
        return loss.gradients(), loss.gradients(adjoints(loss.nodes, known, seed))


def _guards(loss: FollowedLoss) -> list[tuple[int, int]]:
    """The sums with a guard whose log is taken, each with its other term."""
    found = []
    parameters = set(loss.parameters.values())
    for node in loss.nodes:
        if base_name(node) not in LOGS or len(node.operands) != 1:
            continue
        made = loss.nodes[node.operands[0]]
        if base_name(made) != "add" or len(made.arguments) != 2:
            continue
        for term, other in (made.arguments, made.arguments[::-1]):
            is_guard = _is_guard(term, loss.nodes, parameters)
            if is_guard and isinstance(other, Reference):
                found.append((made.index, other.index))
    return found


def _is_guard(term: Any, nodes: Sequence[Node], parameters: set[int]) -> bool:
    if isinstance(term, Reference) and term.index in parameters:
        return False
    constant = constant_of(term, nodes)
    return constant is not None and 0 < constant <= LARGEST_GUARD
