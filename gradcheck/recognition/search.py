"""Which network is this? The layers, activations and loss that reproduce the user's own loss.

A candidate is a structure (how blocks chain from layer to layer) with data, an activation for every
layer, and a loss; the factor of the loss and those of a penalty are fitted. It is accepted where it
gives the user's loss to rounding at several random points.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, product

import numpy as np
from numpy.typing import NDArray

from gradcheck.network.activations import USUAL, by_rank
from gradcheck.network.losses import CANDIDATES, REDUCTIONS
from gradcheck.network.passes import forward_layer
from gradcheck.network.rows import AnyActivation
from gradcheck.recognition.data import as_rows, as_targets, candidate_data
from gradcheck.recognition.layers import Layer
from gradcheck.recognition.network_view import ROWS, NetworkView, Placed
from gradcheck.recognition.probes import Losses, Prober, solve
from gradcheck.recognition.structures import structures
from gradcheck.user.blocks import Array
from gradcheck.user.problem import Problem

MOST_CANDIDATES = 40
OVERHEAD = 4e5
MOST_EFFORT = 4e8
"""Multiplications that the search may take; to try one network costs OVERHEAD more of them."""

NEARLY = 1e-2
"""How far the losses may be from a cross-entropy whose log has a small number added."""

MIXED_RANKS = {2: 9, 3: 5}
MIXED_RANK = 4
"""Up to this rank hidden layers are mixed, by how many there are: the combinations multiply."""

Ends = list[tuple[Array, Array]]
"""Z and A of the last layer of a network or a part of one, at every point."""


@dataclass(frozen=True)
class Candidate:
    """A structure with data, for which activations and a loss are sought."""

    placed: tuple[Placed, ...]
    inputs: Array
    targets: Array


def has_candidates(problem: Problem, layers: tuple[Layer, ...]) -> bool:
    """Whether the blocks and the data could be a network's at all."""
    return next(_candidates(problem, layers), None) is not None


def recognise(
    problem: Problem, layers: tuple[Layer, ...], losses: Losses, prober: Prober | None
) -> NetworkView | None:
    """The first network that gives the user's losses, the usual ones first.

    `layers` are as the names tell, or (). The prober finds activations one by one; without it, only
    the usual ones are tried.
    """
    candidates = list(islice(_candidates(problem, layers), MOST_CANDIDATES))
    search = _Search(
        losses, [{(): [(one.inputs, one.inputs)] * len(losses.points)} for one in candidates]
    )
    for index, candidate in enumerate(candidates[:1]):
        found = search.first(index, candidate, _usual(len(candidate.placed) - 1))
        if found is not None or prober is None:
            return found
    if prober is None:
        return None
    for index, candidate in enumerate(candidates):
        found = search.first(
            index, candidate, prober.activations(candidate.placed, candidate.targets)
        )
        if found is not None:
            return found
    for assignments in (_usual, _one_kind_unusual, _mixed):
        for index, candidate in enumerate(candidates):
            if index < 2 or not prober.can_probe(candidate.placed):
                found = search.first(index, candidate, assignments(len(candidate.placed) - 1))
                if found is not None:
                    return found
    return None


@dataclass
class _Search:
    """What was tried so far, and what that took in multiplications.

    `caches` hold what the parts that were run gave, by their activations, for every candidate; the
    part without a layer gives the inputs. `squares` are the sums of squared weights and biases.
    """

    losses: Losses
    caches: list[dict[tuple[str, ...], Ends]]
    effort: float = 0.0
    squares: dict[tuple[Placed, ...], Array] = field(default_factory=dict)

    def first(
        self, index: int, candidate: Candidate, assignments: Iterator[tuple[AnyActivation, ...]]
    ) -> NetworkView | None:
        """The first of the assignments that gives the user's losses."""
        for activations in assignments:
            if self.effort > MOST_EFFORT:
                return None
            ends = self._ends(index, candidate, activations)
            found = _fit(candidate, self.losses, self._squares(candidate), activations, ends)
            if found is not None:
                return found
        return None

    def _ends(
        self, index: int, candidate: Candidate, activations: tuple[AnyActivation, ...]
    ) -> Ends:
        """The output layer at every point, from the longest part of the network run before."""
        cache, names = self.caches[index], tuple(one.name for one in activations)
        self.effort += OVERHEAD
        for depth, (place, activation) in enumerate(
            zip(candidate.placed, activations, strict=True), start=1
        ):
            if names[:depth] not in cache:
                with np.errstate(all="ignore"):
                    cache[names[:depth]] = [
                        forward_layer(below, place.parameters(point, activation), ROWS)
                        for (_, below), point in zip(
                            cache[names[: depth - 1]], self.losses.points, strict=True
                        )
                    ]
                multiplications = len(candidate.inputs) * place.n_in * place.n_out
                self.effort += len(self.losses.points) * multiplications
        return cache[names]

    def _squares(self, candidate: Candidate) -> Array:
        if candidate.placed not in self.squares:
            self.squares[candidate.placed] = np.array(
                [_squares(candidate, point) for point in self.losses.points]
            )
        return self.squares[candidate.placed]


