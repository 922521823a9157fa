"""The numbers of an iteration that may be its loss, and their derivatives by the parameters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck.arrays import one_factor
from gradcheck.script.inferred import families
from gradcheck.script.marks import (
    ASSIGNED,
    DIFFERENCE,
    INCREMENT,
    PRINTED,
    RETURNED,
    SHARE,
    Seen,
    Site,
)
from gradcheck.script.point import Gradients, Loss, Point, first_mark
from gradcheck.script.state import Path, label, last_name, movement, plain
from gradcheck.script.words import CLIMBED, ELSEWHERE, OBJECTIVE, STRONG
from gradcheck.user.blocks import Array

MOST_BLOCKS, DIRECTIONS = 14, 2
CLOSE, TINY, TWICE = 2e-3, 1e-11, 2


def has_loss(point: Point) -> bool:
    """Whether a number of an iteration depends on its parameters and may be its loss."""
    return bool(_depending(point, point.start))


def ignored(point: Point) -> list[Path]:
    """Return the parameters that an iteration moves, but on which none of its errors depends.

    The loop may then walk, as a solver of an equation does, or add up what it moves. Nothing is
    returned if the script computes a loss: it may have forgotten one.
    """
    found = _depending(point, point.start)
    if not found or not all(loss.family for loss in found):
        return []
    state, after = point.snapshot.state, point.run.replay(point.step.loop, point.snapshot)
    moves = {path: movement(after, state, path) for path in list(point.start)[:MOST_BLOCKS]}
    moved = [path for path, move in moves.items() if move is not None and np.any(move)]
    return [path for path in moved if not _depending(point, [path])]


def _depending(point: Point, paths: Iterable[Path]) -> list[Loss]:
    """Return the numbers that may be the loss and depend on the parameters at some paths."""
    rng, ahead, behind = np.random.default_rng(1), dict[Path, Any](), dict[Path, Any]()
    for path in paths:
        value = point.start[path]
        move = 1e-5 * _size(value) * rng.uniform(0.5, 1.0, value.shape)
        ahead[path], behind[path] = plain(value + move), plain(value - move)
    trial = _Trial((), 1.0, point.seen(ahead), point.seen(behind), None)
    numbers = _numbers(point.run.marked.sites, point.seen({}), [trial])
    return [loss for loss in numbers if not loss.site.is_watched]


def candidates(point: Point, gradients: Gradients) -> list[Loss]:
    """Return the numbers of an iteration that depend on the parameters and may be its loss."""
    start = point.start
    rng = np.random.default_rng(1)
    paths = a_few(list(start), rng)
    base = point.seen({})
    trials = []
    for path in paths:
        for _ in range(DIRECTIONS if start[path].size > 1 else 1):
            direction = rng.standard_normal(start[path].shape)
            width = 1e-5 * _size(start[path]) / max(float(np.max(np.abs(direction))), 1e-9)
            slope = None
            if path in gradients and gradients[path].shape == direction.shape:
                slope = float(np.sum(gradients[path].real * direction))
            trials.append(_Trial(path, width, *point.on_both_sides(path, width * direction), slope))
    own = {name for path in point.step.all_paths for name in (label(path), last_name(path))}
    numbers = _numbers(point.run.marked.sites, base, trials)
    losses = [one for one in numbers if one.family or one.words not in own]  # it is no parameter
    wholes = _with_wholes(losses, base)
    loop = point.run.marked.loops[point.step.loop]
    at = loop.file, loop.function.lineno if loop.function else 0
    wholes = [replace(one, anew=_is_anew(one.site, at, loop.left_out)) for one in wholes]
    passes = [base, *(seen for one in trials for seen in (one.ahead, one.behind))]
    wholes = [replace(one, asked=first_mark(one, wholes, passes)) for one in wholes]
    is_one = sum(start[path].size for path in paths) == 1
    reached = [point.run.marked.sites[one] for one in point.run.reached]
    adds = any(one.kind == INCREMENT and one.text and one.name in own for one in reached)
    return [_compared(one, trials, _may_climb(one, base, adds), is_one) for one in wholes]


def _size(value: Array) -> float:
    return max(float(np.max(np.abs(value), initial=0.0)), 0.1)


def a_few(paths: list[Path], rng: np.random.Generator) -> list[Path]:
    """Return the paths, or a random choice of them where there are many."""
    if len(paths) <= MOST_BLOCKS:
        return paths
    return [paths[k] for k in sorted(rng.choice(len(paths), MOST_BLOCKS, replace=False))]


def _is_anew(site: Site, at: tuple[str, int], left_out: Set[str]) -> bool:
    return site.text == "+=" and site.name in left_out and (site.file, site.function) == at


def _may_climb(loss: Loss, base: Seen, adds: bool) -> bool:
    named = CLIMBED.search(loss.site.name) or (adds and OBJECTIVE.search(loss.site.name))
    return not loss.family and (bool(named) or base.last(loss.number) < 0)


@dataclass(frozen=True)
class _Trial:
    """An iteration on both sides of the point along a direction, and the gradient's slope."""

    path: Path
    width: float
    ahead: Seen
    behind: Seen
    slope: float | None


