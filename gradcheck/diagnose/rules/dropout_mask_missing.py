"""GC851: dropped units receive gradients."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.diagnose.layer_forms import Form, LayerPoint
from gradcheck.diagnose.rule import EditKind, LayerForms, Rule, Traced
from gradcheck.trace import fault


def _forms(point: LayerPoint) -> Iterator[Form]:
    upstream = point.upstream
    if upstream is None or upstream.shape != point.analytic.shape:
        return
    dropped = point.numeric == 0
    by_sign = np.array_equal(dropped, point.value <= 0)  # that is a relu
    if by_sign or not dropped.any() or not np.all(point.analytic[dropped] != 0):
        return
    yield Form(
        np.where(dropped, 0.0, point.analytic),
        f"is not zero for the {int(dropped.sum())} units that the forward pass drops",
        "set to zero there",
        "multiply the upstream gradient by the mask that the forward pass used",
    )


RULE = Rule(
    code="GC851",
    name="dropout-mask-missing",
    what="The backward pass of dropout lets the gradient through to units that were dropped.",
    shows="the gradient is right where units were kept, and not zero where they were dropped.",
    example="dx = upstream / keep",
    instead="dx = upstream * mask / keep",
    detector=LayerForms(_forms),
    also=(Traced((fault.MASK_MISSING,)),),
    edits=(EditKind.MISSING_FACTOR,),
)
