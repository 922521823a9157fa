"""Doubts whether a gradient that disagrees with the loss of a script is meant to be one of it."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck.report.model import Report
from gradcheck.script.borrowed import OF_BATCH
from gradcheck.script.gradients import implied_gradients
from gradcheck.script.handover import Taken
from gradcheck.script.in_turn import of_a_proximal_step, of_updates_in_turn
from gradcheck.script.marks import Seen
from gradcheck.script.point import Gradients, Point
from gradcheck.script.state import MODULE, Path, label, leaves, numbers, plain
from gradcheck.script.verdicts import OF_THE_LOSS, UNEXPLAINED_FACTOR, causes, undecided
from gradcheck.script.words import calls_in
from gradcheck.words import listed, verb

FAR = (0.0, 0.1, 1.0, 10.0)
"""How far a parameter is moved to see whether the loss depends on it at all."""

ALIKE = 1e-7
"""Gradients of a step and of half of it differ by no more, but for what else the step moves."""

ERROR_ITSELF, NEAR = "GC402", 1e-3
"""The finding of an error without the inputs, and how far a parameter is moved to see its update
change."""

UNREAD = "GC805"
"""The finding of a parameter on which the loss does not depend."""

SOLVERS = {"solve", "lstsq", "cho_solve", "cg"}
"""Functions that make Newton's step of a gradient."""


def of_no_slope(report: Report, taken: Taken) -> Report:
    """Return an inconclusive report instead, if a wrong gradient may well be none of the loss.

    An iteration that raises is wrong whatever the loss.
    """
    if taken.point.tolerant:
        return report
    doubts = _of_another_loss, _of_samples, _of_another_meaning, _of_adversaries
    for doubt in (*doubts, _of_a_quadratic_form, of_a_proximal_step, of_updates_in_turn):
        report = doubt(report, taken)
    return report


def _of_another_loss(report: Report, taken: Taken) -> Report:
    """Leave open the gradients that an inferred loss does not have, if the step follows them.

    A loop may train two models by an error of each; so does an actor-critic, of which no line
    computes a loss. If all else that is wrong may be so for another loss, nothing is decided.
    """
    unread = next((one for one in report.errors if one.code == UNREAD), None)
    loss = taken.found.loss
    is_said = not loss.family and loss.site.name != OF_BATCH
    if report.verdict != "fail" or is_said or not unread:
        return report
    names = [name for name in unread.blocks if _is_followed(taken, taken.paths[name])]
    rest = tuple(one for one in report.errors if one is not unread or len(names) < len(one.blocks))
    if not names or any(one.code not in UNEXPLAINED_FACTOR | OF_THE_LOSS for one in rest):
        notes = tuple(one for one in report.findings if one.severity != "error")
        blocks = tuple(
            replace(one, verdict="inconclusive") if one.name in names else one
            for one in report.blocks
        )
        return replace(report, findings=(*rest, *notes), blocks=blocks)
    why = (
        f"no line says what the loss is, and {listed(names)} {verb(names, 'has', 'have')} another "
        f"one than {loss.words}, which does not depend on {verb(names, 'it', 'them')}: --loss LINE "
        "--params A,B checks one at a time"
    )
    return undecided(report, taken.found, why)


def _is_followed(taken: Taken, path: Path) -> bool:
    """Whether the step, of this or another parameter, depends on a parameter."""
    point, base = taken.point, taken.point.start[path]
    noise = np.random.default_rng(0).standard_normal(base.shape)
    near = {**point.start, path: base + 0.1 * (abs(base) + 0.1) * noise}
    pairs = zip(_moves(point, point.start), _moves(point, near), strict=True)
    return any(not np.allclose(here, there, 1e-6, 1e-12) for here, there in pairs)


def _moves(point: Point, start: Gradients) -> list[Any]:
    """Return what a step takes off each parameter, if it begins with some values."""
    values = {**point.extra, **{path: plain(value) for path, value in start.items()}}
    after = point.run.replay(point.step.loop, point.snapshot, values)
    return [value - numbers(after.get(path)) for path, value in start.items()]


