"""The two layouts of data: one sample per row, or one per column with all products transposed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Layout:
    """How samples, units and weights are laid out.

    Attributes:
        name: "rows": Z = A @ W + b with W (n_in, n_out) and b (n_out,);
            "columns": Z = W @ A + b with W (n_out, n_in) and b (n_out, 1).
        sample_axis: the axis of A, Z and delta along which the samples lie.
    """

    name: str
    sample_axis: int

    @property
    def unit_axis(self) -> int:
        """The axis of A, Z and delta along which the units lie."""
        return 1 - self.sample_axis

    def weight_shape(self, n_in: int, n_out: int) -> tuple[int, int]:
        """The shape of W."""
        return (n_in, n_out) if self.sample_axis == 0 else (n_out, n_in)

    def bias_shape(self, n_out: int) -> tuple[int, ...]:
        """The shape of b."""
        return (n_out,) if self.sample_axis == 0 else (n_out, 1)

    def data_shape(self, batch_size: int, units: int) -> tuple[int, int]:
        """The shape of A, Z and delta."""
        return (batch_size, units) if self.sample_axis == 0 else (units, batch_size)

    def multiply(self, layer_input: Array, weights: Array) -> Array:
        """A @ W in rows, W @ A in columns."""
        return layer_input @ weights if self.sample_axis == 0 else weights @ layer_input

    def weight_gradient(self, layer_input: Array, delta: Array) -> Array:
        """dL/dW: A.T @ delta in rows, delta @ A.T in columns."""
        return layer_input.T @ delta if self.sample_axis == 0 else delta @ layer_input.T

    def bias_gradient(self, delta: Array) -> Array:
        """dL/db: delta summed over the samples, in the shape of b."""
        return np.asarray(delta.sum(axis=self.sample_axis, keepdims=self.sample_axis == 1))

    def step_back(self, delta: Array, weights: Array) -> Array:
        """dL/dA of the layer below: delta @ W.T in rows, W.T @ delta in columns."""
        return delta @ weights.T if self.sample_axis == 0 else weights.T @ delta


LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {layout.name: layout for layout in (Layout("rows", 0), Layout("columns", 1))}
)
"""Both layouts by name."""
