"""Differentiate a loss whose targets are constants: those that the parameters themselves make."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from gradcheck.trace.adjoints.points import Array, Subject, followed_loss
from gradcheck.trace.record.graph import masks_of
from gradcheck.trace.record.names import WRITES
from gradcheck.trace.record.nodes import Node
from gradcheck.trace.wording.words import assigned_name

TARGET = re.compile(r"(?i)(^|_)(targets?|advantages?|adv|baselines?)(_|\d|$)")
"""Names of values that reinforcement learning does not differentiate."""


def with_targets_held(
    subject: Subject, values: Sequence[Array]
) -> tuple[Mapping[str, Array], Mapping[str, Array], tuple[str, ...]] | None:
    """Return the gradient of the loss by block, that with its targets held, and their names.

    None if no value of the loss that depends on the parameters is named so.
    """
    loss = None if subject.direction is not None else followed_loss(subject, values)
    held = {} if loss is None else targets_of(loss.loss_nodes, loss.parameters.values())
    of_held = followed_loss(replace(subject, fixed=targets_of), values) if held else None
    if loss is None or of_held is None:
        return None
    return loss.true, of_held.true, tuple(dict.fromkeys(held.values()))


def targets_of(nodes: Sequence[Node], parameters: Iterable[int]) -> dict[int, str]:
    """Return the values of the loss that are named as targets and depend on the parameters."""
    above = masks_of(nodes)
    made_of = sum(1 << index for index in set(parameters))
    held: dict[int, str] = {}
    for node in nodes:
        if node.is_leaf or not node.is_float or not above[node.index] & made_of:
            continue
        written = node.operands[0] if node.operation in WRITES and node.operands else -1
        name = held.get(written) or (assigned_name(node.place) if node.place else "")
        if TARGET.search(name):
            held[node.index] = name
    return held
