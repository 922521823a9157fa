"""GC856: the input gradient of a convolution with the unflipped kernel."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.diagnose.layer_forms import Form, LayerPoint
from gradcheck.diagnose.rule import EditKind, LayerForms, Rule, Traced
from gradcheck.trace import fault

FLIPS = ((-2, -1), (0, 1), (1, 2), (-1,), (0,))


def _forms(point: LayerPoint) -> Iterator[Form]:
    for name, kernel in point.others.items():
        for axes in FLIPS:
            if kernel.ndim < 1 or any(not -kernel.ndim <= axis < kernel.ndim for axis in axes):
                continue
            flipped = point.gradient_with(inputs={name: np.flip(kernel, axes).copy()})
            yield Form(
                np.full_like(point.analytic, np.nan) if flipped is None else flipped,
                f"is made with {name} as it is, not rotated",
                f"made with {name} flipped along {'axes' if len(axes) > 1 else 'axis'} "
                f"{', '.join(map(str, axes))}",
                f"rotate the kernel by 180 degrees: np.flip({name}, {axes})",
            )


RULE = Rule(
    code="GC856",
    name="kernel-not-rotated",
    what="The gradient of a convolution's input is a full convolution with the rotated kernel; the "
    "kernel was used as it is.",
    shows="the kernel's gradient is right; the input's is so with a kernel that is flipped.",
    example="dx = correlate(pad(upstream), kernel)",
    instead="dx = correlate(pad(upstream), kernel[::-1, ::-1])",
    detector=LayerForms(_forms),
    also=(Traced((fault.REVERSED,)),),
    edits=(EditKind.FUNCTION, EditKind.PART),
)
