"""Edits of one part of an expression: left out, transposed, squared, summed or sliced."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence

from gradcheck.diagnose.rule import EditKind
from gradcheck.mending.context import LIBRARY_ATTRIBUTES, Context, Edit
from gradcheck.mending.of_factors import several_left_out
from gradcheck.mending.scope import Value
from gradcheck.mending.written import grouped

Form = tuple[str, int | None, float]
"""The new text for a text `{}`, the number of axes that it needs, if any, and its weight."""

SLICES = {
    1: ("[1:]", "[:-1]", "[::-1]"),
    2: ("[:, 1:]", "[:, :-1]", "[1:]", "[:-1]", "[::-1, ::-1]", "[::-1]", "[:, ::-1]"),
    3: ("[::-1]", "[:, ::-1]", "[..., ::-1]", "[..., ::-1, ::-1]", "[::-1, ::-1]", "[..., 1:]"),
    4: ("[..., ::-1, ::-1]", "[::-1, ::-1]", "[:, ::-1, ::-1]", "[:, :, ::-1]"),
}
"""Slices of arrays by their number of axes, the likeliest first."""

SLICED: Sequence[Form] = [
    (f"{{}}{part}", axes, 10.0 + 0.5 * more)
    for axes, parts in SLICES.items()
    for more, part in enumerate(parts)
]
FORMS: Mapping[EditKind, Sequence[Form]] = {
    EditKind.TRANSPOSE: [("{}.T", 2, 6.0)],
    EditKind.POWER: [("{}**2", None, 10.0), ("{}**3", None, 11.0), ("(1 - {})", None, 12.0)],
    EditKind.COLUMN: [
        ("{}.reshape(-1, 1)", 1, 9.0),
        ("{}.reshape(1, -1)", 1, 9.0),
        ("{}.ravel()", 2, 14.0),
    ],
    EditKind.PART: SLICED,
    EditKind.CONJUGATE: [("{}.conj()", None, 3.0)],
    EditKind.SUM: [
        (f"{{0}} - {{0}}.mean({axis})", axes, 14.0)
        for axes, axis in (
            (1, ""),
            *((2, f"axis={one}, keepdims=True") for one in (0, 1)),
            *((3, f"axis={one}, keepdims=True") for one in (1, 2)),
            *((4, f"axis={one}, keepdims=True") for one in ("(0, 2, 3)", "(2, 3)", "(1, 2, 3)")),
        )
    ],
}
"""The forms that names, attributes and items may take."""

WHOLE_FORMS: Mapping[EditKind, Sequence[Form]] = {
    EditKind.SUM: [
        (f"{{}}.sum({axis})", axes, 7.0)
        for axis, axes in (
            *((f"axis={one}{kept}", None) for kept in ("", ", keepdims=True") for one in (0, 1)),
            ("", None),
            *(("axis=2" + kept, 3) for kept in ("", ", keepdims=True")),
            ("axis=(0, 1)", 3),
            ("axis=(0, 2, 3)", 4),
        )
    ],
    EditKind.PART: [(form, axes, weight + 1.0) for form, axes, weight in SLICED],
    EditKind.CONJUGATE: [("{}.conj()", None, 5.0)],
}
"""The forms that assigned or returned expressions may take."""


def formed(kind: EditKind) -> Callable[[Context], Iterator[Edit]]:
    """Return the maker of edits of a kind that put something around a part, or leave it out."""

    def make(context: Context) -> Iterator[Edit]:
        if kind is EditKind.REMOVED_FACTOR:
            yield from several_left_out(context)
        if kind is EditKind.SUM:
            yield from _summed_from(context)
        for node in context.all_of(ast.expr):
            for part, part_kind, weight in _inside(node):
                if part_kind is kind:
                    text = context.source(part)
                    around = isinstance(context.parents.get(node), ast.BinOp)
                    yield context.replaced(node, grouped(text, part) if around else text, weight)
        for node in context.atoms() if kind in FORMS else ():
            value = context.value(node)
            if value is not None and _may_become(kind, value, context.parents.get(node)):
                for form, axes, weight in FORMS[kind]:
                    if axes in (None, len(value.shape)):
                        now = form.format(context.source(node))
                        is_owner = isinstance(context.parents.get(node), ast.Attribute)
                        put = context.fitted if kind is EditKind.SUM else context.replaced
                        yield put(node, f"({now})" if is_owner else now, weight)
        for node in context.wholes() if kind in WHOLE_FORMS else ():
            value, text = context.value(node), context.source(node)
            text = f"({text})" if not isinstance(node, ast.Name | ast.Attribute) else text
            for form, axes, weight in WHOLE_FORMS[kind] if _suits(kind, value) else ():
                if axes is None or (value is not None and axes == len(value.shape)):
                    yield context.replaced(node, form.format(text), weight)

    return make


def _summed_from(context: Context) -> Iterator[Edit]:
    """Yield the sum of an array for one item of it, or of all items from it, or up to it."""
    for node in context.all_of(ast.Subscript):
        known = context.value(node)
        if known is None or known.kind != "float" or not isinstance(node.ctx, ast.Load):
            continue
        base, at = context.source(node.value), context.source(node.slice)
        if context.is_array(node.value) and not isinstance(node.slice, ast.Tuple):
            for more, part in enumerate(("", f"[{at}:]", f"[: {at} + 1]")):
                yield context.replaced(node, f"{base}{part}.sum()", 9.0 + more / 2)


def _may_become(kind: EditKind, value: Value, parent: ast.AST | None) -> bool:
    """True if a name, attribute or item in `parent` may take the forms of a kind."""
    asked = parent.attr if isinstance(parent, ast.Attribute) else ""
    if kind is EditKind.CONJUGATE:
        return _suits(kind, value) and asked in ("", "T")
    turned = kind is EditKind.POWER and asked == "T"
    return value.kind != "int" and (turned or asked not in LIBRARY_ATTRIBUTES)


def _suits(kind: EditKind, value: Value | None) -> bool:
    """True if an edit of a kind changes such a value: only complex numbers have conjugates."""
    return kind is not EditKind.CONJUGATE or (value is not None and value.is_complex)


def _inside(node: ast.expr) -> Iterator[tuple[ast.expr, EditKind, float]]:
    """Yield the parts that may replace an expression, with the kind and weight of the edit."""
    factor = EditKind.REMOVED_FACTOR
    match node:
        case ast.BinOp(left, ast.Div() | ast.FloorDiv(), _):
            yield left, factor, 4.0
        case ast.BinOp(left, ast.Pow(), _):
            yield left, EditKind.POWER, 8.0
        case ast.BinOp(left, op, right):
            weight = 9.0 if isinstance(op, ast.Add | ast.Sub) else 6.0
            yield left, factor, weight
            yield right, factor, weight
        case ast.UnaryOp(ast.USub(), operand):
            yield operand, factor, 4.0
        case ast.Attribute(value, "T") | ast.Call(ast.Attribute(value, "transpose" | "swapaxes")):
            yield value, EditKind.TRANSPOSE, 5.0
        case ast.Call(ast.Attribute(value, "conj" | "conjugate"), []):
            yield value, EditKind.CONJUGATE, 3.0
        case ast.Call(ast.Attribute(_, "conj" | "conjugate"), [value]):
            yield value, EditKind.CONJUGATE, 3.0
        case ast.Subscript(value, index) if isinstance(node.ctx, ast.Load):
            if any(isinstance(one, ast.Slice) for one in ast.iter_child_nodes(index)) or isinstance(
                index, ast.Slice
            ):
                yield value, EditKind.PART, 9.0
        case ast.Call(ast.Attribute(attr="sum" | "mean"), [first, *_]):
            yield first, EditKind.SUM, 8.0
        case ast.Call(_, [one]) if not node.keywords:
            yield one, EditKind.WRAPPED, 9.0
        case ast.Call(ast.Attribute(attr="dot" | "matmul"), [one, other]):
            yield one, factor, 8.0
            yield other, factor, 8.0
