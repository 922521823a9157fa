"""Guesses how blocks chain from layer to layer, for a loss that cannot be followed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from gradcheck.recognition.data import as_rows, as_targets
from gradcheck.recognition.layers import Layer
from gradcheck.recognition.placed import Placed
from gradcheck.recognition.search import Candidate
from gradcheck.user.blocks import Parameters
from gradcheck.user.problem import Problem


def guessed(problem: Problem, layers: tuple[Layer, ...]) -> Iterator[Candidate]:
    """Yields networks that blocks and data may form; `layers` are those that the names suggest."""
    if problem.inputs is None:
        return
    labels = problem.inputs if problem.targets is None else problem.targets
    shape = problem.inputs.shape
    counts = (*shape[::-1], math.prod(shape[1:]), 1)
    for features in dict.fromkeys(count for count in counts if count):
        for placed in structures(problem.parameters, layers, features):
            for rows in as_rows(problem.inputs, features):
                targets = tuple(as_targets(labels, len(rows), placed[-1].n_out))
                if targets:
                    yield Candidate(placed, rows, targets)


def structures(
    parameters: Parameters, layers: tuple[Layer, ...], features: int, outputs: int | None = None
) -> Iterator[tuple[Placed, ...]]:
    """Yields the ways in which the blocks form a network with this number of features.

    The likeliest come first. `layers` are those that the names suggest, or ().
    """
    shapes = parameters.shapes
    orders = [layers] if layers else list(_orders(shapes))
    for order in orders:
        for placed in _chains(order, shapes, features):
            if outputs is None or placed[-1].n_out == outputs:
                yield placed


def _orders(shapes: Sequence[tuple[int, ...]]) -> Iterator[tuple[Layer, ...]]:
    """Yields orders of layers: weights from the first or the last, each with a fitting bias."""
    blocks = range(len(shapes))
    yield tuple(
        Layer(number, weight, weight + 1 if weight + 1 < len(shapes) else None)
        for number, weight in enumerate(blocks[::2], start=1)
    )
    yield tuple(Layer(number, block, None) for number, block in enumerate(blocks, start=1))
    weights = [block for block, shape in enumerate(shapes) if _axes(shape) == 2]
    biases = [block for block, shape in enumerate(shapes) if _axes(shape) < 2]
    if not weights:
        return
    for order in (weights, weights[::-1]):
        left = list(biases)
        layers = []
        for number, weight in enumerate(order, start=1):
            fitting = [block for block in left if math.prod(shapes[block]) in shapes[weight]]
            nearest = min(
                fitting, key=lambda block: (block < weight, abs(block - weight)), default=None
            )
            if nearest is not None:
                left.remove(nearest)
            layers.append(Layer(number, weight, nearest))
        if not left and layers:
            yield tuple(layers)


def _chains(
    layers: tuple[Layer, ...], shapes: Sequence[tuple[int, ...]], features: int
) -> Iterator[tuple[Placed, ...]]:
    """Yields the orientations of the weights in which every layer fits the one below."""
    partial: list[tuple[Placed, ...]] = [()]
    for layer in layers:
        partial = [
            (*placed, place)
            for placed in partial
            for place in _places(layer, shapes, placed[-1].n_out if placed else features)
        ]
    yield from sorted(partial, key=_mixed)


def _places(layer: Layer, shapes: Sequence[tuple[int, ...]], width: int) -> Iterator[Placed]:
    """Yields the ways in which a layer can take `width` units."""
    shape = shapes[layer.weight]
    bias = None if layer.bias is None else math.prod(shapes[layer.bias])
    for turned in (False, True):
        if len(shape) == 2:
            rows, columns = shape[::-1] if turned else shape
        elif len(shape) == 1:
            rows, columns = (shape[0], 1) if not turned else (1, shape[0])
        elif not shape and not turned:
            rows, columns = 1, 1
        else:
            continue
        if bias is not None and bias != columns:
            continue
        if rows == width:
            yield Placed(layer, rows, columns, turned)
        if rows == width + 1 and bias is None:
            yield Placed(layer, rows - 1, columns, turned, "first")
            yield Placed(layer, rows - 1, columns, turned, "last")


def _mixed(placed: tuple[Placed, ...]) -> int:
    """How often the orientation changes from layer to layer."""
    return sum(below.turned != above.turned for below, above in pairwise(placed))


def _axes(shape: tuple[int, ...]) -> int:
    return sum(size > 1 for size in shape)
