"""A sum that a loop makes in an array: the passes, the places that they add to, what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradcheck.mending.moments import Moment
from gradcheck.numeric.estimate import Indices
from gradcheck.user.blocks import Array

LEAST, MOST = 4, 120
"""The numbers of entries that are compared, and of those of all passes together."""


@dataclass(frozen=True)
class Sum:
    """A sum of what several passes of a loop add.

    Attributes:
        moments: the passes.
        shapes: the shape of what each adds.
        picked: for each, the positions in what it adds of the entries compared; -1 where it has
            none of them.
        missing: what is missing in these entries.
    """

    moments: Sequence[Moment]
    shapes: Sequence[tuple[int, ...]]
    picked: Sequence[Indices]
    missing: Array

    @classmethod
    def of(cls, passes: Sequence[tuple[Moment, Indices]], missing: Array) -> Sum:
        """Return the sum of what passes add at some places of a whole, in which some is missing."""
        added = np.unique(np.concatenate([places.reshape(-1) for _, places in passes]))
        most = max(LEAST, MOST // len(passes))
        chosen = np.sort(np.random.default_rng(0).permutation(added)[:most])
        picked = []
        for _, places in passes:
            found = np.full(missing.size, -1)
            found[places.reshape(-1)] = np.arange(places.size)
            picked.append(found[chosen])
        moments, shapes = [one for one, _ in passes], [places.shape for _, places in passes]
        return cls(moments, shapes, picked, missing.reshape(-1)[chosen])
