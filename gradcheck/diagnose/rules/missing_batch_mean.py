"""GC101: the sum over the batch where the loss takes the mean."""

from __future__ import annotations

from collections.abc import Iterator

from gradcheck.diagnose.rule import EditKind, Factor, Rule, Scale, Traced
from gradcheck.diagnose.sizes import Sizes
from gradcheck.trace import fault


def _factors(sizes: Sizes, ratio: float | None) -> Iterator[Factor]:
    m, outputs = sizes.batch_size, sizes.outputs
    if m is not None and m > 1:
        yield Factor(
            m,
            f"{m} times too large, and the batch size is {m}",
            "divide by m, or sum in the loss instead of the mean: the two must agree",
        )
    if m is not None and outputs is not None and outputs > 1:
        yield Factor(
            m * outputs,
            f"{m * outputs} times too large, and the targets have m K = {m} * {outputs} elements",
            "divide by m K, since the loss averages over all elements; or sum there too",
        )


RULE = Rule(
    code="GC101",
    name="missing-batch-mean",
    what="The loss is a mean over the batch and the gradient a sum over it: 1/m is missing.",
    shows="analytic / numeric is the batch size m (or m K where the loss averages over all "
    "elements) on every entry of the block.",
    example="dW1 = X.T @ dZ1",
    instead="dW1 = X.T @ dZ1 / m      (or sum instead of mean in the loss: the two must agree)",
    detector=Scale(_factors),
    also=(Traced((fault.MEAN_MISSING, fault.MEAN_AND_TWO)),),
    edits=(EditKind.SCALE, EditKind.FUNCTION, EditKind.INSERTED),
    rewritten="{code} / m",
)
