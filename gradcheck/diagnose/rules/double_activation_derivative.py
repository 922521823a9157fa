"""GC304: an extra f'(z)."""

from __future__ import annotations

from collections.abc import Iterator

from gradcheck.diagnose.layer_state import LayerState
from gradcheck.diagnose.rule import EditKind, Link, Rule, Traced, Variant, WrongLink
from gradcheck.trace import fault


def _squared(state: LayerState) -> Iterator[Variant]:
    slope = state.slope()
    if slope is not None and state.activation.name not in ("linear", "relu"):
        yield Variant(
            slope * slope,
            f"the slope of the {state.activation.name} is in delta {state.number} twice",
            "multiply by the slope once",
        )


def _after_cross_entropy(state: LayerState) -> Iterator[Variant]:
    """The slope after a - y, from which the cross-entropy has already taken it away."""
    if not state.is_output or state.view.loss_function.name == "squared error":
        return
    name = state.activation.name
    message = (
        f"delta {state.number} has the slope of the {name} once too often: a - y holds it already, "
        "as the cross-entropy cancels it"
    )
    fix = f"delta {state.number} = a - y, without the slope"
    slope = state.slope()
    if slope is not None:
        yield Variant(state.error * slope, message, fix)
    if name == "softmax":
        yield Variant(state.error * state.output * (1 - state.output), message, fix)
        yield Variant(state.pull_back(state.error), message, fix)


RULE = Rule(
    code="GC304",
    name="double-activation-derivative",
    what="The slope of the activation is multiplied in twice; or once more after a - y, which for "
    "a sigmoid or softmax with its cross-entropy is delta already.",
    shows="the analytic delta over the true one is f'(z).",
    example="delta = (a - y) * a * (1 - a)      # with a cross-entropy",
    instead="delta = a - y",
    detector=WrongLink(Link.SLOPE, _squared),
    also=(WrongLink(Link.DELTA, _after_cross_entropy), Traced((fault.SLOPE_TWICE,))),
    edits=(EditKind.REMOVED_FACTOR, EditKind.POWER, EditKind.NAME, EditKind.WRAPPED),
)
