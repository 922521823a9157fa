"""Judge mended gradients by the numeric gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import without_units
from gradcheck.compare.point import Point
from gradcheck.compare.verdict import judge_entries

Mask = NDArray[np.bool_]


class Judge:
    """Accepts mended gradients that agree with the numeric one in more entries than before."""

    def __init__(self, point: Point) -> None:
        self._point = point
        self._right = self._agreeing({})

    def __call__(self, mended: Mapping[str, NDArray[Any]]) -> bool:
        """True if more entries agree, and all that did before; the next call must agree in more.

        The analytic gradient is taken for blocks that are not in `mended`.
        """
        after = self._agreeing(mended)
        lost = any(np.any(old & ~new) for old, new in zip(self._right, after, strict=True))
        gained = any(np.any(new & ~old) for old, new in zip(self._right, after, strict=True))
        accepted = gained and not lost
        if accepted:
            self._right = after
        return accepted

    def _agreeing(self, mended: Mapping[str, NDArray[Any]]) -> list[Mask]:
        """Return a mask for each block: where perturbed entries agree, and if its shape does."""
        masks = []
        for block in self._point.blocks:
            value = mended.get(block.name, block.gradient.value)
            if value is None or not without_units(np.shape(value), block.shape):
                masks.append(np.zeros(block.numeric.count + 1, dtype=bool))
                continue
            analytic = np.asarray(value, dtype=np.float64).reshape(-1)[block.numeric.entries]
            judged = judge_entries(
                analytic, block.numeric, block.precision, None, self._point.scale
            )
            masks.append(np.append(~judged.wrong, np.shape(value) == block.shape))
        return masks
