"""Judge mended gradients by the numeric gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
        """Return a mask for each block over its perturbed entries: True where they agree."""
        masks = []
        for block in self._point.blocks:
            value = mended.get(block.name, block.gradient.value)
            if value is None or np.size(value) != block.size or np.shape(value) != block.shape:
                masks.append(np.zeros(block.numeric.count, dtype=bool))
                continue
            analytic = np.asarray(value, dtype=np.float64).reshape(-1)[block.numeric.entries]
            judged = judge_entries(
                analytic, block.numeric, block.precision, None, self._point.scale
            )
            masks.append(~judged.wrong)
        return masks
