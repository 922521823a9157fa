"""A single layer under `check_layer`, as its rules see it: what would make a gradient right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.compare.point import Point
from gradcheck.diagnose.evidence import Evidence, error_if_right, largest_error
from gradcheck.diagnose.rule import LayerForms, Rule, detectors
from gradcheck.errors import UsageError
from gradcheck.finding import Finding
from gradcheck.user.blocks import Array
from gradcheck.user.calls import UserCodeError, call
from gradcheck.user.gradients import read_gradients
from gradcheck.user.layers import CheckedLayer
from gradcheck.user.problem import Problem


@dataclass(frozen=True)
class LayerPoint:
    """One input of a layer whose gradient is wrong, at one point.

    Attributes:
        problem: what is checked.
        layer: the layer.
        values: the blocks: the inputs that are differentiated.
        block: the index of the one in question.
        analytic: its gradient as returned, in its shape.
        numeric: its numeric gradient; nan where it was not measured.
    """

    problem: Problem
    layer: CheckedLayer
    values: tuple[Array, ...]
    block: int
    analytic: Array
    numeric: Array

    @property
    def value(self) -> Array:
        """The input itself."""
        return self.values[self.block]

    @property
    def upstream(self) -> Array | None:
        """The upstream gradient; None where the layer has several outputs."""
        upstream = self.layer.upstream
        several = isinstance(upstream, tuple | list | Mapping)
        return None if several else np.asarray(upstream, dtype=float)

    @property
    def others(self) -> dict[str, Array]:
        """The other inputs that are differentiated, by name."""
        names = self.problem.parameters.names
        return {
            name: value
            for name, value in zip(names, self.values, strict=True)
            if name != names[self.block]
        }

    @property
    def indices(self) -> list[NDArray[Any]]:
        """The inputs that are whole numbers."""
        arrays = [np.asarray(value) for value in self.layer.fixed.values()]
        return [array for array in arrays if array.dtype.kind in "iu" and array.size]

    def gradient_with(
        self, *, upstream: Any = None, inputs: Mapping[str, Array] | None = None
    ) -> Array | None:
        """What the backward pass gives for this input with one thing exchanged, or None."""
        parameters = self.problem.parameters
        exchanged = [
            np.array((inputs or {}).get(name, value))
            for name, value in zip(parameters.names, self.values, strict=True)
        ]
        layer = self.layer if upstream is None else replace(self.layer, upstream=upstream)
        try:
            returned = call(layer.gradient, "your backward", parameters.pack(exchanged))
            gradient = read_gradients(returned, parameters).blocks[self.block]
        except (UserCodeError, UsageError):
            return None
        return gradient.value if gradient.verdict == "ok" else None


@dataclass(frozen=True)
class Form:
    """A gradient that may be the right one, in words and numbers.

    Attributes:
        corrected: in the block's shape.
        message: completes "the gradient of x ...".
        proof: what was done to get it.
        fix: what to write.
    """

    corrected: Array
    message: str
    proof: str
    fix: str


def layer_findings(evidence: Evidence, rules: Sequence[Rule]) -> Iterator[Finding]:
    """What a rule on layers makes right, at all points; one finding for each wrong input."""
    for index, block in enumerate(evidence.blocks):
        if block.verdict == "wrong":
            finding = next(_matches(evidence, index, rules), None)
            if finding is not None:
                yield finding


def _matches(evidence: Evidence, block: int, rules: Sequence[Rule]) -> Iterator[Finding]:
    for rule, detector in detectors(rules, LayerForms):
        tried = [list(_forms(evidence, point, block, detector)) for point in evidence.points]
        for forms in zip(*tried, strict=False):
            error = largest_error(
                error_if_right(point, block, form.corrected, gain=2.0)
                for point, form in zip(evidence.points, forms, strict=True)
            )
            if error is not None:
                yield _finding(evidence, rule, block, forms[0], error)
                break


def _forms(evidence: Evidence, point: Point, block: int, detector: LayerForms) -> Iterator[Form]:
    layer = evidence.problem.layer
    gradient, measured = point.blocks[block].gradient.value, point.blocks[block].numeric
    if layer is None or gradient is None or not point.blocks[block].gradient_fits:
        return
    numeric = np.full(gradient.size, np.nan)
    numeric[measured.entries] = measured.estimates.value
    with np.errstate(all="ignore"):
        yield from detector.forms(
            LayerPoint(
                evidence.problem,
                layer,
                point.values,
                block,
                gradient,
                numeric.reshape(gradient.shape),
            )
        )


def _finding(evidence: Evidence, rule: Rule, block: int, form: Form, error: float) -> Finding:
    name = evidence.names[block]
    return rule.finding(
        (name,),
        f"the gradient of {name} {form.message}",
        evidence=(f"{form.proof}, it agrees to {error:.1e}{evidence.elsewhere}",),
        fix=form.fix,
        error_after_fix=error,
    )
