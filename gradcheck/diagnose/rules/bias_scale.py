"""GC502: db = c n with c = m or 1/m while dW is right."""

from __future__ import annotations

from collections.abc import Iterator

from gradcheck.diagnose.rule import EditKind, Factor, Rule, Scale
from gradcheck.diagnose.sizes import Sizes


def _factors(sizes: Sizes, ratio: float | None) -> Iterator[Factor]:
    m = sizes.batch_size
    if m is not None and m > 1:
        yield Factor(
            m,
            f"{m} times too large while the weights of its layer are right, and the batch size is "
            f"{m}",
            "take the mean over the samples for the bias too, as for the weights",
        )
        yield Factor(
            1 / m,
            f"{m} times too small while the weights of its layer are right, and the batch size is "
            f"{m}",
            "sum over the samples for the bias too, as for the weights: no mean",
        )


RULE = Rule(
    code="GC502",
    name="bias-scale",
    what="The gradient of the bias is summed where the weights' is averaged, or the other way "
    "round.",
    shows="the weights of the layer are right; the bias is off by m or 1/m.",
    example="dW = X.T @ delta / m;  db = delta.sum(axis=0)",
    instead="dW = X.T @ delta / m;  db = delta.sum(axis=0) / m",
    detector=Scale(_factors, only_bias=True),
    edits=(EditKind.SCALE, EditKind.REMOVED_FACTOR, EditKind.FUNCTION),
)
