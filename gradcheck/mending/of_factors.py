"""Edits of factors: sizes, signs and slopes, missing or too many."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import combinations, pairwise

from gradcheck.mending.context import Context, Edit
from gradcheck.mending.scope import Value
from gradcheck.mending.written import grouped

DERIVATIVE = re.compile(
    r"prime|deriv|^der_?|grad|slope|backward|_d$|^d_|delta|jacob", re.IGNORECASE
)
FLAG = re.compile(r"\b(deriv\w*|prime|grad\w*|backward)\s*=\s*(?:True|False)")
BASE = re.compile(r"(?:(?<![\w.])|log)(\d+)(?=\(| ?\*\* ?[A-Za-z(-])")
"""The base of a power or of a logarithm."""

KINK = re.compile(rb"relu|maximum|[<>]=? ?0", re.IGNORECASE)
"""What a file with rectified values has."""

MOST_SLOPES = 12
MOST_FACTORS = 4


def scaled(context: Context) -> Iterator[Edit]:
    """Yield edits that scale a whole expression, or an operand, by a size, number or array."""
    yield from other_sizes(context)
    sizes = list(sizes_in(context))
    for node, far in [*((one, 0.0) for one in context.wholes()), *_operands(context)]:
        value = context.value(node) if far else target_value(context, node)
        if far and value is not None and value.kind in ("list", "int"):
            continue
        text = grouped(context.source(node), node, "*" if far else "")
        turns = [("1j", 5.0)] if value is not None and value.is_complex else []
        for size, weight in [*sizes, *turns]:
            times = f"{size} * {text}" if far else f"{text} * {size}"
            yield context.whole_replaced(node, f"{text} / {size}", weight + far)
            yield context.whole_replaced(node, times, weight + (far or 1.0))
        for atom, other in context.values.items():
            if value is None or other.kind not in ("array", value.kind) or atom == text:
                continue
            same = other.shape == value.shape
            if same or stretches(other.shape, value.shape):
                weight = (9.0 if same else 12.0) + far / 4
                yield context.replaced(node, f"{text} * {atom}", weight)
                yield context.replaced(node, f"{text} / {atom}", weight + 2.0)


def other_sizes(context: Context) -> Iterator[Edit]:
    """Yield another size in place of one: `a.size` for `len(a)`, `len(a)` for `a.shape[1]`."""
    sizes = [text for text, _ in sizes_in(context) if text != "2"]
    for node in context.all_of(ast.expr):
        match node:
            case ast.Call(ast.Name("len"), [array]):
                of_array = [f"{context.source(array)}.size"]
            case ast.Attribute(array, "size") | ast.Subscript(ast.Attribute(array, "shape")):
                of_array = [f"len({context.source(array)})"]
            case _:
                continue
        if context.is_array(array):
            for more, text in enumerate([*of_array, *sizes]):
                yield context.replaced(node, text, 5.0 + min(more, 2))


def sizes_in(context: Context) -> Iterator[tuple[str, float]]:
    """Yield expressions of numbers: names, axes, the lengths of index lists, 2, `np.sqrt(n)`."""
    seen: set[float] = set()
    for text, value in sorted(context.values.items(), key=lambda item: len(item[0])):
        is_size = ".shape" not in text and text not in context.counters
        if value.kind == "int" and value.number > 1 and is_size:
            seen.add(value.number)
            yield text, 3.0
    for text, value in sorted(context.values.items(), key=lambda item: len(item[0])):
        if value.kind != "array" or not text.isidentifier():
            continue
        for axis, size in enumerate(value.shape):
            if size > 1 and size not in seen:
                seen.add(size)
                yield (f"len({text})" if not axis else f"{text}.shape[{axis}]"), 5.0
    picking = {context.source(one.slice): one.slice for one in context.all_of(ast.Subscript)}
    for text, index in picking.items():
        known = context.value(index) if isinstance(index, ast.Name) else None
        if known is not None and known.kind == "list" and known.shape > (1,):
            yield f"len({text})", 5.5
    for loop in context.all_of(ast.For):  # another pass may have another length
        for node in ast.walk(loop.target):
            known = context.value(node) if isinstance(node, ast.Name) else None
            if isinstance(node, ast.Name) and known and known.shape:
                yield f"len({node.id})", 4.5
    for text, value in context.known.items():
        is_size = value.kind == "int" and value.number > 1
        if text.endswith(")") and (is_size or value.kind == "float"):
            yield text, 4.0 if is_size else 5.0
    yield "2", 5.0
    for base in sorted({*BASE.findall(context.text.decode())} if context.library else ()):
        yield f"{context.library}.log({base})", 7.0
    for text, value in context.values.items():
        if value.kind == "float" and value.number not in (0.0, 1.0):
            yield text, 7.0


def several_left_out(context: Context) -> Iterator[Edit]:
    """Yield products with several factors left out together."""
    for node in context.all_of(ast.BinOp):
        parts = _chain(node)
        if 2 < len(parts) <= MOST_FACTORS and not isinstance(context.parents.get(node), ast.BinOp):
            for count in range(1, len(parts) - 1):
                for remaining in combinations(parts, count):
                    rest = " * ".join(grouped(context.source(part), part) for part in remaining)
                    yield context.replaced(node, rest, 6.5)


def _chain(node: ast.expr) -> list[ast.expr]:
    """Return the factors of a product of products."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return [*_chain(node.left), *_chain(node.right)]
    return [node]


