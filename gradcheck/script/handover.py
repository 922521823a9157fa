"""From one iteration to a case: functions of the parameters that replay it, and what they reach."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck.casefiles import Case, StepCase
from gradcheck.script.choice import Found
from gradcheck.script.losses import Point
from gradcheck.script.marks import HOOKS
from gradcheck.script.state import Path, State, bare, leaves
from gradcheck.user.blocks import path_name

MOST_DATA = 12
BATCH = 5000
"""Samples of a list that may still be the data."""


def names_of(paths: Sequence[Path]) -> dict[str, Path]:
    """The parameters by their names, which leave out what all of them lie in."""
    steps = {path: tuple(map(bare, path[1:])) for path in paths}
    while all(len(own) > 1 for own in steps.values()):
        if len({str(own[0]) for own in steps.values()}) > 1:
            break
        if any(isinstance(own[1], int) for own in steps.values()):
            break
        steps = {path: own[1:] for path, own in steps.items()}
    return {path_name(own): path for path, own in steps.items()}


@dataclass(frozen=True)
class Taken:
    """An iteration that was taken apart, as a case.

    Attributes:
        point: where it is looked at.
        paths: the parameters, by their names.
        found: what is descended.
        rate: what the step is divided by.
        gradients: where the script keeps the gradients; empty where the step tells them.
        of_step: whether the step tells the gradients; else the script's own variables do.
        both: whether these are the same.
        folded: what the first step of a momentum takes of a gradient.
    """

    point: Point
    paths: Mapping[str, Path]
    found: Found
    rate: float
    gradients: Mapping[Path, Path]
    of_step: bool
    both: bool = False
    folded: float = 1.0

    def case(self, of_step: bool | None = None) -> Case:
        """The case: of the step, or of the gradients that the script keeps."""
        of_step = self.of_step and not self.both if of_step is None else of_step
        loss, step, grad = self._functions()
        state = self.point.snapshot.state
        params = {name: _beside_zero(_value(state, path)) for name, path in self.paths.items()}
        if of_step:
            return StepCase(step, params, loss=loss, learning_rate=self.rate)
        return Case(loss, params, grad)

    def data(self) -> dict[str, Any]:
        """What looks like inputs and targets, by these names: a table, and what is as long."""
        found = [value for value in data_of(self.point).values() if isinstance(value, np.ndarray)]
        tables = [value for value in found if value.ndim == 2]
        pairs = (
            {"inputs": one, "targets": other}
            for one in tables
            for other in found
            if other is not one and other.ndim and other.shape[0] in one.shape
        )
        return next(pairs, {})

    def _functions(self) -> tuple[Any, Any, Any]:
        point, chosen, rate, places = self.point, self.found.loss, self.rate, self.gradients
        run, what, snapshot, extra = point.run, point.step, point.snapshot, point.extra
        paths = self.paths
        body = run.body(what.loop, snapshot)
        own = run.own_body(what.loop, snapshot)
        reached = [body, *snapshot.shared.values(), *run.own_definitions]
        data = data_of(point)
        run.forget(snapshot)

        def loss(params: Any) -> Any:
            _ = body, reached, data  # which are followed, and found, through this function
            return point.value(chosen, {path: params[name] for name, path in paths.items()})

        def step(params: Any, learning_rate: float = rate) -> Any:
            _ = body, reached, data
            changed = {**extra, **{path: params[name] for name, path in paths.items()}}
            scale = learning_rate / rate
            after = run.replay(what.loop, snapshot, changed, what.rate, scale, body=own)
            return {name: _value(after, path) for name, path in paths.items()}

        def grad(params: Any) -> Any:
            _ = body, reached, data
            start = {path: params[name] for name, path in paths.items()}
            after = run.replay(what.loop, snapshot, {**extra, **start}, body=own)
            if places:
                return {name: _value(after, places[path]) for name, path in paths.items()}
            return {
                name: (params[name] - _value(after, path)) / rate for name, path in paths.items()
            }

        return loss, step, grad


def _value(state: State, path: Path) -> Any:
    value = state.get(path)
    return np.array(value) if isinstance(value, list) else value


def _beside_zero(value: Any) -> Any:
    """A parameter whose entries of 0 are moved: biases of 0 hide faults, and lie at kinks."""
    array = np.asarray(value)
    noise = 0.01 * np.random.default_rng(0).standard_normal(array.shape)
    moved = np.where(array == 0, noise, array)
    return moved if array.ndim else float(moved)


def data_of(point: Point) -> dict[str, Any]:
    """What may be inputs and targets: arrays that the parameters do not move, by their names."""
    values = {path: value * 1.001 + 1e-3 for path, value in point.start.items()}
    states = [point.after(changed) for changed in ({}, values)]
    one, other = ({**state.module, **(state.local or {})} for state in states)
    found: dict[str, Any] = {}
    for text in _read(point):
        values_of = [_evaluated(text, names) for names in (one, other)]
        if _is_data(*values_of):
            found.setdefault(text, values_of[0])
    for path, value in leaves(states[0]).items():
        if isinstance(value, np.ndarray) and path not in point.step.paths:
            now = states[1].number(path)
            if value.size > 1 and now is not None and np.array_equal(value, now):
                found.setdefault(str(path[1:]), value)
    return dict(list(found.items())[:MOST_DATA])


def _read(point: Point) -> list[str]:
    """What the iteration reads: parts of arrays first, then variables."""
    subscripts, names = [], []
    loop = point.run.marked.loops[point.step.loop].node
    for node in ast.walk(loop):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
            if not any(isinstance(part, ast.Call | ast.NamedExpr) for part in ast.walk(node)):
                subscripts.append(ast.unparse(node))
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
            text = ast.unparse(node)
            if HOOKS not in text and "(" not in text:
                names.append(text)
    return list(dict.fromkeys([*subscripts, *names]))


def _evaluated(text: str, names: dict[str, Any]) -> Any:
    try:
        return eval(text, dict(names))
    except Exception:
        return None


def _is_data(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        same = one.shape == other.shape and one.dtype.kind in "fiub" and one.size > 1
        return same and bool(np.array_equal(one, other))
    if not isinstance(one, list) or not isinstance(other, list) or not 1 < len(one) < BATCH:
        return False
    try:
        return bool(np.array_equal(np.asarray(one, float), np.asarray(other, float)))
    except (TypeError, ValueError):  # pairs of inputs and targets
        return all(isinstance(item, tuple) and len(item) == 2 for item in one)
