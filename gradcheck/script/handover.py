"""Make a case of one iteration: its functions of the parameters replay the iteration."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import FunctionType
from typing import Any

import numpy as np

from gradcheck.arrays import without_units
from gradcheck.casefiles import Case, StepCase
from gradcheck.script.choice import Found
from gradcheck.script.gradients import negated
from gradcheck.script.marks import ASSIGNED, INCREMENT, SHARE
from gradcheck.script.named import named_gradients
from gradcheck.script.point import Point
from gradcheck.script.state import LOCAL, MODULE, Path, State, bare, label, leaves
from gradcheck.script.words import mentions
from gradcheck.user.blocks import path_name
from gradcheck.user.calls import Location


def names_of(paths: Sequence[Path]) -> dict[str, Path]:
    """Return the parameters by name; a prefix that all their paths share is left out."""
    tails = {path: tuple(map(bare, path[1:])) for path in paths}
    while all(len(tail) > 1 for tail in tails.values()):
        if len({str(tail[0]) for tail in tails.values()}) > 1:
            break
        if any(isinstance(tail[1], int) for tail in tails.values()):
            break
        tails = {path: tail[1:] for path, tail in tails.items()}
    return {path_name(tail): path for path, tail in tails.items()}


@dataclass(frozen=True)
class Taken:
    """One iteration of a training loop, ready to be made a case.

    Attributes:
        point: the iteration and its variables.
        paths: the paths of the parameters, by their names.
        found: the loss that is descended.
        rate: the number by which the step is divided to obtain the gradients.
        gradients: the paths of the script's own gradients; empty where the step implies them.
        of_step: whether the gradients come from the step; else from the script's variables.
        both: whether step and variables hold the same gradients.
        folded: the factor of the gradient in the first step of a momentum.
        added: the parameters whose gradients the step adds: these are negatives.
        unheld: what the same step moves beside the parameters that the user named.
        share: the part of a written loss that is descended, where a mean of it is.
        reports: whether its replays do what the script does in every tenth pass, say.
    """

    point: Point
    paths: Mapping[str, Path]
    found: Found
    rate: float
    gradients: Mapping[Path, Path]
    of_step: bool
    both: bool = False
    folded: float = 1.0
    added: frozenset[Path] = frozenset()
    unheld: Sequence[Path] = ()
    share: float = 1.0
    reports: bool = False

    @property
    def is_complex(self) -> bool:
        """Whether any parameter is complex."""
        return any(map(np.iscomplexobj, self.point.start.values()))

    def at_start(self) -> Any:
        """Return the loss with the parameters as they are; None where it is not computed."""
        return self.point.value(self.found.loss, {})

    def case(self, of_step: bool | None = None) -> Case:
        """Make a case of the step, or of the gradients that the script keeps."""
        of_step = self.of_step and not self.both if of_step is None else of_step
        loss, step, grad = self._functions()
        state = self.point.snapshot.state
        params = {name: _beside_zero(_value(state, path)) for name, path in self.paths.items()}
        if of_step and not self.is_complex:
            return StepCase(step, params, loss=loss, learning_rate=self.rate)
        return Case(loss, params, grad)

    def line_of_update(self) -> Location | None:
        """Return the line of the script that adds a gradient; None if it is not known."""
        run, names = self.point.run, set(map(label, self.added))
        sites = run.marked.sites
        own = [one for one in sites if one.kind == INCREMENT and one.name in names and not one.file]
        return Location(str(run.script.path), own[0].line) if own else None

    @property
    def is_of_mean(self) -> bool:
        """Whether a script shows a mean of its loss, or of a total of it, which may be meant."""
        loss, sites = self.found.loss, self.point.run.marked.sites
        if loss.family or loss.site.kind == SHARE:
            return False
        name = loss.site.name.removesuffix("()")
        names = {name, *(one.name for one in sites if one.text == "+=" and one.reads == {name})}
        shares = [one.text for one in sites if one.kind == SHARE]
        return any(mentions(text, one) for text in shares for one in names)

    def rescaled(self, factor: float) -> Case:
        """Make the case with another factor: of the loss, or of the rate if its size is known."""
        loss = self.found.loss
        if loss.family is not None:
            family = replace(loss.family, scale=loss.family.scale * factor)
            inferred = replace(self.found, loss=replace(loss, family=family))
            return replace(self, found=inferred).case()
        if self.is_of_mean:
            return replace(self, share=factor).case()
        return replace(self, rate=self.rate * factor).case(of_step=True)

    def data(self) -> dict[str, Any]:
        """Guess the inputs and targets: a matrix, and an array that shares a length with it.

        Neither may depend on the parameters. Empty where nothing qualifies.
        """
        point = self.point
        moved = {path: value * 1.001 + 1e-3 for path, value in point.start.items()}
        states = [point.after(values) for values in ({}, moved)]
        one, other = ({**state.module, **(state.local or {})} for state in states)
        pairs = [(_evaluated(text, one), _evaluated(text, other)) for text in _read(point)]
        arrays = [value for value, again in pairs if _is_data(value, again)]
        arrays += [
            value
            for path, value in leaves(states[0]).items()
            if path not in point.step.paths and _is_data(value, states[1].number(path))
        ]
        tables = [value for value in arrays if value.ndim == 2]
        likely = (
            {"inputs": table, "targets": value}
            for table in tables
            for value in arrays
            if value is not table and value.shape[0] in table.shape
        )
        return next(likely, {})

    def _functions(self) -> tuple[Any, Any, Any]:
        point, chosen, rate = self.point, self.found.loss, self.rate
        run, descent, snapshot, extra = point.run, point.step, point.snapshot, point.extra
        paths, is_straight = self.paths, run.marked.loops[descent.loop].is_straight
        run.reports = self.reports  # another iteration may have been taken since
        body = run.body(descent.loop, snapshot)
        editable = run.own_body(descent.loop, snapshot)
        reached = [body, *snapshot.shared.values(), *run.own_definitions]
        run.forget(snapshot)

        def loss(params: Any) -> Any:
            _ = body, reached  # makes them visible to the trace, which follows closures
            value = point.value(chosen, {path: params[name] for name, path in paths.items()})
            return value if self.share == 1.0 or value is None else self.share * value

        replayed = partial(run.replay, descent.loop, snapshot, rate=descent.rates)
        is_written = chosen.site.kind == ASSIGNED and not chosen.family
        keeping = _Keeping(chosen.site.name if is_written else "", replayed, editable)

        def stepped(name: str, path: Path, params: Any, after: State) -> Any:
            """Return a parameter after the step, as if all had the same learning rate."""
            value, relative = _value(after, path), descent.relative(path)
            return value if relative == 1.0 else params[name] + (value - params[name]) / relative

        def step(params: Any, learning_rate: float = rate) -> Any:
            _ = body, reached
            changed = {**extra, **{path: params[name] for name, path in paths.items()}}
            after = keeping.replayed(changed, learning_rate / rate)
            return {name: stepped(name, path, params, after) for name, path in paths.items()}

        def grad(params: Any) -> Any:
            _ = body, reached
            start = {path: params[name] for name, path in paths.items()}
            after = keeping.replayed({**extra, **start})
            places = self.gradients
            if point.tolerant:  # an edit may have mended it
                places = named_gradients(after, list(paths.values()), snapshot.state, {*extra})
            if places:
                values = {
                    path: _without_units(_value(after, places[path]), np.shape(value), is_straight)
                    for path, value in start.items()
                }
                signed = negated(values, self.added)
                return {name: signed[path] for name, path in paths.items()}
            return {
                name: (params[name] - stepped(name, path, params, after)) / rate
                for name, path in paths.items()
            }

        return loss, step, grad


class _Keeping:
    """Replays an editable body, and raises where an edit changes the loss that it computes.

    The loss is asked of the body as it is, which no edit reaches. One that is computed after the
    update has to change.
    """

    def __init__(self, name: str, replay: Callable[..., State], body: FunctionType) -> None:
        self._name, self._replay, self._body, self._own = name, replay, body, body.__code__
        self._known: dict[bytes, Any] = {}

    def replayed(self, values: Mapping[Path, Any], scale: float = 1.0) -> State:
        """Return the variables after an iteration with some values and a multiple of the rates."""
        after = self._replay(values, scale=scale, body=self._body)
        loss = self._loss(after)
        key = b"".join(np.asarray(one).tobytes() for one in values.values())
        if self._body.__code__ is self._own:
            is_first = not self._known and loss is not None
            if is_first and loss == self._loss(self._replay(values, scale=0.0)):
                self._known[key] = loss
        elif key in self._known and not (
            _close(loss, self._known[key])
            or _close(loss, self._loss(self._replay(values, scale=scale)))  # of other data
        ):
            raise ValueError(f"{self._name} is another one")
        return after

    def _loss(self, after: State) -> Any:
        at = [after.number((part, self._name)) for part in (LOCAL, MODULE)]
        return next((one for one in at if one is not None and one.size == 1), None)


def _close(one: Any, other: Any) -> bool:
    return one is not None and other is not None and bool(np.allclose(one, other, 1e-9, 0.0))


def _value(state: State, path: Path) -> Any:
    value = state.get(path)
    return np.array(value) if isinstance(value, list) else value


def _without_units(gradient: Any, shape: tuple[int, ...], is_idle: bool) -> Any:
    """Return a gradient in the shape of its parameter, if axes of length 1 are all that differs.

    Unless it `is_idle`, an update with it must not broadcast, as a row and a column do.
    """
    own = np.shape(gradient)
    if own == shape or not without_units(own, shape):
        return gradient
    is_same = is_idle or without_units(np.broadcast_shapes(own, shape), shape)
    return gradient.reshape(shape) if is_same else gradient


def _beside_zero(value: Any) -> Any:
    """Return a parameter with its zeros moved: biases of 0 hide faults and lie at kinks."""
    array = np.asarray(value)
    noise = 0.01 * np.random.default_rng(0).standard_normal(array.shape)
    dtype = array.dtype if array.dtype.kind in "fc" else float  # float32 tells how steps round
    moved = np.where(array == 0, noise, array).astype(dtype)
    return moved if array.ndim else float(moved)


def _read(point: Point) -> list[str]:
    """Return the expressions that the iteration reads: parts of arrays first, then variables."""
    nodes = [
        node
        for node in ast.walk(point.run.marked.loops[point.step.loop].node)
        if isinstance(node, ast.Subscript | ast.Name | ast.Attribute)
        and isinstance(node.ctx, ast.Load)
        and not any(isinstance(part, ast.Call | ast.NamedExpr) for part in ast.walk(node))
    ]
    nodes.sort(key=lambda node: not isinstance(node, ast.Subscript))
    return list(dict.fromkeys(map(ast.unparse, nodes)))


def _evaluated(text: str, names: dict[str, Any]) -> Any:
    try:
        return eval(text, dict(names))
    except Exception:
        return None


def _is_data(one: Any, other: Any) -> bool:
    """Whether both values are the same numeric array, before and after the parameters changed."""
    arrays = isinstance(one, np.ndarray) and isinstance(other, np.ndarray)
    return bool(arrays and one.dtype.kind in "fiub" and one.size > 1 and np.array_equal(one, other))