def signs(context: Context) -> Iterator[Edit]:
    """Yield edits of the sign of an expression or operand, or the order of a difference."""
    for whole in context.wholes():
        text = f"-{grouped(context.source(whole), whole)}"
        if isinstance(whole, ast.UnaryOp) and isinstance(whole.op, ast.USub):
            text = context.source(whole.operand)
        yield context.replaced(whole, text, 4.0)
    for node, far in _operands(context):
        match context.parents.get(node):
            case ast.BinOp(_, ast.Add() | ast.Sub() as op, last) as sum_ if last is node:
                symbol = "-" if isinstance(op, ast.Add) else "+"
                yield context.with_operator(sum_, symbol, 3.5 + far)
            case _:
                yield context.replaced(node, f"-{grouped(context.source(node), node)}", 3.5 + far)
    for node in context.all_of(ast.BinOp):
        left, right = context.source(node.left), context.source(node.right)
        if isinstance(node.op, ast.Sub):
            yield context.replaced(node, f"{right} - {grouped(left, node.left)}", 4.0)


def missing_factor(context: Context) -> Iterator[Edit]:
    """Yield a whole expression times a slope, a square matrix, or a value; a term times a slope.

    Also the slope of tanh for that of a sigmoid, and the reverse.
    """
    yield from _other_slopes(context)
    for square in context.all_of(ast.BinOp):
        match square:
            case ast.BinOp(_, ast.Pow(), ast.Constant(2 | 3 as power)):  # of a slope
                yield context.replaced(square, f"{power + 1} * {context.source(square)}", 6.5)
    slopes = [f"{name}({{}})" for name in context.functions if DERIVATIVE.search(name)]
    slopes += [
        f"{name}({{}}, {flag}=True)"
        for flag in FLAG.findall(context.text.decode("utf-8"))
        for name in context.functions
    ]
    slopes = list(dict.fromkeys(slopes))[:MOST_SLOPES]
    written = list(dict.fromkeys(_written_slopes(context)))
    for sum_ in (one for one in context.all_of(ast.BinOp) if isinstance(one.op, ast.Add | ast.Sub)):
        for term in (sum_.left, sum_.right):
            for factor in () if isinstance(term, ast.Constant) else written:
                text = f"{factor} * {grouped(context.source(term), term, '*')}"
                yield context.replaced(term, text, 5.5)
    for node in context.wholes():
        target, text = target_value(context, node), grouped(context.source(node), node)
        if target is None or target.kind not in ("array", "float"):
            continue
        for factor in written:
            yield context.replaced(node, f"{text} * {factor}", 5.0)
        for atom, value in context.values.items():
            if value.kind == "array" and value.shape == target.shape[:1] * 2:
                for matrix in (atom, f"{atom}.T"):
                    yield context.replaced(node, f"{matrix} @ {text}", 9.0)
            if value.shape != target.shape or value.kind != target.kind:
                continue
            yield context.replaced(node, f"{text} * {atom}", 8.5)
            if value.kind == "array" and KINK.search(context.text):
                yield context.replaced(node, f"{text} * ({atom} > 0)", 7.0)
            for slope in slopes:
                yield context.replaced(node, f"{text} * {slope.format(atom)}", 9.0)


