"""GC852: 1/keep is absent."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.diagnose.layer_forms import Form, LayerPoint
from gradcheck.diagnose.rule import EditKind, LayerForms, Rule, Traced
from gradcheck.trace import fault


def _forms(point: LayerPoint) -> Iterator[Form]:
    """Where the right gradient is the upstream one times 0 or one constant: a mask."""
    upstream = point.upstream
    if upstream is None or upstream.shape != point.analytic.shape:
        return
    dropped = point.numeric == 0
    kept = ~dropped & np.isfinite(point.numeric)
    if not dropped.any() or not kept.any():
        return
    scale = float(np.median(point.numeric[kept] / upstream[kept]))
    constant = np.allclose(point.numeric[kept], scale * upstream[kept], rtol=1e-5)
    if not constant or not np.allclose(point.analytic[kept], upstream[kept], rtol=1e-9):
        return
    if scale <= 1 or np.any(point.analytic[dropped]):
        return
    yield Form(
        scale * point.analytic,
        f"lacks the factor 1/keep = {scale:.6g} of the forward pass",
        f"times {scale:.6g}",
        "divide the upstream gradient by the keep probability, as the forward pass does",
    )


RULE = Rule(
    code="GC852",
    name="dropout-scale-missing",
    what="Inverted dropout divides by the keep probability on the way forward, and not on the way "
    "back.",
    shows="zero where units are dropped, and too small by the keep probability where they are not.",
    example="dx = upstream * mask",
    instead="dx = upstream * mask / keep",
    detector=LayerForms(_forms),
    also=(Traced((fault.KEEP_MISSING,)),),
    edits=(EditKind.SCALE, EditKind.MISSING_FACTOR),
)
