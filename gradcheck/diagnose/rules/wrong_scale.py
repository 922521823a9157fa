"""GC105: a constant factor that is none of the problem's sizes."""

from __future__ import annotations

from collections.abc import Iterator

from gradcheck.diagnose.rule import EditKind, Factor, Rule, Scale, Traced
from gradcheck.diagnose.sizes import Sizes
from gradcheck.trace import fault

NEAR_ONE = 1e-3


def _factors(sizes: Sizes, ratio: float | None) -> Iterator[Factor]:
    if ratio:
        excess = abs(ratio - 1)
        times = f"{ratio:.7g} times the right size"
        if excess < NEAR_ONE:
            times = f"too {'large' if ratio > 1 else 'small'} by {excess:.2g} of the right size"
            yield Factor(
                ratio,
                times,
                f"look for a constant that is off by {excess:.2g} of its size: typed with few "
                "digits, or rounded to float32",
            )
            return
        yield Factor(
            ratio,
            times,
            f"look for a factor {ratio:.7g} in it, or for 1 / {1 / ratio:.7g}: a learning rate, a "
            "decay, a number of steps",
        )


RULE = Rule(
    code="GC105",
    name="wrong-scale",
    what="The gradient has the right direction and is off by a constant that is not a size of the "
    "problem: a learning rate folded in, a decay, a weight of the loss that one side lacks.",
    shows="analytic / numeric is the same on every entry.",
    example="dW = 0.1 * X.T @ delta      # the learning rate belongs into the update",
    instead="dW = X.T @ delta",
    detector=Scale(_factors),
    also=(Traced((fault.SCALE, fault.NUMBER)),),
    last_resort=True,
    edits=(EditKind.SCALE, EditKind.REMOVED_FACTOR, EditKind.CONSTANT),
)