def _numbers(sites: Sequence[Site], base: Seen, trials: list[_Trial]) -> Iterator[Loss]:
    errors = {
        abs(float(np.ravel(one)[0] - np.ravel(other)[0]))
        for number, pairs in base.records.items()
        if sites[number].kind == DIFFERENCE
        if _moved_sides(number, base, trials) != [True, True]
        for one, other in pairs
        if np.size(one) == 1
    }
    elsewhere = [base.last(one) for one in base.records if _is_elsewhere(sites[one])]
    for order, (number, records) in enumerate(base.records.items()):
        site, count = sites[number], len(records)
        if site.kind == DIFFERENCE:
            yield from _inferred(number, site, base, trials)
            continue
        strong = site.kind not in (PRINTED, SHARE) and bool(STRONG.search(site.name))
        strong = strong or site.is_differentiated
        believed = strong and (site.kind != RETURNED or "abs" in site.text)
        if not believed and abs(records[-1]) in errors:
            continue  # a signed error, or the derivative that a loss function returns on request
        slopes = _slopes(trials, lambda seen, number=number: seen.records[number][-1])
        if slopes is not None:
            if count > 1:
                slopes, count = _of_calls(number, slopes, trials, count)
            strong = strong and records[count - 1] not in elsewhere
            yield Loss(number, count, site, slopes, base.last(number), strong, order)


def _is_elsewhere(site: Site) -> bool:
    return site.kind != DIFFERENCE and bool(ELSEWHERE.search(site.name))


def _of_calls(number: int, last: Array, trials: list[_Trial], count: int) -> tuple[Array, int]:
    """Return the slopes and count of the first or the last call of several.

    Of two it is that along which the step goes more steeply; of more, as in a line search, it is
    the first one if the step goes exactly along it.
    """
    first = _slopes(trials, lambda seen: seen.records[number][0])
    if first is None or any(trial.slope is None for trial in trials):
        return last, count
    step = np.array([trial.slope for trial in trials], dtype=np.float64)
    of_first, of_last = (abs(one @ step) / np.linalg.norm(one) for one in (first, last))
    is_along = one_factor(step / np.where(first == 0, np.nan, first), CLOSE) is not None
    return (first, 1) if of_first > of_last and (count == TWICE or is_along) else (last, count)


def _with_wholes(losses: list[Loss], base: Seen) -> list[Loss]:
    """Prefer a total loss to its parts: only the name of the total is then believed.

    Parts are variables of the function that returns the total, functions of which it adds up what
    they return, functions that are called once for every element of it, the variables of these, and
    any numbers of which it is the running sum.
    """
    believed: dict[int, bool] = {}
    returned = {loss.site.name for loss in losses if loss.site.kind == RETURNED}
    written = [loss for loss in losses if not loss.family]
    for loss in written:
        for other in written:
            whole, part = loss.site, other.site
            if whole.kind == RETURNED:
                local = part.kind == ASSIGNED and part.function == whole.function
                is_part = local and part.name in whole.parts and part.file == whole.file
            else:
                named = part.name in whole.parts or not whole.parts & returned
                often = len(base.records[other.number]) > 2 * len(base.records[loss.number])
                is_term = whole.text == "+" and part.name in whole.parts
                is_term = is_term and not _is_elsewhere(whole)
                is_part = bool(whole.parts) and part.kind == RETURNED
                is_part = is_part and (is_term or (named and often))
                is_part = is_part or _is_running_sum(base.records, loss, other)
            if is_part and base.last(loss.number) != base.last(other.number):
                believed[loss.number], believed[other.number] = True, False
                inside = (one for one in written if _is_within(one.site, part))
                believed.update(dict.fromkeys((one.number for one in inside), False))
    return [replace(one, strong=believed.get(one.number, one.strong)) for one in losses]


