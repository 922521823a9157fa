"""GC202: operands or gradients whose shapes do not fit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.diagnose.evidence import Evidence
from gradcheck.diagnose.raised import misfit_finding, raised_products
from gradcheck.diagnose.rule import Correction, Direct, EditKind, Mend, Rule, Traced
from gradcheck.diagnose.sizes import Sizes
from gradcheck.finding import Finding
from gradcheck.trace import fault
from gradcheck.user.blocks import Array

FIT = "give it operands whose shapes fit"


def _mends(shape: tuple[int, ...], returned: tuple[int, ...], sizes: Sizes) -> Iterator[Mend]:
    if shape == returned:
        return
    size = int(np.prod(shape, dtype=int))
    if int(np.prod(returned, dtype=int)) == size:

        def reshape(gradient: Array) -> Array:
            return gradient.reshape(shape)

        yield Mend(
            reshape,
            f"has shape {returned} where the parameter has {shape}; its values are right",
            f"reshape it to {shape}: whether a sum keeps its axis (keepdims) and a vector is flat "
            "or a column decides the shape",
        )
    if size == 1:

        def total(gradient: Array) -> Array:
            return np.asarray(gradient.sum()).reshape(shape)

        yield Mend(
            total,
            f"has shape {returned}, but the parameter is one number; the sum of it is right",
            f"let the parameter begin with shape {returned}, one value per unit, or sum its "
            "gradient to one number",
        )
    if len(shape) == len(returned) == 2:
        for axis, line in ((0, "row"), (1, "column")):
            wanted = [*shape]
            wanted[axis] += 1
            if tuple(wanted) == returned:
                yield from _drops(axis, line)


def _drops(axis: int, line: str) -> Iterator[Mend]:
    for index, which in ((0, "first"), (-1, "last")):

        def drop(gradient: Array, index: int = index) -> Array:
            return np.delete(gradient, index, axis=axis)

        yield Mend(
            drop,
            f"has one {line} too many: without the {which} one it is right",
            f"drop the {which} {line}, which belongs to the bias",
        )


def _find(rule: Rule, evidence: Evidence) -> Iterator[Finding]:
    for found in raised_products(evidence):
        if found.confusion is None:
            fix = "make the operands' inner sizes agree: transpose one, or swap them"
            yield found.finding(rule, evidence, FIT if found.elementwise else fix)
    yield from misfit_finding(rule, evidence, FIT)


RULE = Rule(
    code="GC202",
    name="shape-misaligned",
    what="The code raised because two operands do not fit, or the gradient has another shape than "
    "its parameter: a flat vector where a column belongs, an inner product where an outer one "
    "belongs, a bias row that was left in.",
    shows="an exception that speaks of shapes, or a gradient of another shape than its block.",
    example="dW = np.dot(delta, hidden.T)      # both are flat vectors",
    instead="dW = np.outer(hidden, delta)",
    detector=Direct(_find),
    also=(Correction(_mends), Traced((fault.WRONG_SHAPE,))),
    edits=(EditKind.TRANSPOSE, EditKind.PRODUCT, EditKind.COLUMN, EditKind.AXIS, EditKind.PART),
)
