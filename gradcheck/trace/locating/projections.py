"""Random projections of the wrong outputs, and their derivatives by all values of the tape."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.adjoints.reverse import Adjoints, Edge, adjoints
from gradcheck.trace.locating.constants import in_a_row
from gradcheck.trace.locating.outputs import Output
from gradcheck.trace.locating.state import State

FIT = 1e-5
"""The relative error of a projection up to which a replacement may be right."""

LEAST = 3
"""The least number of projections of an output."""

TOGETHER = 200_000
"""The most entries that the adjoints of one reverse pass over several outputs may have."""


@dataclass(frozen=True)
class Projection:
    """One projection of an output at one point.

    Attributes:
        output: the name of the output.
        point: the number of the point.
        gap: the projection of right minus present output.
        seed: the derivatives of the projection by the gradient of the block.
        weights: the derivatives of the projection by all values, and by all uses of values.
    """

    output: str
    point: int
    gap: float
    seed: Mapping[int, NDArray[np.float64]]
    weights: Adjoints


def projections_of(
    state: State, wrong: frozenset[str], rng: np.random.Generator
) -> dict[str, list[Projection]]:
    """Return the projections of the wrong outputs, by output: one at each point, three or more.

    Several at a single point do not suffice: for a value that reaches only one entry of an output,
    any replacement is right there with some constant.
    """
    chosen = [
        output
        for output in state.outputs
        if output.name in wrong
        and output.part(state.values[0][output.node]).shape == output.true[0].shape
    ]
    size = sum(node.value.size for node in state.tape)
    together = max(1, TOGETHER // max(size, 1))
    by_output: dict[str, list[Projection]] = {output.name: [] for output in chosen}
    for point, first in itertools.product(
        itertools.islice(itertools.cycle(state.points), max(LEAST, len(state.points))),
        range(0, len(chosen), together),
    ):
        for projection in _projections(state, chosen[first : first + together], point, rng):
            by_output[projection.output].append(projection)
    return by_output


def _projections(
    state: State, outputs: Sequence[Output], point: int, rng: np.random.Generator
) -> Iterator[Projection]:
    """Yield one projection of each output, by one reverse pass for all."""
    seeds: dict[int, NDArray[np.float64]] = {}
    gaps = []
    for number, output in enumerate(outputs):
        value = state.values[point][output.node]
        true = output.true[point]
        along = rng.standard_normal(true.shape)
        if output.node not in seeds:
            seeds[output.node] = np.zeros((len(outputs), *value.shape))
        seed = seeds[output.node][number, ...]
        if output.entries is None:
            seed[...] = along
        else:
            seed.reshape(-1)[output.entries] = along
        gaps.append(float(np.vdot(along, true - output.part(value))))
    movements = state.movements[point]
    weights = adjoints(
        state.nodes[point], state.values[point], seeds, movements=movements, several=True
    )
    for number, output in enumerate(outputs):
        adjoint = Adjoints(
            {index: part[number, ...] for index, part in weights.of_nodes.items()},
            {edge: part[number, ...] for edge, part in weights.of_edges.items()},
        )
        seed_of = {output.node: seeds[output.node][number, ...]}
        yield Projection(output.name, point, gaps[number], seed_of, adjoint)


def with_fixed(
    projection: Projection, fixed: frozenset[int | Edge], below: frozenset[int], state: State
) -> Projection:
    """Return the projection with some values or uses held constant; its weights are for `below`."""
    point = projection.point
    movements = state.movements[point]
    weights = adjoints(
        state.nodes[point], state.values[point], projection.seed, fixed, movements, below
    )
    return replace(projection, weights=weights)


def fitting(effects: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return a mask of the replacements that some constant may make right.

    `effects` has shape (replacements, projections) for one output, `wanted` (projections,).
    """
    size = np.maximum(np.max(np.abs(wanted)), 1e-12)
    with np.errstate(all="ignore"):
        factors = effects @ wanted / np.sum(effects * effects, axis=1)
        left = np.max(np.abs(factors[:, None] * effects - wanted), axis=1)
        return np.asarray(np.isfinite(factors) & (np.abs(factors) > 1e-12) & (left <= FIT * size))


def weight_of(
    projection: Projection, nodes: Sequence[int], uses: Sequence[Edge], state: State
) -> NDArray[np.float64]:
    """Return the derivatives of a projection by values and uses, as one flat array."""
    weights, values = projection.weights, state.values[projection.point]
    parts = [(weights.of_nodes.get(index), index) for index in nodes]
    parts += [(weights.of_edges.get(use), use[1]) for use in uses]
    return in_a_row([np.zeros(values[i].size) if part is None else part for part, i in parts])
