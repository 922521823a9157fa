"""GC202: operands or gradients whose shapes do not fit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.blocks import Array
from gradcheck.diagnose.evidence import Evidence, error_if_right
from gradcheck.diagnose.operands import Product, misaligned_product
from gradcheck.diagnose.rule import Correction, Direct, Mend, Rule
from gradcheck.diagnose.sizes import Sizes
from gradcheck.finding import Finding


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
            f"reshape it to {shape}, with keepdims=True in the sum or a column in place of a flat "
            "vector",
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
    raised = evidence.first.raised
    product = None if raised is None else misaligned_product(raised)
    if raised is None or product is None:
        return
    words = evidence.sizes.shape_words
    message = (
        f"{product.code} multiplies {words(product.left.shape)} by {words(product.right.shape)}"
    )
    mended = _mended(evidence, product)
    lines = [raised.summary]
    if 1 in (product.left.ndim, product.right.ndim):
        lines.append("a flat vector's .T is the same flat vector")
    fix = "make the operands' inner sizes agree: transpose one, or swap them"
    error = None
    names = tuple(block.name for block in evidence.blocks if block.verdict == "raised")
    if mended is not None:
        fix, name, error = mended
        lines.append(
            f"{fix} has the shape of {name}, and agrees with its numeric gradient to {error:.1e}"
        )
    yield Finding(
        code=rule.code,
        rule=rule.name,
        blocks=names,
        message=message,
        evidence=tuple(lines),
        fix=fix,
        error_after_fix=error,
        location=raised.frames[-1] if raised.frames else None,
    )


def _mended(evidence: Evidence, product: Product) -> tuple[str, str, float] | None:
    """The product of the same operands that is the right gradient of a block, if there is one."""
    found = []
    for code, value in product.alternatives():
        for index, name in enumerate(evidence.names):
            error = error_if_right(evidence.first, index, value)
            if error is not None and evidence.blocks[index].entries:
                found.append((code, name, error))
    return found[0] if found else None


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
    also=(Correction(_mends),),
)
