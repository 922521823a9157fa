"""A walk along the user's backward pass, from the output to the input.

At each layer the walk looks for the derivation of delta that reproduces the user's gradients: the
right one first, then those of the rules. What it finds it carries on to the layer below, so that a
wrong delta is blamed once, where it arises, and several bugs are each found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from gradcheck.blocks import Array
from gradcheck.compare.comparison import Comparison
from gradcheck.diagnose.evidence import Evidence, reproduces
from gradcheck.diagnose.layers import Layer
from gradcheck.diagnose.network_view import NetworkView
from gradcheck.diagnose.rule import BiasSource, Rule, Slope
from gradcheck.network import Trace
from gradcheck.network.activations import Activation

Kind = TypeVar("Kind", Slope, BiasSource)


@dataclass(frozen=True)
class LayerState:
    """One layer in the walk, at one point; all arrays in the network's layout.

    Attributes:
        view: the network.
        trace: its true forward and backward values.
        number: of the layer, from 1.
        arriving: what arrives at the layer's output, dL/dA, as the user's code has it.
        delta: the user's delta of this layer, once it is known.
    """

    view: NetworkView
    trace: Trace
    number: int
    arriving: Array
    delta: Array | None = None

    @property
    def is_output(self) -> bool:
        """Whether this is the layer next to the loss."""
        return self.number == len(self.view.layers)

    @property
    def pre_activation(self) -> Array:
        """Z of the layer."""
        return self.trace.pre_activations[self.number - 1]

    @property
    def output(self) -> Array:
        """A of the layer."""
        return self.trace.activations[self.number]

    def right_delta(self) -> Array:
        """Delta of the layer as it follows rightly from what arrives."""
        if self.is_output:
            return self.trace.deltas[-1]
        return self.view.pull_back(self.number, self.trace, self.arriving)

    def block_gradient(self, point: Comparison, block: int, delta: Array) -> Array:
        """The gradient that a delta gives for a block of this layer, in the block's shape."""
        return self.view.block_gradient(point.values, self.trace, self.number, block, delta)

    @property
    def error(self) -> Array | None:
        """A - y, at the output layer."""
        return self.output - self.view.wanted(self.trace) if self.is_output else None

    def slope_at(self, quantity: Array) -> Array | None:
        """The slope of the layer's activation at some quantity; None where it has none."""
        activation = self.view.network.activation(self.number)
        return activation.slope(quantity) if isinstance(activation, Activation) else None

    def slope_from_output(self, quantity: Array) -> Array | None:
        """The form of the slope that is written for outputs, given some quantity."""
        activation = self.view.network.activation(self.number)
        if isinstance(activation, Activation) and activation.slope_from_output is not None:
            return activation.slope_from_output(quantity)
        return None


@dataclass(frozen=True)
class Step:
    """What the walk found at one layer.

    Attributes:
        layer: the layer.
        slopes: the rules whose delta reproduces the gradients, equally well; () where the user's
            delta follows rightly from what arrives.
        bias: the rules whose sum reproduces the gradient of the bias alone, equally well.
        explained: the blocks that the user's delta reproduces.
    """

    layer: Layer
    slopes: tuple[tuple[Rule, Slope], ...]
    bias: tuple[tuple[Rule, BiasSource], ...]
    explained: tuple[int, ...]


@dataclass(frozen=True)
class _Derivation:
    """A way in which the user may have made delta, with what it gives at every point."""

    rule: tuple[Rule, Slope] | None
    deltas: tuple[Array, ...]
    matched: tuple[int, ...]


def walk(evidence: Evidence, rules: Sequence[Rule]) -> Iterator[Step]:
    """What went wrong at each layer that the walk can explain, from the output on."""
    view = evidence.network
    if view is None:
        return
    traces = [view.trace(point.values) for point in evidence.points]
    arriving = tuple(view.output_gradient(trace) for trace in traces)
    for layer in reversed(view.layers):
        states = [
            LayerState(view, trace, layer.number, upstream)
            for trace, upstream in zip(traces, arriving, strict=True)
        ]
        fitting = _fitting(evidence, states, layer, rules)
        deltas = fitting[0].deltas if fitting else tuple(state.right_delta() for state in states)
        if fitting:
            slopes = tuple(found.rule for found in fitting if found.rule is not None)
            known = [
                replace(state, delta=delta) for state, delta in zip(states, deltas, strict=True)
            ]
            yield Step(
                layer, slopes, _bias_rules(evidence, known, layer, rules), fitting[0].matched
            )
        arriving = tuple(
            view.step_back(point.values, layer.number, delta)
            for point, delta in zip(evidence.points, deltas, strict=True)
        )


def _fitting(
    evidence: Evidence, states: Sequence[LayerState], layer: Layer, rules: Sequence[Rule]
) -> list[_Derivation]:
    """The derivations that reproduce most of a layer's gradients; if it can be, the right one."""
    tried = [_try(evidence, layer, states, None, tuple(state.right_delta() for state in states))]
    for rule, detector in _detectors(rules, Slope):
        forms = [detector.form(state) for state in states]
        deltas = [
            state.arriving * form
            for state, form in zip(states, forms, strict=True)
            if form is not None
        ]
        if len(deltas) == len(states):
            tried.append(_try(evidence, layer, states, (rule, detector), tuple(deltas)))
    most = max(len(derivation.matched) for derivation in tried)
    if not most:
        return []
    best = [derivation for derivation in tried if len(derivation.matched) == most]
    return best[:1] if best[0].rule is None else best


def _try(
    evidence: Evidence,
    layer: Layer,
    states: Sequence[LayerState],
    rule: tuple[Rule, Slope] | None,
    deltas: tuple[Array, ...],
) -> _Derivation:
    """The blocks of the layer whose gradients a delta reproduces at all points."""
    matched = []
    for block in layer.blocks:
        predicted = [
            state.block_gradient(point, block, delta)
            for state, point, delta in zip(states, evidence.points, deltas, strict=True)
        ]
        if all(map(reproduces, evidence.points, [block] * len(predicted), predicted)):
            matched.append(block)
    return _Derivation(rule, deltas, tuple(matched))


def _bias_rules(
    evidence: Evidence, states: Sequence[LayerState], layer: Layer, rules: Sequence[Rule]
) -> tuple[tuple[Rule, BiasSource], ...]:
    """The rules that reproduce a bias's gradient where delta does not."""
    if layer.bias is None or not evidence.blocks[layer.bias].failed:
        return ()
    block = layer.bias
    fitting = []
    for rule, detector in _detectors(rules, BiasSource):
        forms = [detector.form(state) for state in states]
        predicted = [
            state.block_gradient(point, block, form)
            for state, point, form in zip(states, evidence.points, forms, strict=True)
            if form is not None
        ]
        if len(predicted) == len(states) and all(
            map(reproduces, evidence.points, [block] * len(predicted), predicted)
        ):
            fitting.append((rule, detector))
    return tuple(fitting)


def _detectors(rules: Sequence[Rule], kind: type[Kind]) -> Iterator[tuple[Rule, Kind]]:
    for rule in rules:
        for detector in rule.detectors:
            if isinstance(detector, kind):
                yield rule, detector