def _of_a_quadratic_form(report: Report, taken: Taken) -> Report:
    """Return an inconclusive report instead, if the error is the gradient of another loss.

    `A w - b` is the error of a linear system, and where `A` is symmetric also the gradient of
    `w A w / 2 - b w`, which gradient descent and Richardson's iteration need not compute.
    """
    inferred, paths = taken.found.loss.family, taken.point.step.paths
    if report.verdict != "fail" or causes(report) != {ERROR_ITSELF} or not inferred:
        return report
    if len(paths) > 1 or not _is_symmetric(taken, paths[0]):
        return report
    name = label(paths[0])
    why = (
        f"no line says what the loss is, and the update of {name} is the gradient of another one: "
        f"its derivative by {name} is symmetric, as that of A {name} - b is, of the loss "
        f"{name} A {name} / 2 - b {name}; --loss NAME|LINE says which it is"
    )
    return replace(undecided(report, taken.found), could_not_check=why)


def _is_symmetric(taken: Taken, path: Path) -> bool:
    """Whether what the step implies has a symmetric derivative, as all gradients have."""
    point, generator = taken.point, np.random.default_rng(0)
    start = point.start[path]
    ways = [generator.standard_normal(start.shape) for _ in range(2)]

    def along(way: Any) -> Any:
        ends = []
        for sign in (1, -1):
            values = {**point.extra, path: plain(start + sign * NEAR * way)}
            after = point.run.replay(point.step.loop, point.snapshot, values, point.step.rates)
            ends.append(values[path] - after.number(path))
        return ends[0] - ends[1]

    moved = [along(way) for way in ways]
    one, other = float(np.sum(moved[0] * ways[1])), float(np.sum(moved[1] * ways[0]))
    return start.size > 1 and abs(one - other) <= ALIKE * max(abs(one), abs(other))


def _of_adversaries(report: Report, taken: Taken) -> Report:
    """Return an inconclusive report instead, if loss and gradient follow what the step has moved.

    The loss is asked of a step that moves nothing: a generator's is another one there.
    """
    if report.verdict != "fail" or not taken.unheld:
        return report
    point, loss, scales = taken.point, taken.found.loss, (1.0, 0.5, 0.0)
    seen = [Seen() for _ in scales]
    whole, half, _ = (
        implied_gradients(
            point,
            point.run.replay(
                point.step.loop, point.snapshot, point.extra, point.step.rates, scale, own
            ),
        )
        for scale, own in zip(scales, seen, strict=True)
    )
    is_same = all(np.allclose(whole[path], 2 * half[path], ALIKE, 0) for path in half)
    if is_same or loss.value(seen[0]) == loss.value(seen[2]):
        return report
    names = listed(list(map(label, taken.unheld)))
    why = (
        f"the same step moves {names}, too, at the same rate, and {loss.words} is made where that "
        f"has led: what the step implies is no gradient of {loss.words} alone"
    )
    return replace(undecided(report, taken.found), could_not_check=why)


def _of_another_meaning(report: Report, taken: Taken) -> Report:
    """Return an inconclusive report instead, if only its name says that `dw` is a gradient.

    So it is in straight code where no such name agrees, and none follows what the loss follows:
    `dw` may be an uncertainty, a derivative in time, or the slope of something else; where the
    lines solve an equation, it may be Newton's step.
    """
    point, places = taken.point, taken.gradients.values()
    loop = point.run.marked.loops[point.step.loop]
    moves = taken.of_step and (point.step.rate.words or not places)
    is_said = moves or any("grad" in label(place).lower() for place in places)
    some = any(block.verdict == "ok" for block in report.blocks)
    is_in_doubt = loop.is_straight and not (point.tolerant or is_said or some)
    if report.verdict != "fail" or not is_in_doubt:
        return report
    solved, ignored = calls_in(loop.node) & SOLVERS, ""
    with contextlib.suppress(Exception):
        ignored = "" if solved else _ignored(taken)
    if not (solved or ignored):
        return report
    names = [label(place) for place in places]
    why = (
        f"only the {'name' if len(names) == 1 else 'names'} of {listed(names)} "
        f"{verb(names, 'says that it is a gradient', 'say that they are gradients')}: "
        f"{verb(names, 'it does not agree', 'none agrees')} with {taken.found.loss.words}, and "
    )
    if solved:
        why += f"the lines call {listed(sorted(solved))}, as for a step of Newton's"
    else:
        why += f"{verb(names, 'does not depend', 'none depends')} on {ignored}, as that does"
    return undecided(report, taken.found, why)


