"""Data as samples in rows, in every way in which they can be that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.user.blocks import Array

MOST_TARGETS = 2**26
"""More numbers are no targets of a network that is looked for."""


def as_rows(data: NDArray[Any], features: int) -> Iterator[Array]:
    """The data as (m, features), in every way in which they can be that."""
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
    """The targets as (m, K), in every way in which they can be that; labels become one-hot."""
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
            if outputs == 1 and np.all(np.abs(rows) == 1):  # signs are a class each
                yield (rows + 1) / 2
