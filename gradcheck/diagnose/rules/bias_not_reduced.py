"""GC203: the bias's gradient still has one row or column per sample."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.diagnose.rule import Correction, EditKind, Mend, Rule
from gradcheck.diagnose.sizes import Sizes
from gradcheck.user.blocks import Array

SAYS = "still has one {line} per sample: the {operation} over them is right"


def _mends(shape: tuple[int, ...], returned: tuple[int, ...], _: Sizes) -> Iterator[Mend]:
    if shape == () or len(returned) != 2 or max(shape, default=1) != int(np.prod(shape, dtype=int)):
        return
    for axis, line in ((0, "row"), (1, "column")):
        if returned[axis] == 1 or returned[1 - axis] != int(np.prod(shape, dtype=int)):
            continue  # an axis of one is only an axis too many

        def total(gradient: Array, axis: int = axis) -> Array:
            return np.asarray(gradient.sum(axis=axis)).reshape(shape)

        def mean(gradient: Array, axis: int = axis) -> Array:
            return np.asarray(gradient.mean(axis=axis)).reshape(shape)

        keep = ", keepdims=True" if len(shape) == 2 else ""
        yield Mend(
            total,
            SAYS.format(line=line, operation="sum"),
            f"np.sum(delta, axis={axis}{keep})",
        )
        yield Mend(
            mean,
            SAYS.format(line=line, operation="mean"),
            f"np.mean(delta, axis={axis}{keep})",
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
