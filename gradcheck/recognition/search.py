"""Which network is this? The activations and the loss that reproduce the user's own loss.

A candidate is a structure (how blocks chain from layer to layer) with data; to that come an
activation for every layer, and a loss; the factor of the loss and those of a penalty are fitted. It
is accepted where it gives the user's loss to rounding at several random points.
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
        inputs: (m, features).
        targets: what may be the targets, (m, K) each.
        hidden: what the activation of each hidden layer may be; None where nothing is known.
    """

    placed: tuple[Placed, ...]
    inputs: Array
    targets: tuple[Array, ...]
    hidden: tuple[tuple[AnyActivation, ...], ...] | None = None

    def activations(self) -> Iterator[tuple[AnyActivation, ...]]:
        """Those of the hidden layers; where nothing is known, usual ones that are all alike."""
        if self.hidden is not None:
            return islice(product(*self.hidden), MOST_COMBINED)
        count = len(self.placed) - 1
        usual = by_rank("hidden", most=USUAL)
        return ((one,) * count for one in (usual if count else usual[:1]))

    def before_output(
        self, hidden: tuple[AnyActivation, ...], points: Sequence[Sequence[Array]]
    ) -> Array:
        """The output layer's z at several points, (points, m, K)."""
        last = by_rank("output")[0]  # whatever it is
        pairs = list(zip(self.placed, (*hidden, last), strict=True))
        layers = ([place.parameters(point, one) for place, one in pairs] for point in points)
        return np.array([forward(self.inputs, one, ROWS)[0][-1] for one in layers])


def recognise(candidates: Iterable[Candidate], losses: Losses) -> NetworkView | None:
    """The first network that gives the user's losses."""
    with np.errstate(all="ignore"):
        return next((view for one in candidates for view in _fitting(one, losses)), None)


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
                found = _fit(bare, (z, a), squares, misfit, losses)
                if found is not None:
                    yield found


def _fit(
    bare: NetworkView, ends: tuple[Array, Array], squares: Array, misfit: Misfit, losses: Losses
) -> NetworkView | None:
    """The network with the loss, its factor and the penalty that reproduce the user's losses."""
    last, near = bare.activations[-1], False
    for group in LOSS_GROUPS:
        rows = [one for one in group if one.suits(last) and (near or not one.eps)]
        if not rows:
            continue
        sums = [one.output_terms(last, *ends, bare.targets, -1).sum(axis=(1, 2)) for one in rows]
        may_fit, near = misfit.may_fit(np.array(sums))
        for index in may_fit:
            columns = np.column_stack([sums[index], squares])
            found = _with_factors(replace(bare, loss_function=rows[index]), columns, losses)
            if found is not None:
                return found
    return None


def _with_factors(bare: NetworkView, columns: Array, losses: Losses) -> NetworkView | None:
    """The network with the factors of its loss and penalty, where the columns give the losses."""
    if solve(columns, losses) is None:
        return None
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
    """The usual factor that the fitted one is, to the rounding of the fit; else the fitted one."""
    usual = [reduction.scale(*view.targets.shape) for reduction in REDUCTIONS.values()]
    return next((value for value in usual if np.isclose(scale, value, rtol=1e-9)), scale)
