"""The comparison at one point: gradient, numeric gradient, verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradcheck.arrays import largest_difference
from gradcheck.compare.beside_kinks import accept_beside_kinks, claims_of
from gradcheck.compare.precision import analytic_precision
from gradcheck.compare.screened import screen_the_rest
from gradcheck.compare.structure import Tie, numeric_by_structure
from gradcheck.compare.ties import settle_ties
from gradcheck.compare.updates import settle_step
from gradcheck.compare.verdict import BOUND_FACTOR, Block, compare_block
from gradcheck.numeric.blackbox import NumericGradient
from gradcheck.numeric.noise import Noise
from gradcheck.numeric.screening import Screened
from gradcheck.recognition.identify import Identity
from gradcheck.sampling import Indices
from gradcheck.user.blocks import Array
from gradcheck.user.calls import Raised, UserCodeError
from gradcheck.user.evaluation import ALONE, Effort, gradient_of_loss
from gradcheck.user.gradients import RAISED, Gradient, Gradients, read_gradients
from gradcheck.user.problem import Problem


@dataclass(frozen=True)
class Comparison:
    """What was measured at one point, and the verdicts on it.

    Attributes:
        problem: what was compared, with what was learnt of its step.
        values: the point.
        gradients: the analytic gradients, after the gates.
        precision: their rounding errors, absolute, one per block.
        numeric: the numeric gradient.
        blocks: the verdicts.
        scale: the largest derivative of all blocks.
        raised: what the gradient raised, or None.
        unstable: the names of the blocks of which a second call gives another gradient.
        screened: what random directions said of the entries that were not perturbed, per block.
        tie: how the user's loss was compared with the network whose structure gave the numeric
            gradient; None where that came from their loss alone.
    """

    problem: Problem
    values: tuple[Array, ...]
    gradients: Gradients
    precision: tuple[float, ...]
    numeric: NumericGradient
    blocks: tuple[Block, ...]
    scale: float
    raised: Raised | None
    unstable: tuple[str, ...]
    screened: tuple[Screened | None, ...] = ()
    tie: Tie | None = None


def compare(
    problem: Problem,
    values: tuple[Array, ...],
    center: float,
    noise: Noise,
    entries: Sequence[Indices],
    rtol: float | None,
    rng: np.random.Generator,
    first: Gradients | None = None,
    screening: bool = False,
    identity: Identity | None = None,
    effort: Effort = ALONE,
) -> Comparison:
    """Compares the user's gradient with finite differences at a point.

    Args:
        problem: what is checked.
        values: the point.
        center: the loss there.
        noise: the precision of the loss.
        entries: the flat indices to perturb, one array per block.
        rtol: a relative error that the user accepts on top of the bound, or None.
        rng: for whatever is drawn.
        first: what an earlier call of the gradient gave there, which is then judged.
        screening: whether the other entries are tested along random directions.
        identity: the network, if its structure is to be used and all entries are wanted.
        effort: what may be spent.

    Raises:
        UserCodeError: the loss raised.
        UsageError: the gradient cannot be read as one of these parameters.
    """
    if first is None:
        gradients, raised = evaluate_gradient(problem, values)
    else:
        gradients, raised = settle_ties(problem, values, first), None
    precision = analytic_precision(problem, values, gradients, noise.relative, rng)
    again = evaluate_gradient(problem, values)[0]
    unstable = tuple(
        name
        for name, one, other, rounding in zip(
            problem.parameters.names, gradients.blocks, again.blocks, precision, strict=True
        )
        if _differ(one, other, rounding)
    )
    del again
    claims = claims_of(gradients, precision, values)
    numeric, tie = NumericGradient((), 0), None
    if identity is not None:
        numeric, tie = numeric_by_structure(
            problem, identity, values, center, noise, claims, gradients, effort, rng
        )
    if tie is None and not numeric.blocks:
        before = numeric
        wanted = [chosen[:0] for chosen in entries] if before.interrupted else entries
        numeric = gradient_of_loss(problem, values, center, noise, wanted, claims, rng, effort)
        numeric = replace(
            numeric,
            evaluations=before.evaluations + numeric.evaluations,
            interrupted=before.interrupted or numeric.interrupted,
        )
    screened: tuple[Screened | None, ...] = ()
    if screening and tie is None and not numeric.interrupted:
        numeric, screened = screen_the_rest(
            problem, values, center, noise, gradients, precision, numeric, rng
        )
    if not numeric.interrupted:
        numeric = accept_beside_kinks(problem, values, noise, gradients, precision, numeric, rng)
    settled = settle_step(problem, values, gradients, precision, numeric)
    problem, gradients, precision = settled
    scale = max(
        float(np.nanmax(np.abs(block.estimates.value), initial=0.0)) for block in numeric.blocks
    )
    blocks = tuple(
        compare_block(name, value.shape, gradient, measured, rounding, rtol, scale)
        for name, value, gradient, measured, rounding in zip(
            problem.parameters.names,
            values,
            gradients.blocks,
            numeric.blocks,
            precision,
            strict=True,
        )
    )
    return Comparison(
        problem,
        values,
        gradients,
        precision,
        numeric,
        blocks,
        scale,
        raised,
        unstable,
        screened,
        tie,
    )


def _differ(one: Gradient, other: Gradient, rounding: float) -> bool:
    """Whether two calls at the same point gave gradients further apart than rounding."""
    if one.verdict != other.verdict:
        return True
    if one.value is None or other.value is None or one.verdict == "nonfinite":
        return False
    if one.value.shape != other.value.shape:
        return True
    return largest_difference(one.value, other.value) > BOUND_FACTOR * rounding


def evaluate_gradient(
    problem: Problem, values: tuple[Array, ...]
) -> tuple[Gradients, Raised | None]:
    """The user's gradient after the gates, and what it raised if it did.

    Raises:
        UsageError: it cannot be read as the gradient of these parameters.
    """
    try:
        gradients = read_gradients(problem.gradient(values), problem.parameters)
        return settle_ties(problem, values, gradients), None
    except UserCodeError as error:
        return Gradients((RAISED,) * len(values)), error.raised
