"""The replacement of `float` in the user's modules during a trace."""

from __future__ import annotations

from typing import Any

import numpy as np


class FloatMeta(type):
    """Makes `Float` behave like the class `float`, and trace the conversion of traced numbers."""

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, float) or isinstance(getattr(value, "scalar", None), float)

    def __subclasscheck__(cls, kind: type) -> bool:
        return issubclass(kind, float)

    def __call__(cls, *arguments: Any) -> Any:
        """Convert to a float; a traced number stays traced."""
        if arguments and hasattr(arguments[0], "tape"):
            return arguments[0].__as_float__()
        return float(*arguments)

    def __eq__(cls, other: object) -> bool:
        return other is float or other is cls

    def __hash__(cls) -> int:
        return hash(float)

    def __repr__(cls) -> str:
        return repr(float)


class Float(float, metaclass=FloatMeta):
    """`float` during a trace; as a dtype it is numpy's float64."""

    dtype = np.dtype(float)
