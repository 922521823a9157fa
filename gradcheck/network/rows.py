"""The rows of the tables of activations and losses; each row is checked when it is made.

z is the pre-activation, a = f(z) the output, y the target. The passes of the core, the finite
differences, recognition and diagnosis all read these rows and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, TypeVar

import numpy as np

from gradcheck.network.cross_entropy import Fused, Log, Terms, TermsChange, TermsForms
from gradcheck.network.differences import Change, Difference, softmax_difference, summed
from gradcheck.network.layouts import Array

Elementwise = Callable[[Array], Array]


@dataclass(frozen=True)
class Rank:
    """How usual an activation is in each place: 1 is the most usual, None is never."""

    hidden: int | None
    output: int | None


@dataclass(frozen=True)
class Activation:
    """An elementwise activation.

    Attributes:
        name: the name in the table.
        value: a = f(z).
        slope: f'(z); at a kink, the slope on the left.
        difference: z -> (d -> f(z + d) - f(z)), to full relative accuracy.
        kinks: the z at which the slope jumps, ascending.
        rank: how usual it is.
        public: whether `MLP` accepts it.
        of_probabilities: whether its outputs are probabilities, as cross-entropies need them.

    Raises:
        TypeError, ValueError: a function or the rank is missing; the kinks are not ascending.
    """

    name: str
    value: Elementwise
    slope: Elementwise
    difference: Difference
    kinks: tuple[float, ...]
    rank: Rank
    public: bool = False
    of_probabilities: bool = False

    def __post_init__(self) -> None:
        row = f"the activation {self.name!r}"
        _require_functions(row, self, ("value", "slope", "difference"))
        _require_rank(row, self.rank)
        if list(self.kinks) != sorted({kink for kink in self.kinks if math.isfinite(kink)}):
            raise ValueError(f"{row} has the kinks {self.kinks}; give finite ones, ascending")

    @property
    def mixes(self) -> Literal["nothing"]:
        """Each output depends on its own pre-activation only."""
        return "nothing"

    def activate(self, pre_activation: Array, unit_axis: int) -> Array:
        """The output, in the shape of the pre-activation."""
        return self.value(pre_activation)

    def change(self, pre_activation: Array, output: Array, unit_axis: int) -> Change:
        """The `Change` of the outputs with the pre-activations."""
        return self.difference(pre_activation)

    def pull_back(
        self, pre_activation: Array, output: Array, upstream: Array, unit_axis: int
    ) -> Array:
        """dL/dZ from dL/dA, all of one shape: dL/dA * f'(Z)."""
        return np.asarray(upstream * self.slope(pre_activation))


