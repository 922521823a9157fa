"""The doors of gradcheck, and how a problem is brought through each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import gradcheck
from benchmarks.fuzz.errors import Change
from benchmarks.fuzz.problem import Array, Problem, Shapes
from gradcheck import Report

SMALL_BUDGET = 1e-9
"""Seconds: one entry of each block is perturbed alone, the others are screened."""

NO_NETWORK: Mapping[str, Any] = {"inputs": np.zeros((2, 3, 5, 7))}
"""Data that fit no layer: looking for a network, to name a cause, takes most of the time."""

SEARCHED = 0.1
"""The share of the runs in which a network is looked for all the same."""


@dataclass(frozen=True)
class Layout:
    """How a flat vector is cut into named blocks.

    Attributes:
        shapes: of the blocks, in order; without any, the vector is given as it is.
        dtype: of the parameters.
    """

    shapes: Shapes
    dtype: np.dtype[Any]

    def blocks(self, size: int) -> dict[str, Array]:
        """The flat indices of every block, by the name that the report has for it."""
        if not self.shapes:
            return {"params": np.arange(size)}
        ends = np.cumsum([int(np.prod(shape, dtype=int)) for shape in self.shapes.values()])
        parts = np.split(np.arange(size), ends[:-1])
        return dict(zip(self.shapes, parts, strict=True))

    def shaped(self, flat: Array) -> Any:
        """The vector as the user has it."""
        flat = flat.astype(self.dtype, copy=False)
        if not self.shapes:
            return flat
        blocks = self.blocks(flat.size)
        return {name: flat[at].reshape(self.shapes[name]) for name, at in blocks.items()}

    def flat(self, params: Any) -> Array:
        """The vector again, from what the user has."""
        if not self.shapes:
            return np.asarray(params)
        return np.concatenate([np.ravel(params[name]) for name in self.shapes])


@dataclass(frozen=True)
class Door:
    """One way of asking gradcheck.

    Attributes:
        name: of the way.
        layout: the blocks.
        ask: (problem, layout, change of the gradient, seed) -> the report.
    """

    name: str
    layout: Layout
    ask: Callable[[Problem, Layout, Change, int], Report]

    def claimed(self, problem: Problem, change: Change) -> Array:
        """The gradient at the point that gradcheck is given, flat and rounded as it is."""
        gradient = change(problem.gradient(problem.point).copy())
        return gradient.astype(self.layout.dtype, copy=False).astype(np.float64, copy=False)


def _functions(problem: Problem, layout: Layout, change: Change) -> tuple[Any, Any, Any]:
    def loss(params: Any) -> Any:
        return problem.loss(layout.flat(params))

    def grad(params: Any) -> Any:
        return layout.shaped(change(problem.gradient(layout.flat(params))))

    return loss, layout.shaped(problem.point), grad


def _check(**options: Any) -> Callable[[Problem, Layout, Change, int], Report]:
    def ask(problem: Problem, layout: Layout, change: Change, seed: int) -> Report:
        functions = _functions(problem, layout, change)
        return gradcheck.check(*functions, seed=seed, **problem.data, **options)

    return ask


def _step(problem: Problem, layout: Layout, change: Change, seed: int) -> Report:
    loss, params, _ = _functions(problem, layout, change)

    def step(params: Any, learning_rate: float) -> Any:
        flat = layout.flat(params)
        return layout.shaped(flat - learning_rate * change(problem.gradient(flat)))

    return gradcheck.check_step(
        step, params, loss=loss, learning_rate=0.5, seed=seed, **problem.data
    )


def _layer(problem: Problem, layout: Layout, change: Change, seed: int) -> Report:
    layer = problem.layer
    if layer is None:
        raise ValueError("the door is for layers, and the problem has none")
    params = layout.shaped(problem.point)
    inputs = dict(params) if layout.shapes else {"params": params}

    def flat(given: Mapping[str, Array]) -> Array:
        return layout.flat(given if layout.shapes else given["params"])

    def forward(**given: Array) -> tuple[Array, Array]:
        return layer.forward(flat(given)), flat(given)

    def backward(upstream: Array, cache: Array) -> Any:
        right = layer.backward(cache, layer.upstream)
        share = np.vdot(layer.upstream, upstream) / np.vdot(layer.upstream, layer.upstream)
        error = (change(right.copy()) - right) * share
        found = layout.shaped(layer.backward(cache, upstream) + error)
        return found if layout.shapes else {"params": found}

    return gradcheck.check_layer(forward, backward, inputs, upstream=layer.upstream, seed=seed)


WAYS: Mapping[str, Callable[[Problem, Layout, Change, int], Report]] = {
    "vector": _check(),
    "blocks": _check(),
    "all": _check(entries="all"),
    "screening": _check(budget=SMALL_BUDGET),
    "step": _step,
    "layer": _layer,
}


def open_door(name: str, problem: Problem, rng: np.random.Generator) -> Door:
    """A door for a problem: as a vector, in its own blocks, or in random ones."""
    in_blocks = name in ("blocks", "layer") or (name != "vector" and rng.random() < 0.5)
    shapes = (problem.shapes or _cut(problem.point.size, rng)) if in_blocks else {}
    return Door(name, Layout(shapes, problem.point.dtype), WAYS[name])


def without_search(problem: Problem, rng: np.random.Generator) -> Problem:
    """The same with data that keep gradcheck from looking for a network, in most runs."""
    if problem.data or rng.random() < SEARCHED:
        return problem
    return replace(problem, data=NO_NETWORK)


def _cut(size: int, rng: np.random.Generator) -> Shapes:
    """Up to three blocks, none of them empty."""
    count = int(rng.integers(1, min(3, size) + 1))
    cuts = np.sort(rng.choice(np.arange(1, size), count - 1, replace=False))
    sizes = np.diff([0, *cuts, size])
    return {name: (int(length),) for name, length in zip("abc", sizes, strict=False)}
