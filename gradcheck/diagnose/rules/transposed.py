"""GC201: the transpose of the gradient."""

from __future__ import annotations

from collections.abc import Iterator

from gradcheck.blocks import Array
from gradcheck.diagnose.rule import Correction, Mend, Rule
from gradcheck.diagnose.sizes import Sizes


def _transpose(gradient: Array) -> Array:
    return gradient.T


def _mends(shape: tuple[int, ...], returned: tuple[int, ...], sizes: Sizes) -> Iterator[Mend]:
    if len(shape) == 2 and returned == shape[::-1] and min(shape) > 1:
        yield Mend(
            _transpose,
            "is the transpose of what it should be",
            "transpose it, or swap the operands of the product that makes it: rows take "
            "A.T @ delta, columns take delta @ A.T",
        )


RULE = Rule(
    code="GC201",
    name="transposed",
    what="The product of layer input and delta has its operands in the wrong order for the layout, "
    "so that the gradient comes out transposed. Square weights let it pass unnoticed.",
    shows="the gradient has the shape of the weight turned round, or the same shape and the "
    "values of the transpose.",
    example="dW = delta.T @ A      # W is (n_in, n_out), one sample per row",
    instead="dW = A.T @ delta",
    detector=Correction(_mends),
)
