"""A problem of a family: a loss of a flat vector, its exact gradient, and what is known of it."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Shapes = Mapping[str, tuple[int, ...]]

DOORS = ("vector", "blocks", "all", "screening")
"""How a family is given to gradcheck unless it says otherwise; the table is in doors.py."""


@dataclass(frozen=True)
class Layer:
    """A function with an array as output, for `check_layer`.

    Attributes:
        forward: flat inputs -> the output.
        backward: (flat inputs, upstream gradient) -> the flat gradient of the inputs.
        upstream: the upstream gradient that the problem's loss and gradient belong to.
    """

    forward: Callable[[Array], Array]
    backward: Callable[[Array, Array], Array]
    upstream: Array


@dataclass(frozen=True)
class Problem:
    """A loss with its exact gradient.

    Attributes:
        loss: (n,) -> the loss.
        point: where the gradient is checked, (n,), in the type in which the loss takes it.
        gradient: (n,) -> the exact gradient, (n,).
        shapes: the blocks that the vector is cut into, in order; at random where there are none.
        decidable: whether a right gradient ought to pass; else it may be inconclusive.
        noise: the largest error of one value of the loss beside its rounding, absolute.
        slopes: (n,) -> the least and the largest right derivative, (n,) each; where there is no
            kink both are the gradient.
        data: `inputs` and `targets` for networks.
        layer: the function whose vector-Jacobian product the gradient is, if there is one.
    """

    loss: Callable[[Array], float]
    point: Array
    gradient: Callable[[Array], Array]
    shapes: Shapes | None = None
    decidable: bool = True
    noise: float = 0.0
    slopes: Callable[[Array], tuple[Array, Array]] | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    layer: Layer | None = None

    def error(self, claimed: Array) -> Array:
        """How far derivatives claimed at the point are from right ones, absolute, (n,)."""
        if self.slopes is None:
            lower = upper = self.gradient(self.point)
        else:
            lower, upper = self.slopes(self.point)
        return np.maximum(np.maximum(lower - claimed, claimed - upper), 0.0, dtype=np.float64)


@dataclass(frozen=True)
class Family:
    """A family of problems.

    Attributes:
        name: of the function that makes them.
        kind: the row of the table that it counts in.
        make: draws a problem.
        doors: the ways in which its problems are given to gradcheck.
    """

    name: str
    kind: str
    make: Callable[[np.random.Generator], Problem]
    doors: tuple[str, ...]

    def generator(self, seed: int) -> np.random.Generator:
        """All that is random in one run."""
        return np.random.default_rng((zlib.crc32(self.name.encode()), seed))


FAMILIES: dict[str, Family] = {}


def family(kind: str, doors: tuple[str, ...] = DOORS) -> Callable[[Any], Any]:
    """Registers a function rng -> Problem as a family."""

    def register(make: Callable[[np.random.Generator], Problem]) -> Any:
        FAMILIES[make.__name__] = Family(make.__name__, kind, make, doors)
        return make

    return register