def _candidates(problem: Problem, layers: tuple[Layer, ...]) -> Iterator[Candidate]:
    """Structures with data that fit them."""
    inputs, targets = candidate_data(problem)
    for data in inputs:
        for features in _feature_counts(data):
            for placed in structures(problem.parameters, layers, features):
                for rows in as_rows(data, features):
                    for labels in targets:
                        for wanted in as_targets(labels, len(rows), placed[-1].n_out):
                            yield Candidate(placed, rows, wanted)


def _feature_counts(data: NDArray[np.generic]) -> list[int]:
    shape = np.shape(data)
    counts = [*shape[::-1], int(np.prod(shape[1:], dtype=int)), 1]
    return list(dict.fromkeys(count for count in counts if count))


def _usual(hidden: int) -> Iterator[tuple[AnyActivation, ...]]:
    """All hidden layers alike, and nothing unusual anywhere."""
    return _alike(hidden, by_rank("hidden", most=USUAL), by_rank("output", most=USUAL))


def _one_kind_unusual(hidden: int) -> Iterator[tuple[AnyActivation, ...]]:
    """All hidden layers alike, with the unusual either at the output or in all of them."""
    yield from _alike(hidden, by_rank("hidden", most=USUAL), by_rank("output", least=USUAL + 1))
    if hidden:
        yield from _alike(hidden, by_rank("hidden", least=USUAL + 1), by_rank("output", most=USUAL))


def _alike(
    hidden: int, inner: Sequence[AnyActivation], outer: Sequence[AnyActivation]
) -> Iterator[tuple[AnyActivation, ...]]:
    """So many hidden layers that are alike, below every output."""
    for one in inner if hidden else inner[:1]:
        for output in outer:
            yield (*(one,) * hidden, output)


def _mixed(hidden: int) -> Iterator[tuple[AnyActivation, ...]]:
    """Hidden layers of different kinds; the more layers there are, the more usual ones only."""
    if hidden < 2:
        return
    few = by_rank("hidden", most=MIXED_RANKS.get(hidden, MIXED_RANK))
    for output in by_rank("output", most=USUAL):
        for mixed in product(few, repeat=hidden):
            yield (*mixed, output)


def _fit(
    candidate: Candidate,
    losses: Losses,
    squares: Array,
    activations: tuple[AnyActivation, ...],
    ends: Ends,
) -> NetworkView | None:
    """The loss with its factor, and the penalty, that reproduce the user's losses."""
    pre_activations = np.stack([z for z, _ in ends])
    outputs = np.stack([a for _, a in ends])
    near = False
    for loss in CANDIDATES:
        if not loss.suits(activations[-1]) or (loss.eps and not near):
            continue
        with np.errstate(all="ignore"):
            terms = loss.output_terms(
                activations[-1], pre_activations, outputs, candidate.targets, unit_axis=-1
            )
            totals = terms.sum(axis=(1, 2))
        columns = np.column_stack([totals, squares])
        if not np.all(np.isfinite(totals)):
            continue
        near = near or solve(columns, losses, NEARLY) is not None
        if solve(columns, losses) is None:
            continue
        for used in ((0,), (0, 1), (0, 1, 2)):
            factors = solve(columns[:, used], losses)
            if factors is None or factors[0] <= 0 or np.any(factors[1:] <= 0):
                continue
            view = NetworkView(
                candidate.placed,
                activations,
                candidate.inputs,
                candidate.targets,
                loss,
                float(factors[0]),
                float(factors[1]) if len(used) > 1 else 0.0,
                float(factors[2]) if len(used) > 2 else 0.0,
            )
            view = replace(view, scale=_round_scale(view))
            return replace(view, words=view.described())
    return None


def _squares(candidate: Candidate, point: Sequence[Array]) -> tuple[float, float]:
    weights = sum(_square(place.weights(point)) for place in candidate.placed)
    biases = sum(_square(place.bias(point)) for place in candidate.placed)
    return weights, biases


def _square(values: Array) -> float:
    laid_out = values if values.flags.c_contiguous else values.T
    return float(np.vdot(laid_out, laid_out))


def _round_scale(view: NetworkView) -> float:
    """The usual factor that the fitted one is, to the rounding of the fit; else the fitted one."""
    usual = [reduction.scale(*view.targets.shape) for reduction in REDUCTIONS.values()]
    return next((value for value in usual if np.isclose(view.scale, value, rtol=1e-9)), view.scale)
