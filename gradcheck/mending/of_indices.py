"""Edits of indices, slices, keys made of a number (`cache[f"z{l}"]`), and letters of an einsum."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import combinations, product

from gradcheck.mending.context import Context, Edit
from gradcheck.mending.scope import moved_by
from gradcheck.mending.written import grouped

WHOLE, OF_KEY = re.compile(r"-?\d+"), re.compile(r"(?<=\{)\w+(?: ?[-+] ?\d+)?(?=\})")


def indices(context: Context) -> Iterator[Edit]:
    """Yield an index one more or less, another one, or one for a whole array in a loop."""
    for whole in (one for kind in (ast.Name, ast.Attribute) for one in context.all_of(kind)):
        value, parent = context.value(whole), context.parents.get(whole)
        if value is None or value.kind != "array" or isinstance(parent, ast.Attribute):
            continue
        weight = 6.0 if isinstance(parent, ast.AugAssign) else 9.0
        for name in _counters(context, whole):
            for place in ("[{}]", "[:, {}]")[: len(value.shape)]:
                text = context.source(whole) + place.format(name)
                yield context.replaced(whole, text, weight)
    yield from _letters(context)
    passes = moved_by(context.definition)
    items = [one for one in ast.walk(context.tree) if isinstance(one, ast.Subscript)]
    made = [one for item in items for one in _numbers_in(context, item.slice)]
    keys = {(before, after): None for before, _, after in made if before}
    for node in context.all_of(ast.Subscript):
        index = node.slice
        yield from _other_ends(context, index)
        if isinstance(index, ast.Tuple):
            yield from _counted_otherwise(context, index)
            yield from _of_all_axes(context, index)
        if isinstance(index, ast.Slice | ast.Tuple):
            continue
        if isinstance(index, ast.Constant) and not isinstance(index.value, int):
            continue
        is_key = False
        for before, number, after in _numbers_in(context, index):
            is_key = bool(before)
            for one in _near(number):
                yield context.replaced(index, f"{before}{one}{after}", 7.0)
            for start, end in keys if is_key else ():
                yield context.replaced(index, f"{start}{number}{end}", 8.0)
        text = context.source(index)
        if is_key:
            continue
        if not WHOLE.fullmatch(text):
            yield context.replaced(index, f"-{grouped(text, index)}", 11.0)
        yield from _items_of_others(context, node, text)
        for name, value in context.values.items():
            if value.kind == "int" and name.isidentifier() and name not in {text, *passes}:
                yield context.replaced(index, name, 8.5)
                yield context.replaced(index, f"-{name}", 9.0)


def _items_of_others(context: Context, node: ast.Subscript, index: str) -> Iterator[Edit]:
    """Yield an item of another list, one before or after: `z[l - 1]` for `a[l]`."""
    own = context.value(node.value)
    for name, value in context.known.items() if own and own.kind == "list" else ():
        if value.kind == "list" and name != context.source(node.value):
            for one in _near(index):
                yield context.replaced(node, f"{name}[{one}]", 9.0)


def _counted_otherwise(context: Context, index: ast.Tuple) -> Iterator[Edit]:
    """Yield a whole number at hand in the place of one that is computed."""
    for part in (one for one in index.elts if isinstance(one, ast.BinOp)):
        for text, value in context.values.items():
            if value.kind == "int":
                yield context.replaced(part, text, 8.5)


def _of_all_axes(context: Context, index: ast.Tuple) -> Iterator[Edit]:
    """Yield the slices of all axes as another array has them, or less a border at both ends."""
    parts = [one for one in index.elts if isinstance(one, ast.Slice) and (one.lower or one.upper)]
    own = ast.unparse(index)
    alike = [one.slice for one in ast.walk(context.tree) if isinstance(one, ast.Subscript)]
    others = [one for one in alike if isinstance(one, ast.Tuple) and _cuts(one) == _cuts(index)]
    for text in dict.fromkeys(context.source(one) for one in others if ast.unparse(one) != own):
        yield context.replaced(index, text, 8.0)
    known = context.values.items()
    sizes = [text for text, one in known if one.kind == "int" and text.isidentifier()]
    for size in ("1", "2", *sizes) if len(parts) > 1 else ():
        text = context.rewritten(context.span(index), dict.fromkeys(parts, f"{size}:-{size}"))
        yield context.replaced(index, text, 8.5)


def _cuts(index: ast.Tuple) -> list[bool]:
    """Return for each axis whether an index has some of it alone."""
    return [not isinstance(one, ast.Slice) or bool(one.lower or one.upper) for one in index.elts]


def _letters(context: Context) -> Iterator[Edit]:
    """Yield an einsum with two letters of one array exchanged, or with another letter in one."""
    for call in context.all_of(ast.Call):
        match call:
            case ast.Call(ast.Attribute(attr="einsum"), [ast.Constant(str() as spec) as own, *_]):
                terms, every = re.split(r"(\W+)", spec), sorted({*re.findall(r"\w", spec)})
            case _:
                continue
        for place in range(0, len(terms), 2):
            term = terms[place]
            swaps = [str.maketrans(a + b, b + a) for a, b in combinations(term, 2)]
            others = [term.replace(a, b) for a, b in product(term, every) if b not in term]
            for more, one in enumerate((*map(term.translate, swaps), *others)):
                text = "".join((*terms[:place], one, *terms[place + 1 :]))
                read, _, made = text.partition("->")
                if set(made) <= set(read):
                    weight = 7.0 if more < len(swaps) else 8.0
                    yield context.replaced(own, f'"{text}"', weight)


def _other_ends(context: Context, index: ast.expr) -> Iterator[Edit]:
    """Yield slices that begin or end at the same place, counted from either end."""
    for part in index.elts if isinstance(index, ast.Tuple) else [index]:
        match part:
            case ast.Slice(None, ast.expr() as end, None) | ast.Slice(
                ast.expr() as end, None, None
            ):
                place = end.operand if isinstance(end, ast.UnaryOp) else end
                text = grouped(context.source(place), place)
                for other in (f":{text}", f"{text}:", f"-{text}:", f":-{text}"):
                    yield context.replaced(part, other, 8.0)


def _counters(context: Context, node: ast.AST) -> Iterator[str]:
    """Yield the integers that the loops around a node count by."""
    while (above := context.parents.get(node)) is not None:
        for one in ast.walk(above.target) if isinstance(above, ast.For) else ():
            value = context.values.get(one.id) if isinstance(one, ast.Name) else None
            if isinstance(one, ast.Name) and value is not None and value.kind == "int":
                yield one.id
        node = above


def _numbers_in(context: Context, index: ast.expr) -> Iterator[tuple[str, str, str]]:
    """Yield the whole numbers that an index is, or that a key is made of, with the text around."""
    text = context.source(index)
    if isinstance(index, ast.JoinedStr):
        for one in OF_KEY.finditer(text):
            yield text[: one.start()], one[0], text[one.end() :]
        return
    start, _ = context.span(index)
    made = [one for one in ast.walk(index) if isinstance(one, ast.Call)]
    for call in made:
        match call:
            case ast.Call(ast.Name("str"), [number]):  # `"W" + str(l)`
                first, last = (place - start for place in context.span(number))
                whole = text.encode()
                yield whole[:first].decode(), context.source(number), whole[last:].decode()
    if not made:
        yield "", text, ""


def _near(text: str) -> Iterator[str]:
    """Yield a number that is one less, or one more; `l` for `l - 1`."""
    if WHOLE.fullmatch(text):
        yield from (str(int(text) + step) for step in (-1, 1))
        return
    match ast.parse(text, mode="eval").body:
        case ast.BinOp(left, ast.Add() | ast.Sub(), ast.Constant()):
            yield ast.unparse(left)
    yield from (f"{text} - 1", f"{text} + 1")
