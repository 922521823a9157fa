"""The derivatives of operations on complex numbers.

The adjoint of a complex value z = x + i y is dL/dx + i dL/dy, so that a change dz moves the loss by
the real part of conj(adjoint) dz. Through w = f(z) with a complex derivative, the adjoint of z is
that of w times conj(f'(z)) (Kreutz-Delgado 2009, The complex gradient operator): the conjugate of
what the rule for real numbers makes of the conjugate. Other operations have rules of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import wide
from gradcheck.trace.adjoints.differences import Contributions, Values
from gradcheck.trace.record.graph import resolve
from gradcheck.trace.record.names import split_names
from gradcheck.trace.record.nodes import Node, Reference

Array = NDArray[Any]

OF_PARTS: dict[str, Callable[[Array, Array], Array]] = {
    **dict.fromkeys(("absolute", "abs"), lambda g, z: g * np.exp(1j * np.angle(z)) * (z != 0)),
    **dict.fromkeys(("conjugate", "conj"), lambda g, z: np.conj(g)),
    "imag": lambda g, z: 1j * g,
    "angle": lambda g, z: 1j * g / np.conj(z),
}
"""By name, the adjoint of the operand of an operation without a complex derivative."""

ANALYTIC = split_names(
    """
    negative positive output square reciprocal sqrt exp expm1 log log1p log2 log10 sin cos tan sinh
    cosh tanh arctan add subtract multiply divide power
    matmul dot outer multiply.outer inner einsum sum mean add.reduce prod
    fft ifft fft2 ifft2 fftn ifftn rfft irfft
    """
)
"""Operations whose rule for real numbers holds for complex ones."""

INVERSE: dict[Any, Any] = {"backward": "forward", None: "forward", "forward": "backward"}
"""The normalisation of the transform with the scale of the inverse one, where it is another."""


def holds_complex(node: Node, out: Array, values: Values) -> bool:
    """Whether an operation makes complex numbers, or makes something of them."""
    return out.dtype.kind == "c" or any(values[one].dtype.kind == "c" for one in node.operands)


def in_their_kind(parts: Iterable[tuple[int, Array]], values: Values) -> Contributions:
    """Return contributions without the imaginary parts of those to real values."""
    return [
        (index, part.real if part.dtype.kind == "c" and values[index].dtype.kind != "c" else part)
        for index, part in parts
    ]


def of_parts(node: Node, values: Values, g: Array) -> Contributions:
    """The rule of an operation in `OF_PARTS`; `g` may hold several adjoints along a first axis."""
    operand = node.arguments[0]
    if not isinstance(operand, Reference):
        return []
    rule = OF_PARTS[node.operation]
    return [(operand.index, np.asarray(rule(g, wide(values[operand.index]))))]


def _settings(node: Node, values: Values, shape: tuple[int, ...]) -> dict[str, Any] | None:
    """The axis and the normalisation of a transform; None if it cuts its operand, or extends it."""
    names = ("n", "axis", "norm")
    given = dict(zip(names, node.arguments[1:], strict=False)) | dict(node.keywords)
    axis, norm = given.get("axis", -1), given.get("norm")
    length = given.get("n")
    if length is not None and resolve(length, values) != shape[axis]:
        return None
    return {"axis": axis, "norm": norm}


def _whole(node: Node, out: Array, values: Values, g: Array) -> Contributions | None:
    """The rule of transforms of all entries: their matrices are symmetric."""
    operand, *rest = node.arguments
    if not isinstance(operand, Reference) or out.shape != values[operand.index].shape:
        return None
    if node.function is None:
        return None
    keywords = resolve(node.keywords, values)
    return [(operand.index, np.asarray(node.function(g, *resolve(rest, values), **keywords)))]


def _of_real(node: Node, out: Array, values: Values, g: Array) -> Contributions | None:
    """The rule of `rfft`, which leaves out what the other half repeats."""
    operand = node.arguments[0]
    if not isinstance(operand, Reference):
        return None
    shape = values[operand.index].shape
    settings = _settings(node, values, shape)
    if settings is None:
        return None
    part = np.fft.fft(g, n=shape[settings["axis"]], **settings)
    return [(operand.index, np.asarray(part.real))]


def _to_real(node: Node, out: Array, values: Values, g: Array) -> Contributions | None:
    """The rule of `irfft`, which uses all but the ends of its operand twice."""
    operand = node.arguments[0]
    if not isinstance(operand, Reference):
        return None
    settings = _settings(node, values, out.shape)
    if settings is None:
        return None
    axis, norm = settings["axis"], settings["norm"]
    part = np.moveaxis(np.fft.rfft(g, axis=axis, norm=INVERSE.get(norm, norm)), axis, -1)
    if np.moveaxis(values[operand.index], axis, -1).shape != part.shape:
        return None
    part[..., 1 : part.shape[-1] - (out.shape[axis] % 2 == 0)] *= 2
    return [(operand.index, np.conj(np.moveaxis(part, -1, axis)))]


FOURIER: dict[str, Callable[..., Contributions | None]] = {
    **dict.fromkeys(("fft", "ifft", "fft2", "ifft2", "fftn", "ifftn"), _whole),
    "rfft": _of_real,
    "irfft": _to_real,
}
