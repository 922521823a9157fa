"""Searches for the activations and the loss that reproduce the user's own loss.

A candidate is a structure (how blocks chain from layer to layer) with data. The search adds an
activation for every layer and a loss, and fits the factors of the loss and of a penalty. A network
is accepted if it gives the user's loss, up to rounding, at several random points.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product

import numpy as np

from gradcheck.network.activations import USUAL, by_rank
from gradcheck.network.losses import CANDIDATES, REDUCTIONS
from gradcheck.network.passes import forward
from gradcheck.network.rows import AnyActivation
from gradcheck.recognition.losses import LOSS_GROUPS, Losses, Misfit, solve
from gradcheck.recognition.network_view import ROWS, NetworkView
from gradcheck.recognition.placed import Placed
from gradcheck.user.blocks import Array

MOST_COMBINED = 16


@dataclass(frozen=True)
class Candidate:
    """A structure with data, for which activations and a loss are sought.

    Attributes:
        placed: the layers, from the input on.
        inputs: the inputs, (m, features).
        targets: the possible targets, (m, K) each.
        hidden: the possible activations of each hidden layer; None if nothing is known.
    """

    placed: tuple[Placed, ...]
    inputs: Array
    targets: tuple[Array, ...]
    hidden: tuple[tuple[AnyActivation, ...], ...] | None = None

    def activations(self) -> Iterator[tuple[AnyActivation, ...]]:
        """Yields activations of the hidden layers; if none are known, one usual one for all."""
        if self.hidden is not None:
            return islice(product(*self.hidden), MOST_COMBINED)
        count = len(self.placed) - 1
        usual = by_rank("hidden", most=USUAL)
        return ((activation,) * count for activation in (usual if count else usual[:1]))

    def before_output(
        self, hidden: tuple[AnyActivation, ...], points: Sequence[Sequence[Array]]
    ) -> Array:
        """The output layer's z at several points, (points, m, K)."""
        last = by_rank("output")[0]  # any activation, since z does not depend on it
        pairs = list(zip(self.placed, (*hidden, last), strict=True))

        def at(point: Sequence[Array]) -> Array:  # so that one point at a time is held
            layers = [place.parameters(point, activation) for place, activation in pairs]
            return forward(self.inputs, layers, ROWS)[0][-1]

        return np.array([at(point) for point in points])


def recognise(candidates: Iterable[Candidate], losses: Losses) -> NetworkView | None:
    """The first network that gives the user's losses, or None."""
    with np.errstate(all="ignore"):
        return next((view for each in candidates for view in _fitting(each, losses)), None)


def _fitting(candidate: Candidate, losses: Losses) -> Iterator[NetworkView]:
    placed, inputs = candidate.placed, candidate.inputs
    squares = np.array([_squares(placed, point) for point in losses.points])
    misfit = Misfit(squares, losses)
    outputs = by_rank("output", most=USUAL) if candidate.hidden is None else by_rank("output")
    for hidden in candidate.activations():
        z = candidate.before_output(hidden, losses.points)
        for output in outputs:
            a = output.activate(z, -1)
            for targets in candidate.targets:
                bare = NetworkView(placed, (*hidden, output), inputs, targets, CANDIDATES[0], 1.0)
                view = _fit(bare, (z, a), squares, misfit, losses)
                if view is not None:
                    yield view


def _fit(
    bare: NetworkView, ends: tuple[Array, Array], squares: Array, misfit: Misfit, losses: Losses
) -> NetworkView | None:
    """The network with the loss, its factor and the penalty that reproduce the user's losses.

    A usual factor is preferred: an unusual one may stand for the small number in a log.
    """
    views: list[NetworkView] = []
    for view in _fits(bare, ends, squares, misfit, losses):
        if view.scale in _usual(view):
            return view
        views.append(view)
    return views[0] if views else None


def _fits(
    bare: NetworkView, ends: tuple[Array, Array], squares: Array, misfit: Misfit, losses: Losses
) -> Iterator[NetworkView]:
    last, near = bare.activations[-1], False
    for group in LOSS_GROUPS:
        rows = [row for row in group if row.suits(last) and (near or not row.eps)]
        if not rows:
            continue
        sums = [row.output_terms(last, *ends, bare.targets, -1).sum(axis=(1, 2)) for row in rows]
        may_fit, near = misfit.may_fit(np.array(sums))
        for index in may_fit:
            columns = np.column_stack([sums[index], squares])
            view = _with_factors(replace(bare, loss_function=rows[index]), columns, losses)
            if view is not None:
                yield view


def _with_factors(bare: NetworkView, columns: Array, losses: Losses) -> NetworkView | None:
    """Fits the factors of loss and penalty, as few as needed; None if the columns do not fit."""
    if solve(columns, losses) is None or solve(columns[:, 1:], losses) is not None:
        return None  # or the penalty alone is the loss
    for used in (1, 2, 3):
        factors = solve(columns[:, :used], losses)
        if factors is not None and np.all(factors > 0):
            scale, l2, l2_bias = (*factors.tolist(), 0.0, 0.0)[:3]
            return replace(bare, scale=_rounded(scale, bare), l2=l2, l2_bias=l2_bias)
    return None


def _squares(placed: tuple[Placed, ...], point: Sequence[Array]) -> tuple[float, float]:
    weights = sum(_square(place.weights(point)) for place in placed)
    biases = sum(_square(place.bias(point)) for place in placed)
    return weights, biases


def _square(values: Array) -> float:
    laid_out = values if values.flags.c_contiguous else values.T
    return float(np.vdot(laid_out, laid_out))


def _rounded(scale: float, view: NetworkView) -> float:
    """The usual factor that equals the fitted one up to rounding, else the fitted one."""
    near = (value for value in _usual(view) if np.isclose(scale, value, rtol=1e-9, atol=0.0))
    return next(near, scale)


def _usual(view: NetworkView) -> list[float]:
    return [reduction.scale(*view.targets.shape) for reduction in REDUCTIONS.values()]
