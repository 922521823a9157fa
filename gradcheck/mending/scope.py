"""What the expressions of a function were worth when it ran: their kinds and shapes."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

import numpy as np

from gradcheck.user.objects import is_object

MOST_KEYS = 60


@dataclass(frozen=True)
class Value:
    """What an expression was worth.

    Attributes:
        kind: "array", "int" or "float"; single numbers of numpy are floats.
        shape: of an array.
        number: of an int or float.
    """

    kind: str
    shape: tuple[int, ...] = ()
    number: float = 0.0


Values = Mapping[str, Value]
"""What expressions were worth, by their text."""


def observe(
    codes: Mapping[CodeType, Sequence[str]], run: Callable[[], object]
) -> dict[CodeType, dict[str, Value]]:
    """The values of expressions at the end of functions, the last time that each ran.

    Args:
        codes: the functions' codes, with the texts of expressions in them.
        run: calls them; what it raises is left alone.
    """
    found: dict[CodeType, dict[str, Value]] = {}

    def watch(frame: FrameType, event: str, argument: Any) -> None:
        if event == "return" and frame.f_code in codes:
            sys.setprofile(None)  # what is evaluated here is not watched
            found[frame.f_code] = _values(frame, codes[frame.f_code])
            sys.setprofile(watch)

    sys.setprofile(watch)
    try:
        run()
    except Exception:  # the user's code may raise whatever it likes
        pass
    finally:
        sys.setprofile(None)
    return found


def _values(frame: FrameType, texts: Sequence[str]) -> dict[str, Value]:
    names = dict(frame.f_locals)
    values = {}
    for text in dict.fromkeys([*texts, *names, *_inside(names)]):
        try:
            # an expression of the user's own function, which it has just evaluated itself
            worth = names[text] if text in names else eval(text, frame.f_globals, names)
        except Exception:  # it has no value at this place
            continue
        value = value_of(worth)
        if value is not None:
            values[text] = value
    return values


def value_of(worth: Any) -> Value | None:
    """The kind and shape of an array or number; None for anything else."""
    if isinstance(worth, bool | np.bool_):
        return None
    if isinstance(worth, np.ndarray) and worth.dtype.kind in "fiub":
        return Value("array", worth.shape)
    if isinstance(worth, int | np.integer):
        return Value("int", (), float(worth))
    if isinstance(worth, float | np.floating):
        return Value("float", (), float(worth))
    return None


def _inside(names: Mapping[str, Any]) -> list[str]:
    """The items of dicts, and the attributes of the user's objects, as expressions."""
    found: list[str] = []
    for name, worth in names.items():
        if isinstance(worth, dict) and len(worth) <= MOST_KEYS:
            found += [f"{name}[{key!r}]".replace("'", '"') for key in worth if isinstance(key, str)]
        elif is_object(worth) and hasattr(worth, "__dict__"):
            found += [
                f"{name}.{key}" for key in list(vars(worth))[:MOST_KEYS] if key.isidentifier()
            ]
    return found


def expressions(node: ast.AST) -> list[str]:
    """The texts of all names, attributes and items in a tree."""
    kinds = ast.Name | ast.Attribute | ast.Subscript
    return [ast.unparse(one) for one in ast.walk(node) if isinstance(one, kinds)]
