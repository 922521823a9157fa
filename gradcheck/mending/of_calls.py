"""Edits of calls: axes, flags, sums, which function is called; comparisons and constants."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import combinations, product

from gradcheck.diagnose.rule import EditKind
from gradcheck.mending.context import Context, Edit
from gradcheck.mending.of_factors import sizes_in
from gradcheck.mending.of_parts import formed
from gradcheck.mending.scope import unread_in
from gradcheck.mending.written import grouped

REDUCTIONS = ("sum", "mean")
REDUCED = (*REDUCTIONS, "max", "min", "prod", "std", "var")
ALIKE = (
    ("sum", "mean"),
    ("dot", "multiply", "outer"),
    ("maximum", "minimum"),
    ("exp", "log", "expm1", "log1p"),
    ("sin", "cos"),
    ("sinh", "cosh", "tanh"),
    ("zeros_like", "ones_like"),
    ("hstack", "vstack"),
    ("fft", "ifft"),
    ("fft2", "ifft2"),
    ("fftn", "ifftn"),
)
RUNNING = ("cumsum", "cumprod")
OPPOSITE = {ast.Gt: (">=", "<"), ast.GtE: (">", "<="), ast.Lt: ("<=", ">"), ast.LtE: ("<", ">=")}


def axes(context: Context) -> Iterator[Edit]:
    """Yield other axes of a sum, and its axis kept or not."""
    for node in context.all_of(ast.Call):
        if not isinstance(node.func, ast.Attribute):
            continue
        name, text, owner = node.func.attr, context.source(node), node.func.value
        is_method = context.value(owner) is not None or not node.args
        value = context.value(owner if is_method else node.args[0])
        place = 0 if is_method else 1
        given = {one.arg: one.value for one in node.keywords}
        axis = given.get("axis")
        if axis is None and name in REDUCED and len(node.args) > place:
            axis = node.args[place]
        others = _axes_of(max(2, len(value.shape) if value is not None else 2))
        if axis is not None:
            for other in ("-1", "None", *others):
                yield context.replaced(axis, other, 6.0 if other.startswith("(") else 5.0)
            if "keepdims" not in given:
                yield context.replaced(node, f"{text[:-1]}, keepdims=True)", 5.0)
        elif name in REDUCTIONS:
            comma = ", " if node.args else ""
            for other in others:
                for more in (f"axis={other}", f"axis={other}, keepdims=True"):
                    yield context.replaced(node, f"{text[:-1]}{comma}{more})", 6.0)
        if "keepdims" in given:
            keepdims = given["keepdims"]
            yield context.replaced(keepdims, str(context.source(keepdims) != "True"), 5.0)


def _axes_of(count: int) -> list[str]:
    """Return the single axes out of `count`, and all sets of several."""
    single = [str(axis) for axis in range(count)]
    several = [str(axes) for size in range(2, count) for axes in combinations(range(count), size)]
    return single + several


def flags(context: Context) -> Iterator[Edit]:
    """Yield a flag of a call inverted, left out or put in."""
    every = [one for one in ast.walk(context.tree) if isinstance(one, ast.Call)]
    known = {one.arg for call in every for one in _flags_of(call)} - {"keepdims", "axis"}
    calls = list(context.all_of(ast.Call))
    beside = {(context.source(one.func), word.arg) for one in calls for word in one.keywords}
    for node in calls:
        for flag in _flags_of(node):
            yield context.replaced(flag.value, str(context.source(flag.value) != "True"), 6.0)
        given = {keyword.arg for keyword in node.keywords}
        if isinstance(node.func, ast.Name) and node.func.id in context.functions and node.args:
            for name in known - given:
                text = context.source(node)
                weight = 5.0 if (node.func.id, name) in beside else 9.0
                yield context.replaced(node, f"{text[:-1]}, {name}=True)", weight)


def _flags_of(call: ast.Call) -> list[ast.keyword]:
    """Return the arguments of a call that are `True` or `False`."""
    return [one for one in call.keywords if ast.unparse(one.value) in ("True", "False")]


def functions(context: Context) -> Iterator[Edit]:
    """Yield another function of the user's with the same arguments, or a similar one of numpy."""
    for node in context.all_of(ast.Call):
        called = context.source(node.func)
        for other in context.functions if called in context.functions else ():
            if other != called:
                yield context.replaced(node.func, other, 8.0)
        for group in ALIKE:
            if isinstance(node.func, ast.Attribute) and node.func.attr in group:
                owner = called.removesuffix(node.func.attr)  # with the brackets around it
                for other in group:
                    if other != node.func.attr:
                        weight = 5.0 if other in REDUCTIONS else 7.0
                        yield context.replaced(node.func, f"{owner}{other}", weight)


