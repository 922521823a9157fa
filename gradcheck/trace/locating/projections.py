"""Random projections of the wrong outputs, and what every value contributes to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.adjoints.reverse import Adjoints, Edge, adjoints
from gradcheck.trace.locating.constants import in_a_row
from gradcheck.trace.locating.outputs import Output
from gradcheck.trace.locating.state import State

FIT = 1e-5
"""The relative error of a projection that a replacement may leave."""

TOGETHER = 200_000
"""How many numbers the adjoints of the outputs that are gone back from together may have."""


@dataclass(frozen=True)
class Projection:
    """One projection of an output at one point.

    Attributes:
        gap: the projection of what the output lacks.
        seed: its derivatives by the gradient of the block.
        weights: its derivatives by every value, and by every use of one.
    """

    output: str
    point: int
    gap: float
    seed: Mapping[int, NDArray[np.float64]]
    weights: Adjoints


def projections_of(
    state: State, wrong: frozenset[str], rng: np.random.Generator
) -> dict[str, list[Projection]]:
    """The projections of the wrong outputs, by output: one at every point.

    Several at one point would not do: of a value that reaches a single entry of an output, any
    replacement is right there for some constant.
    """
    chosen = [
        output
        for output in state.outputs
        if output.name in wrong
        and output.part(state.values[0][output.node]).shape == output.true[0].shape
    ]
    size = sum(node.value.size for node in state.tape)
    together = max(1, TOGETHER // max(size, 1))
    found: dict[str, list[Projection]] = {output.name: [] for output in chosen}
    for point in state.points:
        for first in range(0, len(chosen), together):
            for one in _projections(state, chosen[first : first + together], point, rng):
                found[one.output].append(one)
    return found


def _projections(
    state: State, outputs: Sequence[Output], point: int, rng: np.random.Generator
) -> Iterator[Projection]:
    """One projection of each output, by one pass for all."""
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
        own = Adjoints(
            {index: part[number, ...] for index, part in weights.of_nodes.items()},
            {edge: part[number, ...] for edge, part in weights.of_edges.items()},
        )
        its_own = {output.node: seeds[output.node][number, ...]}
        yield Projection(output.name, point, gaps[number], its_own, own)


def with_fixed(
    projection: Projection, fixed: frozenset[int | Edge], below: frozenset[int], state: State
) -> Projection:
    """The projection where values, or uses, no longer depend on others: they are replaced together.

    Only of what is below of them the weights are wanted.
    """
    point = projection.point
    movements = state.movements[point]
    weights = adjoints(
        state.nodes[point], state.values[point], projection.seed, fixed, movements, below
    )
    return replace(projection, weights=weights)


def fitting(effects: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which replacements could be right, times some constant.

    By their effects on the projections of one output, (replacements, projections), and by those
    that would make it right.
    """
    size = np.maximum(np.max(np.abs(wanted)), 1e-12)
    with np.errstate(all="ignore"):
        factors = effects @ wanted / np.sum(effects * effects, axis=1)
        left = np.max(np.abs(factors[:, None] * effects - wanted), axis=1)
        return np.asarray(np.isfinite(factors) & (np.abs(factors) > 1e-12) & (left <= FIT * size))


def weight_of(
    projection: Projection, nodes: Sequence[int], uses: Sequence[Edge], state: State
) -> NDArray[np.float64]:
    """The derivatives of a projection by values and by uses, one after the other."""
    weights, values = projection.weights, state.values[projection.point]
    found = [(weights.of_nodes.get(index), index) for index in nodes]
    found += [(weights.of_edges.get(use), use[1]) for use in uses]
    return in_a_row([np.zeros(values[i].size) if part is None else part for part, i in found])
