"""The judge of mended gradients: the numeric one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.compare.point import Point
from gradcheck.compare.verdict import judge_entries

Mask = NDArray[np.bool_]


class Judge:
    """Whether mended gradients agree with the numeric one in more entries than before."""

    def __init__(self, point: Point) -> None:
        self._point = point
        self._right = self._agreeing({})

    def __call__(self, mended: Mapping[str, NDArray[Any]]) -> bool:
        """Whether these agree in more entries, and in all that did before."""
        after = self._agreeing(mended)
        kept = all(not np.any(old & ~new) for old, new in zip(self._right, after, strict=True))
        more = any(np.any(new & ~old) for old, new in zip(self._right, after, strict=True))
        if kept and more:
            self._right = after
        return kept and more

    def _agreeing(self, mended: Mapping[str, NDArray[Any]]) -> list[Mask]:
        masks = []
        for block in self._point.blocks:
            value = mended.get(block.name, block.gradient.value)
            if value is None or np.size(value) != block.size or np.shape(value) != block.shape:
                masks.append(np.zeros(len(block.numeric.entries), dtype=bool))
                continue
            analytic = np.asarray(value, dtype=np.float64).reshape(-1)[block.numeric.entries]
            judged = judge_entries(
                analytic, block.numeric, block.precision, None, self._point.scale
            )
            masks.append(~judged.wrong)
        return masks
