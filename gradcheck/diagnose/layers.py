"""Infer from right and wrong layers where the fault must be."""

from __future__ import annotations

from collections.abc import Sequence

from gradcheck.compare.block import Block
from gradcheck.recognition.layers import Layer


def describe_layers(
    blocks: Sequence[Block], layers: Sequence[Layer], is_network: bool, is_placed: bool
) -> tuple[str, ...]:
    """Return a line for each layer, right or wrong, from the output backward, and an inference.

    If a finding has a place in the source (`is_placed`), the reader is not sent anywhere else.

    Returns nothing if everything is right, no gradient was computed, or the layers are not known:
    outside of a known network, weights without biases need not be layers.
    """
    are_layers = is_network or (len(layers) > 1 and all(layer.bias is not None for layer in layers))
    if not are_layers or not any(block.failed and block.verdict != "raised" for block in blocks):
        return ()
    lines = [_layer_line(blocks, layer) for layer in reversed(layers)]
    inference = infer_place(blocks, layers, is_placed)
    return (*lines, inference) if inference else tuple(lines)


def infer_place(
    blocks: Sequence[Block], layers: Sequence[Layer], is_placed: bool = False
) -> str | None:
    """Return one sentence on what the right blocks rule out, or None if they rule out nothing."""
    wrong = [layer for layer in layers if any(blocks[index].failed for index in layer.blocks)]
    if not wrong:
        return None
    nearest = wrong[-1]
    inside = _fault_inside(blocks, nearest)
    if inside:
        return inside
    if nearest.number == len(layers):
        number = nearest.number
        advice = (
            f"layer {number} is next to the loss and wrong: look at delta {number} first, the "
            "derivative of the loss times the slope of the output"
        )
        return None if is_placed else advice
    above = layers[nearest.number]
    if any(blocks[index].verdict != "ok" for index in above.blocks):
        return None
    return (
        f"layer {above.number} is right, layer {nearest.number} is wrong: the fault is in the step "
        f"from delta {above.number} to delta {nearest.number}"
    )


def _fault_inside(blocks: Sequence[Block], layer: Layer) -> str | None:
    """Return the sentence for a layer of which only the weights or only the bias are right."""
    if layer.bias is None:
        return None
    weight, bias = blocks[layer.weight], blocks[layer.bias]
    for right, wrong, made_by in ((weight, bias, "sum"), (bias, weight, "product")):
        if right.verdict == "ok" and wrong.failed:
            return (
                f"{right.name} is right and {wrong.name} is not, so delta {layer.number} is right: "
                f"only the {made_by} that makes the gradient of {wrong.name} is off"
            )
    return None


def _layer_line(blocks: Sequence[Block], layer: Layer) -> str:
    verdicts = ", ".join(
        f"{blocks[index].name} {_WORDS.get(blocks[index].verdict, blocks[index].verdict)}"
        for index in layer.blocks
    )
    return f"layer {layer.number}: {verdicts}"


_WORDS = {"ok": "right", "shape": "has another shape", "raised": "not computed"}
