"""Do the adjoints of a loss agree with differences of it? Asked before they are used."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradcheck.trace.adjoints.points import Array, Point, Subject
from gradcheck.trace.adjoints.reverse import adjoints
from gradcheck.user.calls import LEAVING

SIZES = 1e-5, 1e-6, 1e-3, 1e-8
"""How far parameters are moved: the last are for kinks of weights that begin near 0."""


def adjoints_agree(
    subject: Subject, point: Point, values: Sequence[Array], rng: np.random.Generator
) -> bool:
    """True if the adjoints agree with differences of the user's loss along random directions.

    Three of four directions must agree: one may cross a kink. Second derivatives are followed only
    if the first derivatives that they are made of agree.
    """
    agreeing, true = 0, point.true
    if subject.direction is not None:
        computed, last = [node.value for node in point.loss_nodes], point.loss_index
        seed = {last: np.ones(computed[last].shape)}
        true = point.gradients(adjoints(point.loss_nodes, computed, seed))
    with np.errstate(all="ignore"):
        for asked in range(4):
            if agreeing == 3 or asked - agreeing == 2:
                break
            directions = [rng.standard_normal(value.shape) for value in values]
            exact = sum(
                float(np.vdot(true[name], direction))
                for name, direction in zip(subject.names, directions, strict=True)
                if name in true
            )
            differences = (_difference(subject, values, directions, h) for h in SIZES)
            agreeing += any(_close(exact, one) for one in differences)
    return agreeing >= 3


def _difference(
    subject: Subject, values: Sequence[Array], directions: Sequence[Array], size: float
) -> float:
    ends = []
    for sign in (size, -size):
        moved = [v + sign * d for v, d in zip(values, directions, strict=True)]
        try:
            ends.append(float(np.asarray(subject.loss(subject.pack(moved))).reshape(())))
        except LEAVING:  # the user's loss raised: it is not defined there
            return np.nan
    return (ends[0] - ends[1]) / (2 * size)


def _close(exact: float, numeric: float) -> bool:
    return abs(exact - numeric) <= 1e-3 * max(abs(exact), abs(numeric), 1e-8)
