"""The entries that were not perturbed one by one: tested along random directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gradcheck.compare.beside_kinks import claims_of
from gradcheck.numeric.blackbox import BlockGradient, NumericGradient
from gradcheck.numeric.estimate import Estimates
from gradcheck.numeric.noise import Noise
from gradcheck.numeric.screening import Screened, screen
from gradcheck.user.blocks import Array
from gradcheck.user.calls import UserCodeError
from gradcheck.user.evaluation import gradient_of_loss
from gradcheck.user.gradients import Gradients
from gradcheck.user.problem import Problem

DIRECTIONS = 3


def screen_the_rest(
    problem: Problem,
    values: tuple[Array, ...],
    center: float,
    noise: Noise,
    gradients: Gradients,
    precision: Sequence[float],
    numeric: NumericGradient,
    rng: np.random.Generator,
) -> tuple[NumericGradient, tuple[Screened | None, ...]]:
    """Screens what was left out of every block, and perturbs the suspects one by one.

    Returns:
        The numeric gradient with the suspects added, and what the directions said, per block.

    Raises:
        UserCodeError: the loss raised at a perturbed entry.
    """
    calls = 0

    def loss(point: Sequence[Array]) -> float:
        nonlocal calls
        calls += 1
        try:
            return problem.loss(problem.parameters.rounded(point))
        except UserCodeError:
            return float("nan")

    screened: list[Screened | None] = []
    for block, (gradient, measured) in enumerate(
        zip(gradients.blocks, numeric.blocks, strict=True)
    ):
        rest = np.setdiff1d(np.arange(values[block].size), measured.entries)
        if gradient.verdict != "ok" or gradient.value is None or not len(rest):
            screened.append(None)
            continue
        claimed = gradient.value.reshape(-1)
        screened.append(
            screen(
                loss,
                values,
                block,
                rest,
                claimed,
                precision[block],
                noise.level,
                DIRECTIONS,
                rng,
            )
        )
    suspects = [
        np.array([] if found is None else sorted(found.suspects), dtype=np.intp)
        for found in screened
    ]
    claims = claims_of(gradients, precision, values)
    more = gradient_of_loss(problem, values, center, noise, suspects, claims, rng)
    merged = tuple(
        _merged(one, other) for one, other in zip(numeric.blocks, more.blocks, strict=True)
    )
    evaluations = numeric.evaluations + more.evaluations + calls
    return NumericGradient(merged, evaluations, more.interrupted), tuple(screened)


def _merged(one: BlockGradient, other: BlockGradient) -> BlockGradient:
    if not len(other.entries):
        return one
    order = np.argsort(np.concatenate([one.entries, other.entries]))
    pairs = (
        (getattr(one.estimates, name), getattr(other.estimates, name))
        for name in ("value", "bound", "lower", "upper", "kink")
    )
    return replace(
        one,
        entries=np.concatenate([one.entries, other.entries])[order],
        share=np.concatenate([one.shares, other.shares])[order],
        estimates=Estimates(*(np.concatenate(pair)[order] for pair in pairs)),
    )
