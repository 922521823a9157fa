"""Reads the layers of a network from the tape of its loss.

A layer is a product of parameters with the data or with the output of the layer below, and the bias
that is added to it. The tape holds the input and the output of its activation, which identify it.
The result is a proposal: the network has yet to give the user's losses at other points.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.network.activations import USUAL, by_rank
from gradcheck.network.rows import AnyActivation
from gradcheck.recognition.data import as_targets
from gradcheck.recognition.placed import Placed, Positions, place_of
from gradcheck.recognition.search import Candidate
from gradcheck.recognition.tape import LossTape
from gradcheck.trace.record.nodes import Node
from gradcheck.user.blocks import Array
from gradcheck.user.problem import Problem

MOST_TARGETS = 8

CLOSE = 1e-4
"""Largest error of a possible activation, relative to its largest output; the losses decide."""

MATRICES = {
    (1, 1): "i,i->",
    (2, 1): "ij,j->i",
    (1, 2): "i,ij->j",
    (2, 2): "ij,jk->ik",
    (3, 2): "hij,jk->hik",
}
PRODUCTS = {
    "matmul": MATRICES,
    "dot": MATRICES,
    "inner": {**MATRICES, (1, 2): "i,ji->j", (2, 2): "ij,kj->ik"},
    "multiply": {(0, 0): ",->", (0, 1): ",i->i", (1, 0): "i,->i", (2, 0): "ij,->ij"},
}
"""The products in Einstein's notation, by the numbers of axes of both factors; a factor without
axes is a single weight."""


@dataclass(frozen=True)
class _Product:
    """A product of parameters with an array that holds none.

    Attributes:
        rows: the other factor, (m, n_in).
        weights: the positions of the parameters, (n_in, n_out).
        bias: the positions of the parameters that are added, (n_out,); None if there are none.
        depends: whether the other factor depends on parameters.
    """

    rows: Array
    weights: Positions
    bias: Positions | None
    depends: bool


def read(problem: Problem, tape: LossTape) -> Candidate | None:
    """The dense network that the tape may show, with the arrays that may be its targets."""
    layers = _layers(tape)
    samples = {len(layer.rows) for layer in layers}
    in_line = [layer.depends for layer in layers] == [False] + [True] * (len(layers) - 1)
    if not in_line or len(samples) != 1:
        return None
    values = problem.parameters.values
    placed: list[Placed] = []
    for number, layer in enumerate(layers, start=1):
        place = place_of(number, layer.weights, layer.bias, _ones(layer), values)
        if place is None:
            return None
        placed.append(place)
    below = [_units(layer.rows, at) for layer, at in zip(layers, placed, strict=True)]
    hidden = tuple(_activations(placed, below, values))
    if not all(hidden):
        return None
    targets = tuple(_targets(problem, tape, samples.pop(), placed[-1].n_out))
    return Candidate(tuple(placed), below[0], targets, hidden) if targets else None


def _layers(tape: LossTape) -> list[_Product]:
    """The products on a tape, in its order; products with the same parameters become one."""
    together: dict[object, list[_Product]] = {}
    for node in tape.nodes:
        product = _product(tape, node)
        if product is not None:
            uses = together.setdefault(_digest(product.weights), [])
            if len(product.rows) == 1 or not any(_same(product.rows, use.rows) for use in uses):
                uses.append(product)  # the same batch a second time is a repeated pass
    return [
        replace(
            uses[0],
            rows=np.concatenate([use.rows for use in uses]),
            depends=any(use.depends for use in uses),
        )
        for uses in together.values()
        if all(_same(use.bias, uses[0].bias) for use in uses)
    ]


def _digest(positions: Positions) -> object:
    """A key that equal arrays share; a copy of the bytes would take memory."""
    contiguous = np.ascontiguousarray(positions)
    return positions.shape, hashlib.blake2b(contiguous.data, digest_size=16).digest()


def _same(one: NDArray[Any] | None, other: NDArray[Any] | None) -> bool:
    if one is None or other is None:
        return one is other
    return one is other or np.array_equal(one, other)


def _product(tape: LossTape, node: Node) -> _Product | None:
    """The product at a node, if one factor consists of parameters and the other holds none."""
    text = _in_letters(tape, node)
    if text is None:
        return None
    factors, output = node.arguments[-2:], text.partition("->")[2]
    letters = text.partition("->")[0].split(",")
    for factor, other in ((0, 1), (1, 0)):
        origin = tape.origin(factors[factor])
        if origin is None or tape.origin(factors[other]) is not None:
            continue
        inner = [letter for letter in letters[factor] if letter not in output]
        outer = [letter for letter in letters[factor] if letter in output]
        batch = [letter for letter in letters[other] if letter in output]
        if set(batch) & set(outer) or set(inner) - set(letters[other]) or np.all(origin < 0):
            return None
        sizes = dict(zip(letters[factor], origin.shape, strict=True))
        n_in, n_out = (prod(sizes[letter] for letter in axes) for axes in (inner, outer))
        rows = _laid_out(tape.value(factors[other]), letters[other], [*batch, *inner])
        weights = _laid_out(origin, letters[factor], [*inner, *outer]).reshape(n_in, n_out)
        return _Product(
            rows.reshape(-1, n_in).astype(np.float64),
            weights,
            _bias(tape, node, output, [*batch, *outer], n_out),
            tape.depends(factors[other]),
        )
    return None


def _in_letters(tape: LossTape, node: Node) -> str | None:
    """The product of two factors at a node in Einstein's notation; None if there is none."""
    name, arguments = node.operation, node.arguments
    if name == "einsum" and len(arguments) == 3 and isinstance(arguments[0], str):
        text = arguments[0].replace(" ", "")
        left, _, output = text.partition("->")
        plain = "->" in text and "." not in text
        unique = all(len(set(part)) == len(part) for part in (*left.split(","), output))
        return text if plain and unique else None
    if len(arguments) != 2 or node.keywords or name not in PRODUCTS:
        return None
    left_axes, right_axes = (tape.value(argument).ndim for argument in arguments)
    return PRODUCTS[name].get((left_axes, right_axes))


