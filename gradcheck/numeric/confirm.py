"""Confirms that an analytic derivative is wrong, at the smallest step that can show it.

An estimate that converges may still belong to a larger scale: that of x^2 sin(1/x) converges
towards 0 while h is far above x^2. Estimates that cross a pole, a root, a jump or many kinks change
at smaller steps. With the claim g, d = |g - D(h)| and the noise nu, the step h_s = 8 nu / d shows
d with a rounding error of d / 8; there D must still be D(h), and not g.
"""

from __future__ import annotations

import numpy as np

from gradcheck.numeric.estimate import Array, Indices, Mask, Pair
from gradcheck.numeric.levels import RATIO, TOP, Asked, Levels
from gradcheck.numeric.noise import LARGEST, MUCH_MORE, ROUNDING
from gradcheck.numeric.staircases import WIDE, jumps_beside, on_plateau, on_step

SHOWS = 8.0
"""The confirming step is so large that its rounding error is the disagreement over this."""

LOUDER, LAST = 8.0, 4
"""The last turn, number `LAST`, assumes that the noise is larger by this factor."""

SMALLEST = 64 * ROUNDING
SINGLE_PRECISION = 32 * float(np.finfo(np.float32).eps)
"""A plateau narrower than this share of a parameter may come from rounding it to float32."""

STEEPER = 4.0
ALMOST_FLAT = 5.0
"""A slope smaller than the claim by more is hardly one."""

TRIED = 3

ALONE = 4.0
"""If no smaller step can show it, a claim is wrong at this many bounds from a converged value."""


def confirm(
    levels: Levels,
    asked: Asked,
    rows: Indices,
    value: Array,
    at: Indices,
    bound: Array,
    seen: Array,
) -> tuple[Mask, Mask]:
    """Evaluates the rows at the smallest step, for the least noise first, then for larger noise.

    The claims of the rows disagree with `value`, which comes from the level `at`. Its error bound
    `bound` includes the rounding error of the claim; `seen` is the noise observed, (n,) each.

    Returns:
        Where the smallest step gives `value` again, far from the claim, so that the claim is wrong,
        (n,); and where it gives the claim instead, (n,).
    """
    distance = np.abs(asked.claimed[rows] - value)
    marks = (np.zeros(len(rows), dtype=bool) for _ in range(5))
    (wrong, supported, same_slope, bent, steep), tried = marks, np.zeros(len(rows))
    most = np.max([asked.fine[rows], asked.rough[rows], seen], axis=0)
    for turn, noise in enumerate(
        (asked.least[rows], asked.fine[rows], asked.rough[rows], seen, LOUDER * most)
    ):
        open_ = np.flatnonzero(~wrong & ~supported & ~steep & (noise > MUCH_MORE * tried))
        if turn == LAST:  # only rows whose slope is the same: noise may have looked like a bend
            open_ = open_[same_slope[open_]]
        tried[open_] = noise[open_]
        here, off = rows[open_], distance[open_]
        shows, least = SHOWS * noise[open_] / off, SMALLEST * levels.sizes[here]
        level = levels.at_least(here, np.fmax(shows, least))
        lower = level < at[open_]
        alone = open_[~lower]
        below = levels.ask(rows[alone], np.maximum(at[alone] - 1, 0))
        # a bend seen at a smaller step is not refuted by a larger one
        wrong[alone] = (distance[alone] > ALONE * bound[alone]) & ~bent[alone]
        wrong[alone] &= np.abs(below.central() - value[alone]) <= distance[alone] / 4
        open_, here, off, level = open_[lower], here[lower], off[lower], level[lower]
        small, large = levels.ask(here, level), levels.known((here, at[open_]))
        same_slope[open_] = _has_the_slope(small, value[open_], asked.claimed[here], off)
        smooth = _is_smooth(small, large, levels.center, value[open_], off)
        far = np.flatnonzero((shows < least)[lower])
        beyond = open_[far]
        steep[beyond] = _steepens(levels, here[far], at[beyond], level[far], most[beyond])
        smooth &= ~steep[open_]
        wrong[open_] = same_slope[open_] & smooth
        bent[open_] = same_slope[open_] & ~smooth
        supported[open_] = _supports(levels, asked, here, level, off)
    wrong = _that_stay(wrong, levels, asked, rows, value, at)
    doubtful = wrong & on_plateau(levels, rows, at) if levels.exact else wrong
    far = np.flatnonzero(doubtful)[: levels.few]
    _look_for_coarse_term(levels, asked, rows[far], value[far], distance[far], most[far])
    wrong &= not levels.coarse
    zero = np.flatnonzero(wrong & (asked.claimed[rows] == 0))
    wrong[zero[_between_steps(levels, rows[zero], value[zero])]] = False
    return wrong, supported


def _that_stay(
    wrong: Mask, levels: Levels, asked: Asked, rows: Indices, value: Array, at: Indices
) -> Mask:
    """Where rows are wrong, and almost flat only if the smallest step of the noise seen is so too.

    A step that only a smaller noise allows may lie within the rounding of an intermediate result,
    where a slope of about 0 is had by chance.
    """
    is_flat = np.abs(value) < np.abs(asked.claimed[rows]) / ALMOST_FLAT
    found, stays = np.flatnonzero(wrong & is_flat), wrong.copy()
    here, wanted = rows[found], value[found]
    distance = np.abs(asked.claimed[here] - wanted)
    level = np.fmin(levels.at_least(here, SHOWS * asked.rough[here] / distance), at[found])
    slope = levels.ask(here, level).central()
    stays[found] = np.abs(slope - wanted) <= distance / 4
    return stays


