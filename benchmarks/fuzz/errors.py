"""Wrong gradients: a table of errors, each drawn at random for a problem."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.fuzz.problem import Array

Change = Callable[[Array], Array]
Draw = Callable[[np.random.Generator, Array, Array], Change]


@dataclass(frozen=True)
class Mistake:
    """A gradient's error.

    Attributes:
        name: what is wrong, in words.
        change: the right gradient -> the wrong one, both flat.
    """

    name: str
    change: Change


def _times(entries: Array, factor: float) -> Change:
    def change(gradient: Array) -> Array:
        gradient[entries] *= factor
        return gradient

    return change


def added(entry: int, amount: float) -> Change:
    """An error of a known size in one entry."""

    def change(gradient: Array) -> Array:
        gradient[entry] += amount
        return gradient

    return change


def _exchanged(entries: Array) -> Change:
    def change(gradient: Array) -> Array:
        gradient[entries] = gradient[entries[::-1]]
        return gradient

    return change


def _share(rng: np.random.Generator) -> float:
    return float(10.0 ** -rng.integers(1, 7) * rng.choice([-1, 1]))


def _one(rng: np.random.Generator, entries: Array) -> Array:
    return rng.choice(entries, 1)


def _scale(gradient: Array, entries: Array) -> float:
    return float(np.max(np.abs(gradient[entries])))


DRAWS: Mapping[str, Draw] = {
    "an entry's sign": lambda rng, g, block: _times(_one(rng, block), -1.0),
    "an entry doubled": lambda rng, g, block: _times(_one(rng, block), 2.0),
    "an entry 0": lambda rng, g, block: _times(_one(rng, block), 0.0),
    "an entry off by a share": lambda rng, g, block: _times(_one(rng, block), 1 + _share(rng)),
    "an entry off by a share of the block's largest": lambda rng, g, block: added(
        int(_one(rng, block)[0]), _share(rng) * _scale(g, block)
    ),
    "a block's sign": lambda rng, g, block: _times(block, -1.0),
    "a block doubled": lambda rng, g, block: _times(block, 2.0),
    "a block 0": lambda rng, g, block: _times(block, 0.0),
    "a block off by a share": lambda rng, g, block: _times(block, 1 + _share(rng)),
    "two entries exchanged": lambda rng, g, block: _exchanged(
        rng.choice(block, min(2, len(block)), replace=False)
    ),
}


def draw(rng: np.random.Generator, gradient: Array, block: Array) -> Mistake:
    """A mistake in a block, given by its flat indices; it may change nothing."""
    name = str(rng.choice(list(DRAWS)))
    return Mistake(name, DRAWS[name](rng, gradient, block))
