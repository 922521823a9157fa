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
    without_mean = point.analytic - point.analytic.mean(axis=axes, keepdims=True)
    projected = centred * (point.analytic * centred).mean(axis=axes, keepdims=True)
    for start, missing in (
        (without_mean, "mean and variance"),
        (point.analytic, "variance"),
    ):
        denominator = _fitted(start - point.numeric, projected, axes)
        variance = (centred**2).mean(axis=axes, keepdims=True)
        plausible = bool(np.all((denominator > 0.9 * variance) & (denominator < 2 * variance + 1)))
        corrected = start - projected / denominator if plausible else np.full_like(start, np.nan)
        yield _form(corrected, missing, where)
    yield _form(without_mean, "mean", where)


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
    edits=(EditKind.MISSING_FACTOR, EditKind.ASSIGNED_OR_ADDED, EditKind.NORMALISATION),
)