def _laid_out(values: NDArray[Any], letters: str, order: Sequence[str]) -> NDArray[Any]:
    return values.transpose([letters.index(letter) for letter in order])


def _bias(
    tape: LossTape, node: Node, output: str, order: Sequence[str], n_out: int
) -> Positions | None:
    """The positions of the parameters that are added to a product, (n_out,)."""
    for user in tape.users.get(node.index, ()):
        if user.operation != "add" or user.value.shape != node.value.shape:
            continue
        for argument in user.arguments[:2]:
            origin = tape.origin(argument)
            if origin is not None:
                whole = np.broadcast_to(origin, node.value.shape)
                rows = _laid_out(whole, output, order).reshape(-1, n_out)
                if np.all(rows == rows[0]) and np.all(rows >= 0):
                    return np.asarray(rows[0])
    return None


def _ones(layer: _Product) -> str | None:
    """Whether the first or the last column of the other factor is ones: its weights are biases."""
    if layer.bias is not None or layer.rows.shape[1] < 2:
        return None
    columns = {"first": layer.rows[:, 0], "last": layer.rows[:, -1]}
    return next((name for name, column in columns.items() if np.all(column == 1)), None)


def _units(rows: Array, place: Placed) -> Array:
    """The rows without their column of ones."""
    if rows.shape[1] == place.n_in:
        return rows
    return rows[:, 1:] if place.folded == "first" else rows[:, :-1]


def _activations(
    placed: Sequence[Placed], below: Sequence[Array], values: Sequence[Array]
) -> Iterator[tuple[AnyActivation, ...]]:
    """For each hidden layer, the activations that turn its z into the input of the layer above."""
    usual, unusual = by_rank("hidden", most=USUAL), by_rank("hidden", least=USUAL + 1)
    for place, rows, above in zip(placed, below, below[1:], strict=False):
        z = rows @ place.weights(values) + place.bias(values)
        fitting = [activation for activation in usual if _makes(activation, z, above)]
        yield tuple(fitting or (rare for rare in unusual if _makes(rare, z, above)))


def _makes(activation: AnyActivation, z: Array, outputs: Array) -> bool:
    if z.shape != outputs.shape:
        return False
    with np.errstate(all="ignore"):
        off = np.abs(activation.activate(z, -1) - outputs)
    return bool(np.all(off <= CLOSE * np.max(np.abs(outputs), initial=0.0)))


def _targets(problem: Problem, tape: LossTape, samples: int, outputs: int) -> Iterator[Array]:
    """The arrays that may be the targets: those that the user gave, then the tape's constants."""
    given = [] if problem.targets is None else [problem.targets]
    different: dict[bytes, Array] = {}
    for data in (*given, *tape.constants()):
        for targets in as_targets(data, samples, outputs):
            different.setdefault(targets.tobytes(), targets)
    yield from islice(different.values(), MOST_TARGETS)
