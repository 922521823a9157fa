"""A loss that is a derivative of another one, made of differences: that of a Hessian alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Slope:
    """The derivative of a loss along a direction.

    Attributes:
        loss: of the user's structure, which is a vector.
        direction: along which it is moved, (n,).
    """

    loss: Callable[..., Any]
    direction: Array


@dataclass(frozen=True, eq=False)
class Moves:
    """How a loss is moved to have its derivatives by each entry of a vector.

    Attributes:
        steps: by entry.
        stencils: by entry, offsets in steps and weights.
    """

    steps: Array
    stencils: Sequence[tuple[tuple[int, float], ...]]

    def slopes(self, loss: Callable[[Array], float], here: Array) -> Array:
        """The derivatives at a point."""
        slopes = np.zeros(len(here))
        for entry, (step, stencil) in enumerate(zip(self.steps, self.stencils, strict=True)):
            for offset, weight in stencil:
                moved = here.copy()
                moved[entry] += offset * step
                slopes[entry] += weight * loss(moved)
        return slopes / self.steps
