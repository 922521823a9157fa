"""Functions of `scipy.spatial.distance` expressed in numpy's, whose derivatives are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np


def _root(squares: Any) -> Any:
    """The square root, whose derivative at 0 is 0: a point lies on itself."""
    return np.sqrt(np.where(squares > 0, squares, 1.0)) * (squares > 0)


METRICS: dict[str, Callable[[Any], Any]] = {
    "euclidean": lambda apart: _root(np.sum(apart**2, axis=-1)),
    "sqeuclidean": lambda apart: np.sum(apart**2, axis=-1),
    "cityblock": lambda apart: np.sum(np.abs(apart), axis=-1),
}
"""The distances of points by the differences of their coordinates."""


def cdist(one: Any, other: Any, metric: str = "euclidean") -> Any:
    """Equivalent of `scipy.spatial.distance.cdist`."""
    return METRICS[metric](one[:, None, :] - other[None, :, :])


def pdist(points: Any, metric: str = "euclidean") -> Any:
    """Equivalent of `scipy.spatial.distance.pdist`."""
    first, second = np.triu_indices(len(points), 1)
    return METRICS[metric](points[first] - points[second])


def squareform(distances: Any) -> Any:
    """Equivalent of `scipy.spatial.distance.squareform` for the distances of `pdist`."""
    number = round((1 + np.sqrt(1 + 8 * len(distances))) / 2)
    first, second = np.triu_indices(number, 1)
    pairs = np.zeros((number, number), dtype=int)
    pairs[first, second] = pairs[second, first] = np.arange(len(first))
    return distances[pairs] * (1.0 - np.eye(number))


def distance_form(
    name: str, arguments: Sequence[Any], keywords: Mapping[str, Any]
) -> Callable[..., Any] | None:
    """Return the equivalent of a function for these arguments; None if there is none."""
    if name == "squareform":
        return squareform if np.ndim(arguments[0]) == 1 and len(arguments[0]) else None
    points = {"cdist": 2, "pdist": 1}.get(name, len(arguments))
    metric = keywords.get("metric", (*arguments[points:], "euclidean")[0])
    usual = type(metric) is str and metric in METRICS and set(keywords) <= {"metric"}
    given = all(np.ndim(one) == 2 and hasattr(one, "shape") for one in arguments[:points])
    forms: dict[str, Callable[..., Any]] = {"cdist": cdist, "pdist": pdist}
    form = forms.get(name)
    return form if usual and given and len(arguments) <= points + 1 else None
