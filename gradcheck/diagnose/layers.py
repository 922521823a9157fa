"""Blocks as layers, and what a right and a wrong layer say about where the fault must be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from gradcheck.compare.verdict import Block

_ROLE = re.compile(
    r"(?:^|(?<=[._\[\]']))(weights?|bias(?:es)?|kernel|gamma|beta|W|w|b|B)(?=$|[\d._\[\]'])"
)


@dataclass(frozen=True)
class Layer:
    """One affine map: its weight and, where it has one, its bias.

    Attributes:
        number: counted from the input, from 1.
        weight: the index of the weight's block.
        bias: the index of the bias's block, or None.
    """

    number: int
    weight: int
    bias: int | None

    @property
    def blocks(self) -> tuple[int, ...]:
        """The indices of its blocks."""
        return (self.weight,) if self.bias is None else (self.weight, self.bias)


def group_layers(names: Sequence[str], shapes: Sequence[tuple[int, ...]]) -> tuple[Layer, ...]:
    """Pairs weights with biases and puts them in order, by names and shapes.

    Weights are the blocks with two axes longer than one, or whose name says so; a bias belongs to
    the weight whose name differs from its own in the role only (`W1` and `b1`, `weights[0]` and
    `biases[0]`, `hidden.weights` and `hidden.biases`). Where this leaves a block over, or the
    sizes do not chain from layer to layer, there are no layers: ().
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


def describe_layers(blocks: Sequence[Block], layers: Sequence[Layer]) -> tuple[str, ...]:
    """Which layers are right and which are wrong, from the output backward, and what follows.

    Returns nothing where everything is right, where the layers are not known, or where no
    gradient was computed.
    """
    if not layers or not any(block.failed and block.verdict != "raised" for block in blocks):
        return ()
    lines = [_layer_line(blocks, layer) for layer in reversed(layers)]
    inference = infer_place(blocks, layers)
    return (*lines, inference) if inference else tuple(lines)


def infer_place(blocks: Sequence[Block], layers: Sequence[Layer]) -> str | None:
    """The chain of inference: what the right blocks rule out, in one sentence."""
    wrong = [layer for layer in layers if any(blocks[index].failed for index in layer.blocks)]
    if not wrong:
        return None
    nearest = wrong[-1]
    inside = _fault_inside(blocks, nearest)
    if inside:
        return inside
    if nearest.number == len(layers):
        return (
            f"layer {nearest.number} is next to the loss and wrong: look at delta {nearest.number} "
            "first, the derivative of the loss times the slope of the output"
        )
    above = layers[nearest.number]
    if any(blocks[index].verdict != "ok" for index in above.blocks):
        return None
    return (
        f"layer {above.number} is right, layer {nearest.number} is wrong: the fault is in the step "
        f"from delta {above.number} to delta {nearest.number}"
    )


def _fault_inside(blocks: Sequence[Block], layer: Layer) -> str | None:
    """The sentence for a layer of which one block is right and the other is not."""
    if layer.bias is None:
        return None
    weight, bias = blocks[layer.weight], blocks[layer.bias]
    if weight.verdict == "ok" and bias.failed:
        return (
            f"{weight.name} is right and {bias.name} is not, so delta {layer.number} is right: "
            f"only the sum that makes the gradient of {bias.name} is off"
        )
    if bias.verdict == "ok" and weight.failed:
        return (
            f"{bias.name} is right and {weight.name} is not, so delta {layer.number} is right: "
            f"only the product that makes the gradient of {weight.name} is off"
        )
    return None


def _layer_line(blocks: Sequence[Block], layer: Layer) -> str:
    told = ", ".join(
        f"{blocks[index].name} {_WORDS.get(blocks[index].verdict, blocks[index].verdict)}"
        for index in layer.blocks
    )
    return f"layer {layer.number}: {told}"


_WORDS = {"ok": "right", "shape": "has another shape", "raised": "not computed"}


def _layer_key(name: str) -> str:
    """The name without its role: `W1` and `b1` give `1`, `hidden.weights` gives `hidden`."""
    return _ROLE.sub("", name, count=1).strip("._")


def _is_weight(name: str, shape: tuple[int, ...]) -> bool:
    if sum(size > 1 for size in shape) >= 2:
        return True
    match = _ROLE.search(name)
    return match is not None and match[1].lower() in ("w", "weight", "weights", "kernel")


def _natural(key: str) -> list[tuple[int, int | str]]:
    """Sorts `10` after `2`."""
    parts = re.findall(r"\d+|\D+", key)
    return [(0, int(part)) if part.isdigit() else (1, part) for part in parts]


def _chain(layers: Sequence[Layer], shapes: Sequence[tuple[int, ...]]) -> bool:
    """Whether the sizes of the weights follow on from layer to layer, in rows or in columns."""
    pairs = [shapes[layer.weight] for layer in layers]
    if any(len(pair) != 2 for pair in pairs):
        return len(pairs) == 1
    following = list(pairwise(pairs))
    return all(left[1] == right[0] for left, right in following) or all(
        left[0] == right[1] for left, right in following
    )