def _other_slopes(context: Context) -> Iterator[Edit]:
    """Yield `1 - a**2` for `a * (1 - a)`, and the reverse."""
    for node in context.all_of(ast.BinOp):
        match node:
            case ast.BinOp(before, ast.Mult(), ast.BinOp(ast.Constant(1 | 1.0), ast.Sub(), value)):
                *others, base = _chain(before)
                factors = [grouped(context.source(one), one, "*") for one in others]
                text = grouped(context.source(base), base, "**")
                if ast.dump(base) == ast.dump(value):
                    slope = " * ".join([*factors, f"(1 - {text}**2)"])
                    yield context.replaced(node, slope, 6.0)
        for front, square in (("", node), (f"{context.source(node.left)} * ", node.right)):
            match square:
                case ast.BinOp(
                    ast.Constant(1 | 1.0), ast.Sub(), ast.BinOp(value, ast.Pow(), ast.Constant(2))
                ) if not front or isinstance(node.op, ast.Mult):
                    slope = f"{front}{grouped(context.source(value), value, '*')} * "
                    slope += f"(1 - {grouped(context.source(value), value)})"
                    yield context.fitted(node, slope, 6.0)


def _written_slopes(context: Context) -> Iterator[str]:
    """Yield the slopes in other products: `y * (1 - y)`, `(1 - h**2)`, `prime(z)`."""
    for node in context.all_of(ast.BinOp):
        factors = _chain(node)
        for before, factor in pairwise([None, *factors]) if len(factors) > 1 else ():
            match factor:
                case ast.Call(ast.Name(name)) if DERIVATIVE.search(name):
                    yield context.source(factor)
                case ast.BinOp(ast.Constant(), ast.Sub(), right):
                    text, rest = f"({context.source(factor)})", context.source(right)
                    is_whole = before is not None and context.source(before) == rest
                    yield f"{rest} * {text}" if is_whole else text


def stretches(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    """True if a smaller array broadcasts to a shape."""
    if shape == target or not shape or len(shape) > len(target):
        return False
    pairs = zip(shape[::-1], target[::-1], strict=False)
    return all(one in (1, other) for one, other in pairs)


def target_value(context: Context, node: ast.expr) -> Value | None:
    """Return the value of the target that an expression is assigned to, or its own value."""
    parent = context.parents.get(node)
    if isinstance(parent, ast.Assign) and len(parent.targets) == 1:
        return context.value(parent.targets[0])
    if isinstance(parent, ast.AugAssign):
        return context.value(parent.target)
    value = context.value(node)
    if value is not None:
        return value
    atoms = [atom for atom in ast.walk(node) if isinstance(atom, ast.Name | ast.Attribute)]
    values = {context.value(atom) for atom in atoms} - {None}
    return values.pop() if len(values) == 1 else None


def _operands(context: Context) -> Iterator[tuple[ast.expr, float]]:
    """Yield terms of sums, operands of matrix products, arguments of calls; with extra weights."""
    for node in context.nodes:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub | ast.MatMult):
            for side in (node.left, node.right):
                if not isinstance(side, ast.Constant):
                    yield side, 4.0
        elif isinstance(node, ast.Call):
            for argument in node.args:
                if not isinstance(argument, ast.Constant | ast.Starred | ast.Tuple | ast.List):
                    yield argument, 6.0
