"""GC405: delta built from another layer's delta, error or value."""

from __future__ import annotations

from collections.abc import Iterator

from gradcheck.diagnose.layer_state import LayerState
from gradcheck.diagnose.rule import EditKind, Link, Rule, Traced, Variant, WrongLink
from gradcheck.trace import fault
from gradcheck.user.blocks import Array
from gradcheck.words import output_of


def _variants(state: LayerState) -> Iterator[Variant]:
    weights = state.weights_above
    if weights is None:
        return
    for words, quantity in _quantities(state):
        if quantity.shape[1] == weights.shape[1]:
            yield Variant(
                quantity @ weights.T,
                f"what goes back through W{state.number + 1} is {words}, not delta "
                f"{state.number + 1}",
                f"send delta {state.number + 1} back",
            )
        if quantity.shape == state.pre_activation.shape:
            yield Variant(
                quantity,
                f"delta {state.number} is made from {words}",
                f"make it from delta {state.number + 1} @ W{state.number + 1}.T",
            )


def _quantities(state: LayerState) -> Iterator[tuple[str, Array]]:
    above = state.number + 1
    for number, delta in state.deltas.items():
        if number > above:
            yield f"delta {number}", delta
    for number in range(1, len(state.view.placed) + 1):
        yield output_of(number), state.trace.activations[number]
        yield f"layer {number} before its activation", state.trace.pre_activations[number - 1]
    yield "the targets", state.view.targets


RULE = Rule(
    code="GC405",
    name="wrong-upstream",
    what="Delta is built from something of another layer: its delta, its output, an error kept "
    "under the wrong name.",
    shows="the analytic delta fits the product of the weights with another quantity.",
    example="delta1 = delta3 @ W2.T * slope1",
    instead="delta1 = delta2 @ W2.T * slope1",
    detector=WrongLink(Link.UPSTREAM, _variants),
    also=(Traced((fault.OTHER_ADJOINT,)),),
    edits=(
        EditKind.NAME,
        EditKind.INDEX,
        EditKind.MOVED_STATEMENT,
        EditKind.REVERSED_LOOP,
    ),
)
