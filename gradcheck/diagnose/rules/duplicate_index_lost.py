"""GC855: rows of repeated indices are too small, others exact."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.diagnose.layer_forms import Form, LayerPoint
from gradcheck.diagnose.rule import EditKind, LayerForms, Rule, Traced
from gradcheck.trace import fault


def _forms(point: LayerPoint) -> Iterator[Form]:
    upstream = point.upstream
    if upstream is None:
        return
    for indices in point.indices:
        if upstream.shape != indices.shape + point.value.shape[1:]:
            continue
        rows, counts = np.unique(indices, return_counts=True)
        repeated = rows[counts > 1]
        summed = np.zeros_like(point.analytic)
        np.add.at(summed, indices, upstream)
        once = np.setdiff1d(np.arange(len(summed)), repeated)
        is_one = all(
            any(np.allclose(point.analytic[row], one) for one in upstream[indices == row])
            for row in repeated
        )
        if not len(repeated) or not is_one or not np.allclose(point.analytic[once], summed[once]):
            continue
        listed = ", ".join(map(str, repeated[:6]))
        yield Form(
            summed,
            f"keeps only one of the contributions to rows {listed}, whose indices are repeated",
            "with the contributions of repeated indices added up",
            "np.add.at(dtable, indices, upstream): `dtable[indices] += upstream` adds once per "
            "index, however often it is repeated",
        )


RULE = Rule(
    code="GC855",
    name="duplicate-index-lost",
    what="`table[indices] += upstream` adds once for every different index: numpy buffers it.",
    shows="rows of indices that occur once are right, those of repeated ones too small.",
    example="dtable[indices] += upstream",
    instead="np.add.at(dtable, indices, upstream)",
    detector=LayerForms(_forms),
    also=(Traced((fault.REPEATED_INDEX,)),),
    edits=(EditKind.REPEATED_ENTRIES,),
)
