"""What a gradient by a complex parameter z = x + i y may stand for: four conventions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck.user.tensors import to_array


@dataclass(frozen=True)
class Convention:
    """How dL/dx and dL/dy lie in a complex gradient: share * (dL/dx + i dL/dy), or its conjugate.

    The formula is this in words; `others` are names of what does not follow it, each with its own.
    """

    formula: str
    conjugate: bool = False
    share: float = 1.0
    others: tuple[tuple[str, str], ...] = ()

    def part(self, gradient: Any, part: str) -> Any:
        """dL/dx of a gradient for "real", dL/dy for "imag"."""
        if part == "real":
            return np.real(gradient) / self.share
        return (-1.0 if self.conjugate else 1.0) * np.imag(gradient) / self.share

    def written(self, upstream: Any) -> Any:
        """dL/dx + i dL/dy of a complex output as it is written here; what is real as it is."""
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
