"""The stages of the check of a Jacobian."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from gradcheck.compare.block import Block
from gradcheck.compare.jacobian import TOGETHER, VectorPoint, judge_jacobian, within_row_jumps
from gradcheck.diagnose.jacobians import findings_of, transposed_finding
from gradcheck.diagnose.matrix_lines import Lines, with_lines
from gradcheck.diagnose.rules import shape_misaligned
from gradcheck.errors import UsageError
from gradcheck.finding import Finding
from gradcheck.mending.matrices import repair_of_matrix
from gradcheck.numeric.estimate import Array
from gradcheck.numeric.row_noise import estimate_row_noise
from gradcheck.options import Options
from gradcheck.pictures.slope_test import of_vectors
from gradcheck.pictures.take import Sketch
from gradcheck.pipeline import NothingToCompareError, carried_out, generator
from gradcheck.report.build import accepted_blocks
from gradcheck.report.matrix_notes import matrix_notes
from gradcheck.report.model import Report
from gradcheck.report.notes import heard_notes
from gradcheck.sampling import Coverage
from gradcheck.user.blocks import Parameters
from gradcheck.user.bounds import Bounds
from gradcheck.user.calls import Heard, UserCodeError, call
from gradcheck.user.complexes import convention_of, notes_of
from gradcheck.user.contracted import LARGEST
from gradcheck.user.problem import Problem
from gradcheck.user.vectors import (
    FUNCTION,
    JACOBIAN,
    Vectors,
    WrongShapeError,
    read_matrix,
    read_pattern,
)
from gradcheck.words import Verdict

REPEATABLE = 1e-6


@dataclass(frozen=True)
class JacobianProblem:
    """A vector function and the Jacobian to check.

    Attributes:
        jacobian: a function of the packed parameters, or the value it would return at this point.
        sparsity: an array that is nonzero where the Jacobian may have entries, or None.
        of_loss: whether the function is the gradient of a loss, and the Jacobian its Hessian.
        row_name: names the values of the function, given their number; None for the usual names.
        loss: the loss of a flat vector whose differences are the function, or None.
    """

    parameters: Parameters
    function: Callable[..., Any]
    jacobian: Any
    bounds: Bounds | None = None
    sparsity: Any = None
    of_loss: bool = False
    row_name: Callable[[int], str] | None = None
    loss: Callable[..., Any] | None = None

    def returned(self, packed: Any) -> Any:
        """The user's Jacobian at a point."""
        return self.jacobian(packed) if callable(self.jacobian) else self.jacobian

    def claimed(self, packed: Any) -> Any:
        """The user's Jacobian at a point; its exceptions are those of the user's code."""
        return call(self.returned, JACOBIAN, packed)


def run_jacobian(problem: JacobianProblem, options: Options) -> Report:
    """Checks a Jacobian, and restores everything that the user's code changed.

    Raises:
        UsageError: the arguments, or what the functions return, cannot be checked.
    """
    scalar = Problem(problem.parameters, problem.function, None)
    return carried_out(scalar, options, lambda heard, _: _stages(problem, options, heard))


def _stages(problem: JacobianProblem, options: Options, heard: Heard) -> Report:
    rng = generator(options.seed)
    point = _asked(problem, options.noise or 0.0, rng)
    vectors = point.vectors
    returned = problem.claimed(vectors.parameters.pack_flat(vectors.point))
    if hasattr(returned, "matvec") and not hasattr(returned, "tocsc"):
        from gradcheck.products import check_products

        return check_products(problem, point, returned, options)
    vectors.parameters = convention_of(returned, vectors, rng)
    more = read_pattern(problem.sparsity, (vectors.rows, len(vectors.point)))
    try:
        matrix = read_matrix(returned, vectors, more)
    except WrongShapeError as wrong:
        return _misshapen(problem, point, wrong, options, heard)

    def ask(flat: Array) -> Array:
        try:
            returned = problem.claimed(vectors.parameters.pack_flat(flat))
            there = read_matrix(returned, vectors, matrix.pattern)
        except (UserCodeError, UsageError):
            return matrix.values
        same = len(there.values) == len(matrix.values)
        return there.values if same else matrix.values

    result = judge_jacobian(point, matrix, ask, options, rng)
    result = within_row_jumps(result, matrix, ask, options, rng)
    point, judged, measured = result.point, result.judged, result.measured
    unplaced = findings_of(judged, matrix, vectors) if options.diagnose else ()
    unsearched = _unsearched(problem, vectors)
    lines = Lines(tuple(each.finding for each in unplaced))
    if unplaced and not unsearched:
        lines = with_lines(unplaced, judged, vectors, problem.claimed, rng)
    search = partial(repair_of_matrix, vectors, problem.claimed, point.noise, lines, unsearched)
    repaired = search(options)
    if lines.findings and vectors.has_parts and not unsearched:
        from gradcheck.mending.located import FEW, at_patch

        tried = repaired or search(replace(options, repair=FEW))
        lines = replace(lines, findings=at_patch(lines.findings, tried))
    entries = len(matrix.values) if result.reason == TOGETHER else len(judged.rows)
    coverage = Coverage(entries, len(matrix.values), result.reason)
    report = _report(judged.blocks, lines.findings, coverage, options)
    notes = notes_of(returned, vectors, bool(judged.wrong.any()))
    notes += (*matrix_notes(result, matrix, report.findings), *heard_notes(heard))
    if unplaced and unsearched:
        notes.append(f"no line is named: {unsearched}")
    if more is not None and matrix.pattern.is_full and not more.is_full:
        notes.insert(0, "your Jacobian is not 0 outside of sparsity=, which was therefore not used")
    evaluations = point.noise.evaluations + 1 + measured.calls
    slopes = partial(of_vectors, vectors, point.noise, point.center, matrix, options.seed)
    sketch = Sketch(None, (), 0.0, None, options.seed, slopes)
    return replace(
        report,
        notes=tuple(notes),
        evaluations=evaluations,
        sketch=sketch,
        repair=repaired,
        unsearched=unsearched,
    )


