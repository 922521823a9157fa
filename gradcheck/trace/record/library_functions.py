"""Functions of scipy, torch and jax expressed in numpy's, whose derivatives are known.

A function that is not in the tables is called as it is, and differentiated numerically.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gradcheck.trace.record.distances import distance_form

Axis = int | tuple[int, ...] | None

FOLLOWED = ("special", "signal", "ndimage", "linalg", "fft", "spatial")
"""The parts of scipy whose functions compute arrays from arrays."""


def softmax(x: Any, axis: Axis = None) -> Any:
    """Equivalent of `scipy.special.softmax`."""
    powers = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return powers / np.sum(powers, axis=axis, keepdims=True)


def logsumexp(a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Equivalent of `scipy.special.logsumexp`, without weights and signs."""
    largest = np.max(a, axis=axis, keepdims=True)
    result = np.log(np.sum(np.exp(a - largest), axis=axis, keepdims=True)) + largest
    return result if keepdims else np.squeeze(result, axis=axis)


def log_softmax(x: Any, axis: Axis = None) -> Any:
    """Equivalent of `scipy.special.log_softmax`."""
    return x - logsumexp(x, axis=axis, keepdims=True)


FORMS: dict[str, Callable[..., Any]] = {
    "softmax": softmax,
    "logsumexp": logsumexp,
    "log_softmax": log_softmax,
}


def form_of(function: Any, arguments: Any, keywords: Any) -> Callable[..., Any] | None:
    """Return the equivalent of a scipy function for these arguments; None if there is none."""
    if function.__module__ == "scipy.spatial.distance":
        return distance_form(function.__name__, arguments, keywords)
    if not function.__module__.startswith("scipy.special"):
        return None
    form = FORMS.get(function.__name__)
    return form if form is not None and set(keywords) <= {"axis", "keepdims"} else None


Function = Callable[..., Any]


class Placed(NamedTuple):
    """Selected entries and their indices."""

    values: Any
    indices: Any


def _reduced(reduce: Function) -> Function:
    def reduced(x: Any, dim: Any = None, keepdim: bool = False, **_: Any) -> Any:
        if dim is None:
            return reduce(x)
        return reduce(x, axis=tuple(dim) if isinstance(dim, list) else dim, keepdims=keepdim)

    return reduced


def _spread(reduce: Function) -> Function:
    def spread(
        x: Any, dim: Any = None, unbiased: bool = True, keepdim: bool = False, correction: int = 1
    ) -> Any:
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        return reduce(x, axis=dim, keepdims=keepdim, ddof=correction if unbiased else 0)

    return spread


def _extreme(reduce: Function, pairwise: Function, where: Function) -> Function:
    """Return a reduction with the three forms `x.max()`, `x.max(dim)` and `x.max(y)`."""

    def extreme(x: Any, dim: Any = None, keepdim: bool = False, **_: Any) -> Any:
        if dim is None:
            return reduce(x)
        if not isinstance(dim, int):
            return pairwise(x, dim)
        places = where(x, axis=dim, keepdims=keepdim)
        return Placed(reduce(x, axis=dim, keepdims=keepdim), places)

    return extreme


def _scaled(function: Function) -> Function:
    return lambda x, y, alpha=1: function(x, y if alpha == 1 else alpha * y)


def _shape(first: Any, more: Any) -> Any:
    return tuple(first) if isinstance(first, tuple | list) else (first, *more)


