"""Four conventions for the gradient by a complex parameter z = x + i y."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck.user.tensors import to_array


@dataclass(frozen=True)
class Convention:
    """A complex gradient is share * (dL/dx + i dL/dy), or its conjugate.

    `formula` says this in words; `others` pairs names that do not follow it with their formulas.
    """

    formula: str
    conjugate: bool = False
    share: float = 1.0
    others: tuple[tuple[str, str], ...] = ()

    def part(self, gradient: Any, part: str) -> Any:
        """dL/dx of a gradient if the part is "real", dL/dy if it is "imag"."""
        if part == "real":
            return np.real(gradient) / self.share
        return (-1.0 if self.conjugate else 1.0) * np.imag(gradient) / self.share

    def written(self, upstream: Any) -> Any:
        """A complex upstream gradient dL/dx + i dL/dy in this convention; a real one unchanged."""
        upstream = upstream if self.formula == TORCH.formula else to_array(upstream)
        if not np.iscomplexobj(upstream):
            return upstream
        return self.share * (np.conj(upstream) if self.conjugate else upstream)


TORCH = Convention("dL/dx + i dL/dy, as torch has it")
JAX = Convention("dL/dx - i dL/dy, as jax has it, the conjugate of torch's", conjugate=True)
CONVENTIONS = (
    TORCH,
    JAX,
    Convention("the Wirtinger derivative by conj(z), (dL/dx + i dL/dy) / 2", share=0.5),
    Convention("the Wirtinger derivative by z, (dL/dx - i dL/dy) / 2", conjugate=True, share=0.5),
)
