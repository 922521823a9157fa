"""GC203: the bias's gradient still has one row or column per sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from gradcheck.diagnose.rule import Correction, EditKind, Mend, Rule
from gradcheck.diagnose.sizes import Sizes
from gradcheck.user.blocks import Array

Reduction = Callable[..., Any]

SAYS = "still has one {line} per sample: the {operation} over them is right"


def _mends(shape: tuple[int, ...], returned: tuple[int, ...], _: Sizes) -> Iterator[Mend]:
    if shape == () or len(returned) != 2 or max(shape, default=1) != int(np.prod(shape, dtype=int)):
        return
    for axis, line in ((0, "row"), (1, "column")):
        if returned[axis] == 1 or returned[1 - axis] != int(np.prod(shape, dtype=int)):
            continue  # an axis of one is only an axis too many
        keep = ", keepdims=True" if len(shape) == 2 else ""
        for operation, reduce in (("sum", np.sum), ("mean", np.mean)):

            def reduced(gradient: Array, axis: int = axis, reduce: Reduction = reduce) -> Array:
                return np.asarray(reduce(gradient, axis=axis)).reshape(shape)

            yield Mend(
                reduced,
                SAYS.format(line=line, operation=operation),
                f"np.{operation}(delta, axis={axis}{keep})",
            )


RULE = Rule(
    code="GC203",
    name="bias-not-reduced",
    what="A bias is shared by all samples, so its gradient is the sum of delta over them. Without "
    "the sum there is a row (or column) for each sample, which broadcasting hides in the update.",
    shows="the gradient of the bias has one row or column per sample; their sum is the right one.",
    example="db = delta",
    instead="db = delta.sum(axis=0)      # rows; columns: delta.sum(axis=1, keepdims=True)",
    detector=Correction(_mends),
    edits=(EditKind.SUM, EditKind.AXIS),
)
