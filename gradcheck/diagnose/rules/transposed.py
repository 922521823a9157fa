"""GC201: the transpose of the gradient."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.diagnose.layer_state import LayerState
from gradcheck.diagnose.rule import (
    Correction,
    EditKind,
    Link,
    Mend,
    Rule,
    Traced,
    Variant,
    WrongLink,
)
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


def _arrivals(state: LayerState) -> Iterator[Variant]:
    """A square matrix between two layers, used the wrong way round."""
    weights, above = state.weights_above, state.delta_above
    if weights is not None and above is not None and weights.shape[0] == weights.shape[1]:
        name = f"W{state.number + 1}"
        yield Variant(
            above @ weights,
            f"delta {state.number + 1} goes back through {name} as it goes forward: the matrix is "
            "square, so nothing shows",
            f"transpose {name} on the way back: delta @ W.T in rows, W.T @ delta in columns",
        )


def _products(state: LayerState) -> Iterator[Variant]:
    if state.layer_input.shape == state.delta.shape:
        yield Variant(
            state.delta.T @ state.layer_input,
            f"the gradient of W{state.number} is the transpose of what it should be",
            "swap the operands of the product: rows take A.T @ delta, columns delta @ A.T",
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
    also=(
        WrongLink(Link.UPSTREAM, _arrivals),
        WrongLink(Link.PRODUCT, _products),
        Traced((fault.TRANSPOSED,)),
    ),
    edits=(EditKind.TRANSPOSE, EditKind.PRODUCT),
)
