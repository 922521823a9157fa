"""How coarsely a loss sees its parameters: in numpy's types, and in bfloat16, which numpy lacks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BFLOAT16: np.dtype[Any] = np.dtype(np.float32, metadata={"bits": 8})
"""Numbers in a float32 of which the first eight bits count."""


def stored(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Values as they are in a type of storage."""
    kept = values.astype(dtype, copy=False)
    bits = _bits(dtype)
    if bits is None:
        return kept
    mantissas, exponents = np.frexp(kept)
    rounded = np.ldexp(np.rint(np.ldexp(mantissas, bits)), exponents - bits)
    return np.asarray(rounded, dtype=np.float32).view(dtype)


def epsilon_of(dtype: np.dtype[Any]) -> float:
    """The relative distance of neighbouring numbers of a floating-point type."""
    bits = _bits(dtype)
    return float(np.finfo(dtype).eps) if bits is None else float(2.0 ** (1 - bits))


def _bits(dtype: np.dtype[Any]) -> int | None:
    metadata: Any = dtype.metadata
    return metadata["bits"] if metadata and "bits" in metadata else None
