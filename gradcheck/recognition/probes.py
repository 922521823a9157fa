"""Activations one by one: with a layer's weights set to zero, the loss shows its activation alone.

Then the layer's output is f(b) for every sample, whatever lies below. Asked from the output down,
each activation is a choice among a few, however many layers there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gradcheck.errors import UsageError
from gradcheck.network.activations import by_rank
from gradcheck.network.losses import CANDIDATES
from gradcheck.network.passes import LayerParameters, forward
from gradcheck.network.rows import AnyActivation, Loss
from gradcheck.recognition.network_view import ROWS, Placed
from gradcheck.user.blocks import Array
from gradcheck.user.calls import UserCodeError
from gradcheck.user.problem import Problem

POINTS = 7
NUDGE = 0.3
TOLERANCE = 1e-9
MOST_OPTIONS = 3


@dataclass(frozen=True)
class Losses:
    """The user's loss at a few points, and how far, relatively, a network's may be from it."""

    points: tuple[tuple[Array, ...], ...]
    values: Array
    tolerance: float


def measure(problem: Problem, noise: float, rng: np.random.Generator) -> tuple[Losses | None, int]:
    """The user's loss at random points around their own, and how often it was evaluated.

    Returns:
        The losses, or None where they cannot be had there, and the number of calls.
    """
    parameters = problem.parameters
    points: list[tuple[Array, ...]] = []
    values: list[float] = []
    calls = 0
    while calls < 2 * POINTS and len(points) < POINTS:
        calls += 1
        point = parameters.nudged(parameters.values, NUDGE, rng)
        try:
            loss = problem.loss(point)
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


@dataclass(frozen=True)
class _Probe:
    """The losses with one layer's weights at zero, for several biases of it."""

    biases: tuple[Array, ...]
    losses: Losses


class Prober:
    """Asks for the activations of a user's network, layer by layer, and counts the calls."""

    def __init__(self, problem: Problem, tolerance: float, rng: np.random.Generator) -> None:
        self.calls = 0
        self._problem = problem
        self._tolerance = tolerance
        self._rng = rng
        self._probes: dict[tuple[object, ...], _Probe | None] = {}

    def can_probe(self, placed: Sequence[Placed]) -> bool:
        """Whether every layer has a bias."""
        return all(place.layer.bias is not None or place.folded is not None for place in placed)

    def activations(
        self, placed: Sequence[Placed], targets: Array
    ) -> Iterator[tuple[AnyActivation, ...]]:
        """The activations of all layers that fit the probes; none where a layer has no bias."""
        if not self.can_probe(placed):
            return
        for activation, loss in self._outputs(placed, targets):
            yield from self._below(placed, targets, loss, (activation,))

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
        options = []
        for activation in by_rank("hidden"):
            totals = [_total(activation, bias, above, loss, targets) for bias in probe.biases]
            if self._gives(totals, probe):
                options.append(activation)
        for activation in options[:MOST_OPTIONS]:
            yield from self._below(placed, targets, loss, (activation, *known))

    def _outputs(
        self, placed: Sequence[Placed], targets: Array
    ) -> Iterator[tuple[AnyActivation, Loss]]:
        probe = self._probe(placed[-1])
        if probe is None or probe.biases[0].shape != targets.shape[1:]:
            return
        found = 0
        for activation in by_rank("output"):
            for loss in CANDIDATES:
                if loss.suits(activation) and found < MOST_OPTIONS:
                    totals = [_sum(loss, activation, bias, targets) for bias in probe.biases]
                    if self._gives(totals, probe):
                        found += 1
                        yield activation, loss

    def _gives(self, totals: Sequence[float], probe: _Probe) -> bool:
        if not np.all(np.isfinite(totals)) or np.ptp(totals) == 0:
            return False
        squares = [float(bias @ bias) for bias in probe.biases]
        columns = np.column_stack([totals, np.ones(len(totals)), squares])
        return solve(columns, probe.losses) is not None

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
        return _Probe(tuple(biases), Losses(tuple(points), np.array(losses), self._tolerance))


def _total(
    activation: AnyActivation,
    bias: Array,
    above: Sequence[LayerParameters],
    loss: Loss,
    targets: Array,
) -> float:
    """The sum of the loss where the output of a layer is f(b) for every sample."""
    mixed = any(
        one.mixes == "samples" for one in (activation, *(layer.activation for layer in above))
    )
    rows = np.tile(bias, (len(targets), 1)) if mixed else bias[None]
    with np.errstate(all="ignore"):
        value = activation.activate(rows, ROWS.unit_axis)
        pre_activations, _ = forward(value, above, ROWS)
    return _sum(loss, above[-1].activation, pre_activations[-1], targets)


def _sum(loss: Loss, activation: AnyActivation, z: Array, targets: Array) -> float:
    """The sum of the loss where every sample has the same pre-activations."""
    with np.errstate(all="ignore"):
        whole = np.broadcast_to(z, targets.shape)
        a = activation.activate(whole, ROWS.unit_axis)
        return float(loss.output_terms(activation, whole, a, targets, ROWS.unit_axis).sum())
