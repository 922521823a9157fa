"""The product that raised in the user's gradient, and what it should have been."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from gradcheck.diagnose.evidence import Evidence, error_if_right
from gradcheck.diagnose.operands import WrittenProduct, misaligned_product
from gradcheck.diagnose.rule import Rule
from gradcheck.finding import Finding
from gradcheck.user.calls import Raised


@dataclass(frozen=True)
class RaisedProduct:
    """A product that raised, as its operands do not fit.

    `mended` is another product of the same operands that is the right gradient of a block: the
    code, the block's name and the error; None where there is none.
    """

    raised: Raised
    product: WrittenProduct
    mended: tuple[str, str, float] | None

    @property
    def confusion(self) -> str | None:
        """The kind of product that fits instead: "matrix", "elementwise"; None for neither."""
        if self.product.elementwise and self.product.fits_as_matrices:
            return "matrix"
        if not self.product.elementwise and self.product.fits_elementwise and self.mended is None:
            return "elementwise"
        return None

    def finding(self, rule: Rule, evidence: Evidence, fix: str) -> Finding:
        """The finding, with what fits instead where that is known."""
        words = evidence.sizes.shape_words
        left, right = self.product.left.shape, self.product.right.shape
        lines = [self.raised.summary]
        if 1 in (self.product.left.ndim, self.product.right.ndim):
            lines.append("a flat vector's .T is the same flat vector")
        error = None
        if self.mended is not None:
            fix, name, error = self.mended
            lines.append(
                f"{fix} has the shape of {name}, and agrees with its numeric gradient to "
                f"{error:.1e}"
            )
        made = rule.finding(
            [block.name for block in evidence.blocks if block.verdict == "raised"],
            f"{self.product.code} multiplies {words(left)} by {words(right)}",
            evidence=lines,
            fix=fix,
            error_after_fix=error,
        )
        frames = self.raised.frames
        return replace(made, location=frames[-1]) if frames else made


def raised_products(evidence: Evidence) -> Iterator[RaisedProduct]:
    """The product that raised, if it was one."""
    raised = evidence.first.raised
    product = None if raised is None else misaligned_product(raised)
    if raised is not None and product is not None:
        yield RaisedProduct(raised, product, _mended(evidence, product))


def _mended(evidence: Evidence, product: WrittenProduct) -> tuple[str, str, float] | None:
    """The product of the same operands that is the right gradient of a block, if there is one."""
    for code, value in product.alternatives():
        for index, name in enumerate(evidence.names):
            error = error_if_right(evidence.first, index, value)
            if error is not None and evidence.blocks[index].entries:
                return code, name, error
    return None
