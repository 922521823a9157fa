"""GC104: divided by another size of the problem than the one the loss divides by."""

from __future__ import annotations

from collections.abc import Iterator

from gradcheck.diagnose.rule import EditKind, Factor, Rule, Scale, Traced
from gradcheck.diagnose.sizes import Sizes
from gradcheck.trace import fault


def _factors(sizes: Sizes, ratio: float | None) -> Iterator[Factor]:
    named = [
        (size, words)
        for size, words in (
            (sizes.batch_size, "the batch size m"),
            (sizes.outputs, "the number of outputs K"),
            (sizes.features, "the number of features"),
        )
        if size is not None
    ]
    for size, words in named:
        if size > 1 and size != sizes.batch_size:
            yield Factor(
                size,
                f"{size} times too large, and {words} is {size}",
                f"divide by {words} too: the loss does",
            )
            yield Factor(
                1 / size,
                f"{size} times too small, and {words} is {size}",
                f"do not divide by {words}: the loss does not",
            )
    for size, words in named:
        for other, other_words in named:
            if size != other and size > 1 and other > 1:
                yield Factor(
                    size / other,
                    f"off by {size} / {other}, {words} over {other_words}",
                    f"divide by {words}, not by {other_words}",
                )


RULE = Rule(
    code="GC104",
    name="wrong-batch-divisor",
    what="The gradient is divided by another size of the problem than the loss: features or "
    "outputs in place of samples, or one of them too many or too few.",
    shows="analytic / numeric is a ratio of the problem's sizes on every entry.",
    example="dW = X.T @ delta / X.shape[1]      # rows: shape[1] counts the features",
    instead="dW = X.T @ delta / X.shape[0]",
    detector=Scale(_factors),
    also=(Traced((fault.OTHER_SIZE,)),),
    edits=(EditKind.SCALE, EditKind.REMOVED_FACTOR, EditKind.NAME, EditKind.INDEX),
)