def _ignored(taken: Taken) -> str:
    """Name what the loss depends on, and none of its gradients; "" if there is nothing.

    It is among the arrays from above, if there are any, as a single number may be the weight of a
    penalty. Where the parameters are all that there is, it is the others of them.
    """
    point, loss = taken.point, taken.found.loss
    others = {*point.step.all_paths, *taken.gradients.values()}
    start = {
        path: numbers(value)
        for path, value in leaves(point.snapshot.state).items()
        if path[0] == MODULE and path not in taken.gradients.values()
    }
    near, far = (_apart(start, seed) for seed in (0, 1))  # by chance much is 0 where they start
    worth, slopes = point.value(loss, near), _kept(taken, near)
    follows = {
        path: {
            one
            for one, value in _kept(taken, near | {path: far[path]}).items()
            if not np.array_equal(value, slopes[one])
        }
        for path in start
    }
    read = [one for one in start if np.any(point.value(loss, near | {one: far[one]}) != worth)]
    above = [one for one in read if one not in others]
    above = [one for one in above if start[one].ndim] or above
    for path in above:
        if not follows[path]:
            return label(path)
    own = all(follows[one] <= {one} for one in read if one in slopes)
    return "the other parameters" if own and len(slopes) > 1 and not above else ""


def _apart(start: Gradients, seed: int) -> dict[Path, Any]:
    """Return numbers near others, each entry moved by its own."""
    generator = np.random.default_rng(seed)
    moves = {path: generator.standard_normal(value.shape) for path, value in start.items()}
    return {one: plain(start[one] + 1e-3 * (abs(start[one]) + 0.1) * moves[one]) for one in start}


def _kept(taken: Taken, values: dict[Path, Any]) -> dict[Path, Any]:
    """Return the gradients that the script keeps, with other values."""
    after = taken.point.after(values)
    return {path: after.number(place) for path, place in taken.gradients.items()}


def _of_samples(report: Report, taken: Taken) -> Report:
    """Return an inconclusive report instead, if a wrong block moves the loss in steps only."""
    silent = [one for one in report.blocks if one.failed and one.worst and not one.worst.numeric]
    names = [one.name for one in silent if _moves_in_steps(taken, taken.paths[one.name])]
    if report.verdict != "fail" or not names:
        return report
    words = taken.found.loss.words
    why = (
        f"{listed(names)} {verb(names, 'moves', 'move')} {words} in steps only, as through samples "
        f"that are drawn with {verb(names, 'it', 'them')}: an update that follows no slope of "
        f"{words}, such as contrastive divergence, cannot be compared with one"
    )
    return replace(undecided(report, taken.found), could_not_check=why)


def _moves_in_steps(taken: Taken, path: Path) -> bool:
    """Whether the loss depends on a parameter, but has the slope 0 near and far."""
    point, loss = taken.point, taken.found.loss
    start = point.start[path]
    way = np.random.default_rng(1).standard_normal(start.shape)
    try:
        values = [
            [
                np.sum(point.value(loss, {path: plain(start + (far + near) * way)}))
                for near in (0.0, 1e-7)
            ]
            for far in FAR
        ]
    except Exception:
        return False
    return all(one == other for one, other in values) and len({one for one, _ in values}) > 1