def _flatten(x: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    end = end_dim % x.ndim
    return np.reshape(x, (*x.shape[:start_dim], -1, *x.shape[end + 1 :]))


def _expand(x: Any, first: Any, *more: Any) -> Any:
    shape = _shape(first, more)
    padded = (1,) * (len(shape) - x.ndim) + tuple(x.shape)
    return np.broadcast_to(x, [b if a == -1 else a for a, b in zip(shape, padded, strict=True)])


def _repeat(x: Any, first: Any, *more: Any) -> Any:
    return np.tile(x, _shape(first, more))


def _cut(x: Any, size: Any, dim: int = 0) -> Any:
    ends = np.cumsum(size)[:-1] if isinstance(size, tuple | list) else range(size, len(x), size)
    return tuple(np.split(x, list(ends), axis=dim))


def _clip(x: Any, min: Any = None, max: Any = None) -> Any:  # noqa: A002  # torch's own names
    return np.clip(x, min, max)


def _norm(x: Any, p: Any = 2, dim: Any = None, keepdim: bool = False) -> Any:
    if p not in (2, "fro"):
        raise NotImplementedError
    return np.sqrt(_reduced(np.sum)(np.square(x), dim, keepdim))


def sigmoid(x: Any) -> Any:
    """Return the logistic function of x."""
    return 1 / (1 + np.exp(-x))


def _leaky(x: Any, negative_slope: float = 0.01, **_: Any) -> Any:
    return np.where(x > 0, x, negative_slope * x)


def _astype(x: Any, kind: Any = None, *_: Any, **__: Any) -> Any:
    """Conversion by `x.to(...)` or `x.float()`: only booleans and integers change."""
    return x if x.dtype.kind == "f" else x.astype(np.float64)


def _same(x: Any, *_: Any, **__: Any) -> Any:
    return x


ACTIVATIONS: dict[str, Function] = {
    "sigmoid": lambda x, **_: sigmoid(x),
    "stop_gradient": lambda x, **_: x,
    "relu": lambda x, **_: np.maximum(x, 0),
    "leaky_relu": _leaky,
    "softplus": lambda x, **_: np.log1p(np.exp(x)),
    "silu": lambda x, **_: x * sigmoid(x),
    "swish": lambda x, **_: x * sigmoid(x),
    "softmax": lambda x, dim=-1, **_: softmax(x, dim),
    "log_softmax": lambda x, dim=-1, **_: log_softmax(x, dim),
    "logsumexp": _reduced(logsumexp),
    "logsigmoid": lambda x, **_: -np.log1p(np.exp(-x)),
    "log_sigmoid": lambda x, **_: -np.log1p(np.exp(-x)),
}
"""Functions of torch and jax that numpy does not have."""

OF_NUMPY = {
    name: getattr(np, numpys)
    for names in (
        "exp log log1p log2 log10 expm1 sqrt square sin cos tan sinh cosh tanh arcsin arccos",
        "arctan sign floor ceil round reciprocal maximum minimum hypot logaddexp where outer dot",
        "einsum zeros_like ones_like full_like empty_like flip roll tril triu cumsum kron trace",
        "squeeze isnan isfinite isinf sinc diag abs=absolute absolute neg=negative negative",
        "asin=arcsin acos=arccos atan=arctan atan2=arctan2 arctan2 mul=multiply multiply",
        "div=divide divide true_divide=divide pow=power matmul mm=matmul bmm=matmul mv=matmul",
        "ger=outer unsqueeze=expand_dims cat=concatenate concat=concatenate stack clone=copy",
        "swapaxes t=transpose movedim=moveaxis",
        "concatenate gt=greater ge=greater_equal lt=less le=less_equal eq=equal ne=not_equal",
        "logical_not logical_and logical_or vstack hstack broadcast_to prod",
    )
    for name, _, numpys in (entry.partition("=") for entry in names.split())
    for numpys in (numpys or name,)
}

TORCHS: dict[str, Function] = {
    **OF_NUMPY,
    **ACTIVATIONS,
    "add": _scaled(np.add),
    "sub": _scaled(np.subtract),
    "subtract": _scaled(np.subtract),
    "rsub": lambda x, y: y - x,
    "radd": lambda x, y: y + x,
    "rmul": lambda x, y: y * x,
    "rdiv": lambda x, y: y / x,
    "rtruediv": lambda x, y: y / x,
    "truediv": np.divide,
    "rpow": lambda x, y: y**x,
    "rmatmul": lambda x, y: y @ x,
    "getitem": operator.getitem,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "sum": _reduced(np.sum),
    "mean": _reduced(np.mean),
    "prod": _reduced(np.prod),
    "amax": _reduced(np.max),
    "amin": _reduced(np.min),
    "all": _reduced(np.all),
    "any": _reduced(np.any),
    "argmax": _reduced(np.argmax),
    "argmin": _reduced(np.argmin),
    "var": _spread(np.var),
    "std": _spread(np.std),
    "max": _extreme(np.max, np.maximum, np.argmax),
    "min": _extreme(np.min, np.minimum, np.argmin),
    "norm": _norm,
    "clamp": _clip,
    "clip": _clip,
    "clamp_min": lambda x, min: np.maximum(x, min),  # noqa: A006  # torch's own name
    "index_select": lambda x, dim, index: np.take(x, index, axis=dim),
    "gather": lambda x, dim, index: np.take_along_axis(x, index, axis=dim),
    "masked_fill": lambda x, mask, value: np.where(mask, value, x),
    "reshape": lambda x, first, *more: np.reshape(x, _shape(first, more)),
    "view": lambda x, first, *more: np.reshape(x, _shape(first, more)),
    "reshape_as": lambda x, other: np.reshape(x, other.shape),
    "view_as": lambda x, other: np.reshape(x, other.shape),
    "flatten": _flatten,
    "ravel": np.ravel,
    "permute": lambda x, first, *more: np.transpose(x, _shape(first, more)),
    "transpose": np.swapaxes,
    "expand": _expand,
    "expand_as": lambda x, other: np.broadcast_to(x, other.shape),
    "sum_to_size": lambda x, *shape: _sum_to(x, _shape(shape[0], shape[1:])),
    "repeat": _repeat,
    "tile": _repeat,
    "split": _cut,
    "chunk": lambda x, chunks, dim=0: tuple(np.array_split(x, chunks, axis=dim)),
    "unbind": lambda x, dim=0: tuple(np.moveaxis(x, dim, 0)),
    "linear": lambda x, w, b=None: x @ w.T if b is None else x @ w.T + b,
    "addmm": lambda c, a, b: c + a @ b,
    "mse_loss": lambda x, target, reduction="mean", **_: _reduced_by(
        reduction, np.square(x - target)
    ),
    "l1_loss": lambda x, target, reduction="mean", **_: _reduced_by(reduction, np.abs(x - target)),
    **dict.fromkeys(("detach", "contiguous", "requires_grad_", "cpu", "numpy"), _same),
    **dict.fromkeys(("float", "double", "to", "type", "type_as"), _astype),
}
"""Torch's functions and methods by name; `dim` and `keepdim` are torch's keywords."""


def _reduced_by(reduction: str, x: Any) -> Any:
    return x if reduction == "none" else np.mean(x) if reduction == "mean" else np.sum(x)


def _sum_to(x: Any, shape: tuple[int, ...]) -> Any:
    x = np.sum(x, axis=tuple(range(x.ndim - len(shape)))) if x.ndim > len(shape) else x
    axes = tuple(i for i, length in enumerate(shape) if length == 1 and x.shape[i] != 1)
    return np.sum(x, axis=axes, keepdims=True) if axes else x


PLACING = ("sort", "topk", "kthvalue", "median", "mode", "cummax", "cummin")
"""Functions that return indices as well as values."""

SETTINGS = ("dtype", "device", "layout", "memory_format", "requires_grad", "non_blocking")
"""Keywords about the storage of numbers, which are ignored."""


def words_for(name: str, keywords: dict[str, Any]) -> dict[str, Any]:
    """Rename keywords for a function of the table: torch accepts numpy's names, too."""
    words = {"axis": "dim", "keepdims": "keepdim", "input": "x", "self": "x"}
    if TORCHS[name] in OF_NUMPY.values():
        words = {"dim": "axis", "dims": "axis", "keepdim": "keepdims", "diagonal": "k"}
    return {words.get(key, key): value for key, value in keywords.items() if key not in SETTINGS}
