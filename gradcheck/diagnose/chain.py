"""A walk along the user's backward pass, from the output to the input.

At each layer the walk looks for the derivation of delta with the fewest wrong links that gives the
user's gradients: the right one first, then those of the rules, then two of them. What it finds it
carries on to the layer below, so that a wrong delta is blamed once, where it arises, and several
bugs are each found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np

from gradcheck.compare.point import Point
from gradcheck.diagnose.derivation import Derivation, Named, Own, WalkedLayer, aligned
from gradcheck.diagnose.evidence import Evidence
from gradcheck.diagnose.fits import Fit, Target, is_among
from gradcheck.diagnose.layer_state import LayerState
from gradcheck.diagnose.rule import Link, Rule
from gradcheck.recognition.layers import Layer
from gradcheck.recognition.network_view import NetworkView, delta_from_gradient
from gradcheck.user.blocks import Array


def walk(evidence: Evidence, rules: Sequence[Rule]) -> Iterator[WalkedLayer]:
    """What each layer's gradients were made from, as far as that can be told."""
    view = evidence.network
    if view is None:
        return
    walker = _Walker(evidence, view, rules)
    for layer in reversed(view.layers):
        yield walker.step(layer)


class _Walker:
    """What is known of the user's deltas on the way down."""

    def __init__(self, evidence: Evidence, view: NetworkView, rules: Sequence[Rule]) -> None:
        self.evidence = evidence
        self.view = view
        self.rules = rules
        self.values = [point.values for point in evidence.points]
        self.traces = [view.trace(values) for values in self.values]
        self.gradients = [_weight_gradients(view, point) for point in evidence.points]
        self.deltas: list[dict[int, Array]] = [{} for _ in evidence.points]
        self.arrivals: list[dict[int, Array]] = [{} for _ in evidence.points]
        self.inherited: tuple[float, ...] = (1.0,)
        self.targets = {
            block: Target.of(evidence.points, view, layer.number, block)
            for layer in view.layers
            for block in layer.blocks
        }

    def step(self, layer: Layer) -> WalkedLayer:
        """Finds the layer's delta, and keeps it for those below."""
        states = [self._state(layer.number, index) for index in range(len(self.traces))]
        failed = any(self.evidence.blocks[block].failed for block in layer.blocks)
        best = self._best(states, layer) if failed else []
        if best:
            known = _with_delta(states, best[0].deltas)
            step = WalkedLayer(
                layer, tuple(best), tuple(self._own(known, layer, best[0])), self.inherited
            )
            return self._keep(step, list(best[0].deltas), best[0])
        if failed:
            deltas = self._solved(layer) or [state.right_delta() for state in states]
        else:
            deltas = [trace.deltas[layer.number - 1] for trace in self.traces]
        return self._keep(WalkedLayer(layer, (), (), self.inherited), deltas)

    def _keep(
        self, step: WalkedLayer, deltas: list[Array], used: Derivation | None = None
    ) -> WalkedLayer:
        for kept, delta in zip(self.deltas, deltas, strict=True):
            kept[step.layer.number] = delta
        if used is not None:
            factors = [found.factor for found in used.fits.values()]
            self.inherited = tuple(dict.fromkeys((*self.inherited, *factors)))
        return step

    def _state(self, number: int, index: int) -> LayerState:
        trace, point = self.traces[index], self.evidence.points[index]
        if number == len(self.view.placed):
            arriving = self.view.scale * self.view.plain_loss.derivative(
                trace.activations[-1], self.view.targets
            )
        else:
            arriving = (
                self.deltas[index][number + 1] @ self.view.weights(point.values, number + 1).T
            )
        self.arrivals[index][number] = arriving
        step = self.evidence.problem.step
        return LayerState(
            self.view,
            trace,
            number,
            point.values,
            arriving,
            dict(self.deltas[index]),
            self.gradients[index],
            dict(self.arrivals[index]),
            0.0 if step is None else step.learning_rate,
        )

    def _best(self, states: Sequence[LayerState], layer: Layer) -> list[Derivation]:
        """The derivations with the fewest wrong links that give most of a layer's gradients."""
        with np.errstate(all="ignore"):
            right = self._fitted(
                Derivation((), tuple(state.right_delta() for state in states)), layer, True
            )
            penalties = bool(self.view.l2 or self.view.l2_bias)
            single = [self._fitted(found, layer, penalties) for found in self._singles(states)]
            tried = [right, *single]
            most = max(len(found.fits) for found in tried)
            if most < len(layer.blocks) and not (
                most > 0 and self._is_split(states, layer, tried, most)
            ):
                tried += [self._fitted(found, layer, False) for found in self._doubles(states)]
            most = max(len(found.fits) for found in tried)
        if not most:
            return []
        cost = min(self._cost(found) for found in tried if len(found.fits) == most)
        return [found for found in tried if len(found.fits) == most and self._cost(found) == cost]

    def _is_split(
        self, states: Sequence[LayerState], layer: Layer, tried: list[Derivation], most: int
    ) -> bool:
        """Whether the right delta gives one block, and a rule says what the other is made from."""
        right = tried[0]
        if len(right.fits) != most:
            return False
        known = _with_delta(states, right.deltas)
        own = {found.block for found in self._own(known, layer, right)}
        return all(
            block in right.fits or block in own or not self.evidence.blocks[block].failed
            for block in layer.blocks
        )

    def _fitted(self, derivation: Derivation, layer: Layer, penalties: bool) -> Derivation:
        """The derivation with what it gives for the layer's blocks.

        One with two links must give the weights to be looked at further.
        """
        inputs = [trace.activations[layer.number - 1] for trace in self.traces]
        products: list[Array] = []
        placed = self.view.placed[layer.number - 1]
        fits = {}
        for block in layer.blocks:
            target = self.targets[block]
            if target is None:
                continue
            found = None
            if target.may_fit(inputs, derivation.deltas, penalties):
                deltas = derivation.deltas
                if block == placed.layer.weight:
                    products = [a.T @ delta for a, delta in zip(inputs, deltas, strict=True)]
                predictions = [
                    placed.into_block(block, weights, delta.sum(axis=0), values)
                    for weights, delta, values in zip(
                        products or deltas, deltas, self.values, strict=True
                    )
                ]
                found = target.fit(predictions, penalties)
            if found is not None:
                fits[block] = found
            elif len(derivation.links) > 1:
                return derivation
        return replace(derivation, fits=fits)

    def _cost(self, derivation: Derivation) -> float:
        """How much is wrong in a derivation: links, factors that are new, penalties."""
        distinct: list[float] = []
        for found in derivation.fits.values():
            if not is_among(found.factor, (*self.inherited, *distinct)):
                distinct.append(found.factor)
        penalties = sum(not found.penalty_right for found in derivation.fits.values())
        return len(derivation.links) + 0.9 * len(distinct) + penalties

    def _singles(self, states: Sequence[LayerState]) -> Iterator[Derivation]:
        for named, deltas in aligned(states, self.rules, Link.DELTA):
            yield Derivation((named,), deltas)
        for named, arriving in aligned(states, self.rules, Link.UPSTREAM):
            yield Derivation(
                (named,), tuple(s.pull_back(a) for s, a in zip(states, arriving, strict=True))
            )
        for named, slopes in aligned(states, self.rules, Link.SLOPE):
            yield Derivation(
                (named,), tuple(s.arriving * a for s, a in zip(states, slopes, strict=True))
            )

    def _doubles(self, states: Sequence[LayerState]) -> Iterator[Derivation]:
        slopes = list(aligned(states, self.rules, Link.SLOPE))
        for named, arriving in aligned(states, self.rules, Link.UPSTREAM):
            for other, slope in slopes:
                yield Derivation(
                    (named, other), tuple(a * b for a, b in zip(arriving, slope, strict=True))
                )

    def _own(
        self, states: Sequence[LayerState], layer: Layer, derivation: Derivation
    ) -> Iterator[Own]:
        """The blocks that do not follow from delta, with what they are made from."""
        for block in layer.blocks:
            if block in derivation.fits or not self.evidence.blocks[block].failed:
                continue
            tried = []
            for named, predictions in self._block_variants(states, layer, block):
                target = self.targets[block]
                found = None if target is None else target.fit(predictions)
                if found is not None:
                    tried.append((named, found))
            if tried:
                cost = min(self._fit_cost(found) for _, found in tried)
                best = [pair for pair in tried if self._fit_cost(pair[1]) == cost]
                yield Own(block, tuple(named for named, _ in best), best[0][1])

    def _fit_cost(self, found: Fit) -> int:
        return int(not found.penalty_right) + int(not is_among(found.factor, self.inherited))

    def _block_variants(
        self, states: Sequence[LayerState], layer: Layer, block: int
    ) -> Iterator[tuple[Named, list[Array]]]:
        """What the rules say a block may be made from, as its gradient at every point."""
        if block == layer.bias:
            for named, sums in aligned(states, self.rules, Link.BIAS_SUM):
                pairs = zip(sums, states, strict=True)
                yield named, [total.reshape(s.values[block].shape) for total, s in pairs]
            return
        placed = self.view.placed[layer.number - 1]
        from_inputs = (
            (named, tuple(a.T @ s.delta for a, s in zip(inputs, states, strict=True)))
            for named, inputs in aligned(states, self.rules, Link.LAYER_INPUT)
        )
        for named, products in chain(from_inputs, aligned(states, self.rules, Link.PRODUCT)):
            pairs = zip(products, states, strict=True)
            yield (
                named,
                [placed.into_block(block, p, s.delta.sum(axis=0), s.values) for p, s in pairs],
            )

    def _solved(self, layer: Layer) -> list[Array] | None:
        """The user's delta from the gradient of the weights, where that has one solution only."""
        deltas = []
        for trace, gradients in zip(self.traces, self.gradients, strict=True):
            if layer.number not in gradients:
                return None
            layer_input = trace.activations[layer.number - 1]
            delta = delta_from_gradient(layer_input, gradients[layer.number])
            if delta is None:
                return None
            deltas.append(delta)
        return deltas


def _with_delta(states: Sequence[LayerState], deltas: Sequence[Array]) -> list[LayerState]:
    """The states of a layer once its delta is known."""
    return [
        replace(state, deltas={**state.deltas, state.number: delta})
        for state, delta in zip(states, deltas, strict=True)
    ]


def _weight_gradients(view: NetworkView, point: Point) -> dict[int, Array]:
    """The user's gradients of the weights as (n_in, n_out), the penalty taken off, by layer."""
    found: dict[int, Array] = {}
    for placed in view.placed:
        block = placed.layer.weight
        gradient = point.blocks[block].gradient
        if gradient.verdict == "ok" and gradient.value is not None:
            stand_in = list(point.values)
            stand_in[block] = gradient.value
            found[placed.layer.number] = placed.weights(stand_in) - 2 * view.l2 * placed.weights(
                point.values
            )
    return found
