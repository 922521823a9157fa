"""Replacements of the distributions of `scipy.stats`: their densities are recorded."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from gradcheck.trace.record.names import split_names
from gradcheck.trace.record.nodes import Tape
from gradcheck.trace.record.recording import apply, plain

DENSITIES = frozenset(split_names("pdf logpdf pmf logpmf cdf logcdf sf logsf"))
"""Methods of a distribution that compute an array from arrays, entry by entry."""

KINDS = frozenset(("rv_generic", "rv_frozen", "multi_rv_generic"))


def is_distribution(value: Any) -> bool:
    """Whether a value is a distribution of `scipy.stats`, with or without its parameters."""
    kind = type(value)
    is_of_scipy = str(kind.__module__).startswith("scipy.stats._")
    return is_of_scipy and not KINDS.isdisjoint(base.__name__ for base in kind.__mro__)


class Distribution:
    """A distribution whose densities are recorded; all else is left to the distribution itself.

    Args:
        real: the distribution.
        tape: the tape on which densities are recorded.
        arguments: parameters that were set before, which come after those of a method.
        keywords: parameters that were set before, by name.
    """

    def __init__(
        self, real: Any, tape: Tape, arguments: Sequence[Any] = (), keywords: Any = None
    ) -> None:
        if hasattr(real, "dist") and hasattr(real, "kwds"):
            real, arguments, keywords = real.dist, real.args, real.kwds
        self._real, self._tape = real, tape
        self._arguments, self._keywords = tuple(arguments), dict(keywords or {})

    @property  # type: ignore[misc]  # for isinstance; it is never set
    def __class__(self) -> Any:
        return type(self._plain())

    def __call__(self, *arguments: Any, **keywords: Any) -> Distribution:
        """Return the distribution with these parameters."""
        return Distribution(self._real, self._tape, arguments, keywords)

    def __getattr__(self, name: str) -> Any:
        if name in DENSITIES and hasattr(self._real, name):
            return partial(self._density, name)
        return getattr(self._plain(), name)

    def _plain(self) -> Any:
        if not (self._arguments or self._keywords):
            return self._real
        return self._real(*plain(self._arguments), **plain(self._keywords))

    def _density(self, name: str, *arguments: Any, **keywords: Any) -> Any:
        arguments = (*arguments, *self._arguments)
        keywords = {**self._keywords, **keywords}
        method = getattr(self._real, name)
        if not self._tape.open:
            return method(*plain(arguments), **plain(keywords))
        if (form := form_of(self._real, name, arguments, keywords)) is not None:
            return form(*arguments, **keywords)
        return apply(self._tape, method, arguments, keywords, name)


def form_of(
    distribution: Any, name: str, arguments: Sequence[Any], keywords: Mapping[str, Any]
) -> Callable[..., Any] | None:
    """Return the equivalent of a density in numpy's functions; None if there is none."""
    if type(distribution).__name__ != "multivariate_normal_gen" or name not in ("pdf", "logpdf"):
        return None
    given = {**dict(zip(("x", "mean", "cov"), arguments, strict=False)), **keywords}
    x, covariance = (np.ndim(given.get(name, 0.0)) for name in ("x", "cov"))
    is_usual = given.keys() <= {"x", "mean", "cov"} and isinstance(given.get("cov"), np.ndarray)
    return partial(_multivariate, name) if is_usual and x in (1, 2) and covariance == 2 else None


def _multivariate(name: str, x: Any, mean: Any = 0.0, cov: Any = 1.0) -> Any:
    distance = x - (0.0 if mean is None else mean)
    squares = np.sum(distance * np.linalg.solve(cov, distance.T).T, axis=-1)
    value = -0.5 * (len(cov) * math.log(2 * math.pi) + np.linalg.slogdet(cov)[1] + squares)
    return value if name == "logpdf" else np.exp(value)
