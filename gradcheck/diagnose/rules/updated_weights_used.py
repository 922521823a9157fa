"""GC404: delta goes through weights that were updated already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gradcheck.compare.point import NEAR, Point, slope_along
from gradcheck.diagnose.evidence import Evidence, error_if_right
from gradcheck.diagnose.rule import Direct, EditKind, Rule, Traced
from gradcheck.finding import Finding
from gradcheck.trace import fault
from gradcheck.user.blocks import Array
from gradcheck.user.calls import UserCodeError
from gradcheck.user.gradients import read_gradients
from gradcheck.user.steps import Step, moved
from gradcheck.words import gradient_of, listed, verb

SHARES = (1.0, 0.5, 0.25, 0.125)
"""The shares of the learning rate from whose steps that at a rate of 0 is told."""

CLEAR = 10.0
"""What fits is closer by at least this factor than what does not."""


def _find(rule: Rule, evidence: Evidence) -> Iterator[Finding]:
    step = evidence.problem.step
    if step is not None:
        asked = _in_turn if step.keyword is None else _in_the_limit
        yield from asked(rule, evidence, step)


def _in_turn(rule: Rule, evidence: Evidence, step: Step) -> Iterator[Finding]:
    """Yield the finding of blocks whose gradients are right once others are updated."""
    blocks = evidence.blocks
    left = [index for index, block in enumerate(blocks) if block.verdict == "wrong"]
    wrong, updated = tuple(left), [index for index in range(len(blocks)) if index not in left]
    before = updated
    if not left or step.entering is not None or step.momentum:
        return
    while left:
        right = [index for index in left if _is_right_after(evidence.first, index, updated, step)]
        left = [index for index in left if index not in right]
        if not right:
            return
        before, updated = updated, [*updated, *right]
    names = tuple(evidence.names[index] for index in wrong)
    first = listed([evidence.names[index] for index in before])
    yield rule.finding(
        names,
        f"{gradient_of(names)} made with weights that the step has already updated",
        evidence=(
            f"the loss has these derivatives once {first} {verb(before, 'is', 'are')} updated",
        ),
        fix="compute all gradients first, and update the parameters after that",
    )


def _is_right_after(point: Point, index: int, updated: Sequence[int], step: Step) -> bool:
    """Whether a gradient is right at the point at which other blocks are updated."""
    gradient = point.blocks[index].gradient.value
    if gradient is None or not updated:
        return False
    mixed = list(point.values)
    for other in updated:
        change = point.blocks[other].gradient.value
        mixed[other] = mixed[other] - step.learning_rate * (0.0 if change is None else change)
    here, there = (
        abs(slope_along(point.problem, values, index, gradient) - 1)
        for values in (point.values, mixed)
    )
    return there < NEAR and here > CLEAR * there


def _in_the_limit(rule: Rule, evidence: Evidence, step: Step) -> Iterator[Finding]:
    """Yield the finding of blocks whose error vanishes with the learning rate."""
    wrong = [index for index, block in enumerate(evidence.blocks) if block.verdict == "wrong"]
    errors: dict[int, float] = dict.fromkeys(wrong, 0.0)
    for point in evidence.points:
        limits = list(_at_no_learning_rate(evidence, point, step))
        for index in list(errors):
            value = point.values[index]
            tried = (
                error_if_right(point, index, limit - decay * moved(value, limit), gain)
                for gain, gradients in limits
                for limit in gradients[index : index + 1]
                for decay in (0.0, *set(step.decay.values()))
                if limit is not None
            )
            error = next((one for one in tried if one is not None), None)
            if error is None:
                del errors[index]
            else:
                errors[index] = max(errors[index], error)
    for index, error in [*errors.items()]:
        if CLEAR * error > (evidence.blocks[index].max_rel_error or 0.0):
            del errors[index]  # only its rounding grows with smaller steps
    if errors:
        names = tuple(evidence.names[index] for index in errors)
        rates = listed([f"{share * step.learning_rate:g}" for share in SHARES[:2]])
        yield rule.finding(
            names,
            f"{gradient_of(names)} made with weights that the step has already updated",
            evidence=(
                f"the error vanishes with the learning rate: from steps at {rates} and less it "
                f"goes to {max(errors.values()):.1e} at 0",
            ),
            fix="compute all gradients first, and update the parameters after that",
            error_after_fix=max(errors.values()),
        )


def _at_no_learning_rate(
    evidence: Evidence, point: Point, step: Step
) -> Iterator[tuple[float, list[Array | None]]]:
    """Yield the implied gradients in the limit of a learning rate of 0, and their gain of rounding.

    They are polynomials in the rate: linear in the layer below weights that are updated too early,
    and of one degree more in each layer further down.
    """
    problem = evidence.problem
    known = [[block.gradient.value for block in point.blocks]]
    for degree in range(1, len(SHARES)):
        step.begin()
        try:
            less = problem.implied_gradient(point.values, step.learning_rate * SHARES[degree])
            known.append([one.value for one in read_gradients(less, problem.parameters).blocks])
        except UserCodeError:
            return
        shares = np.array(SHARES[: degree + 1])
        every = ((share, np.delete(shares, index)) for index, share in enumerate(shares))
        weights = [float(np.prod(others / (others - share))) for share, others in every]
        gain = float(np.sum(np.abs(weights) / shares))
        yield gain, [_weighted(weights, of_block) for of_block in zip(*known, strict=True)]


def _weighted(weights: Sequence[float], gradients: Sequence[Array | None]) -> Array | None:
    """Return the weighted sum of gradients; None if one is missing, or of another shape."""
    there = [one for one in gradients if one is not None]
    if len(there) < len(weights) or len({one.shape for one in there}) > 1:
        return None
    return np.asarray(np.tensordot(weights, there, axes=1))


RULE = Rule(
    code="GC404",
    name="updated-weights-used",
    what="The step updates a layer's weights and then sends delta back through the new ones.",
    shows="the error vanishes with the learning rate.",
    example="W2 -= lr * dW2;  delta1 = delta2 @ W2.T * slope",
    instead="delta1 = delta2 @ W2.T * slope;  W2 -= lr * dW2",
    detector=Direct(_find),
    also=(Traced((fault.UPDATED_WEIGHTS,)),),
    edits=(EditKind.MOVED_STATEMENT, EditKind.NAME, EditKind.COPY),
)
