"""Activations one by one: with a layer's weights set to zero, the loss shows its activation alone.

Then the layer's output is f(b) for every sample, whatever lies below. Asked from the output down,
each activation is a choice among a few, however many layers there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from gradcheck.errors import UsageError
from gradcheck.network.activations import by_rank
from gradcheck.network.losses import CANDIDATES
from gradcheck.network.passes import LayerParameters, forward
from gradcheck.network.rows import AnyActivation, Loss
from gradcheck.recognition.nearby import Nearby
from gradcheck.recognition.network_view import ROWS, NetworkView, Placed
from gradcheck.user.blocks import Array, spread_of
from gradcheck.user.calls import UserCodeError
from gradcheck.user.problem import Problem

POINTS = 7
NUDGE = 0.3
TOLERANCE = 1e-9
MOST_OPTIONS = 3

NEARLY = 1e-2
"""How far the losses may be from a cross-entropy whose log has a small number added."""

LOSS_GROUPS = tuple(tuple(rows) for _, rows in groupby(CANDIDATES, lambda row: row.eps > 0))
"""The usual losses; those with a small number, tried where a usual one is near; the unusual."""


@dataclass(frozen=True)
class Losses:
    """The user's loss at a few points, and how far, relatively, a network's may be from it."""

    points: Sequence[Sequence[Array]]
    values: Array
    tolerance: float
    off: float = 0.0

    def told(self, view: NetworkView) -> Losses:
        """Without the points, which may be large: only how far the network's loss is from theirs.

        The largest relative difference, or infinity.
        """
        pairs = zip(self.points, self.values, strict=True)
        apart = [abs(view.loss(one) - loss) / max(abs(loss), 1e-300) for one, loss in pairs]
        off = float(np.max(apart, initial=0.0)) if np.all(np.isfinite(apart)) else np.inf
        return replace(self, points=(), values=self.values[:0], off=off)


def measure(problem: Problem, noise: float, rng: np.random.Generator) -> tuple[Losses | None, int]:
    """The user's loss at random points around their own, and how often it was evaluated.

    Returns:
        The losses, or None where they cannot be had there, and the number of calls.
    """
    parameters = problem.parameters
    spreads = [spread_of(value, NUDGE) for value in parameters.values]
    points: list[Sequence[Array]] = []
    values: list[float] = []
    calls = 0
    while calls < 2 * POINTS and len(points) < POINTS:
        calls += 1
        point = Nearby(parameters, spreads, rng)
        try:
            loss = problem.loss(tuple(point))
        except (UserCodeError, UsageError):
            continue
        if np.isfinite(loss):
            points.append(point)
            values.append(loss)
    if len(points) < POINTS or len(set(values)) == 1:
        return None, calls
    return Losses(tuple(points), np.array(values), max(TOLERANCE, 50 * noise)), calls


def solve(columns: Array, losses: Losses, tolerance: float | None = None) -> Array | None:
    """The factors with which the columns add up to the losses, if they do to a tolerance."""
    scale = np.max(np.abs(columns), axis=0)
    scale[scale == 0] = 1.0
    factors = np.linalg.lstsq(columns / scale, losses.values, rcond=None)[0] / scale
    left = np.abs(columns @ factors - losses.values)
    allowed = losses.tolerance if tolerance is None else tolerance
    fits = bool(np.all(left <= allowed * np.abs(losses.values)))
    return np.asarray(factors, dtype=np.float64) if fits else None


class Misfit:
    """How far numbers stay from the losses, whatever they and other columns are multiplied by.

    It takes many rows of numbers at once, and is never more than what `solve` would leave.
    """

    def __init__(self, others: Array, losses: Losses) -> None:
        scale = np.max(np.abs(others), axis=0)
        scale[scale == 0] = 1.0
        self._basis = np.linalg.qr(others / scale)[0]
        self._left = self._without(losses.values)
        self._size = float(np.linalg.norm(losses.values))
        self._close = 2 * losses.tolerance

    def __call__(self, totals: Array) -> Array:
        """The least relative error for every row, over all points; inf where one is not finite."""
        finite = np.all(np.isfinite(totals), axis=1)
        rows = np.where(finite[:, None], totals, 0.0)
        own = self._without(rows)
        squares = (own * own).sum(axis=1)
        alone = squares > 1e-12 * (rows * rows).sum(axis=1)
        factors = own @ self._left / np.where(alone, squares, 1.0)
        left = np.linalg.norm(self._left - factors[:, None] * own, axis=1) / self._size
        return np.where(finite, np.where(alone, left, 0.0), np.inf)

    def may_fit(self, totals: Array) -> tuple[list[int], bool]:
        """The rows that may give the losses, and whether any is near to them."""
        misfits = self(totals)
        return np.flatnonzero(misfits <= self._close).tolist(), bool(np.any(misfits <= NEARLY))

    def _without(self, rows: Array) -> Array:
        return np.asarray(rows - (rows @ self._basis) @ self._basis.T)


@dataclass(frozen=True)
class _Probe:
    """The losses with one layer's weights at zero, for several biases of it, a row each."""

    biases: Array
    others: Array
    losses: Losses
    misfit: Misfit


