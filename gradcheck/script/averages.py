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
        if as_multiple(other, start)[1] > EXACT  # else it shrinks, by a decay and no more
        if approaches(others.get(path, start) - start, other - start, 1 - EXACT)
    )


def approaches(gone: Array, way: Array, most: float = 1 + EXACT) -> bool:
    """Whether a movement goes a part of the way, or all of it."""
    part, _ = as_multiple(gone, way)
    return 0 < part < most and bool(np.allclose(gone, part * way, EXACT, EXACT))
