"""Edits of terms: a summand that an expression lacks, also of a penalty."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher

from gradcheck.mending.context import Context, Edit
from gradcheck.mending.of_factors import sizes_in, stretches, target_value
from gradcheck.mending.scope import Value, Values, unread_in
from gradcheck.mending.written import grouped

MOST_WEIGHTS, MOST_SIZES, MOST_WORDS = 4, 2, 12
WORD = re.compile(r"\w+")


def missing_terms(context: Context) -> Iterator[Edit]:
    """Yield an expression plus or minus a value; also times a number, as penalties have one.

    What is made and never read is likeliest, also divided by a size.
    """
    for whole in context.all_of(ast.ListComp):
        every = [one for one in ast.walk(whole) if isinstance(one, ast.Name)]
        read = {one.id for one in every if isinstance(one.ctx, ast.Load)}
        text = grouped(context.source(whole.elt), whole.elt, "+")
        for name in dict.fromkeys(one.id for one in every if one.id not in read):
            yield context.replaced(whole.elt, f"{name} + {text}", 3.0)
    yield from terms_of_others(context)
    forms = list(_weights_of_penalties(context))
    unread = unread_in(context.definition)
    sizes = [text for text, _ in sizes_in(context)][:MOST_SIZES]
    for node in context.atoms() if unread else ():
        for text in _unread_beside(context, node, unread):
            yield context.fitted(node, f"{context.source(node)} + {text}", 6.0)
    for node in context.wholes():
        value, text = target_value(context, node), grouped(context.source(node), node, "+")
        if value is None or value.kind not in ("array", "float"):
            continue
        own = {context.source(one) for one in ast.walk(node) if isinstance(one, ast.expr)}
        for term, other in {**context.values, **_items_beside(context, node)}.items():
            same = other.shape == value.shape
            fits = (same or stretches(other.shape, value.shape)) and other.kind == value.kind
            if not fits or context.is_made_later(term, node):
                continue
            if term not in own:
                far = 0.0 if same else 0.5
                soon = 8.0 if term in unread else 0.0
                for size in sizes if soon else ():
                    yield context.replaced(node, f"{text} + {term} / {size}", 6.0 + far)
                yield context.replaced(node, f"{text} + {term}", 13.0 + far - soon)
                yield context.replaced(node, f"{text} - {term}", 13.5 + far - soon)
            if same and (value.kind == "array" or "[" in term):
                for form in forms:
                    yield context.replaced(node, f"{text} + {form} * {term}", 13.0)


def terms_of_others(context: Context) -> Iterator[Edit]:
    """Yield a sum with a term that another statement has, also with the names of its own.

    That is `g += a * q` and `h += b * p`, where `g += a * q` stands beside `h += b * p + c * q`.
    """
    simple = ast.Assign | ast.AugAssign | ast.Expr
    statements = [one for one in ast.walk(context.definition) if isinstance(one, simple)]
    terms = {one: list(_signed_terms(context, one)) for one in statements}
    for node in context.wholes():
        statement: ast.AST | None = node
        while statement is not None and not isinstance(statement, ast.stmt):
            statement = context.parents.get(statement)
        if not isinstance(statement, simple) or isinstance(node, ast.Constant):
            continue
        own, text = context.source(statement), grouped(context.source(node), node, "+")
        for other in statements:
            for sign, term in terms[other] if other is not statement else ():
                for one in _in_words_of(own, context.source(other), term):
                    if one not in own:
                        yield context.replaced(node, f"{text} {sign} {one}", 6.5)


def _signed_terms(context: Context, statement: ast.stmt) -> Iterator[tuple[str, str]]:
    """Yield the terms that are added to or taken from others in a statement, with the sign."""
    for node in ast.walk(statement):
        match node:
            case ast.BinOp(_, ast.Add() | ast.Sub() as op, ast.BinOp() as term):
                yield "+" if isinstance(op, ast.Add) else "-", context.source(term)


def _in_words_of(own: str, other: str, term: str) -> Iterator[str]:
    """Yield a term of one statement as it is, and with the words in which another one differs."""
    yield term
    words: list[list[str]] = [WORD.findall(text) for text in (other, own)]
    blocks = SequenceMatcher(None, words[0], words[1], autojunk=False).get_opcodes()
    same = [one for one in blocks if one[0] == "replace" and one[2] - one[1] == one[4] - one[3]]
    pairs = {
        one: new
        for _, start, end, first, last in same
        for one, new in zip(words[0][start:end], words[1][first:last], strict=True)
    }
    turned = {new: one for one, new in pairs.items()} | pairs
    yield WORD.sub(lambda found: turned.get(found[0], found[0]), term)
    for found in reversed([*WORD.finditer(term)][:MOST_WORDS]):
        if found[0] in pairs:
            yield f"{term[: found.start()]}{pairs[found[0]]}{term[found.end() :]}"


def _unread_beside(context: Context, node: ast.expr, unread: Iterable[str]) -> Iterator[str]:
    """Yield what is made and never read, of the kind and shape of an operand; or items of it."""
    base = node.value if isinstance(node, ast.Subscript) else node
    item = f"[{context.source(node.slice)}]" if isinstance(node, ast.Subscript) else ""
    for name in sorted(unread):
        value = context.known.get(name)
        if value is not None and value == context.value(node):
            yield name
        elif value is not None and item and value == context.value(base):
            yield f"{name}{item}"


def _items_beside(context: Context, node: ast.expr) -> Values:
    """Return the items of other arrays at the place that is assigned to: `w[i]` beside `g[i]`."""
    match context.parents.get(node):
        case ast.Assign([ast.Subscript(base, index)]) | ast.AugAssign(ast.Subscript(base, index)):
            item, place = target_value(context, node), f"[{context.source(index)}]"
            alike = [name for name, one in context.values.items() if one == context.value(base)]
            return {f"{name}{place}": item for name in alike if item and context.is_array(base)}
    return {}


def _weights_of_penalties(context: Context) -> Iterator[str]:
    """Yield numbers that are no sizes, those not made here first; times 2, or divided by a size."""
    nodes = (one for one in ast.walk(context.definition) if isinstance(one, ast.Name))
    made = {one.id for one in nodes if isinstance(one.ctx, ast.Store)}
    known = sorted(context.known.items(), key=lambda one: (one[1].kind != "other", one[0] in made))
    named = [text for text, value in known if _is_weight(text, value)]
    sizes = [text for text, _ in sizes_in(context)][:MOST_SIZES]
    for name in named[:MOST_WEIGHTS]:
        yield from (name, f"2 * {name}", *(f"{name} / {size}" for size in sizes))


def _is_weight(text: str, value: Value) -> bool:
    is_number = value.kind in ("float", "other") and not value.number.is_integer()
    return is_number and not value.shape and text.isidentifier()
