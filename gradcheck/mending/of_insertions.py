"""Edits of statements: inserted, done in place, for repeated entries, or with a copy before."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gradcheck.mending.context import NAMED, OPERATORS, Context, Edit
from gradcheck.mending.of_factors import sizes_in
from gradcheck.mending.of_siblings import again, put_in

IN_PLACE = {kind: f"{symbol}=" for kind, symbol in OPERATORS.items()}
OF_BIASES = {1: ("[0]",), 2: ("[:, 0]", "[:, -1]", "[0]")}
"""The places of biases in arrays of one axis, and of two."""

TOTALS = {
    1: ("sum()",),
    2: ("sum(axis=1, keepdims=True)", "sum(axis=0, keepdims=True)"),
    3: ("sum(axis=2, keepdims=True)",),
}
"""What arrays are divided by so that they are shares of a whole, by the number of their axes."""

AT = {ast.Add: "add", ast.Sub: "subtract", ast.Mult: "multiply"}


def inserted(context: Context) -> Iterator[Edit]:
    """Yield insertions after a statement that makes or changes an array: a division, a sign, zeros.

    What a function adds to, or others do, and has not made is 0 at its beginning. What it does for
    one parameter, or at one side of an array, is done for another.
    """
    yield from _reset(context)
    yield from again(context)
    sizes, picking = list(sizes_in(context)), _picking(context)
    for statement in context.all_of(ast.stmt):
        target = _base(statement)
        value = None if target is None else context.value(target)
        if target is None or value is None or value.kind not in ("array", "float"):
            continue
        name = context.source(target)
        for size, weight in sizes:
            yield put_in(context, "after", statement, f"{name} /= {size}", weight + 3.5)
            yield put_in(context, "after", statement, f"{name} *= {size}", weight + 5.5)
        yield put_in(context, "after", statement, f"{name} *= -1", 9.0)
        for text, other in context.known.items():
            rows = len(value.shape) == 2 and other.shape == value.shape[:1]
            is_array = other.kind == "array" and text in context.values
            fits = rows or (other.shape == value.shape != () and text != name)
            if fits and (is_array or text in picking):  # a mask that only the loss reads
                factor = f"{text}[:, None]" if rows else text
                weight = 6.0 if text in picking else 14.0
                yield put_in(context, "after", statement, f"{name} *= {factor}", weight)
        for total in TOTALS.get(len(value.shape), ()):
            yield put_in(context, "after", statement, f"{name} /= {name}.{total}", 9.0)
        for part in OF_BIASES.get(len(value.shape), ()):
            yield put_in(context, "after", statement, f"{name}{part} = 0", 12.0)


def _picking(context: Context) -> set[str]:
    """Return what picks entries of arrays in the file, as masks do: `a[seen]`, `a[~seen]`."""
    indices = [one.slice for one in ast.walk(context.tree) if isinstance(one, ast.Subscript)]
    bare = (one.operand if isinstance(one, ast.UnaryOp) else one for one in indices)
    return {ast.unparse(one) for one in bare}


def _reset(context: Context) -> Iterator[Edit]:
    statements = list(context.all_of(ast.stmt))
    bound = {
        context.source(target)
        for one in statements
        if isinstance(one, ast.Assign)
        for target in one.targets
    }
    added = [_base(one) for one in statements if isinstance(one, ast.AugAssign)]
    read = [one for one in context.all_of(ast.Attribute) if isinstance(one.ctx, ast.Load)]
    appended = [one.value for one in read if one.attr == "append"]
    first = next((one for one in statements if not _is_docstring(one)), None)
    for target in filter(None, [*added, *read, *appended]):
        name, known = context.source(target), context.value(target)
        kind = known.kind if first is not None and name not in bound and known else ""
        zero = {
            "array": f"{context.library}.zeros_like({name})" if context.library else "",
            "list": "[]",
            "dict": f"{{key: 0 * value for key, value in {name}.items()}}",
        }.get(kind)
        if first is not None and zero:
            weight = 8.0 if target in added else 10.0
            yield put_in(context, "before", first, f"{name} = {zero}", weight)


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def in_place(context: Context) -> Iterator[Edit]:
    """Yield an array changed in place instead of bound again, or the reverse; or a copy."""
    for node in context.nodes:
        match node:
            case ast.Assign([ast.Name(name) as target], value):
                is_array = context.is_array(target)
                match value:
                    case ast.BinOp(ast.Name(own), op, other) if own == name:
                        if type(op) in IN_PLACE:
                            text = f"{name} {IN_PLACE[type(op)]} {context.source(other)}"
                            yield context.replaced(node, text, 7.0)
                if is_array and _may_be_held(context, name):
                    text = f"{name}[...] = {context.source(value)}"
                    yield context.replaced(node, text, 8.0)
                if is_array and isinstance(value, NAMED):
                    yield context.replaced(value, f"{context.source(value)}.copy()", 8.0)
            case ast.AugAssign(ast.Name(name) as target, op, value):
                if type(op) in IN_PLACE and context.is_array(target):
                    text = f"{name} = {name} {IN_PLACE[type(op)][0]} ({context.source(value)})"
                    yield context.replaced(node, text, 8.0)


def _may_be_held(context: Context, name: str) -> bool:
    """True if a name is an argument, whose value the caller holds too."""
    arguments = getattr(context.definition, "args", None)
    nodes = ast.walk(arguments) if arguments else ()
    return any(isinstance(one, ast.arg) and one.arg == name for one in nodes)


def repeated_entries(context: Context) -> Iterator[Edit]:
    """Yield `np.add.at` for values added to, or put into, entries that may come twice."""
    for node in context.all_of(ast.stmt) if context.library else ():
        match node:
            case ast.AugAssign(ast.Subscript() as target, op) if type(op) in AT:
                name, weight = AT[type(op)], 6.0
            case ast.Assign([ast.Subscript() as target]):
                known = context.value(target.slice)
                if known is None or known.kind not in ("array", "list"):
                    continue
                name, weight = "add", 8.0
            case _:
                continue
        base, index, value = map(context.source, (target.value, target.slice, node.value))
        if isinstance(target.slice, ast.Tuple) and not index.startswith("("):
            index = f"({index})"
        yield context.replaced(
            node, f"{context.library}.{name}.at({base}, {index}, {value})", weight
        )


def copies(context: Context) -> Iterator[Edit]:
    """Yield a copy of an array before it is changed in place, for what reads it later."""
    for block in context.blocks():
        for place, statement in enumerate(block[:-1]):
            target = _base(statement) if isinstance(statement, ast.AugAssign) else None
            if target is None or isinstance(target, ast.Subscript):
                target = getattr(statement, "target", None)
            if target is None or isinstance(statement, ast.For):
                continue
            yield from _copied(context, statement, target, block[place + 1 :])


def _copied(
    context: Context, statement: ast.stmt, target: ast.expr, later: list[ast.stmt]
) -> Iterator[Edit]:
    name = context.source(target)
    reads = [
        node
        for one in later
        for node in ast.walk(one)
        if isinstance(node, NAMED)
        and isinstance(node.ctx, ast.Load)
        and context.source(node) == name
    ]
    if not reads:
        return
    word = ast.unparse(target).replace('"]', "").replace("']", "")
    old = "old_" + "".join(letter if letter.isalnum() else "_" for letter in word).strip("_")
    start, end = context.span(statement)[0], max(context.span(node)[1] for node in reads)
    text = context.rewritten((start, end), dict.fromkeys(reads, old)).encode()
    copy = f"{old} = {name}.copy()"
    whole = copy.encode() + context.newline + context.indent(statement) + text
    words = f"{copy}  before  {context.source(statement)}, for what reads {name} after it"
    yield Edit(context.path, start, end, whole, 9.0, statement.lineno, words)


def _base(statement: ast.AST) -> ast.expr | None:
    """Return the array that a statement makes or changes entries of, or None."""
    target = None
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
    elif isinstance(statement, ast.AugAssign):
        target = statement.target
    if isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Constant):
        target = target.value
    return target if isinstance(target, NAMED) else None
