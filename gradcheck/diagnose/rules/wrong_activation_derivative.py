"""GC305: the derivative of another function, or a wrong formula."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.diagnose.layer_state import LayerState
from gradcheck.diagnose.rule import EditKind, Link, Rule, Traced, Variant, WrongLink
from gradcheck.network.activations import ACTIVATIONS
from gradcheck.network.rows import Activation
from gradcheck.trace import fault
from gradcheck.user.blocks import Array


def _variants(state: LayerState) -> Iterator[Variant]:
    """Slopes of other activations, of z and of a, and formulas that are nearly right."""
    own = state.activation
    if not isinstance(own, Activation):
        return
    for name in ("sigmoid", "tanh", "relu", "leaky_relu", "softplus", "elu"):
        other = ACTIVATIONS[name]
        if name != own.name and isinstance(other, Activation):
            yield _named(state, other.slope(state.pre_activation), f"that of the {name}")
            if other.slope_from_output is not None:
                yield _named(state, other.slope_from_output(state.output), f"that of the {name}")
    for words, value in _formulas(state):
        yield _named(state, value, f"made as {words}")


def _formulas(state: LayerState) -> Iterator[tuple[str, Array]]:
    a, z = state.output, state.pre_activation
    yield "1 - a", 1 - a
    yield "a", a
    yield "1 - a^2", 1 - a * a
    yield "a (1 + a)", a * (1 + a)
    yield "(1 - a)^2", (1 - a) ** 2
    yield "a^2", a * a
    yield "1 + a^2", 1 + a * a
    yield "2 a", 2 * a
    yield "a^2 - 1", a * a - 1
    yield "1 - a / 2", 1 - a / 2
    yield "z", z
    yield "exp(-z)", np.exp(-z)
    yield "1 / (1 + z^2)", 1 / (1 + z * z)
    yield "1 - tanh(z)", 1 - np.tanh(z)
    yield "max(0, z)", np.maximum(z, 0)
    yield "z < 0", (z < 0).astype(float)
    yield "a > 0.5", (a > 0.5).astype(float)
    yield "z > 0, with 0.1 below", np.where(z > 0, 1.0, 0.1)


def _named(state: LayerState, value: Array, words: str) -> Variant:
    own = state.activation.name
    missing = bool(np.all(value == 1))  # that is another rule's
    return Variant(
        np.full_like(value, np.nan) if missing else value,
        f"the slope in delta {state.number} is {words}, and the activation is {own}",
        f"use the derivative of the {own}, at what goes into it",
    )


RULE = Rule(
    code="GC305",
    name="wrong-activation-derivative",
    what="The backward pass uses the derivative of another activation than the forward pass, or a "
    "formula that is not its derivative.",
    shows="the ratio of the analytic delta to the true one depends on z only.",
    example="a = np.tanh(z);  delta = error * a * (1 - a)",
    instead="a = np.tanh(z);  delta = error * (1 - a ** 2)",
    detector=WrongLink(Link.SLOPE, _variants),
    also=(Traced((fault.SLOPE_WRONG,)),),
    edits=(
        EditKind.MISSING_FACTOR,
        EditKind.REMOVED_FACTOR,
        EditKind.FUNCTION,
        EditKind.POWER,
        EditKind.CONSTANT,
        EditKind.SIGN,
        EditKind.OPERATOR,
    ),
)
