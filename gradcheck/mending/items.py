"""Items of lists and arrays, and sums of products, that can be parts of an expression."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement
from typing import Any

import numpy as np

from gradcheck.mending.context import Context
from gradcheck.mending.moments import Moment, values_at
from gradcheck.mending.of_factors import DERIVATIVE
from gradcheck.user.blocks import Array

INDEX = re.compile(r"\[-?([A-Za-z_]\w*)")
"""The variable at the beginning of an index."""
PLACE = re.compile(r'[\w.]+(\["\w+"\])?')


MOST, MOST_CALLED = 6, 6
"""The numbers of values of which products are summed, and of functions."""


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


def broadcasts_in(tree: ast.AST) -> list[str]:
    """Return the arrays that a file gives new axes, as the loss may: `gain[None, :, None]`."""
    items = (one for one in ast.walk(tree) if isinstance(one, ast.Subscript))
    pairs = ((one, ast.walk(one.slice)) for one in items)
    return [
        ast.unparse(item)
        for item, parts in pairs
        if any(isinstance(one, ast.Constant) and one.value is None for one in parts)
    ]


def lost_index(before: str, after: str) -> int:
    """Return whether an index that a loop moves is given up, which is right in one pass only."""
    old, new = (set(INDEX.findall(text)) for text in (before, after))
    return int(bool(old - new) and not new)


def projected(
    context: Context, moments: Sequence[Moment], names: Sequence[str]
) -> Iterator[tuple[str, list[Array]]]:
    """Yield sums of products of two values of one shape, along an axis, with their own values."""
    names = [one for one in names if PLACE.fullmatch(one)][:MOST]
    values = values_at(moments[:1], names[0]) if names else None
    is_vector = values is not None and values[0].ndim == 1
    forms = ["{0} @ {1}"] if is_vector else [*sums_of_products(context)]
    for one, other in combinations_with_replacement(names, 2):
        for form in forms:
            text = form.format(one, other)
            values = values_at(moments, text)
            if values is not None:
                yield text, values


def sums_of_products(context: Context) -> Iterator[str]:
    """Yield the sums and means along an axis in the file, of a product `{0} * {1}`."""
    library = context.library or "np"
    for node in ast.walk(context.tree):
        match node:
            case ast.Call(ast.Attribute(owner, "sum" | "mean" as name), arguments, keywords):
                is_function = ast.unparse(owner) == library
                how = ", ".join(map(ast.unparse, [*arguments[is_function:], *keywords]))
                of_both = "({0} * {1})", f"{library}.{name}({{0}} * {{1}}, "
                called = of_both[1] if is_function else f"{of_both[0]}.{name}("
                if how and "{" not in how:
                    yield f"{called}{how})"
    yield f"{library}.sum({{0}} * {{1}}, axis=-1, keepdims=True)"


def functions_of(context: Context) -> list[str]:
    """Return the functions called with one argument: the file's, slopes first, and numpy's."""
    calls = [
        ast.unparse(node.func)
        for node in ast.walk(context.tree)
        if isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords
    ]
    around = getattr(context.definition, "name", "")
    own = [name for name in context.functions if name in calls or DERIVATIVE.search(name)]
    own = [name for name in own if name != around]
    own.sort(key=lambda name: not DERIVATIVE.search(name))
    prefix = f"{context.library}."
    copies = {f"{prefix}{name}" for name in ("array", "asarray", "copy")}
    library = [name for name in calls if name.startswith(prefix) and name not in copies]
    return list(dict.fromkeys([*own[:MOST_CALLED], *library[:MOST_CALLED]]))
