"""Steps that may be right and follow no gradient of one point: updates in turn, proximal steps."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

import numpy as np

from gradcheck.report.model import Report
from gradcheck.script.gradients import implied_gradients
from gradcheck.script.handover import Taken
from gradcheck.script.point import Gradients
from gradcheck.script.state import Path, numbers, plain
from gradcheck.script.verdicts import causes, undecided
from gradcheck.script.words import calls_in, name_of
from gradcheck.user.blocks import Array
from gradcheck.words import listed, verb

UPDATED = "GC404"
"""The finding of a gradient that is made with what the step has updated."""

NEAR, MOST_ENTRIES = 1e-5, 12
"""Relative error of a slope that fits, and of how many entries it is asked."""

PROXIMAL = re.compile(r"(?i)soft_?thr|(^|_)prox|shrink")


def of_updates_in_turn(report: Report, taken: Taken) -> Report:
    """Return an inconclusive report instead, if every update is right where the last one has led.

    So it is where the errors are computed anew between the updates: alternating descent, or one
    coordinate after the other.
    """
    names = [block.name for block in report.blocks if block.failed]
    if report.verdict != "fail" or causes(report) != {UPDATED}:
        return report
    after = taken.point.run.replay(taken.point.step.loop, taken.point.snapshot, taken.point.extra)
    gradients = implied_gradients(taken.point, after)
    ends = {path: numbers(after.get(path)) for path in taken.point.step.paths}
    if not all(_is_right_in_turn(taken, taken.paths[name], gradients, ends) for name in names):
        return report
    why = (
        f"the step updates {listed(names)} by the gradient of {taken.found.loss.words} where the "
        f"updates before {verb(names, 'it', 'them')} have led, as alternating descent does: that "
        "is right there, and no gradient where the step begins"
    )
    return undecided(report, taken.found, why)


def _is_right_in_turn(
    taken: Taken, path: Path, gradients: Gradients, ends: Mapping[Path, Array]
) -> bool:
    """Whether the gradient of a parameter is right once others, or entries of it, have moved."""
    gradient, start = gradients[path], taken.point.start[path]
    if len(ends) > 1 and _fits(taken, {**ends, path: start}, path, gradient):
        return True
    return start.size > 1 and all(
        _fits(taken, {path: _moved(start, ends[path], entry)}, path, _alone(gradient, entry))
        for entry in list(np.ndindex(start.shape))[:MOST_ENTRIES]
    )


def _moved(start: Array, end: Array, entry: tuple[int, ...]) -> Array:
    """Return a parameter of which the entries before one have their new values."""
    earlier = np.arange(start.size).reshape(start.shape) < np.ravel_multi_index(entry, start.shape)
    return np.where(earlier, end, start)


def _alone(gradient: Array, entry: tuple[int, ...]) -> Array:
    alone = np.zeros_like(gradient)
    alone[entry] = gradient[entry]
    return alone


def _fits(taken: Taken, values: Mapping[Path, Array], path: Path, way: Array) -> bool:
    """Whether the loss has the slope of a gradient along it where some parameters have moved."""
    point, loss, square = taken.point, taken.found.loss, float(np.sum(way * way))
    width = 1e-5 * max(float(np.max(np.abs(values[path]))), 0.1) / max(square**0.5, 1e-300)

    def at(side: float) -> float:
        there = {**values, path: values[path] + side * width * way}
        return float(point.value(loss, {one: plain(value) for one, value in there.items()}))

    slope = (at(1.0) - at(-1.0)) / (2 * width)
    return square == 0 or abs(slope / square - 1) < NEAR


def of_a_proximal_step(report: Report, taken: Taken) -> Report:
    """Return an inconclusive report instead, if the step shrinks what it has moved.

    A proximal step, as ISTA takes for |w| (Daubechies et al. 2004), is no gradient of a loss.
    """
    loop = taken.point.run.marked.loops[taken.point.step.loop].node
    is_called = any(PROXIMAL.search(name) for name in calls_in(loop))
    if report.verdict != "fail" or not (is_called or any(_shrinking(loop))):
        return report
    why = (
        "the step shrinks what it has moved, as a proximal step does: what it implies is no "
        "gradient; mark a function that returns that of the smooth part with @gradcheck.case"
    )
    return undecided(report, taken.found, why)


def _shrinking(loop: ast.AST) -> Iterator[ast.AST]:
    """Yield products of a sign and of what an absolute value is larger by than a bound."""
    for node in ast.walk(loop):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            sides = [node.left, node.right]
            calls = [name_of(one.func) for one in sides if isinstance(one, ast.Call)]
            if {"sign", "maximum"} <= {*calls} and "abs" in calls_in(node):
                yield node
