"""What stands for `float` in the user's modules while they are followed."""

from __future__ import annotations

from typing import Any

import numpy as np


class FloatMeta(type):
    """Makes `Float` behave as the class `float` does, and follow the numbers it is called on."""

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, float) or isinstance(getattr(value, "scalar", None), float)

    def __subclasscheck__(cls, kind: type) -> bool:
        return issubclass(kind, float)

    def __call__(cls, *arguments: Any) -> Any:
        """Converts, and follows what is traced."""
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
    """`float`, for as long as code is followed; as a type of numbers it is numpy's float64."""

    dtype = np.dtype(float)