def wrapped(context: Context) -> Iterator[Edit]:
    """Yield a call left out or put around a name, and a loop or running sum reversed.

    The calls are known in the file. A backward loop runs over what the forward loop appended.
    """
    yield from formed(EditKind.WRAPPED)(context)
    for call in context.all_of(ast.Call):
        if isinstance(call.func, ast.Attribute) and call.func.attr in RUNNING and call.args:
            summed = call.args[0]
            own = f"{grouped(context.source(summed), summed, '**')}[::-1]"
            text = context.rewritten(context.span(call), {summed: own})
            yield context.replaced(call, f"{text}[::-1]", 8.0)
    for loop in context.all_of(ast.For):
        yield context.replaced(loop.iter, f"reversed({context.source(loop.iter)})", 8.0)
    calls = [ast.unparse(one.func) for one in ast.walk(context.tree) if isinstance(one, ast.Call)]
    known = {name for name in calls if name.startswith(("np.", "numpy.", "math."))}
    known |= {f"{context.library}.sign"} if context.library and b"abs" in context.text else set()
    for atom in context.atoms():
        value = context.value(atom)
        if value is not None and value.kind != "int":
            for name in sorted(known | set(context.functions)):
                yield context.replaced(atom, f"{name}({context.source(atom)})", 11.0)


def comparisons(context: Context) -> Iterator[Edit]:
    """Yield a comparison with or without equality, reversed, or as the slopes beside a kink."""
    leaks = dict.fromkeys(_leaks(context))
    for leak, node in product(leaks, context.all_of(ast.Compare) if leaks else ()):
        yield context.fitted(
            node, f"{context.library}.where({context.source(node)}, 1, {leak})", 7.0
        )
    for node in context.all_of(ast.Compare):
        if type(node.ops[0]) in OPPOSITE and len(node.ops) == 1:
            left, right = context.source(node.left), context.source(node.comparators[0])
            for weight, operator in enumerate(OPPOSITE[type(node.ops[0])], start=5):
                yield context.replaced(node, f"{left} {operator} {right}", float(weight))


def _leaks(context: Context) -> Iterator[str]:
    """Yield the slopes that functions with a kink in the file have below it: 0.01, `self.leak`."""
    for call in ast.walk(context.tree):
        match call:
            case ast.Call(ast.Attribute(attr="where"), [_, ast.expr() as above, below]) | ast.Call(
                ast.Attribute(attr="maximum"), [ast.expr() as above, below]
            ):
                pairs = [(above, below), (below, above)]
            case _:
                continue
        for one, other in pairs:
            match other:
                case ast.BinOp(leak, ast.Mult(), value) if ast.dump(value) == ast.dump(one):
                    if isinstance(leak, ast.Constant) or context.value(leak):
                        yield context.source(leak)


def constants(context: Context) -> Iterator[Edit]:
    """Yield another number: one that has a name, is elsewhere in the file, or near it; a size.

    In a sum, also a name that is made and never read.
    """
    named = [text for text, value in context.known.items() if not value.number.is_integer()]
    sizes = [(text, weight) for text, weight in sizes_in(context) if text != "2"]
    elsewhere = set(re.findall(rb"(?<![\w.])\d+\.\d+(?:e[-+]?\d+)?(?!\w)", context.text))
    made = unread_in(context.definition)
    unread = [name for name, one in context.values.items() if name in made and one.kind == "array"]
    for node in context.all_of(ast.Constant):
        if isinstance(node.value, bool) or not isinstance(node.value, int | float):
            continue
        present, around = context.source(node), context.parents.get(node)
        yield from (context.fitted(node, other, 9.0) for other in named)
        match around:
            case ast.BinOp(left, ast.Add() | ast.Sub(), right) if right is node:
                for name, sign in product(unread, "+-"):
                    yield context.replaced(around, f"{context.source(left)} {sign} {name}", 9.0)
        near = {"0", "1", "2", "0.5", "3"}
        if isinstance(node.value, int):
            near |= {str(node.value + 1), str(node.value - 1)}
        is_power = isinstance(around, ast.BinOp) and isinstance(around.op, ast.Pow)
        if isinstance(around, ast.BinOp) and not is_power and isinstance(node.value, int):
            yield from (context.replaced(node, other, weight + 4.5) for other, weight in sizes)
        for other in near | {text.decode() for text in elsewhere}:
            if other != present:
                yield context.replaced(node, other, 7.0 if is_power else 11.0)
