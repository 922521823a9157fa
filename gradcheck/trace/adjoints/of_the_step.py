"""What is read from the computation of an update step: the gradients that enter it, and decay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.adjoints.entering import takes_off_itself
from gradcheck.trace.adjoints.points import Subject, trace_gradient
from gradcheck.trace.adjoints.scaled import made_of

Array = NDArray[Any]


def gradients_that_enter(subject: Subject, values: Sequence[Array]) -> tuple[dict[str, Array], str]:
    """Return the gradients that enter an update at a point, by block, and what it does to them.

    The result is ({}, "") if that is known of no block.
    """
    trace = trace_gradient(subject, values, with_assignments=False)
    returned = {} if trace.error is not None else trace.indices[-1]
    implied = {name: index for name, index in returned.items() if isinstance(index, int)}
    blocks = dict(zip(subject.names, values, strict=True))
    entered, update = made_of(trace.nodes, implied, blocks)
    if not update or len(implied) < len(returned):
        return {}, ""
    return {name: np.array(trace.nodes[index].value) for name, index in entered.items()}, update


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
