"""Checks a Jacobian or Hessian that is given by its products with vectors.

The adjoint product with random weights u is the gradient of u . F, which is checked as any loss is;
the forward product along v is the derivative of F(x + t v) by t, a Jacobian of one column.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck.compare.jacobian import VectorPoint
from gradcheck.diagnose.rules import forward_backward_inconsistent
from gradcheck.finding import Finding
from gradcheck.jacobians import JacobianProblem, run_jacobian
from gradcheck.numeric.estimate import Array
from gradcheck.numeric.loss_lines import random_moves
from gradcheck.options import Options
from gradcheck.pipeline import generator, run
from gradcheck.report.model import Report
from gradcheck.sampling import Coverage
from gradcheck.user.blocks import cut
from gradcheck.user.calls import UserCodeError, call
from gradcheck.user.contracted import Weighted, contracted, moved_ahead
from gradcheck.user.structures import flatten
from gradcheck.user.vectors import JACOBIAN, Vectors, WrongShapeError
from gradcheck.words import worst_of

FORWARD = "forward product"
NO_ADJOINT = (
    "your operator has no adjoint product (rmatvec), so that only the forward one was checked"
)
SMALLEST_WEIGHT = 1e-20
"""A row that is exactly 0 has no noise; the others still need weights that float32 can hold."""


def check_products(
    problem: JacobianProblem, point: VectorPoint, operator: Any, options: Options
) -> Report:
    """Checks the forward and the adjoint product of an operator, and that they agree.

    Raises:
        UsageError: the operator has a wrong shape.
    """
    vectors, rng = point.vectors, generator(options.seed)
    wanted = vectors.rows, len(vectors.point)
    if tuple(operator.shape) != wanted:
        raise WrongShapeError(tuple(operator.shape), wanted, lambda: np.zeros(wanted))
    along, weights, rounding = _drawn(problem, point, rng)
    ahead, roughly = _product(operator.matvec, along)
    # for differences of a loss, the adjoint product, which is the same function, is diagnosed
    undiagnosed: Any = {"diagnose": False, "repair": None} if problem.loss is not None else {}
    function, derivative = _along(problem, vectors, along)
    forward = run_jacobian(
        JacobianProblem(flatten({FORWARD: 0.0}), function, derivative, row_name=vectors.row_name),
        replace(options, entries="all", **undiagnosed),
    )
    try:
        back, as_roughly = _product(operator.rmatvec, weights)
    except UserCodeError as error:
        if not isinstance(error.raised.error, NotImplementedError):
            raise
        return replace(forward, notes=(*forward.notes, NO_ADJOINT))
    own, how = problem.parameters, Weighted.drawn(weights)
    weighted = contracted(own, problem.function, problem.claimed, how, problem.bounds, problem.loss)
    adjoint = run(weighted, options)
    scale = float(np.abs(weights) @ np.abs(ahead) + np.abs(back) @ np.abs(along))
    findings = _one_each((*forward.findings, *adjoint.findings))
    verdicts = [forward.verdict, adjoint.verdict]
    rounding = max(roughly, as_roughly, rounding)
    if abs(float(weights @ ahead - back @ along)) > np.sqrt(rounding) * scale:
        findings = (_apart(problem, forward, adjoint), *findings)
        verdicts.append("fail")
    return replace(
        adjoint,
        verdict=worst_of(verdicts),
        blocks=(*forward.blocks, *adjoint.blocks),
        findings=findings,
        evaluations=forward.evaluations + adjoint.evaluations,
        coverage=Coverage(
            forward.coverage.entries + adjoint.coverage.entries,
            forward.coverage.total + adjoint.coverage.total,
            "products with random vectors",
        ),
        notes=tuple(dict.fromkeys((*forward.notes, *adjoint.notes))),
        unsearched=forward.unsearched,
        repair=forward.repair if adjoint.ok else adjoint.repair,
    )


def _drawn(
    problem: JacobianProblem, point: VectorPoint, rng: np.random.Generator
) -> tuple[Array, Array, float]:
    """A random vector along the parameters, one of weights, and the relative noise of the values.

    Differences of a loss have weights that do not change with the step of these differences, so
    that two steps can be compared; their noise is none of the user's product.
    """
    at, level = point.vectors.point, point.noise.level
    sizes = np.where(at == 0, 1.0, np.abs(at))
    along = random_moves(sizes, rng)
    if problem.loss is not None:
        return along, random_moves(sizes, rng), 0.0
    level = np.fmax(level, SMALLEST_WEIGHT * np.max(level))
    noise = float(np.max(level) / (np.max(np.abs(point.center)) or 1.0))
    return along, random_moves(np.min(level) / level, rng), noise


def _one_each(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings, only the first of those at the same expression."""
    places = [(finding.location, finding.expression) for finding in findings]
    return tuple(
        finding
        for number, finding in enumerate(findings)
        if finding.location is None or places.index(places[number]) == number
    )


def _along(
    problem: JacobianProblem, vectors: Vectors, along: Array
) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """The function along a line, of {FORWARD: t}, and its derivative, a column (m, 1)."""
    function, jacobian = vectors.function, problem.claimed
    pack, start = problem.parameters.pack, vectors.point
    shapes = problem.parameters.shapes

    def there(given: Any) -> Any:
        return pack(cut(start + given[FORWARD] * along, shapes))

    def ahead(given: Any) -> Any:
        return moved_ahead(jacobian(there(given)), along)

    return (lambda given: function(there(given))), ahead


def _apart(problem: JacobianProblem, forward: Report, adjoint: Report) -> Finding:
    right = [
        f"the {kind} product agrees with finite differences"
        for kind, report in (("forward", forward), ("adjoint", adjoint))
        if report.ok
    ]
    return forward_backward_inconsistent.RULE.finding(
        (FORWARD, *problem.parameters.names),
        "the products of your Hessian are not those of a symmetric matrix: u . (H v) is not "
        "(H u) . v"
        if problem.of_loss
        else "the forward and the adjoint product of your Jacobian are not of one matrix: "
        "u . (J v) is not (J^T u) . v",
        evidence=tuple(right or ["neither agrees with finite differences"]),
        fix="mend the product where it does not agree"
        if problem.of_loss
        else "make rmatvec the product with the transpose of what matvec multiplies by",
    )


def _product(multiply: Callable[[Array], Any], vector: Array) -> tuple[Array, float]:
    """A product with a vector, and the relative rounding error of its type."""
    product = np.asarray(call(multiply, JACOBIAN, vector.copy())).reshape(-1)
    kind = product.dtype if product.dtype.kind == "f" else np.dtype(np.float64)
    return product.astype(np.float64), float(np.finfo(kind).eps)