def _unsearched(problem: JacobianProblem, vectors: Vectors) -> str:
    """Why the source of a Jacobian is not searched for the error; "" if it is."""
    if not callable(problem.jacobian):
        return "a matrix was given, not a function that computes it"
    if vectors.rows * len(vectors.point) > LARGEST:
        return f"a {vectors.matrix_name} of more than {LARGEST:,} entries is not followed"
    return ""


def _asked(problem: JacobianProblem, known: float, rng: np.random.Generator) -> VectorPoint:
    """Calls the function for the first time: does it repeat, and how precise is it?"""
    vectors = Vectors(problem.parameters, problem.function, bounds=problem.bounds)
    vectors = replace(vectors, of_loss=problem.of_loss, named=problem.row_name, loss=problem.loss)
    flat = vectors.point
    first = vectors.asked(flat)
    vectors = replace(vectors, shape=first.shape)
    center = first.reshape(-1)
    if not center.size:
        raise NothingToCompareError(f"{FUNCTION} returns no values")
    if not np.all(np.isfinite(center)):
        row = vectors.row_name(int(np.flatnonzero(~np.isfinite(center))[0]))
        raise NothingToCompareError(f"{FUNCTION} gives no finite {row}")
    noise = estimate_row_noise(
        lambda x: vectors.moved(vectors.inside(x)), flat, center, rng, vectors.box
    )
    if not np.all(noise.apart <= np.fmax(REPEATABLE * np.abs(center), 2 * known)):
        raise NothingToCompareError(
            f"{FUNCTION} gives another value when it is called again at the same parameters"
        )
    return VectorPoint(vectors, center, noise.at_least(known))


def _report(
    blocks: tuple[Block, ...], findings: tuple[Finding, ...], coverage: Coverage, options: Options
) -> Report:
    accepted = accepted_blocks(findings, options.allow)
    counted = [block for block in blocks if block.name not in accepted]
    verdict: Verdict = "pass"
    if any(block.failed for block in counted):
        verdict = "fail"
    elif any(block.verdict == "inconclusive" for block in counted) or not coverage.entries:
        verdict = "inconclusive"
    return Report(verdict, blocks, findings, None, coverage, 0, 0.0)


def _misshapen(
    problem: JacobianProblem,
    point: VectorPoint,
    wrong: WrongShapeError,
    options: Options,
    heard: Heard,
) -> Report:
    """The report of a Jacobian with a wrong shape, which may be the transpose of the right one."""
    vectors = point.vectors
    finding = shape_misaligned.RULE.finding(
        problem.parameters.names,
        str(wrong),
        evidence=(
            f"your function returns {wrong.wanted[0]} values of {wrong.wanted[1]} parameters",
        ),
        fix="return one row for each value, one column for each parameter",
    )
    if wrong.shape == wrong.wanted[::-1]:
        turned = read_matrix(wrong.dense().T, vectors)
        result = judge_jacobian(point, turned, lambda _: turned.values, options, generator(0))
        if not result.judged.wrong.any():
            finding = transposed_finding(wrong.shape, wrong.wanted, vectors)
    blocks = tuple(
        Block(name, (*vectors.shape, *shape), "shape", analytic_shape=wrong.shape)
        for name, shape in zip(problem.parameters.names, problem.parameters.shapes, strict=True)
    )
    coverage = Coverage(0, wrong.wanted[0] * wrong.wanted[1])
    return replace(_report(blocks, (finding,), coverage, options), notes=tuple(heard_notes(heard)))
