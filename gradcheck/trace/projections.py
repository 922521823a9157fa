"""Random projections of the wrong outputs, and what every value contributes to them."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.outputs import Output
from gradcheck.trace.reverse import Adjoints, adjoints
from gradcheck.trace.state import State

FIT = 1e-5
"""The relative error of a projection that a replacement may leave."""


@dataclass(frozen=True)
class Projection:
    """One projection of an output at one point.

    Attributes:
        output: the name of the output.
        point: the number of the point.
        gap: the projection of what the output lacks.
        seed: its derivatives by the gradient of the block.
        weights: its derivatives by every value, and by every use of one.
    """

    output: str
    point: int
    gap: float
    seed: Mapping[int, NDArray[np.float64]]
    weights: Adjoints


OUTPUTS = 3
"""By how many outputs the replacements of a whole loop are judged before they are executed."""

Aim = tuple[list[tuple[int, NDArray[np.float64]]], NDArray[np.float64]]
"""The weights of values in an output, with their points; and what they are to give there."""


def projections_of(
    state: State, wrong: frozenset[str], rng: np.random.Generator
) -> dict[str, list[Projection]]:
    """The projections of the wrong outputs, by output: one at every point.

    Several at one point would not do: of a value that reaches a single entry of an output, any
    replacement is right there for some constant.
    """
    found: dict[str, list[Projection]] = {}
    for output in state.outputs:
        if output.name not in wrong:
            continue
        part = output.part(state.values[0][output.node])
        if part.shape != output.true[0].shape:
            continue
        found[output.name] = [_projection(state, output, point, rng) for point in state.points]
    return found


def _projection(state: State, output: Output, point: int, rng: np.random.Generator) -> Projection:
    value = state.values[point][output.node]
    true = output.true[point]
    along = rng.standard_normal(true.shape)
    seed = np.zeros(value.shape)
    if output.entries is None:
        seed[...] = along
    else:
        seed.reshape(-1)[output.entries] = along
    gap = float(np.sum(along * (true - output.part(value))))
    seeds = {output.node: seed}
    return Projection(output.name, point, gap, seeds, _weights(state, point, seeds))


def _weights(
    state: State,
    point: int,
    seeds: Mapping[int, NDArray[np.float64]],
    fixed: Container[int] = (),
    first: int = 0,
) -> Adjoints:
    movements = state.movements[point]
    return adjoints(state.nodes[point], state.values[point], seeds, fixed, movements, first)


def with_fixed(
    projections: Iterable[list[Projection]], nodes: Sequence[int], state: State
) -> list[list[Projection]]:
    """Those of outputs that values reach, where these no longer depend on each other.

    They are replaced together.
    """
    fixed = frozenset(nodes)
    reached = [
        several
        for several in projections
        if any(weight_of(one, nodes, (), state) is not None for one in several)
    ]
    return [
        [
            replace(one, weights=_weights(state, one.point, one.seed, fixed, min(fixed)))
            for one in several
        ]
        for several in reached[:OUTPUTS]
    ]


def fitting(
    effects: NDArray[np.float64], wanted: NDArray[np.float64], free: bool
) -> NDArray[np.bool_]:
    """Which replacements could be right, by their effects on the projections of one output.

    Args:
        effects: of every replacement on every projection, (replacements, projections).
        wanted: the effect on every projection that would make the output right.
        free: whether the replacement may be multiplied by a constant.
    """
    size = np.maximum(np.max(np.abs(wanted)), 1e-12)
    with np.errstate(all="ignore"):
        if not free:
            return np.asarray(np.max(np.abs(effects - wanted), axis=1) <= FIT * size)
        factors = effects @ wanted / np.sum(effects * effects, axis=1)
        left = np.max(np.abs(factors[:, None] * effects - wanted), axis=1)
        return np.asarray(np.isfinite(factors) & (np.abs(factors) > 1e-12) & (left <= FIT * size))


def weight_of(
    projection: Projection, nodes: Sequence[int], uses: Sequence[tuple[int, int]], state: State
) -> NDArray[np.float64] | None:
    """The derivatives of a projection by the values that a unit replaces, one after the other."""
    parts: list[NDArray[np.float64]] = []
    for index in nodes:
        part = projection.weights.of_nodes.get(index)
        size = state.values[projection.point][index].size
        parts.append(np.zeros(size) if part is None else np.asarray(part).reshape(-1))
    for use in uses:
        part = projection.weights.of_edges.get(use)
        size = state.values[projection.point][use[1]].size
        parts.append(np.zeros(size) if part is None else np.asarray(part).reshape(-1))
    joined = np.concatenate(parts) if parts else np.zeros(0)
    return joined if joined.any() else None


def aim_of(
    projections: Sequence[Projection],
    nodes: Sequence[int],
    uses: Sequence[tuple[int, int]],
    actual: Sequence[NDArray[np.float64]],
    state: State,
) -> Aim | None:
    """What replacing values must give in an output; None where it does not reach it everywhere.

    Args:
        projections: of the output.
        nodes: the values that are replaced.
        uses: or the uses of values.
        actual: what these are, by point.
        state: the state.
    """
    weights, wanted = [], []
    for one in projections:
        weight, now = weight_of(one, nodes, uses, state), actual[one.point]
        if weight is None:
            return None
        if weight.size != now.size:  # several uses of one value
            weight = weight.reshape(-1, now.size).sum(axis=0)
        weights.append((one.point, weight))
        wanted.append(one.gap + float(weight @ now))
    return (weights, np.array(wanted)) if weights else None
