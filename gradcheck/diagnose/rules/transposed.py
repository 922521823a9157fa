"""GC201: the transpose of the gradient."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.diagnose.rule import Correction, EditKind, Mend, Rule, Traced
from gradcheck.diagnose.sizes import Sizes
from gradcheck.trace import fault


def _mends(shape: tuple[int, ...], returned: tuple[int, ...], sizes: Sizes) -> Iterator[Mend]:
    if len(shape) == 2 and returned == shape[::-1] and min(shape) > 1:
        yield Mend(
            np.transpose,
            "is the transpose of what it should be",
            "transpose it, or swap the operands of the product that makes it: rows take "
            "A.T @ delta, columns take delta @ A.T",
        )


RULE = Rule(
    code="GC201",
    name="transposed",
    what="The product of layer input and delta has its operands in the wrong order for the layout, "
    "so that the gradient comes out transposed. Square weights let it pass unnoticed.",
    shows="the gradient is the transpose of the right one; with square weights its values alone "
    "show it.",
    example="dW = delta.T @ A      # W is (n_in, n_out), one sample per row",
    instead="dW = A.T @ delta",
    detector=Correction(_mends),
    also=(Traced((fault.TRANSPOSED,)),),
    edits=(EditKind.TRANSPOSE, EditKind.PRODUCT),
)
