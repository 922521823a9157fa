"""What is read from the computation of an update step: the gradients that enter it, and decay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.adjoints.entering import takes_off_itself
from gradcheck.trace.adjoints.points import Subject, trace_gradient
from gradcheck.trace.adjoints.scaled import made_of

Array = NDArray[Any]


@dataclass(frozen=True)
class Entering:
    """The gradients that enter an update at a point, by block.

    Attributes:
        update: what the update does to them: a row of `UPDATES`, or "" if that is known of no
            block; there are no gradients then.
        batch_sizes: the sizes of the data that no parameter has.
    """

    gradients: Mapping[str, Array] = field(default_factory=dict)
    update: str = ""
    batch_sizes: frozenset[int] = frozenset()


def gradients_that_enter(subject: Subject, values: Sequence[Array]) -> Entering:
    """Return the gradients that enter an update at a point."""
    trace = trace_gradient(subject, values, with_assignments=False)
    returned = {} if trace.error is not None else trace.indices[-1]
    implied = {name: index for name, index in returned.items() if isinstance(index, int)}
    blocks = dict(zip(subject.names, values, strict=True))
    entered, update = made_of(trace.nodes, implied, blocks)
    if not update or len(implied) < len(returned):
        return Entering()
    gradients = {name: np.array(trace.nodes[index].value) for name, index in entered.items()}
    shapes = (node.value.shape for node in trace.nodes if node.is_leaf)
    sizes = {size for shape in shapes for size in shape}
    own = {size for value in values for size in value.shape}
    return Entering(gradients, update, frozenset(sizes - own - {1}))


def decayed_blocks(subject: Subject, values: Sequence[Array]) -> frozenset[str]:
    """Return the blocks of which an update subtracts a multiple (weight decay), at a point."""
    trace = trace_gradient(subject, values, with_assignments=False)
    returned = {} if trace.error is not None else trace.indices[-1]
    by_name = dict(zip(subject.names, values, strict=True))
    return frozenset(
        name
        for name, index in returned.items()
        if isinstance(index, int) and takes_off_itself(trace.nodes, index, by_name[name])
    )
