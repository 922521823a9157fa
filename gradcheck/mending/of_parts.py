"""Edits of which part of an array is read: all but its first column, turned round, another list."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gradcheck.mending.context import Context, Edit

PARTS = {
    1: ("[1:]", "[:-1]", "[::-1]"),
    2: ("[:, 1:]", "[:, :-1]", "[1:]", "[:-1]", "[::-1, ::-1]", "[::-1]", "[:, ::-1]"),
    3: ("[::-1]", "[:, ::-1]", "[..., ::-1]", "[..., ::-1, ::-1]", "[::-1, ::-1]", "[..., 1:]"),
    4: ("[..., ::-1, ::-1]", "[::-1, ::-1]", "[:, ::-1, ::-1]", "[:, :, ::-1]"),
}
"""Parts that are read of arrays, by how many axes these have, the likeliest first."""


def parts(context: Context) -> Iterator[Edit]:
    """A part of an array: without the units that are always 1, or the other way round."""
    for node in context.atoms():
        value = context.value(node)
        if value is None or value.kind != "array":
            continue
        parent = context.parents.get(node)
        if isinstance(parent, ast.Attribute) and parent.attr in ("shape", "size", "dtype", "ndim"):
            continue
        for more, part in enumerate(PARTS.get(len(value.shape), ())):
            yield context.replaced(node, f"{context.source(node)}{part}", 10.0 + 0.5 * more)
    for whole in context.wholes():
        value = context.value(whole)
        if value is not None and value.kind == "array" and not isinstance(whole, ast.Name):
            for more, part in enumerate(PARTS.get(len(value.shape), ())):
                yield context.replaced(whole, f"({context.source(whole)}){part}", 11.0 + 0.5 * more)


def whole_arrays(context: Context) -> Iterator[Edit]:
    """All of an array for a part of it."""
    for node in context.all_of(ast.Subscript):
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if isinstance(node.ctx, ast.Load) and any(isinstance(one, ast.Slice) for one in inner):
            yield context.replaced(node, context.source(node.value), 9.0)


def without_bias(context: Context) -> Iterator[Edit]:
    """Zeros for the entries of an array that belong to biases, as a penalty leaves them out."""
    library = context.library
    if library is None:
        return
    for node in context.atoms():
        value, text = context.value(node), context.source(node)
        if value is None or isinstance(context.parents.get(node), ast.Attribute):
            continue
        if value.kind == "array" and len(value.shape) == 1:
            yield context.replaced(node, f"{library}.r_[0, {text}[1:]]", 13.0)
        elif value.kind == "array" and len(value.shape) == 2:
            zeros = f"{library}.zeros(len({text}))"
            yield context.replaced(node, f"{library}.c_[{zeros}, {text}[:, 1:]]", 13.0)


def other_lists(context: Context) -> Iterator[Edit]:
    """Another list in a list's place, at the same index."""
    lists = {text: value for text, value in context.known.items() if value.kind == "list"}
    for node in context.nodes():
        if not isinstance(node, ast.Name | ast.Attribute) or not isinstance(node.ctx, ast.Load):
            continue
        own, text = context.value(node), context.source(node)
        if own is None or own.kind != "list":
            continue
        for other, value in lists.items():
            if other == text or not other.replace(".", "").isidentifier():
                continue
            same = value.shape == own.shape
            yield context.replaced(node, other, 6.5 if same else 7.5)
            parent = context.parents.get(node)
            if isinstance(parent, ast.Subscript) and not isinstance(parent.slice, ast.Slice):
                index = context.source(parent.slice)
                for moved in (f"{index} - 1", f"{index} + 1"):
                    yield context.replaced(parent, f"{other}[{moved}]", 14.0)
