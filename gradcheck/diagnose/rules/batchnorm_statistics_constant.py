"""GC853: mean and variance treated as constants."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from gradcheck.diagnose.layer_forms import Form, LayerPoint
from gradcheck.diagnose.rule import EditKind, LayerForms, Rule, Traced
from gradcheck.trace import fault
from gradcheck.user.blocks import Array

FORMULA = "dx = (g - g.mean(axis) - xhat * (g * xhat).mean(axis)) / std,  g = gamma * upstream"

ROUNDING = 1e-6
"""By how much of the largest an entry may be off, in single precision too."""


def _forms(point: LayerPoint) -> Iterator[Form]:
    dimensions = range(point.value.ndim)
    for count in range(1, point.value.ndim + 1):
        for axes in combinations(dimensions, count):
            if np.prod([point.value.shape[axis] for axis in axes]) < 3:
                continue
            yield from _along(point, axes)


def _along(point: LayerPoint, axes: tuple[int, ...]) -> Iterator[Form]:
    """The gradient with the paths through the statistics over the axes added.

    With c the centred values, the path through the mean takes mean(g) off, and the one through the
    variance c mean(g c) / (var + eps) (Ioffe and Szegedy 2015); that denominator is told from the
    numeric gradient, as eps is not known.
    """
    where = f"axis {axes[0]}" if len(axes) == 1 else f"axes {axes}"
    centred = point.value - point.value.mean(axis=axes, keepdims=True)
    ones = np.ones_like(centred)
    without_mean = point.analytic - point.analytic.mean(axis=axes, keepdims=True)
    projected = centred * (point.analytic * centred).mean(axis=axes, keepdims=True)
    for start, missing, through in (
        (without_mean, "mean and variance", 0 * ones),
        (point.analytic, "variance", ones),
    ):
        denominator = _fitted(start - point.numeric, projected, axes)
        variance = (centred**2).mean(axis=axes, keepdims=True)
        plausible = bool(np.all((denominator > 0.9 * variance) & (denominator < 2 * variance + 1)))
        told = plausible and _reaches_others(point, axes, through)
        corrected = start - projected / denominator if told else np.full_like(start, np.nan)
        yield _form(corrected, missing, where)
    told = _reaches_others(point, axes, centred)
    yield _form(without_mean if told else np.full_like(ones, np.nan), "mean", where)


def _reaches_others(point: LayerPoint, axes: tuple[int, ...], through: Array) -> bool:
    """Whether the upstream gradient of one sample reaches the others as multiples of `through`.

    It does by the statistics alone: by the mean all the same, by the variance as the centred
    values, and where both are taken for constant, not at all.
    """
    upstream = point.upstream
    if upstream is None or upstream.shape != point.value.shape:
        return False
    place = tuple(slice(1) if axis in axes else slice(None) for axis in range(upstream.ndim))
    alone = np.zeros_like(upstream)
    alone[place] = upstream[place]
    reached = point.gradient_with(upstream=alone)
    if reached is None:
        return False
    size, others = np.abs(reached).max(), np.ones(reached.shape)
    others[place] = 0.0
    products = np.sum(others * reached * through, axis=axes, keepdims=True)
    squares = np.sum(others * through**2, axis=axes, keepdims=True)
    rest = others * (reached - through * products / np.maximum(squares, np.finfo(float).tiny))
    return bool(np.abs(rest).max() <= ROUNDING * size)


def _form(corrected: Array, missing: str, where: str) -> Form:
    return Form(
        corrected,
        f"takes the {missing} over {where} for constant",
        f"with the path through the {missing} added",
        f"let the gradient pass through the {missing} as well: {FORMULA}",
    )


def _fitted(wanted: Array, projected: Array, axes: tuple[int, ...]) -> Array:
    """The denominator d of `wanted = projected / d` for every unit, by least squares."""
    known = np.isfinite(wanted)
    products = np.sum(wanted * projected, axis=axes, keepdims=True, where=known)
    squares = np.sum(projected**2, axis=axes, keepdims=True, where=known)
    return np.asarray(squares / products)


RULE = Rule(
    code="GC853",
    name="batchnorm-statistics-constant",
    what="The mean and the variance of a normalisation depend on its inputs; the backward pass "
    "treats them as constants.",
    shows="right once the paths through the mean and the variance are added.",
    example="dx = gamma * upstream / std",
    instead="g = gamma * upstream;  dx = (g - g.mean(0) - xhat * (g * xhat).mean(0)) / std",
    detector=LayerForms(_forms),
    also=(Traced((fault.STATISTICS_CONSTANT,)),),
    edits=(EditKind.MISSING_FACTOR, EditKind.ASSIGNED_OR_ADDED),
)
