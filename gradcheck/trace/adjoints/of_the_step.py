"""What is read from the computation of an update step: the gradients that enter it, and decay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.adjoints.entering import signs, takes_off_itself
from gradcheck.trace.adjoints.of_samples import without_scaling
from gradcheck.trace.adjoints.points import Subject, returned_nodes, trace_gradient
from gradcheck.trace.adjoints.scaled import made_of, updates_in_a_row
from gradcheck.trace.record.nodes import Node
from gradcheck.user.steps import EACH

Array = NDArray[Any]


@dataclass(frozen=True)
class Entering:
    """The gradients that enter an update at a point, by block.

    Attributes:
        update: what the update does to them: a row of `UPDATES`, or "" if that is known of no
            block; there are no gradients then.
        batch_sizes: the sizes of the data that no parameter has.
        choices: by block, all that a gradient may be of which the update takes the sign.
    """

    gradients: Mapping[str, Array] = field(default_factory=dict)
    update: str = ""
    batch_sizes: frozenset[int] = frozenset()
    choices: Mapping[str, Sequence[Array]] = field(default_factory=dict)

    def choosing(self, chosen: Mapping[str, int]) -> Entering:
        """Return this with some of the choices as the gradients of their blocks."""
        of_blocks = {
            name: self.choices[name][index]
            for name, index in chosen.items()
            if index < len(self.choices.get(name, ()))
        }
        return replace(self, gradients={**self.gradients, **of_blocks})


def gradients_that_enter(subject: Subject, values: Sequence[Array]) -> Entering:
    """Return the gradients that enter an update at a point."""
    nodes, implied, is_whole = _followed(subject, values)
    blocks = dict(zip(subject.names, values, strict=True))
    of_samples = without_scaling(nodes, implied) if is_whole else {}
    if of_samples:
        return Entering(of_samples, EACH)
    entered, update = made_of(nodes, implied, blocks)
    if not update or not is_whole:
        return Entering()
    gradients = {
        name: np.zeros(blocks[name].shape) + (0.0 if index is None else nodes[index].value)
        for name, index in entered.items()
    }
    sizes = {size for node in nodes if node.is_leaf for size in node.value.shape}
    own = {size for value in values for size in value.shape}
    choices = {
        name: [np.array(nodes[one].value) for one in signs(nodes, implied[name], index)]
        for name, index in entered.items()
        if index is not None
    }
    return Entering(gradients, update, frozenset(sizes - own - {1}), choices)


def decayed_blocks(subject: Subject, values: Sequence[Array]) -> frozenset[str]:
    """Return the blocks of which an update subtracts a multiple (weight decay), at a point."""
    nodes, implied, _ = _followed(subject, values)
    blocks = dict(zip(subject.names, values, strict=True))
    return frozenset(
        name for name, index in implied.items() if takes_off_itself(nodes, index, blocks[name])
    )


def fewest_updates(subject: Subject, values: Sequence[Array]) -> int:
    """Return how many gradients a step moves every block by, one after the other, at least."""
    nodes, implied, _ = _followed(subject, values)
    return min((updates_in_a_row(nodes, index) for index in implied.values()), default=0)


def _followed(
    subject: Subject, values: Sequence[Array]
) -> tuple[Sequence[Node], dict[str, int], bool]:
    """Return the tape of a step, what it implies by block, and whether that is all it returns."""
    trace = trace_gradient(subject, values, with_assignments=False)
    return (trace.nodes, *returned_nodes(trace))
