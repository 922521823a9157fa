"""Sums and means along an axis, as a file writes them: the parts of projections."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement

from gradcheck.mending.context import Context
from gradcheck.mending.items import PLACE
from gradcheck.mending.moments import Moment, values_at
from gradcheck.user.blocks import Array

MOST = 6
"""The number of values of which products are summed."""


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