class Prober:
    """Asks for the activations of a user's network, layer by layer, and counts the calls."""

    def __init__(self, problem: Problem, tolerance: float, rng: np.random.Generator) -> None:
        self.calls = 0
        self._problem = problem
        self._tolerance = tolerance
        self._rng = rng
        self._probes: dict[tuple[object, ...], _Probe | None] = {}
        self._found: dict[tuple[object, ...], list[tuple[AnyActivation, ...]]] = {}

    def can_probe(self, placed: Sequence[Placed]) -> bool:
        """Whether every layer has a bias."""
        return all(place.layer.bias is not None or place.folded is not None for place in placed)

    def activations(
        self, placed: tuple[Placed, ...], targets: Array
    ) -> Iterator[tuple[AnyActivation, ...]]:
        """The activations of all layers that fit the probes; none where a layer has no bias."""
        if not self.can_probe(placed):
            return
        key = (placed, id(targets))
        if key in self._found:
            yield from self._found[key]
            return
        found = []
        for activation, loss in self._outputs(placed, targets):
            for known in self._below(placed, targets, loss, (activation,)):
                found.append(known)
                yield known
        self._found[key] = found

    def _below(
        self,
        placed: Sequence[Placed],
        targets: Array,
        loss: Loss,
        known: tuple[AnyActivation, ...],
    ) -> Iterator[tuple[AnyActivation, ...]]:
        number = len(placed) - len(known)
        if not number:
            yield known
            return
        probe = self._probe(placed[number - 1])
        if probe is None:
            return
        values = self._problem.parameters.values
        pairs = zip(placed[number:], known, strict=True)
        above = [place.parameters(values, activation) for place, activation in pairs]
        hidden = by_rank("hidden")
        totals = [_totals(activation, probe.biases, above, loss, targets) for activation in hidden]
        for index in _fitting(np.array(totals), probe)[0][:MOST_OPTIONS]:
            yield from self._below(placed, targets, loss, (hidden[index], *known))

    def _outputs(
        self, placed: Sequence[Placed], targets: Array
    ) -> Iterator[tuple[AnyActivation, Loss]]:
        probe = self._probe(placed[-1])
        if probe is None or probe.biases.shape[1:] != targets.shape[1:]:
            return
        found = 0
        for activation in by_rank("output"):
            near = False
            for group in LOSS_GROUPS:
                losses = [one for one in group if one.suits(activation) and (near or not one.eps)]
                if losses and found < MOST_OPTIONS:
                    totals = _sums(losses, activation, probe.biases, targets)
                    fitting, near = _fitting(totals, probe)
                    for index in fitting[: MOST_OPTIONS - found]:
                        found += 1
                        yield activation, losses[index]

    def _probe(self, place: Placed) -> _Probe | None:
        key = (place.layer.weight, place.layer.bias, place.folded, place.turned)
        if key not in self._probes:
            self._probes[key] = self._measured(place)
        return self._probes[key]

    def _measured(self, place: Placed) -> _Probe | None:
        parameters = self._problem.parameters
        biases, points, losses = [], [], []
        for _ in range(POINTS):
            bias = self._rng.standard_normal(place.n_out)
            nothing = np.zeros((place.n_in, place.n_out))
            placed = place.into_blocks(nothing, bias, parameters.values)
            point = parameters.rounded(
                [
                    np.asarray(placed.get(block, value), dtype=np.float64)
                    for block, value in enumerate(parameters.values)
                ]
            )
            self.calls += 1
            try:
                losses.append(self._problem.loss(point))
            except (UserCodeError, UsageError):
                return None
            biases.append(np.asarray(bias))
            points.append(point)
        if not np.all(np.isfinite(losses)) or np.ptp(losses) == 0:
            return None
        rows = np.array(biases)
        others = np.column_stack([np.ones(len(rows)), (rows * rows).sum(axis=1)])
        measured = Losses(tuple(points), np.array(losses), self._tolerance)
        return _Probe(rows, others, measured, Misfit(others, measured))


def _fitting(totals: Array, probe: _Probe) -> tuple[list[int], bool]:
    """The rows that give the losses of a probe, and whether any is near to them."""
    may_fit, near = probe.misfit.may_fit(totals)
    fitting = [
        index
        for index in may_fit
        if np.ptp(totals[index]) > 0
        and solve(np.column_stack([totals[index], probe.others]), probe.losses) is not None
    ]
    return fitting, near


def _totals(
    activation: AnyActivation,
    biases: Array,
    above: Sequence[LayerParameters],
    loss: Loss,
    targets: Array,
) -> Array:
    """The sums of the loss where the output of a layer is f(b) for every sample, for every b."""
    layers = (activation, *(layer.activation for layer in above))
    if any(one.mixes == "samples" for one in layers):
        tiled = [np.tile(bias, (len(targets), 1)) for bias in biases]
    else:
        tiled = [biases]
    with np.errstate(all="ignore"):
        last = [
            forward(activation.activate(rows, ROWS.unit_axis), above, ROWS)[0][-1] for rows in tiled
        ]
    z = last[0] if len(last) == 1 else np.array([rows[0] for rows in last])
    return np.asarray(_sums([loss], above[-1].activation, z, targets)[0])


def _sums(losses: Sequence[Loss], activation: AnyActivation, z: Array, targets: Array) -> Array:
    """The sums of losses where every sample has the same pre-activations, a column each."""
    with np.errstate(all="ignore"):
        whole = np.broadcast_to(z[:, None], (len(z), *targets.shape))
        a = activation.activate(whole, -1)
        return np.array(
            [
                loss.output_terms(activation, whole, a, targets, -1).sum(axis=(1, 2))
                for loss in losses
            ]
        )
