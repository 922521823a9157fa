"""Measures entries that the first step leaves open at smaller and larger steps.

An entry that clearly disagrees is measured at the smallest step that shows this (`confirm`). The
others climb a ladder of steps: up if rounding limits the precision, down if truncation or a kink
does, until the bound is as small as that of an entry settled by the first step. A wrong derivative
so meets the same bound as a right one. An entry that stays unconfirmed is neither right nor wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gradcheck.numeric.confirm import SMALLEST, confirm
from gradcheck.numeric.estimate import Array, Estimates, Indices, Mask
from gradcheck.numeric.first import STATED
from gradcheck.numeric.kinks import bent, jumps_at, kinks_of
from gradcheck.numeric.levels import FIRST, TOP, Asked, Levels, best_of
from gradcheck.numeric.noise import ROUNDING
from gradcheck.numeric.staircases import on_plateau, on_step

BOUND_FACTOR = 2.0
"""The safety factor of estimated errors."""

FAR = 16.0
CLEAR = 4.0
ROUNDS = 20
WINDOW = 3
GOOD_START = 20.0
SMALLEST_START = 1e3 * ROUNDING
LARGEST_STEP = 0.2
HOPELESS = 4.0


@dataclass
class _Search:
    """The state of the search, one row per entry, (n,) each.

    Attributes:
        level: the lowest level that the value comes from.
        opened: the distance of the claim from the derivative at the first step.
        confirmed: whether the claim is confirmed to be wrong.
        low: the lowest level of the contiguous range that was evaluated.
        high: the highest level of that range.
        rising: whether the next step is larger.
    """

    value: Array
    bound: Array
    level: Indices
    opened: Array
    confirmed: Mask
    low: Indices
    high: Indices
    rising: Mask


def escalate(levels: Levels, asked: Asked, relative_limit: float) -> Estimates:
    """Estimates of the entries that the first step left open.

    `relative_limit` is the largest bound, relative to the scale, with which an entry can be right.
    """
    every = np.arange(len(levels))
    first = levels.known((every, np.full(len(every), FIRST)))
    start, value = np.full(len(every), FIRST), first.central()
    opened = np.abs(asked.claimed - value)
    search = _Search(
        value,
        np.full(len(every), np.inf),
        start.copy(),
        opened,
        np.zeros(len(every), dtype=bool),
        start.copy(),
        start.copy(),
        np.ones(len(every), dtype=bool),
    )
    far = _far(levels, asked, opened)
    search.rising[far] = False
    supported = _settle_far(levels, asked, search, far)
    open_ = np.setdiff1d(every, np.flatnonzero(search.confirmed))
    asked = _restarted(levels, asked, search, supported, relative_limit)
    for _ in range(ROUNDS):
        if not len(open_):
            break
        open_ = _round(levels, asked, search, open_)
    return _result(levels, asked, search)


def _far(levels: Levels, asked: Asked, distance: Array) -> Indices:
    """The rows that disagree by far more than rounding, except those on a staircase."""
    every = np.arange(len(levels))
    first = np.full(len(every), FIRST)
    stairs = on_step(levels, every, first)
    rounding = asked.rough / levels.known((every, first)).step
    far = np.isfinite(distance) & (distance > FAR * rounding + BOUND_FACTOR * asked.precision)
    return every[far & ~stairs]


def _settle_far(levels: Levels, asked: Asked, search: _Search, far: Indices) -> Indices:
    """Marks rows confirmed to be wrong; returns the rows whose claims the loss supports."""
    if not len(far):
        return far
    first = np.full(len(far), FIRST)
    precision = asked.precision[far]
    bound = asked.stated[far] + precision
    is_wrong, supported = confirm(
        levels, asked, far, search.value[far], first, bound, asked.rough[far]
    )
    wrong = far[is_wrong]
    step = levels.known((wrong, first[is_wrong])).step
    outer = levels.ask(wrong, np.full(len(wrong), FIRST + 1)).central()
    truncation = np.abs(outer - search.value[wrong]) / 3
    error = np.fmax(asked.stated[wrong], STATED * asked.rough[wrong] / step + truncation)
    distance = np.abs(asked.claimed[wrong] - search.value[wrong])
    clear = distance > CLEAR * (error + asked.precision[wrong])
    search.bound[wrong[clear]] = error[clear]
    search.confirmed[wrong[clear]] = True
    return far[supported & ~on_plateau(levels, far, first)]


def _restarted(
    levels: Levels, asked: Asked, search: _Search, supported: Indices, relative_limit: float
) -> Asked:
    """Starts the search of supported rows at the much smaller step that supports them."""
    if not len(supported):
        return asked
    limit = asked.limit.copy()
    claimed = np.abs(asked.claimed[supported])
    limit[supported] = np.fmax(limit[supported], relative_limit * claimed)
    sizes = levels.sizes[supported]
    step = GOOD_START * asked.fine[supported] / limit[supported]
    start = levels.at_least(supported, np.fmax(step, SMALLEST_START * sizes))
    start = np.minimum(start, FIRST)
    levels.ask(supported, start)
    search.low[supported] = search.high[supported] = start
    search.rising[supported] = start < FIRST - 1
    return replace(asked, limit=limit)


def _round(levels: Levels, asked: Asked, search: _Search, open_: Indices) -> Indices:
    """Evaluates one more level of every open row; returns the rows that are still open."""
    rising = search.rising[open_]
    for rows, step, edge in ((open_[rising], 1, search.high), (open_[~rising], -1, search.low)):
        edge[rows] += step
        levels.ask(rows, edge[rows])
    wide = open_[search.high[open_] - search.low[open_] >= WINDOW - 1]
    best = best_of(levels, asked, wide)
    known = np.isfinite(best.bound)
    search.bound[wide] = best.bound
    search.value[wide[known]] = best.value[known]
    search.level[wide[known]] = best.level[known]
    distance = np.abs(asked.claimed - search.value)
    settled = (distance <= search.bound + asked.precision) | np.isnan(asked.claimed)
    settled &= search.bound <= asked.target
    off = wide[distance[wide] > BOUND_FACTOR * (search.bound + asked.precision)[wide]]
    # a claim that agrees at the first step but not at smaller ones is not plainly wrong
    off = off[~(search.opened[off] <= distance[off] / 4)]
    if len(off):
        bound = search.bound[off] + asked.precision[off]
        seen = best.noise[np.searchsorted(wide, off)]
        wrong, _ = confirm(levels, asked, off, search.value[off], search.level[off], bound, seen)
        search.confirmed[off[wrong]] = True
    return _going_on(levels, asked, search, open_[~(settled | search.confirmed)[open_]])


def _going_on(levels: Levels, asked: Asked, search: _Search, open_: Indices) -> Indices:
    """The rows for which another level may help; sets the direction of each.

    A row keeps its direction while it can; once levels contract, the best of them lead.
    """
    low, high, bound = search.low[open_], search.high[open_], search.bound[open_]
    sizes, limit = levels.sizes[open_], asked.limit[open_]
    distance = np.abs(asked.claimed - search.value)[open_]
    disagrees = distance > bound + asked.precision[open_]
    below, above = levels.step(open_, low - 1), levels.step(open_, high + 1)
    wanted = np.fmin(np.where(disagrees, np.fmin(limit, distance), limit), bound)
    rounding, target = asked.fine[open_] / below, asked.target[open_]
    finer = (rounding <= target) & (bound > target)
    up = above <= LARGEST_STEP * np.fmax(sizes, 1.0)
    bounded = np.isfinite(bound) & (high - low >= WINDOW - 1)
    at_top = search.level[open_] >= high - (WINDOW - 1)
    at_bottom = search.level[open_] <= low
    down = (rounding <= HOPELESS * wanted) & (~bounded | at_bottom | (bound > limit))
    down = (down | finer) & (low > 0) & (below >= SMALLEST * sizes)
    up &= (high < TOP) & (~bounded | at_top)
    search.rising[open_] = np.where(search.rising[open_], up, up & ~down)
    return np.asarray(open_[up | down])


def _result(levels: Levels, asked: Asked, search: _Search) -> Estimates:
    """The estimates; a claim that neither agrees nor is confirmed to be wrong gets no bound.

    A claim that the first step contradicted agrees only if the better estimate lies much nearer to
    it, or as near as agreement at the first step would have required.
    """
    with np.errstate(invalid="ignore"):
        bound, value = search.bound, search.value
        distance = np.abs(asked.claimed - value)
        explained = np.fmax(search.opened / 2, BOUND_FACTOR * (asked.stated + asked.precision))
        doubtful = (distance > BOUND_FACTOR * (bound + asked.precision)) | (distance > explained)
        decided = np.isnan(asked.claimed) | ~doubtful
        right = decided & (bound <= asked.limit)
    bound = np.where(search.confirmed | decided, bound, np.inf)
    estimates = Estimates(value, bound, value, value, np.zeros(len(value), dtype=bool))
    rest = np.flatnonzero(~search.confirmed & ~right & np.isfinite(value))
    if len(rest):
        kinks = kinks_of(levels, asked, rest)
        estimates = estimates.put(rest[kinks.kink], kinks[kinks.kink])
        estimates.kink[rest] |= bent(levels, asked, rest)
        estimates.kink[rest] &= ~jumps_at(levels, asked, rest)
    estimates.bound[~np.isfinite(estimates.value)] = np.inf
    return estimates
