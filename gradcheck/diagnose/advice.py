"""Advice on the test point: its properties that hide bugs (GC905)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.diagnose.sizes import Sizes
from gradcheck.recognition.layers import Layer
from gradcheck.user.problem import Problem
from gradcheck.words import listed, verb


def advice(problem: Problem, layers: tuple[Layer, ...], sizes: Sizes) -> tuple[str, ...]:
    """Return one note with all properties that make this a poor test point, or no note."""
    weaknesses = list(_weaknesses(problem, layers, sizes)) if layers else []
    if not weaknesses:
        return ()
    return (f"[GC905] poor-test-point: {'; '.join(weaknesses)}",)


def _weaknesses(problem: Problem, layers: tuple[Layer, ...], sizes: Sizes) -> Iterator[str]:
    parameters = problem.parameters
    if sizes.batch_size == 1:
        yield "one sample cannot show a wrong mean over the batch"
    square = [
        parameters.names[layer.weight]
        for layer in layers
        if len(shape := parameters.shapes[layer.weight]) == 2 and shape[0] == shape[1] > 1
    ]
    if square:
        yield f"{listed(square)} {verb(square, 'is', 'are')} square, which hides transposes"
    biases = [
        parameters.values[layer.bias]
        for layer in layers
        if layer.bias is not None and parameters.values[layer.bias].size
    ]
    if biases and not any(map(np.any, biases)):
        yield "all biases are zero, which hides what depends on them"
    widths = {parameters.values[layer.bias].size for layer in layers[:-1] if layer.bias is not None}
    if sizes.batch_size is not None and sizes.batch_size > 1 and sizes.batch_size in widths:
        yield (
            f"a hidden layer has as many units as there are samples ({sizes.batch_size}), so their "
            "axes can be mixed up unseen"
        )
