"""Brings data into rows, one per sample, in every way that the shapes allow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.user.blocks import Array

MOST_TARGETS = 2**26
"""The largest number of entries that targets may have."""


def as_rows(data: NDArray[Any], features: int) -> Iterator[Array]:
    """Yields the data as (m, features), in every way that their shape allows."""
    array = np.asarray(data)
    if array.dtype.kind not in "fiub" or not array.size or array.size % features:
        return
    array = array.astype(np.float64)
    if array.ndim == 1 and (array.size == features or features == 1):
        yield array.reshape(-1, features)
    elif array.ndim == 2:
        if array.shape[1] == features:
            yield array
        if array.shape[0] == features:
            yield array.T
    elif array.ndim > 2:
        if int(np.prod(array.shape[1:])) == features:
            yield array.reshape(len(array), features)
        if array.shape[-1] == 1 and array.ndim == 3 and array.shape[1] == features:
            yield array[..., 0]


def as_targets(data: NDArray[Any], batch_size: int, outputs: int) -> Iterator[Array]:
    """Yields the targets as (m, K), in every way that they allow; labels become one-hot."""
    array = np.asarray(data)
    if array.dtype.kind not in "fiub" or not array.size:
        return
    if batch_size * outputs > MOST_TARGETS:
        return
    if array.size == batch_size and outputs > 1:
        labels = array.reshape(-1)
        whole = labels.astype(np.intp)
        if np.array_equal(whole, labels):
            for first in (0, 1):
                if whole.min() >= first and whole.max() < outputs + first:
                    yield (whole[:, None] == np.arange(first, outputs + first)).astype(np.float64)
        return
    if array.size != batch_size * outputs:
        return
    array = array.astype(np.float64)
    if array.ndim != 2:
        array = array.reshape(batch_size, outputs)
    for rows in (array, array.T):
        if rows.shape == (batch_size, outputs):
            yield rows
            if outputs == 1 and np.all(np.abs(rows) == 1):  # -1 and 1 may stand for two classes
                yield (rows + 1) / 2
