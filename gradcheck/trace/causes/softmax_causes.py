"""Causes in the derivative of a softmax: its Jacobian is missing, incomplete or another one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import proportion
from gradcheck.trace import fault
from gradcheck.trace.adjoints.quantities import ADJOINT
from gradcheck.trace.causes.compared import Arrays, Compared, quotient, same
from gradcheck.trace.causes.surplus_slopes import FORMS
from gradcheck.trace.fault import Cause
from gradcheck.trace.record.library_functions import softmax
from gradcheck.trace.wording.misfits import bracketed


def softmax_cause(compared: Compared) -> Cause | None:
    """Return the cause if the derivative by the scores of a softmax is expected."""
    for shares, axis, arriving in _softmaxes(compared):
        p, name = compared.values(shares), compared.words.name(shares)
        fix = _softmax_fix(compared, name, p, arriving, axis)
        if same(compared.actual, arriving):
            words = f"the derivative of the softmax that makes {name} is missing"
            return Cause(fault.SOFTMAX_MISSING, words, fix)
        if same(compared.actual, [g * s * (1 - s) for g, s in zip(arriving, p, strict=True)]):
            words = f"p * (1 - p), where p is {name}, is the diagonal of the softmax's Jacobian"
            return Cause(fault.SOFTMAX_DIAGONAL, f"{words} alone", fix)
        scores = [compared.values(node) for node in compared.derived_by]
        used = quotient(compared.actual, arriving)
        known = min(int(np.isfinite(value).sum()) for value in used)
        for of, form in FORMS.items() if known > 1 else ():
            if any(same(used, map(form, values)) for values in scores):
                belongs = f"the derivative of the softmax that makes {name} belongs"
                return Cause(fault.SLOPE_WRONG, f"the slope of {of} stands where {belongs}", fix)
        for other in (one for one in range(p[0].ndim) if one != axis):
            turned = ([softmax(value, other) for value in values] for values in scores)
            goes = f"the softmax that makes {name} goes {_along(axis)}, and this {_along(other)}"
            is_usual = axis == p[0].ndim - 1  # then the forward pass is hardly what is wrong
            of_other = None if is_usual else _pulled_back(arriving, p, other)
            if of_other and proportion(compared.actual, of_other, 1e-6):
                as_wanted = f"let {name} add up to 1 {_along(other)}: divide by the sum there"
                return Cause(fault.SOFTMAX_AXIS, goes, f"{as_wanted} (keepdims=True)")
            if any(same(compared.actual, _pulled_back(arriving, p, other)) for p in turned):
                return Cause(fault.SOFTMAX_AXIS, goes, fix)
        wanted, taken = (_targets(p, of) for of in (compared.expected, compared.actual))
        if wanted is not None and taken is not None and _are_one_hot(wanted, axis):
            if np.allclose(taken, -wanted, atol=1e-6):
                words = f"{name} less the targets is wanted, and they are added"
                return Cause(fault.SIGN, words, "subtract the targets")
            words = f"{name} less 1 at the label of each sample is wanted, and less 0 elsewhere"
            fix = "subtract 1 at one entry of each sample: `[np.arange(len(labels)), labels] -= 1`"
            return Cause(fault.OTHER_INDEX, words, fix)
        if wanted is None and taken is not None and np.allclose(taken.sum(axis), 1):
            words = "it is the derivative of the cross-entropy, and the loss is another one"
            agree = (
                f"let the loss be the cross-entropy, -sum(target * log({name})): they must agree"
            )
            return Cause(fault.OTHER_LOSS, words, f"{fix}, or {agree}")
        sums = [np.sum(value, axis=axis) for value in compared.actual]
        size = max(float(np.max(np.abs(of[0]))) for of in (compared.actual, compared.expected))
        if compared.actual[0].shape == p[0].shape and np.max(np.abs(sums[0])) > 1e-6 * size:
            adds_up = "the derivative by the scores of a softmax adds up to 0"
            words = f"{_along(axis)} {adds_up}, and this does not"
            return Cause(fault.SOFTMAX_WRONG, words, fix)
    return None


def _along(axis: int | None) -> str:
    return "over all entries" if axis is None else f"along axis {axis}"


def _softmax_fix(
    compared: Compared, name: str, p: Arrays, arriving: Arrays, axis: int | None
) -> str:
    texts = compared.text_of(p) or "p", compared.text_of(arriving) or "g"
    shares, upstream = map(bracketed, texts)
    meant = [f"p is {name}"] if shares == "p" != name else []
    meant += [f"g is dL/d{name}"] if upstream == "g" else []
    where = f", where {' and '.join(meant)}" if meant else ""
    options = "" if axis is None else f", axis={axis}, keepdims=True"
    total = f"np.sum({upstream} * {shares}{options})"
    return f"write `{shares} * ({upstream} - {total})`{where}"


def _pulled_back(arriving: Arrays, shares: Arrays, axis: int | None) -> Arrays:
    return [
        p * (g - np.sum(g * p, axis=axis, keepdims=True))
        for g, p in zip(arriving, shares, strict=True)
    ]


def _softmaxes(compared: Compared) -> Iterator[tuple[int, int | None, Arrays]]:
    """Yield the shares that a softmax makes of the values by which the derivative is wanted.

    Also yield the axis, None for all, and the derivative that arrives at the shares.
    """
    shape = compared.expected[0].shape
    wanted = compared.candidate  # where the backward pass has the transpose, only this is known
    begins = compared.derived_by or ([wanted.node] if wanted and wanted.kind == ADJOINT else [])
    if not shape or not begins:
        return
    for made in compared.loss_nodes[min(begins) + 1 :]:
        if not made.is_float or made.value.shape != shape or np.any(made.value < 0):
            continue
        axes = [axis for axis, size in enumerate(shape) if size > 1]
        for axis in (*axes, *([None] * (len(axes) > 1))):
            if np.allclose(made.value.sum(axis=axis), 1):
                p = compared.values(made.index)
                for arriving in compared.arriving(made.index):
                    if same(compared.expected, _pulled_back(arriving, p, axis)):
                        yield made.index, axis, arriving


def _targets(p: Arrays, of: Arrays) -> NDArray[np.float64] | None:
    """Return what values are less than the outputs, times a number, if that is the same anywhere.

    So the derivative of the cross-entropy is less by the targets.
    """
    if p[0].shape != of[0].shape or len(p) < 2:
        return None
    moved, shares = ([value - values[0] for value in values[1:]] for values in (of, p))
    scale = proportion(moved, shares)
    if not scale:
        return None
    less = [share - value / scale for share, value in zip(p, of, strict=True)]
    return less[0] if same([less[0]] * len(less), less) else None


def _are_one_hot(targets: NDArray[np.float64], axis: int | None) -> bool:
    one_hot = np.isclose(targets, 0, atol=1e-6) | np.isclose(targets, 1, atol=1e-6)
    return bool(np.all(one_hot)) and np.allclose(targets.sum(axis), 1)
