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
from gradcheck.network.losses import REDUCTIONS
from gradcheck.network.rows import AnyActivation, Loss
from gradcheck.recognition.data import as_rows, as_targets, candidate_data
from gradcheck.recognition.layers import Layer
from gradcheck.recognition.nearby import LARGE
from gradcheck.recognition.network_view import NetworkView, Placed
from gradcheck.recognition.probes import LOSS_GROUPS, Losses, Misfit, Prober, solve
from gradcheck.recognition.structures import structures
from gradcheck.user.blocks import Array
from gradcheck.user.problem import Problem

MOST_CANDIDATES = 40
OVERHEAD = 2e6
MOST_EFFORT = 2e9
"""Multiplications that the search may take; to try one network costs OVERHEAD more of them."""

MIXED_RANKS = {2: 9, 3: 5}
MIXED_RANK = 4
"""Up to this rank hidden layers are mixed, by how many there are: the combinations multiply."""

Ends = tuple[Array, Array]
"""Z and A of the last layer of a network or a part of one, stacked over the points."""


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
    search = _Search(losses)
    for candidate in candidates[:1]:
        found = search.first(candidate, _usual(len(candidate.placed) - 1))
        if found is not None or prober is None:
            return found
    if prober is None:
        return None
    for candidate in candidates:
        found = search.first(candidate, prober.activations(candidate.placed, candidate.targets))
        if found is not None:
            return found
    for assignments in (_usual, _one_kind_unusual, _mixed):
        for index, candidate in enumerate(candidates):
            if index < 2 or not prober.can_probe(candidate.placed):
                found = search.first(candidate, assignments(len(candidate.placed) - 1))
                if found is not None:
                    return found
    return None


@dataclass
class _Search:
    """What was tried so far, and what that took in multiplications.

    `ends` hold what the parts that were run gave, by their layers, inputs and activations, `before`
    their z, by the same but for the last activation; `layers`
    W and b of every layer, stacked over the points; `squares` the sums of squared weights and
    biases, with what they and another column leave of the losses.
    """

    losses: Losses
    effort: float = 0.0
    ends: dict[tuple[object, ...], Ends] = field(default_factory=dict)
    before: dict[tuple[object, ...], Array] = field(default_factory=dict)
    layers: dict[Placed, tuple[Array, Array]] = field(default_factory=dict)
    squares: dict[tuple[Placed, ...], tuple[Array, Misfit]] = field(default_factory=dict)

    def first(
        self, candidate: Candidate, assignments: Iterator[tuple[AnyActivation, ...]]
    ) -> NetworkView | None:
        """The first of the assignments that gives the user's losses."""
        for activations in assignments:
            if self.effort > MOST_EFFORT:
                return None
            self.effort += OVERHEAD
            with np.errstate(all="ignore"):
                ends = self._ends(candidate, activations)
                found = self._fit(candidate, activations, ends)
            if found is not None:
                return found
        return None

    def _ends(self, candidate: Candidate, activations: tuple[AnyActivation, ...]) -> Ends:
        """The output layer at every point, from the longest part of the network run before."""
        if not activations:
            return candidate.inputs, candidate.inputs
        placed = candidate.placed[: len(activations)]
        key = (placed, id(candidate.inputs), tuple(one.name for one in activations))
        if key not in self.ends:
            z = self._z(candidate, placed, activations[:-1])
            self.ends[key] = z, activations[-1].activate(z, -1)
        return self.ends[key]

    def _z(
        self, candidate: Candidate, placed: tuple[Placed, ...], below: tuple[AnyActivation, ...]
    ) -> Array:
        """The last of these layers' z at every point, whatever activation follows."""
        key = (placed, id(candidate.inputs), tuple(one.name for one in below))
        if key not in self.before:
            self.before[key] = self._after(placed[-1], self._ends(candidate, below)[1])
            size = placed[-1].n_in * placed[-1].n_out
            self.effort += len(candidate.inputs) * size * len(self.losses.points)
        return self.before[key]

    def _after(self, place: Placed, below: Array) -> Array:
        """A layer's z at every point."""
        points = self.losses.points
        if place.n_in * place.n_out < LARGE:
            weights, biases = self._layer(place)
            return np.asarray(below @ weights + biases)
        each = below if below.ndim == 3 else [below] * len(points)
        return np.array(
            [a @ place.weights(p) + place.bias(p) for a, p in zip(each, points, strict=True)]
        )

    def _layer(self, place: Placed) -> tuple[Array, Array]:
        if place not in self.layers:
            points = self.losses.points
            self.layers[place] = (
                np.array([place.weights(point) for point in points]),
                np.array([place.bias(point) for point in points])[:, None],
            )
        return self.layers[place]

    def _squares(self, placed: tuple[Placed, ...]) -> tuple[Array, Misfit]:
        if placed not in self.squares:
            squares = np.array([_squares(placed, point) for point in self.losses.points])
            self.squares[placed] = squares, Misfit(squares, self.losses)
        return self.squares[placed]

    def _fit(
        self, candidate: Candidate, activations: tuple[AnyActivation, ...], ends: Ends
    ) -> NetworkView | None:
        """The loss with its factor, and the penalty, that reproduce the user's losses."""
        squares, misfit = self._squares(candidate.placed)
        last, near = activations[-1], False
        for group in LOSS_GROUPS:
            losses = [one for one in group if one.suits(last) and (near or not one.eps)]
            if not losses:
                continue
            sums = [
                one.output_terms(last, *ends, candidate.targets, -1).sum(axis=(1, 2))
                for one in losses
            ]
            totals = np.array(sums)
            may_fit, near = misfit.may_fit(totals)
            for index in may_fit:
                columns = np.column_stack([totals[index], squares])
                found = _view(candidate, activations, losses[index], columns, self.losses)
                if found is not None:
                    return found
        return None


def _candidates(problem: Problem, layers: tuple[Layer, ...]) -> Iterator[Candidate]:
    """Structures with data that fit them; what is made of the same data is the same array."""
    inputs, targets = candidate_data(problem)
    made: dict[tuple[int, int, int], list[Array]] = {}
    for data in inputs:
        for features in _feature_counts(data):
            all_rows = list(as_rows(data, features))
            for placed in structures(problem.parameters, layers, features):
                for rows in all_rows:
                    for index, labels in enumerate(targets):
                        key = (index, len(rows), placed[-1].n_out)
                        if key not in made:
                            made[key] = list(as_targets(labels, *key[1:]))
                        for wanted in made[key]:
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


def _view(
    candidate: Candidate,
    activations: tuple[AnyActivation, ...],
    loss: Loss,
    columns: Array,
    losses: Losses,
) -> NetworkView | None:
    """The network with the factors of its loss and penalty, where the columns give the losses."""
    if solve(columns, losses) is None:
        return None
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
        return replace(view, scale=_round_scale(view))
    return None


def _squares(placed: tuple[Placed, ...], point: Sequence[Array]) -> tuple[float, float]:
    weights = sum(_square(place.weights(point)) for place in placed)
    biases = sum(_square(place.bias(point)) for place in placed)
    return weights, biases


def _square(values: Array) -> float:
    laid_out = values if values.flags.c_contiguous else values.T
    return float(np.vdot(laid_out, laid_out))


def _round_scale(view: NetworkView) -> float:
    """The usual factor that the fitted one is, to the rounding of the fit; else the fitted one."""
    usual = [reduction.scale(*view.targets.shape) for reduction in REDUCTIONS.values()]
    return next((value for value in usual if np.isclose(view.scale, value, rtol=1e-9)), view.scale)
