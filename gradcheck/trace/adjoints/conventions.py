"""How a gradient writes the derivatives by complex numbers of its own, which nobody states."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from gradcheck.arrays import proportion
from gradcheck.trace.adjoints.points import Point, as_written
from gradcheck.trace.record.graph import grouped
from gradcheck.user.conventions import JAX


def as_they_write(point: Point) -> Point:
    """Return the point in the convention that most complex values of its gradient follow.

    That of complex parameters is known. Where all parameters are real, a gradient may bring back
    dL/dx - i dL/dy as well as dL/dx + i dL/dy.
    """
    agreeing = np.array([*_agreeing(point), (False, False)]).sum(axis=0)
    if point.subject.parts or agreeing[1] <= agreeing[0]:
        return point
    subject = replace(point.subject, convention=JAX)
    return replace(point, subject=subject, derivatives=as_written(point.derivatives, JAX))


def _agreeing(point: Point) -> Iterator[tuple[bool, bool]]:
    """Yield for values of the gradient whether they are derivatives, and whether conjugates."""
    complex_ones = [one for one in point.derivatives.of_nodes.values() if np.iscomplexobj(one)]
    by_shape = grouped((one.shape, one) for one in complex_ones if np.any(one.imag))
    for node in point.nodes[point.start :]:
        if node.is_leaf or not np.iscomplexobj(node.value):
            continue
        known = by_shape.get(node.value.shape, ())
        itself, turned = (
            any(proportion([node.value], [one]) is not None for one in several)
            for several in (known, [np.conj(one) for one in known])
        )
        if itself != turned:
            yield itself, turned
