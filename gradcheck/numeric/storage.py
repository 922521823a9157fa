"""The types in which parameters are stored: numpy's, and bfloat16, which numpy lacks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BFLOAT16: np.dtype[Any] = np.dtype(np.float32, metadata={"bits": 8})
"""A float32 of which only the first eight bits of the mantissa count."""


def stored(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """The values rounded to a type of storage."""
    converted = values.astype(dtype, copy=False)
    bits = _bits(dtype)
    if bits is None:
        return converted
    mantissas, exponents = np.frexp(converted)
    rounded = np.ldexp(np.rint(np.ldexp(mantissas, bits)), exponents - bits)
    return np.asarray(rounded, dtype=np.float32).view(dtype)


def epsilon_of(dtype: np.dtype[Any]) -> float:
    """The distance from 1 to the next larger number of a floating-point type."""
    bits = _bits(dtype)
    return float(np.finfo(dtype).eps) if bits is None else float(2.0 ** (1 - bits))


def _bits(dtype: np.dtype[Any]) -> int | None:
    metadata: Any = dtype.metadata
    return metadata["bits"] if metadata and "bits" in metadata else None
