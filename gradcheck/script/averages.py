"""What goes a part of the way to another array in every pass, as a moving average of it does.

So do the slow weights beside a training, or a network that gives another one its targets (Mnih et
al. 2015; Lillicrap et al. 2016).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gradcheck.script.choice import as_multiple
from gradcheck.script.state import Path, State, leaves, numbers
from gradcheck.user.blocks import Array

EXACT = 1e-9
FEW = 64
"""Number of entries that are looked at first: most pairs of arrays are unrelated."""


def averages(begun: Mapping[Path, Array], after: State) -> frozenset[Path]:
    """Return the paths of moving averages, after a pass that has begun with some numbers.

    These should be no special ones: from 0, what goes up a gradient goes towards it.
    """
    shapes, there = {one.shape for one in begun.values()}, leaves(after).items()
    others = {path: numbers(value) for path, value in there if np.shape(value) in shapes}
    return frozenset(
        path
        for path, start in begun.items()
        if start.size > 1 and others.get(path, start).shape == start.shape
        for one, other in (*others.items(), *begun.items())
        if one != path and other.shape == start.shape
        if approaches(others.get(path, start) - start, other - start, 1 - EXACT)
        if as_multiple(other, start)[1] > EXACT  # else it shrinks, by a decay and no more
    )


def approaches(gone: Array, way: Array, most: float = 1 + EXACT) -> bool:
    """Whether a movement goes a part of the way, or all of it: a few entries of it, then all."""
    few = np.flatnonzero(way)[:FEW]
    return all(
        0 < part < most and np.allclose(one, part * other, EXACT, EXACT)
        for one, other in ((gone.flat[few], way.flat[few]), (gone, way))
        for part, _ in [as_multiple(one, other)]
    )