@dataclass(frozen=True)
class Softmax:
    """A softmax: every output depends on all pre-activations of its sample."""

    name: str
    rank: Rank
    mixes: Literal["units", "samples"] = "units"
    public: bool = False
    of_probabilities: bool = field(default=True, init=False)
    kinks: tuple[float, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        _require_rank(f"the activation {self.name!r}", self.rank)

    def activate(self, pre_activation: Array, unit_axis: int) -> Array:
        """exp(z) over its sum along the axis, shifted so that nothing overflows."""
        axis = self._axis(unit_axis)
        shifted = pre_activation - pre_activation.max(axis=axis, keepdims=True)
        exponential = np.exp(shifted)
        return np.asarray(exponential / exponential.sum(axis=axis, keepdims=True))

    def change(self, pre_activation: Array, output: Array, unit_axis: int) -> Change:
        """The `Change` of the outputs with the pre-activations."""
        return softmax_difference(output, self._axis(unit_axis))

    def pull_back(
        self, pre_activation: Array, output: Array, upstream: Array, unit_axis: int
    ) -> Array:
        """dL/dZ_i = a_i (dL/dA_i - sum_j a_j dL/dA_j), the vector-Jacobian product."""
        # A constant added to dL/dA changes nothing, as the outputs sum to 1. Minus the dL/dA of
        # the largest output, the sum keeps its digits if that output is nearly 1.
        axis = self._axis(unit_axis)
        largest = output.argmax(axis=axis, keepdims=True)
        relative = upstream - np.take_along_axis(upstream, largest, axis=axis)
        mean = (output * relative).sum(axis=axis, keepdims=True)
        return np.asarray(output * (relative - mean))

    def _axis(self, unit_axis: int) -> int:
        if self.mixes == "units":
            return unit_axis
        return -3 - unit_axis if unit_axis < 0 else 1 - unit_axis


AnyActivation = Activation | Softmax


@dataclass(frozen=True)
class Reduction:
    """How the sum of the terms over outputs and samples is scaled.

    Attributes:
        words: the reduction in words.
        factor: the factor of the sum.
        divisor: (m, K) -> the divisor of the sum.
    """

    words: str
    factor: float
    divisor: Callable[[int, int], int]

    def scale(self, batch_size: int, outputs: int) -> float:
        """The factor of the sum of all terms, from m and K."""
        return self.factor / self.divisor(batch_size, outputs)


@dataclass(frozen=True)
class Loss:
    """A loss: terms that are summed over outputs and samples.

    Attributes:
        name: the loss in words.
        terms: (a, y) -> one term per output and sample, of their shape.
        derivative: (a, y) -> the derivative of each term with respect to its a.
        change: (a, y) -> (d -> the terms at a + d minus those at a, to full relative accuracy).
        kinked: whether the terms have a kink at a = y.
        summed_change: (a, y, axis) -> `change` summed over the axis, if there is a quicker way.
        usual: whether recognition tries it before the unusual ones.
        reductions: the reductions, by the names that `MLP` accepts for the loss with each.
        of_probabilities: whether the outputs must be probabilities.
        of_labels: whether the targets may be class labels.
        fused: the forms with an output activation that cancels, by the name of the activation.
        with_log: log -> the terms, derivative and change with this log; None without a log.
        eps: the small number added before the log is taken.
        plain: the same loss without that number; None if it has none.

    Raises:
        TypeError: a function is missing.
    """

    name: str
    terms: Terms
    derivative: Terms
    change: TermsChange
    kinked: bool
    summed_change: Callable[[Array, Array, int], Change] | None = None
    usual: bool = False
    reductions: Mapping[str, Reduction] = field(default_factory=dict)
    of_probabilities: bool = False
    of_labels: bool = False
    fused: Mapping[str, Fused] = field(default_factory=dict)
    with_log: Callable[[Log], TermsForms] | None = None
    eps: float = 0.0
    plain: Loss | None = None

    def __post_init__(self) -> None:
        _require_functions(f"the loss {self.name!r}", self, ("terms", "derivative", "change"))

    def plus(self, eps: float) -> Loss:
        """The loss with a small number added before its log; unchanged if it has no log."""
        if self.with_log is None:
            return self
        terms, derivative, change = self.with_log(Log.plus(eps))
        return Loss(
            f"{self.name} (log(a + {eps:g}))",
            terms,
            derivative,
            change,
            self.kinked,
            usual=self.usual,
            of_probabilities=self.of_probabilities,
            eps=eps,
            plain=self,
        )

    def suits(self, activation: AnyActivation) -> bool:
        """Whether the loss is defined on the outputs of an activation."""
        return activation.of_probabilities or not self.of_probabilities

    def output_terms(
        self, activation: AnyActivation, z: Array, a: Array, y: Array, unit_axis: int
    ) -> Array:
        """The terms, from z and a of the output layer, by the fused form if there is one."""
        fused = self.fused.get(activation.name)
        return self.terms(a, y) if fused is None else fused.terms(z, y, unit_axis)

    def changes(
        self, activation: AnyActivation, z: Array, a: Array, y: Array, unit_axis: int
    ) -> Change:
        """The `Change` of the terms, summed over the units, with the output layer's z."""
        fused = self.fused.get(activation.name)
        if fused is not None:
            return fused.change(z, a, y, unit_axis)
        outputs = activation.change(z, a, unit_axis)
        if self.summed_change is not None:
            together = self.summed_change(a, y, unit_axis)
            return lambda d: together(outputs(d))
        terms = self.change(a, y)
        return lambda d: summed(terms(outputs(d)), unit_axis)

    def delta(
        self, activation: AnyActivation, z: Array, a: Array, y: Array, unit_axis: int
    ) -> Array:
        """The derivative of the sum of all terms with respect to the output layer's z (BP1)."""
        fused = self.fused.get(activation.name)
        if fused is not None:
            return fused.delta(z, a, y, unit_axis)
        return activation.pull_back(z, a, self.derivative(a, y), unit_axis)


Row = TypeVar("Row", AnyActivation, Loss)


def table(rows: Iterable[Row]) -> Mapping[str, Row]:
    """The rows by name."""
    named: dict[str, Row] = {}
    for row in rows:
        if row.name in named:
            raise ValueError(f"two rows have the name {row.name!r}")
        named[row.name] = row
    return MappingProxyType(named)


def _require_functions(row: str, holder: object, names: tuple[str, ...]) -> None:
    for name in names:
        given = getattr(holder, name)
        if not callable(given):
            raise TypeError(f"{row} needs a function as its {name}, and has {given!r}")


def _require_rank(row: str, rank: object) -> None:
    if not isinstance(rank, Rank):
        raise TypeError(f"{row} needs a Rank as its rank, and has {rank!r}")
