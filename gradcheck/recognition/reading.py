"""The layers of a network, read from the tape of its loss.

A layer is a product of parameters with the data or with what the layer below gives, and the bias
that is added to it. Of its activation the tape holds both ends, which tell it from the others. What
is read is a proposal: the network has yet to give the user's losses at other points.
"""

from __future__ import annotations

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
"""The error of an activation, as a share of the largest, up to which the losses have to decide."""

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
"""What products do in Einstein's notation, by the axes of both factors; where one has none, it is a
single weight."""


@dataclass(frozen=True)
class _Product:
    """Parameters times what is no parameter.

    Attributes:
        rows: the other factor, (m, n_in).
        weights: the positions of the parameters, (n_in, n_out).
        bias: those of what is added, (n_out,); None where nothing is.
        depends: whether the other factor depends on parameters.
    """

    rows: Array
    weights: Positions
    bias: Positions | None
    depends: bool


def read(problem: Problem, tape: LossTape) -> Candidate | None:
    """The dense network that a tape may be of, with the arrays that may be its targets."""
    layers = _layers(tape)
    samples = {len(layer.rows) for layer in layers}
    in_line = [layer.depends for layer in layers] == [False] + [True] * (len(layers) - 1)
    if not in_line or len(samples) != 1:
        return None
    values = problem.parameters.values
    placed: list[Placed] = []
    for number, layer in enumerate(layers, start=1):
        found = place_of(number, layer.weights, layer.bias, _ones(layer), values)
        if found is None:
            return None
        placed.append(found)
    below = [_units(layer.rows, place) for layer, place in zip(layers, placed, strict=True)]
    hidden = tuple(_activations(placed, below, values))
    if not all(hidden):
        return None
    targets = tuple(_targets(problem, tape, samples.pop(), placed[-1].n_out))
    return Candidate(tuple(placed), below[0], targets, hidden) if targets else None


def _layers(tape: LossTape) -> list[_Product]:
    """The products of a tape, those with the same parameters as one, in the order of the tape."""
    together: dict[object, list[_Product]] = {}
    for node in tape.nodes:
        found = _product(tape, node)
        if found is not None:
            uses = together.setdefault((found.weights.shape, found.weights.tobytes()), [])
            if len(found.rows) == 1 or not any(_same(found.rows, one.rows) for one in uses):
                uses.append(found)  # a whole batch twice is the same pass again
    return [
        replace(
            uses[0],
            rows=np.concatenate([use.rows for use in uses]),
            depends=any(use.depends for use in uses),
        )
        for uses in together.values()
        if all(_same(use.bias, uses[0].bias) for use in uses)
    ]


def _same(one: NDArray[Any] | None, other: NDArray[Any] | None) -> bool:
    if one is None or other is None:
        return one is other
    return one is other or np.array_equal(one, other)


def _product(tape: LossTape, node: Node) -> _Product | None:
    """What a node multiplies, if one factor holds nothing but parameters and the other others."""
    text = _in_letters(tape, node)
    if text is None:
        return None
    factors, output = node.arguments[-2:], text.partition("->")[2]
    letters = text.partition("->")[0].split(",")
    for own, other in ((0, 1), (1, 0)):
        origin = tape.origin(factors[own])
        if origin is None or tape.origin(factors[other]) is not None:
            continue
        inner = [one for one in letters[own] if one not in output]
        outer = [one for one in letters[own] if one in output]
        batch = [one for one in letters[other] if one in output]
        if set(batch) & set(outer) or set(inner) - set(letters[other]) or np.all(origin < 0):
            return None
        sizes = dict(zip(letters[own], origin.shape, strict=True))
        n_in, n_out = (prod(sizes[one] for one in few) for few in (inner, outer))
        rows = _laid_out(tape.value(factors[other]), letters[other], [*batch, *inner])
        weights = _laid_out(origin, letters[own], [*inner, *outer]).reshape(n_in, n_out)
        return _Product(
            rows.reshape(-1, n_in).astype(np.float64),
            weights,
            _bias(tape, node, output, [*batch, *outer], n_out),
            tape.depends(factors[other]),
        )
    return None


def _in_letters(tape: LossTape, node: Node) -> str | None:
    """What a product of two factors does, in Einstein's notation; None where it is none."""
    name, arguments = node.operation, node.arguments
    if name == "einsum" and len(arguments) == 3 and isinstance(arguments[0], str):
        text = arguments[0].replace(" ", "")
        left, _, output = text.partition("->")
        plain = "->" in text and "." not in text
        unique = all(len(set(part)) == len(part) for part in (*left.split(","), output))
        return text if plain and unique else None
    if len(arguments) != 2 or node.keywords or name not in PRODUCTS:
        return None
    one, other = (tape.value(argument).ndim for argument in arguments)
    return PRODUCTS[name].get((one, other))


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
    """Where the other factor has a column of ones, whose weights are the biases."""
    if layer.bias is not None or layer.rows.shape[1] < 2:
        return None
    columns = {"first": layer.rows[:, 0], "last": layer.rows[:, -1]}
    return next((name for name, column in columns.items() if np.all(column == 1)), None)


def _units(rows: Array, place: Placed) -> Array:
    """The rows without a column of ones."""
    if rows.shape[1] == place.n_in:
        return rows
    return rows[:, 1:] if place.folded == "first" else rows[:, :-1]


def _activations(
    placed: Sequence[Placed], below: Sequence[Array], values: Sequence[Array]
) -> Iterator[tuple[AnyActivation, ...]]:
    """For each hidden layer, the activations that make of its z what the layer above is given."""
    usual, unusual = by_rank("hidden", most=USUAL), by_rank("hidden", least=USUAL + 1)
    for place, rows, given in zip(placed, below, below[1:], strict=False):
        z = rows @ place.weights(values) + place.bias(values)
        fitting = [one for one in usual if _makes(one, z, given)]
        yield tuple(fitting or (one for one in unusual if _makes(one, z, given)))


def _makes(activation: AnyActivation, z: Array, outputs: Array) -> bool:
    if z.shape != outputs.shape:
        return False
    with np.errstate(all="ignore"):
        off = np.abs(activation.activate(z, -1) - outputs)
    return bool(np.all(off <= CLOSE * np.max(np.abs(outputs), initial=0.0)))


def _targets(problem: Problem, tape: LossTape, samples: int, outputs: int) -> Iterator[Array]:
    """What may be the targets: as given, else what the loss's tape has besides parameters."""
    given = [] if problem.targets is None else [problem.targets]
    found: dict[bytes, Array] = {}
    for data in (*given, *tape.constants()):
        for targets in as_targets(data, samples, outputs):
            found.setdefault(targets.tobytes(), targets)
    yield from islice(found.values(), MOST_TARGETS)
