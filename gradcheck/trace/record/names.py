"""The names of operations, grouped by their mathematical properties."""

from __future__ import annotations


def split_names(text: str) -> frozenset[str]:
    """Return the set of names in a text."""
    return frozenset(text.split())


SHAPED = split_names("zeros_like ones_like empty_like")
"""Operations that take the shape of their operand, and none of its values."""

CONSTANT = SHAPED | split_names(
    """
    sign round around rint floor ceil trunc heaviside
    floor_divide argsort argmax argmin isnan isfinite
    """
)
"""Operations whose results are piecewise constant."""

ROUNDING = split_names("sign round around rint floor ceil trunc floor_divide")

MOVES = split_names(
    """
    getitem view scatter setitem array asarray asanyarray ascontiguousarray asfortranarray
    copy stack vstack hstack dstack row_stack column_stack concatenate append reshape ravel
    flatten transpose T mT swapaxes moveaxis rollaxis expand_dims squeeze tile repeat pad
    roll fftshift ifftshift flip flipud fliplr rot90 broadcast_to broadcast_arrays where select
    choose c_ r_
    diag diagflat diagonal tril triu take take_along_axis compress extract atleast_1d
    atleast_2d atleast_3d block full full_like astype real insert delete split array_split
    hsplit vsplit dsplit unstack item float sliding_window_view as_strided nan_to_num copyto
    fill fill_diagonal put place putmask meshgrid permute_dims matrix_transpose concat
    put_along_axis resize output sparse
    """
)
"""Operations that only move or copy data."""

WRITES = ("setitem", "scatter")

COPIES = ("copy", "array", "asarray", "ascontiguousarray")

BILINEAR = split_names(
    """
    multiply matmul dot outer inner vdot tensordot einsum kron convolve correlate vecdot
    multiply.outer multi_dot
    """
)
"""Operations that are linear in each operand separately."""

SUMS = frozenset(("add", "subtract"))
"""Sums of two operands."""

ADDITIVE = frozenset(("add", "subtract", "negative", "positive", "sum", "mean", "add.reduce"))
"""Sums and differences of the operands or their entries."""

LAID_OUT = split_names(
    "array asarray asanyarray stack vstack hstack dstack column_stack concatenate block sparse"
)
"""Functions that assemble an array from a list."""

TRANSFORMS = split_names("fft ifft fft2 ifft2 fftn ifftn rfft irfft rfft2 irfft2 rfftn irfftn")
"""Fourier transforms."""

LINEAR = (
    MOVES
    | ADDITIVE
    | TRANSFORMS
    | split_names("cumsum trace diff add.at subtract.at add.accumulate conjugate conj imag")
)
"""Operations that are linear in all operands jointly, provided that these are real."""

CUTS = frozenset(("clip", "maximum", "minimum"))
"""Operations that cut values off at a bound."""
