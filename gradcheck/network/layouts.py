"""Rows or columns: one sample per row, or one per column; the same products, turned round."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Product = Callable[[Array, Array], Array]


@dataclass(frozen=True)
class Layout:
    """How samples, units and weights are laid out.

    A is a layer's input, Z its pre-activation, W its weights, b its bias, delta is dL/dZ.

    Attributes:
        name: "rows" or "columns".
        sample_axis: the axis of A, Z and delta along which the samples lie.
        unit_axis: the axis along which the units lie.
        data_shape: (m, units) -> the shape of A, Z and delta.
        weight_shape: (n_in, n_out) -> the shape of W.
        bias_shape: n_out -> the shape of b.
        affine: (A, W, b) -> Z.
        weight_gradient: (A, delta) -> dL/dW, summed over the samples.
        bias_gradient: delta -> dL/db, summed over the samples.
        step_back: (delta, W) -> dL/dA, what arrives at the output of the layer below.
    """

    name: str
    sample_axis: int
    unit_axis: int
    data_shape: Callable[[int, int], tuple[int, int]]
    weight_shape: Callable[[int, int], tuple[int, int]]
    bias_shape: Callable[[int], tuple[int, ...]]
    affine: Callable[[Array, Array, Array], Array]
    weight_gradient: Product
    bias_gradient: Callable[[Array], Array]
    step_back: Product


_ROWS = Layout(
    name="rows",
    sample_axis=0,
    unit_axis=1,
    data_shape=lambda batch_size, units: (batch_size, units),
    weight_shape=lambda n_in, n_out: (n_in, n_out),
    bias_shape=lambda n_out: (n_out,),
    affine=lambda layer_input, weights, bias: layer_input @ weights + bias,
    weight_gradient=lambda layer_input, delta: layer_input.T @ delta,
    bias_gradient=lambda delta: np.asarray(delta.sum(axis=0)),
    step_back=lambda delta, weights: delta @ weights.T,
)

_COLUMNS = Layout(
    name="columns",
    sample_axis=1,
    unit_axis=0,
    data_shape=lambda batch_size, units: (units, batch_size),
    weight_shape=lambda n_in, n_out: (n_out, n_in),
    bias_shape=lambda n_out: (n_out, 1),
    affine=lambda layer_input, weights, bias: weights @ layer_input + bias,
    weight_gradient=lambda layer_input, delta: delta @ layer_input.T,
    bias_gradient=lambda delta: np.asarray(delta.sum(axis=1, keepdims=True)),
    step_back=lambda delta, weights: weights.T @ delta,
)

LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {layout.name: layout for layout in (_ROWS, _COLUMNS)}
)
"""Both layouts by name."""