def _is_within(site: Site, returned: Site) -> bool:
    own = returned.kind == RETURNED and site.kind == ASSIGNED
    return own and (site.file, site.function) == (returned.file, returned.function)


def _is_running_sum(records: Mapping[int, list[Any]], whole: Loss, part: Loss) -> bool:
    sums, parts = records[whole.number], records[part.number]
    if not (whole.strong and whole.site.text == "+=" and 1 < len(sums) == len(parts)):
        return False
    return bool(np.allclose(np.diff(sums), parts[1:], 1e-9, 1e-12))


def _slopes(trials: list[_Trial], of: Any) -> Array | None:
    """Return the slopes of a number in all directions; None if they are all 0 or not finite."""
    try:
        slopes = np.array([(of(one.ahead) - of(one.behind)) / (2 * one.width) for one in trials])
    except (KeyError, ValueError, IndexError):
        return None
    return slopes if np.all(np.isfinite(slopes)) and np.any(slopes) else None


def _inferred(number: int, site: Site, base: Seen, trials: list[_Trial]) -> Iterator[Loss]:
    """Yield the losses that a difference may stand for, if one operand depends on parameters."""
    pairs, moves = base.records[number], _moved_sides(number, base, trials)
    if not moves or moves[0] == moves[1]:
        return
    side = 0 if moves[0] else 1
    for family in families([(pair[side], pair[1 - side]) for pair in pairs], bool(site.value)):
        loss = Loss(number, len(pairs), site, np.empty(0), family=family, side=side)
        slopes = _slopes(trials, lambda seen, loss=loss: float(loss.of(seen.records[number])))
        if slopes is not None:
            yield replace(loss, slopes=slopes, worth=float(loss.of(pairs)))


def _moved_sides(number: int, base: Seen, trials: list[_Trial]) -> list[bool]:
    """Return which operands of a difference depend on parameters; nothing if their number does."""
    pairs = base.records[number]
    others = [seen.records.get(number, []) for one in trials for seen in (one.ahead, one.behind)]
    if any(len(other) != len(pairs) for other in others):
        return []
    return [
        any(
            not np.array_equal(a[side], b[side])
            for other in others
            for a, b in zip(pairs, other, strict=True)
        )
        for side in (0, 1)
    ]


def _compared(
    loss: Loss, trials: list[_Trial], may_climb: bool = False, is_one: bool = False
) -> Loss:
    """Return the loss, with its slopes compared with the gradient in every direction.

    For a negative loss, such as a log-likelihood, the steps may descend its negative instead; of
    one that is called so and is negative, they have to. That they are a factor apart says nothing
    where a single number is trained (`is_one`).
    """
    if may_climb:
        climbed = _compared(replace(loss, slopes=-loss.slopes, climbed=True), trials)
        name, rises = loss.site.name, climbed.middle > 0
        is_named = (CLIMBED.search(name) and (rises or loss.worth < 0)) or (
            rises and OBJECTIVE.search(name)
        )
        if climbed.agreeing or (climbed.common and not is_one) or is_named:
            return climbed
    ratios: dict[Path, list[float]] = {}
    for trial, slope in zip(trials, loss.slopes, strict=True):
        of_block = ratios.setdefault(trial.path, [])
        if trial.slope is None:
            of_block.append(float("nan"))
        elif max(abs(slope), abs(trial.slope)) > TINY:
            of_block.append(trial.slope / slope if slope else float("inf"))
    offs = [max(abs(r - 1) for r in of_block) if of_block else 0.0 for of_block in ratios.values()]
    near = [off for off in offs if off < CLOSE]
    alike = sum(one_factor(of_block, CLOSE) is not None for of_block in ratios.values())
    every = np.array([ratio for of_block in ratios.values() for ratio in of_block])
    middle = float(np.median(every)) if every.size and np.all(np.isfinite(every)) else 0.0
    found = replace(loss, agreeing=len(near), off=max(near, default=0.0), alike=alike)
    return replace(found, blocks=len(ratios), middle=middle, common=one_factor(every, CLOSE))