def _look_for_coarse_term(
    levels: Levels, asked: Asked, rows: Indices, slope: Array, distance: Array, noise: Array
) -> None:
    """Note whether the loss may have a term rounded to float16, whose slope small steps miss.

    A few rows may agree by chance, so that more are asked when there are more.
    """
    if levels.coarse or len(rows) <= levels.examined:
        return
    levels.examined = len(rows)
    levels.coarse = _seen_from_afar(levels, asked, rows, distance) or any(
        jumps_beside(levels, rows[index], slope[index], distance[index], noise[index])
        for index in np.argsort(-distance)[:TRIED]
    )


def _seen_from_afar(levels: Levels, asked: Asked, rows: Indices, distance: Array) -> bool:
    """Whether two steps larger than the rounding of a float16 give the claims when extrapolated.

    A term whose parameters are rounded to float16 is flat at smaller steps. The extrapolation
    removes the leading truncation error. More than half of the rows must agree.
    """
    level = levels.at_least(rows, WIDE * levels.sizes[rows])
    near = levels.ask(rows, level).central()
    far = levels.ask(rows, np.minimum(level + 1, TOP)).central()
    extrapolated = near + (near - far) / (RATIO**2 - 1)
    agrees = np.abs(extrapolated - asked.claimed[rows]) <= distance / 4
    agrees &= np.abs(near - asked.claimed[rows]) <= distance / 2
    return 2 * int(np.count_nonzero(agrees)) > len(rows)


def _between_steps(levels: Levels, rows: Indices, value: Array) -> Mask:
    """Where the loss is constant around the point, so that a derivative of 0 is right, (n,).

    Close to a step of a staircase the constant stretch is shorter, and the slope across the step is
    steeper than `value`.
    """
    level = levels.at_least(rows, SINGLE_PRECISION * levels.sizes[rows])
    flat = levels.ask(rows, level).is_flat(levels.center)
    least = levels.at_least(rows, SMALLEST * levels.sizes[rows])
    still = levels.ask(rows, least).is_flat(levels.center)
    with np.errstate(all="ignore"):
        steepest = np.nanmax(np.abs(levels.known(rows).central()), axis=1, initial=0.0)
    return np.asarray(flat | (still & (steepest > STEEPER * np.abs(value))))


def _has_the_slope(small: Pair, value: Array, claimed: Array, distance: Array) -> Mask:
    """Where the smaller step gives the value and not the claim, (n,)."""
    with np.errstate(all="ignore"):
        slope = small.central()
        same = np.abs(slope - value) <= distance / 4
        return np.asarray(same & (np.abs(slope - claimed) >= distance / 2))


def _is_smooth(small: Pair, large: Pair, center: float, value: Array, distance: Array) -> Mask:
    """Where the smaller step shows no kink and no plateau, (n,).

    The gap between the one-sided slopes of a smooth function is proportional to the step.
    """
    with np.errstate(all="ignore"):
        bent = np.abs(small.gap(center) - large.gap(center) * small.step / large.step)
        return np.asarray((bent <= distance / 2) & ~(small.is_flat(center) & (value != 0)))


def _steepens(levels: Levels, rows: Indices, at: Indices, level: Indices, noise: Array) -> Mask:
    """Where the loss is steeper at smaller steps, near a pole, a root or a jump, (n,).

    There a claim may be right that would move the loss by far more than any step shows. Two steps
    test it: the smallest, with noise assumed as a share of the loss; and the smallest that the
    observed noise allows. `level` is the smallest level, `at` the level of the known slope, and
    `noise` the largest noise observed.
    """
    large = levels.known((rows, at))
    with np.errstate(all="ignore"):
        far = np.abs(large.central()) + np.abs(large.gap(levels.center))
        shown = np.clip(levels.at_least(rows, SHOWS * noise / far), level, at)
        steep = np.zeros(len(rows), dtype=bool)
        for there, least in (
            (level, LARGEST * np.fmax(large.largest_move(0.0), abs(levels.center))),
            (shown, SHOWS * noise),
        ):
            small = levels.ask(rows, there)
            near = np.abs(small.central()) + np.abs(small.gap(levels.center))
            steep |= near > STEEPER * far + least / small.step
        return steep


def _supports(levels: Levels, asked: Asked, rows: Indices, level: Indices, distance: Array) -> Mask:
    """Where the smaller step and the one above it both give the claim, so not by chance, (n,).

    A slope of 0 on a plateau counts only if the plateau is no step of a staircase.
    """
    agrees = np.ones(len(rows), dtype=bool)
    for further in (level, level + 1):
        here = np.flatnonzero(agrees)
        slope = levels.ask(rows[here], further[here]).central()
        agrees[here] = np.abs(slope - asked.claimed[rows[here]]) <= distance[here] / 4
    flat = np.flatnonzero(agrees)
    agrees[flat] = ~on_step(levels, rows[flat], level[flat])
    return agrees
