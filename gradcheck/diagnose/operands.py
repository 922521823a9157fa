"""The product that raised, and other products of its operands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from gradcheck.trace.wording.misfits import Misfit, products_of
from gradcheck.user.calls import Raised

Array = NDArray[Any]

OPERATIONS = {
    **dict.fromkeys(("matmul", "dot", "inner", "outer"), (False, "multiplies")),
    "multiply": (True, "multiplies"),
    "add": (True, "adds"),
    "subtract": (True, "subtracts"),
    "divide": (True, "divides"),
}
"""By operation of a trace: whether it is elementwise, and its verb in a message."""

SHAPE_WORDS = ("shape", "align", "broadcast", "dimension", "mismatch")


@dataclass(frozen=True)
class WrittenProduct:
    """An operation on two arrays in the user's source; `elementwise` if it is `*`, `+` or such."""

    code: str
    left_code: str
    right_code: str
    left: Array
    right: Array
    elementwise: bool
    verb: str = "multiplies"

    @property
    def fits_as_matrices(self) -> bool:
        """True if the matrix product of the operands is defined."""
        return self.left.ndim == self.right.ndim == 2 and self.left.shape[1] == self.right.shape[0]

    @property
    def fits_elementwise(self) -> bool:
        """True if the operands are matrices of one shape."""
        return self.left.shape == self.right.shape and self.left.ndim == 2

    def alternatives(self) -> Iterator[tuple[str, Array]]:
        """Yield other products of the same two operands, as code and value."""
        return products_of(self.left_code, self.right_code, self.left, self.right)


def speaks_of_shapes(raised: Raised) -> bool:
    """True if the message of an exception is about shapes that do not fit."""
    return isinstance(raised.error, ValueError) and any(
        word in str(raised.error).lower() for word in SHAPE_WORDS
    )


def followed_product(misfit: Misfit) -> WrittenProduct | None:
    """Return the operation that does not fit, if it is one on two arrays, or None."""
    if len(misfit.operands) != 2 or misfit.operation not in OPERATIONS:
        return None
    left, right = misfit.operands
    elementwise, verb = OPERATIONS[misfit.operation]
    return WrittenProduct(
        misfit.code, left.code, right.code, left.value, right.value, elementwise, verb
    )
