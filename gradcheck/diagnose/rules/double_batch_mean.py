"""GC102: m is divided out twice."""

from __future__ import annotations

from collections.abc import Iterator

from gradcheck.diagnose.rule import EditKind, Factor, Rule, Scale, Traced
from gradcheck.diagnose.sizes import Sizes
from gradcheck.trace import fault


def _factors(sizes: Sizes, ratio: float | None) -> Iterator[Factor]:
    m = sizes.batch_size
    if m is not None and m > 1:
        yield Factor(
            1 / m,
            f"{m} times too small, and the batch size is {m}",
            "divide by m once: in delta, or in the gradients of the blocks; or divide by m in the "
            "loss as well, if it is to be a mean",
        )


RULE = Rule(
    code="GC102",
    name="double-batch-mean",
    what="The mean over the batch is taken twice: in the delta, and again in the gradient of each "
    "block.",
    shows="analytic / numeric is 1/m on every entry.",
    example="delta = (a - y) / m;  dW = X.T @ delta / m",
    instead="delta = (a - y) / m;  dW = X.T @ delta",
    detector=Scale(_factors),
    also=(Traced((fault.MEAN_TWICE,)),),
    edits=(EditKind.SCALE, EditKind.REMOVED_FACTOR, EditKind.FUNCTION),
)
