"""Groups blocks into layers: which bias belongs to which weight, and the order of the layers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

_ROLE = re.compile(
    r"(?:^|(?<=[._\[\]']))(weights?|bias(?:es)?|kernel|gamma|beta|W|w|b|B)(?=$|[\d._\[\]'])"
)


@dataclass(frozen=True)
class Layer:
    """One affine map: its weight and its bias, if it has one.

    Attributes:
        number: the number of the layer, counted from the input, from 1.
        weight: the index of the weight's block.
        bias: the index of the bias's block, or None.
    """

    number: int
    weight: int
    bias: int | None

    @property
    def blocks(self) -> tuple[int, ...]:
        """The indices of the layer's blocks."""
        return (self.weight,) if self.bias in (None, self.weight) else (self.weight, self.bias)


def group_layers(names: Sequence[str], shapes: Sequence[tuple[int, ...]]) -> tuple[Layer, ...]:
    """Pairs weights with biases and orders the layers, by names and shapes.

    Weights are the blocks with two axes longer than 1, or with the name of a weight. A bias belongs
    to the weight whose name differs only in the role (`W1` and `b1`, `weights[0]` and `biases[0]`,
    `hidden.weights` and `hidden.biases`). Returns () if a block is left over, or if the sizes do
    not chain from layer to layer.
    """
    keys = [_layer_key(name) for name in names]
    weights = [index for index, name in enumerate(names) if _is_weight(name, shapes[index])]
    order = sorted(weights, key=lambda index: _natural(keys[index]))
    if [keys[index] for index in order] != sorted({keys[index] for index in weights}, key=_natural):
        return ()
    if not all(re.search(r"\d", keys[index]) for index in weights):
        order = weights
    biases = {keys[index]: index for index in range(len(names)) if index not in weights}
    layers = tuple(
        Layer(number, index, biases.pop(keys[index], None))
        for number, index in enumerate(order, start=1)
    )
    if not layers or biases or not _chain(layers, shapes):
        return ()
    return layers


def _layer_key(name: str) -> str:
    """The name without its role: `W1` and `b1` give `1`, `hidden.weights` gives `hidden`."""
    return _ROLE.sub("", name, count=1).strip("._")


def _is_weight(name: str, shape: tuple[int, ...]) -> bool:
    if sum(size > 1 for size in shape) >= 2:
        return True
    match = _ROLE.search(name)
    return match is not None and match[1].lower() in ("w", "weight", "weights", "kernel")


def _natural(key: str) -> list[tuple[int, int | str]]:
    """The sort key that puts `10` after `2`."""
    parts = re.findall(r"\d+|\D+", key)
    return [(0, int(part)) if part.isdigit() else (1, part) for part in parts]


def _chain(layers: Sequence[Layer], shapes: Sequence[tuple[int, ...]]) -> bool:
    """Whether the outputs of each layer fit the inputs of the next, in rows or in columns."""
    pairs = [shapes[layer.weight] for layer in layers]
    if any(len(pair) != 2 for pair in pairs):
        return len(pairs) == 1
    following = list(pairwise(pairs))
    return all(left[1] == right[0] for left, right in following) or all(
        left[0] == right[1] for left, right in following
    )
