"""Statements that are missing, made after others: for another parameter, side, value or pass."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import partial
from itertools import combinations, combinations_with_replacement, product, takewhile

from gradcheck.mending.context import Context, Edit
from gradcheck.mending.roundabout import terms_of
from gradcheck.mending.scope import unread_in

KEY = re.compile(r"""(?<=\[["'])(\w+)(?=["']\])""")
"""A text that is a key."""

NAME, SIGNED = re.compile(r"[^\W\d]\w*"), re.compile(r"[-+]=")
TOTALS = ("sum(axis=0)", "sum(axis=1, keepdims=True)")
MOST_TURNED = 3
"""The maximum number of slices in a statement that is repeated for the other side."""

MOST_HANDED = 24
"""The maximum number of arrays of which the products are handed to the next pass."""


def again(context: Context) -> Iterator[Edit]:
    """Yield statements like others: what is done for one is done for another.

    That is another parameter, the other side of an array, a value that is made and not read, or
    the next pass of a loop.
    """
    yield from for_others(context)
    yield from _for_the_other_side(context)
    yield from _of_unread(context)
    yield from _for_the_next_pass(context)


def for_others(context: Context) -> Iterator[Edit]:
    """Yield statements like others for other parameters: with other keys, or other names."""
    yield from _for_another(context)
    yield from _for_another_name(context)


def _for_another(context: Context) -> Iterator[Edit]:
    """Yield a statement of one line again, with another key in the place of its own."""
    texts = {context.source(one) for one in context.all_of(ast.stmt)}
    keys = dict.fromkeys(key for text in context.values for key in KEY.findall(text))
    known = {ast.unparse(ast.parse(one)) for one in context.values}
    for statement in context.all_of(ast.AugAssign):
        own = context.source(statement)
        for one, other in product(dict.fromkeys(KEY.findall(own)), keys):
            text = re.sub(KEY.pattern.replace(r"\w+", one), other, own)
            parts = (one for one in ast.walk(ast.parse(text)) if isinstance(one, ast.Subscript))
            items = [item for item in map(ast.unparse, parts) if KEY.search(item)]
            if "\n" not in own and text not in texts and known.issuperset(items):
                yield put_in(context, "after", statement, text, 6.0)


def _for_the_other_side(context: Context) -> Iterator[Edit]:
    """Yield what is added to one side of an array again, for the other: `[2:]` and `[:-2]`."""
    texts = {context.source(one) for one in context.all_of(ast.stmt)}
    for statement in context.all_of(ast.AugAssign):
        parts = [one for one in ast.walk(statement) if isinstance(one, ast.Slice)]
        turned = {part: text for part in parts if (text := _other_side(part))}
        if type(statement.op) not in (ast.Add, ast.Sub) or len(turned) > MOST_TURNED:
            continue
        for count in range(1, len(turned) + 1):
            for some in combinations(turned.items(), count):
                text = context.rewritten(context.span(statement), dict(some))
                for more, symbol in enumerate(("+=", "-=")):
                    signed = SIGNED.sub(symbol, text, count=1)
                    if "\n" not in text and signed not in texts:
                        yield put_in(context, "after", statement, signed, 6.0 + more / 2)


def _other_side(part: ast.Slice) -> str:
    """Return the slice at the other end of an axis, or ""."""
    match part:
        case ast.Slice(ast.Constant() | ast.Name() as first, None, None):
            return f":-{ast.unparse(first)}"
        case ast.Slice(None, ast.UnaryOp(ast.USub(), last), None):
            return f"{ast.unparse(last)}:"
    return ""


def _for_another_name(context: Context) -> Iterator[Edit]:
    """Yield `gV += reg * V` after `gU += reg * U`; also with one factor alone, as for a bias."""
    texts = {context.source(one) for one in context.all_of(ast.stmt)}
    words = {word for text in context.known for word in NAME.findall(text)}
    names = [_last_word(text) for text, one in context.values.items() if one.kind == "array"]
    for statement in context.all_of(ast.AugAssign):
        own, name = context.source(statement), _last_word(context.source(statement.target))
        for other in dict.fromkeys(names) if "\n" not in own else ():
            one, new = _differing(name, other)
            rest = [context.source(part) for part in _factors(statement.value)]
            sums = [f"{part}.{total}" for part in rest for total in TOTALS]
            renamed = partial(_renamed, one, new, words)
            for more, part in enumerate(
                [context.source(statement.value), *rest, *sums] if new else ()
            ):
                parts = {statement.value: part}
                text = NAME.sub(renamed, context.rewritten(context.span(statement), parts))
                if text not in texts and other in NAME.findall(text):
                    yield put_in(context, "after", statement, text, 6.0 + min(more, 1) / 2)


def _last_word(text: str) -> str:
    """Return the last name or attribute in the text of a name, an attribute or an item of it."""
    return str(NAME.findall(text.partition("[")[0])[-1])


def _differing(one: str, other: str) -> tuple[str, str]:
    """Return the parts in which two names differ, if they begin or end alike; else nothing."""
    front = _alike(one, other)
    back = _alike(one[front:][::-1], other[front:][::-1])
    parts = one[front : len(one) - back], other[front : len(other) - back]
    return parts if (front or back) and all(parts) else ("", "")


def _alike(one: str, other: str) -> int:
    """Return the number of letters with which both texts begin."""
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _renamed(one: str, new: str, known: set[str], found: re.Match[str]) -> str:
    renamed = found[0].replace(one, new, 1)
    return renamed if renamed in known else found[0]


def _factors(value: ast.expr) -> list[ast.expr]:
    match value:
        case ast.BinOp(left, ast.Mult() | ast.MatMult(), right):
            return [left, right]
        case ast.Call(ast.Attribute(attr="dot" | "outer"), [left, right]):
            return [left, right]
    return []


def _of_unread(context: Context) -> Iterator[Edit]:
    """Yield an addition again: of a value that is made and never read, also at other entries."""
    values = context.values
    unread = [one for one in unread_in(context.definition) if one in values]
    for statement in context.all_of(ast.stmt) if unread else ():
        index: ast.expr | None = None
        match statement:
            case ast.AugAssign(ast.Subscript(slice=index), value=ast.Name() as value):
                pass
            case ast.AugAssign(value=ast.Name() as value):
                pass
            case ast.Expr(ast.Call(ast.Attribute(attr="at"), [_, index, ast.Name() as value])):
                pass
            case _:
                continue
        known = None if index is None else context.value(index)
        alike = [text for text, one in values.items() if known and one.kind == known.kind]
        for name, other in product(unread, alike or [""]):
            parts = {value: name} if index is None or not other else {value: name, index: other}
            text = context.rewritten(context.span(statement), parts)
            if values[name].kind == "array":
                yield put_in(context, "after", statement, text, 6.0)


def _for_the_next_pass(context: Context) -> Iterator[Edit]:
    """Yield what a loop has not made of a name for its next pass.

    That is `next = a * b` or `next = a @ b.T`, where it reads zeros and never changes them, and
    `next = next * a`, where it only adds to them.
    """
    for loop in context.all_of(ast.For):
        for name in sorted(_zeros_read_in(context, loop)):
            shape, arrays = context.values[name].shape, context.values.items()
            some = [one for one, value in arrays if value.kind == "array" and one != name]
            alike = [one for one in some if context.values[one].shape == shape][:MOST_HANDED]
            made = [f"{one} * {other}" for one, other in combinations_with_replacement(alike, 2)]
            made += [
                text
                for one, other in product(some, some)
                for text in matrix_products(context, one, other, shape)
            ]
            for text in made:
                yield put_in(context, "after", loop.body[-1], f"{name} = {text}", 2.5)
        for name in sorted(_added_to_in(loop) & context.values.keys()):
            known = context.values[name]
            some = [one for one, value in context.values.items() if value == known and one != name]
            for one in some[:MOST_HANDED] if known.kind == "array" else ():
                yield put_in(context, "after", loop.body[-1], f"{name} = {name} * {one}", 3.5)


def _added_to_in(loop: ast.For) -> set[str]:
    """Return the names that every pass of a loop adds something to."""
    added = set()
    for statement in loop.body:
        match statement:
            case ast.AugAssign(ast.Name(name), ast.Add()):
                added.add(name)
            case ast.Assign([ast.Name(name)], ast.BinOp(_, ast.Add()) as total):
                added |= {name} & {ast.unparse(one) for one in terms_of(total)}
    return added


def matrix_products(
    context: Context, one: str, other: str, shape: tuple[int, ...]
) -> Iterator[str]:
    """Yield `one @ other.T` and `one.T @ other`, if they have a shape."""
    first, second = context.values[one].shape, context.values[other].shape
    if len(second) == 2 and (*first[:-1], second[0]) == shape and first[-1:] == second[1:]:
        yield f"{one} @ {other}.T"
    if len(first) == 2 and (first[1], *second[1:]) == shape and first[:1] == second[:1]:
        yield f"{one}.T @ {other}"


def _zeros_read_in(context: Context, loop: ast.For) -> set[str]:
    """Return the arrays of zeros that a loop reads, and that nothing in it changes."""
    inside, outside = [*ast.walk(loop)], context.all_of(ast.Assign)
    names = [one for one in inside if isinstance(one, ast.Name)]
    changed = {one.id for one in names if isinstance(one.ctx, ast.Store)}
    for node in inside:
        match node:
            case ast.Subscript(value, ctx=ast.Store()) | ast.Call(
                ast.Attribute(attr="at"), [value, *_]
            ):
                changed |= {one.id for one in ast.walk(value) if isinstance(one, ast.Name)}
    zeros = {
        one.id
        for statement in outside
        if "zeros" in context.source(statement)
        for target in statement.targets
        for one in ast.walk(target)
        if isinstance(one, ast.Name)
    }
    arrays = {text for text, value in context.values.items() if value.kind == "array"}
    return ({one.id for one in names} - changed) & zeros & arrays


def put_in(context: Context, where: str, statement: ast.stmt, text: str, weight: float) -> Edit:
    """Return the insertion of a statement "before" or "after" another."""
    line, place = context.newline + context.indent(statement), context.span(statement)
    at, addition = (
        (place[0], text.encode() + line) if where == "before" else (place[1], line + text.encode())
    )
    words = f"{text}  {where}  {context.source(statement).split(chr(10))[0]}"
    return Edit(context.path, at, at, addition, weight, statement.lineno, words)
