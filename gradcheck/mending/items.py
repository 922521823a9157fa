"""Items of lists and of arrays that can be parts of an expression."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from gradcheck.mending.context import Context

INDEX = re.compile(r"\[-?([A-Za-z_]\w*)")
"""The variable at the beginning of an index."""
PLACE = re.compile(r'[\w.]+(\["\w+"\])?')


def items_of(context: Context, names: dict[str, Any]) -> Iterator[str]:
    """Yield items of lists of arrays: the first, the last, and those at and beside a loop's index.

    Also yield the rows of arrays at such an index, if the function reads another array there.
    """
    numbers = [
        name
        for name, value in names.items()
        if isinstance(value, int | np.integer) and not isinstance(value, bool)
    ]
    indices = ["0", "-1", "-2"]
    for name in numbers[:3]:
        indices += [name, f"{name} - 1", f"{name} + 1", f"-{name}"]
    used = {
        name for one in context.all_of(ast.Subscript) for name in INDEX.findall(ast.unparse(one))
    }
    moving = [
        f"{name}{step}" for name in numbers[:3] if name in used for step in ("", " - 1", " + 1")
    ]
    for text, value in context.known.items():
        if value.kind == "list" and PLACE.fullmatch(text):
            yield from (f"{text}[{index}]" for index in indices)
        elif value.kind == "array" and len(value.shape) > 1 and PLACE.fullmatch(text):
            yield from (f"{text}[{index}]" for index in moving)


def lost_index(before: str, after: str) -> int:
    """Return whether an index that a loop moves is given up, which is right in one pass only."""
    old, new = (set(INDEX.findall(text)) for text in (before, after))
    return int(bool(old - new) and not new)
