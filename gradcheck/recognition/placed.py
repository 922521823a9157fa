"""The place of a layer's weights and bias in the user's blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import slices_of
from gradcheck.network.passes import LayerParameters
from gradcheck.network.rows import AnyActivation
from gradcheck.recognition.layers import Layer
from gradcheck.user.blocks import Array

Positions = NDArray[np.int32]
"""Positions of parameters in the concatenation of all blocks; -1 for entries that are none."""


@dataclass(frozen=True)
class Placed:
    """The place of a layer's weights and bias in their blocks.

    Attributes:
        layer: the blocks of the layer.
        n_in: the number of its inputs.
        n_out: the number of its units.
        turned: whether the weight is stored as (n_out, n_in).
        folded: "first" or "last" if the bias is that row of the weights (as (n_in + 1, n_out)),
            else None.
        start: the flat index of the first weight in its block.
        bias_start: the flat index of the first bias in its block.
    """

    layer: Layer
    n_in: int
    n_out: int
    turned: bool
    folded: str | None = None
    start: int = 0
    bias_start: int = 0

    @property
    def size(self) -> int:
        """The number of weights and biases."""
        has_bias = self.folded is not None or self.layer.bias is not None
        return (self.n_in + has_bias) * self.n_out

    def weights(self, values: Sequence[Array]) -> Array:
        """W, (n_in, n_out)."""
        whole = self._whole(values[self.layer.weight])
        if self.folded is None:
            return whole
        return whole[1:] if self.folded == "first" else whole[:-1]

    def bias(self, values: Sequence[Array]) -> Array:
        """The bias, (n_out,); zeros if there is none."""
        if self.folded is not None:
            row = 0 if self.folded == "first" else -1
            return np.asarray(self._whole(values[self.layer.weight])[row])
        if self.layer.bias is None:
            return np.zeros(self.n_out)
        return _part(values[self.layer.bias], self.bias_start, self.n_out).reshape(self.n_out)

    def parameters(self, values: Sequence[Array], activation: AnyActivation) -> LayerParameters:
        """The layer in the form that the passes take."""
        return LayerParameters(self.weights(values), self.bias(values), activation)

    def into_blocks(self, weights: Array, bias: Array, values: Sequence[Array]) -> dict[int, Array]:
        """Gradients of W, (n_in, n_out), and of the bias, (n_out,), in the shapes of their blocks.

        Entries of other layers in these blocks are 0.
        """
        whole = weights
        if self.folded == "first":
            whole = np.concatenate([bias[None], weights])
        elif self.folded == "last":
            whole = np.concatenate([weights, bias[None]])
        laid_out = whole.T if self.turned else whole
        parts = {self.layer.weight: _filled(values[self.layer.weight], laid_out, self.start)}
        if self.layer.bias is not None:
            added(parts, self.layer.bias, _filled(values[self.layer.bias], bias, self.bias_start))
        return parts

    def _whole(self, block: Array) -> Array:
        rows = self.n_in + (self.folded is not None)
        part = _part(block, self.start, rows * self.n_out)
        if self.turned:
            return part.reshape(self.n_out, rows).T
        return part.reshape(rows, self.n_out)


def added(gradients: dict[int, Array], block: int, part: Array) -> None:
    """Adds one layer's part of a block's gradient to the parts of other layers."""
    gradients[block] = gradients[block] + part if block in gradients else part


def place_of(
    number: int,
    weights: Positions,
    bias: Positions | None,
    ones: str | None,
    values: Sequence[Array],
) -> Placed | None:
    """The place of a layer in the blocks; None if its parameters are not contiguous.

    Args:
        number: the number of the layer.
        weights: the positions of W in the concatenation of all blocks, (n_in, n_out).
        bias: the positions of the bias, (n_out,), or None.
        ones: "first" or "last" if that row of W is the bias, else None.
        values: the blocks.
    """
    for whole, folded, apart in _ways(weights, bias, ones):
        piece = _piece(whole, values)
        bias_piece = (None, 0, False) if apart is None else _piece(apart[None], values)
        if piece is not None and bias_piece is not None:
            (block, start, turned), (bias_block, bias_start, _) = piece, bias_piece
            n_in, n_out = len(whole) - (folded is not None), whole.shape[1]
            layer = Layer(number, block, bias_block)
            return Placed(layer, n_in, n_out, turned, folded, start, bias_start)
    return None


def _ways(
    weights: Positions, bias: Positions | None, ones: str | None
) -> Iterator[tuple[Positions, str | None, Positions | None]]:
    """Yields matrices that a layer may be a part of: itself, or with its bias as a row."""
    yield weights, ones, bias
    if bias is not None:
        yield np.concatenate([bias[None], weights]), "first", None
        yield np.concatenate([weights, bias[None]]), "last", None


def _piece(positions: Positions, values: Sequence[Array]) -> tuple[int, int, bool] | None:
    """The block, first index and orientation of contiguous positions; None if they are not."""
    starts = np.cumsum([0, *(value.size for value in values)])
    for turned in (False, True):
        flat = (positions.T if turned else positions).reshape(-1)
        valid = int(np.argmax(flat >= 0))
        first = int(flat[valid]) - valid
        if first >= 0 and _is_in_line(flat, first):
            block = int(np.searchsorted(starts, first, "right")) - 1
            inside = first + flat.size <= starts[block + 1]
            return (block, first - int(starts[block]), turned) if inside else None
    return None


def _is_in_line(flat: Positions, first: int) -> bool:
    """Whether positions count up from `first`, but for negative ones; in parts, to save memory."""
    for part in slices_of(flat.size):
        in_line = np.arange(first + part.start, first + part.stop)
        if not np.all((flat[part] == in_line) | (flat[part] < 0)):
            return False
    return True


def _part(block: Array, start: int, size: int) -> Array:
    """Contiguous entries of a block, flat unless they are all."""
    return block if size == block.size else block.reshape(-1)[start : start + size]


def _filled(block: Array, part: Array, start: int) -> Array:
    """An array in the shape of a block, with `part` from `start` on and 0 elsewhere."""
    if part.size == block.size:
        return np.asarray(part.reshape(block.shape))
    whole = np.zeros(block.size)
    whole[start : start + part.size] = part.reshape(-1)
    return whole.reshape(block.shape)
