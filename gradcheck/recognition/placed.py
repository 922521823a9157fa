"""Where the weights and the bias of a layer lie in the user's blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradcheck.network.passes import LayerParameters
from gradcheck.network.rows import AnyActivation
from gradcheck.recognition.layers import Layer
from gradcheck.user.blocks import Array

Positions = NDArray[np.int32]
"""Of parameters among the entries of all blocks, one block after the other; -1 for what is none."""


@dataclass(frozen=True)
class Placed:
    """How a layer's weights and bias lie in their blocks.

    Attributes:
        layer: the blocks.
        n_in: how many units it takes.
        n_out: how many it has.
        turned: whether the weight is stored as (n_out, n_in).
        folded: "first" or "last" where the bias is that row of the weights (as (n_in + 1, n_out)),
            else None.
        start: the first of the block's entries, in their order, that is a weight.
        bias_start: likewise of the bias.
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
        """The bias, (n_out,); zeros where there is none."""
        if self.folded is not None:
            row = 0 if self.folded == "first" else -1
            return np.asarray(self._whole(values[self.layer.weight])[row])
        if self.layer.bias is None:
            return np.zeros(self.n_out)
        return _part(values[self.layer.bias], self.bias_start, self.n_out).reshape(self.n_out)

    def parameters(self, values: Sequence[Array], activation: AnyActivation) -> LayerParameters:
        """The layer as the passes take it."""
        return LayerParameters(self.weights(values), self.bias(values), activation)

    def into_blocks(self, weights: Array, bias: Array, values: Sequence[Array]) -> dict[int, Array]:
        """Gradients of W, (n_in, n_out), and of the bias, (n_out,), by block and in its shape.

        What belongs to other layers is 0.
        """
        whole = weights
        if self.folded == "first":
            whole = np.concatenate([bias[None], weights])
        elif self.folded == "last":
            whole = np.concatenate([weights, bias[None]])
        laid_out = whole.T if self.turned else whole
        found = {self.layer.weight: _filled(values[self.layer.weight], laid_out, self.start)}
        if self.layer.bias is not None:
            added(found, self.layer.bias, _filled(values[self.layer.bias], bias, self.bias_start))
        return found

    def _whole(self, block: Array) -> Array:
        rows = self.n_in + (self.folded is not None)
        part = _part(block, self.start, rows * self.n_out)
        if self.turned:
            return part.reshape(self.n_out, rows).T
        return part.reshape(rows, self.n_out)


def added(found: dict[int, Array], block: int, part: Array) -> None:
    """Adds a layer's part of a block's gradient to those of others."""
    found[block] = found[block] + part if block in found else part


def place_of(
    number: int,
    weights: Positions,
    bias: Positions | None,
    ones: str | None,
    values: Sequence[Array],
) -> Placed | None:
    """How a layer lies in the blocks, if in one piece; else None.

    Args:
        number: of the layer.
        weights: the positions of W among all entries of all blocks, (n_in, n_out); -1 for what is
            no parameter here.
        bias: those of the bias, (n_out,); None where it has none.
        ones: "first" or "last" where that row of W is the bias.
        values: the blocks.
    """
    ways: list[tuple[Positions, str | None, Positions | None]] = [(weights, ones, bias)]
    if bias is not None:
        ways.append((np.concatenate([bias[None], weights]), "first", None))
        ways.append((np.concatenate([weights, bias[None]]), "last", None))
    for whole, folded, apart in ways:
        piece = _piece(whole, values)
        own = (None, 0, False) if apart is None else _piece(apart[None], values)
        if piece is not None and own is not None:
            block, start, turned = piece
            n_in, n_out = len(whole) - (folded is not None), whole.shape[1]
            return Placed(Layer(number, block, own[0]), n_in, n_out, turned, folded, start, own[1])
    return None


def _piece(positions: Positions, values: Sequence[Array]) -> tuple[int, int, bool] | None:
    """The block that they follow one another in, the first of them there, and whether turned."""
    starts = np.cumsum([0, *(value.size for value in values)])
    for turned in (False, True):
        flat = (positions.T if turned else positions).reshape(-1)
        known = int(np.argmax(flat >= 0))
        first = int(flat[known]) - known
        in_line = np.arange(first, first + flat.size, dtype=np.int32)
        if first >= 0 and np.all((flat == in_line) | (flat < 0)):
            block = int(np.searchsorted(starts, first, "right")) - 1
            inside = first + flat.size <= starts[block + 1]
            return (block, first - int(starts[block]), turned) if inside else None
    return None


def _part(block: Array, start: int, size: int) -> Array:
    """Some entries of a block, flat where they are not all."""
    return block if size == block.size else block.reshape(-1)[start : start + size]


def _filled(block: Array, part: Array, start: int) -> Array:
    """An array in the shape of a block, with these entries and 0 elsewhere."""
    if part.size == block.size:
        return np.asarray(part.reshape(block.shape))
    whole = np.zeros(block.size)
    whole[start : start + part.size] = part.reshape(-1)
    return whole.reshape(block.shape)
