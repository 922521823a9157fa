"""Edits that follow the advice of the diagnosis; they are tried before all others."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise

from gradcheck.mending.context import Context, Edit
from gradcheck.mending.of_factors import target_value
from gradcheck.mending.of_siblings import matrix_products
from gradcheck.mending.of_statements import with_assignment
from gradcheck.mending.roundabout import is_roundabout
from gradcheck.mending.written import grouped, operand
from gradcheck.trace.record.sources import expression_of, last_factors
from gradcheck.user.calls import Location

CODE = re.compile(r"`([^`]+)`|(?:factor|by) (\d[\w.]*)")
"""Code, and a number that is a surplus factor."""
THROUGH = re.compile(r"what comes back through `([^`]+)`")
OTHER_NUMBER = re.compile(r"put (\d[\w.]*) in the place of (\d[\w.]*)")
FOR = re.compile(r"write `([^`]+)` for `([^`]+)`")
JOINED = ("{0} * {1}", "{0} / {1}", "{0} + {1}", "{0} - {1}")
"""The ways to join code to what stands there; the operator is the fifth character."""
SAID = 0.3
"""The weight of an edit that follows advice."""


@dataclass(frozen=True)
class Said:
    """A fix in words, with code in backticks, and the place that it is about."""

    place: Location
    fix: str

    def edits(self, contexts: Sequence[Context]) -> list[Edit]:
        """Return the edits that the words may mean: code put there, joined to it, or left out."""
        codes = [" ".join((code or number).split()) for code, number in CODE.findall(self.fix)]
        trees = {code: tree for code in codes if (tree := expression_of(code)) is not None}
        numbers = dict(OTHER_NUMBER.findall(self.fix))
        edits, assigned = [], []
        for context in contexts if trees or numbers else ():
            statement = statement_at(context, self.place)
            if statement is not None:
                nodes = nodes_near(statement, self.place)
                edits += list(_for_last_factors(context, nodes, self.fix))
                edits += list(_edits(context, nodes, _with_names(context, trees)))
                for made in _makers(context, statement, nodes[:1]) if trees else ():
                    edits += [context.fitted(made, code, SAID) for code in trees]
                if isinstance(statement, ast.AugAssign) and ast.unparse(statement.target) in trees:
                    edit = with_assignment(context, statement, statement.target, "=")
                    assigned.append(edit._replace(weight=SAID))
                for node in context.all_of(ast.Constant) if numbers else ():
                    other = numbers.get(context.source(node))
                    if other and node in ast.walk(statement):
                        edits.append(context.replaced(node, other, SAID))
                for product in THROUGH.findall(self.fix) if nodes else ():
                    edits += list(_terms_through(context, nodes[0], product))
                if nodes and self.fix.startswith("leave"):
                    edits += list(_nothing(context, nodes[0]))
        edits = [one for one in edits if not is_roundabout(one.replacement.decode())]
        return list(dict.fromkeys([*assigned, *edits]))


def _with_names(context: Context, codes: dict[str, ast.expr]) -> dict[str, ast.expr]:
    """Return the code, after names that have the values of its numbers, or with these in slices."""
    numbers = [one.value for one in codes.values() if isinstance(one, ast.Constant)]
    named = [
        text
        for text, value in context.known.items()
        if not value.number.is_integer() and value.number in numbers
    ]
    sizes = {
        int(value.number): text
        for text, value in context.known.items()
        if value.kind == "int" and value.number > 1 and text.isidentifier()
    }
    named += [text for code in codes if (text := _with_sizes(code, sizes)) != code]
    return {text: tree for text in named if (tree := expression_of(text)) is not None} | codes


def _with_sizes(code: str, sizes: Mapping[int, str]) -> str:
    """Return code with names for the whole numbers at which its slices begin and end."""
    tree, is_other = ast.parse(code, mode="eval"), False
    for part in (one for one in ast.walk(tree) if isinstance(one, ast.Slice)):
        for end in ("lower", "upper"):
            match getattr(part, end):
                case ast.Constant(int() as number) if number in sizes:
                    setattr(part, end, ast.Name(sizes[number]))
                    is_other = True
    return ast.unparse(tree) if is_other else code


def _edits(
    context: Context, nodes: Sequence[ast.expr], codes: dict[str, ast.expr]
) -> Iterator[Edit]:
    texts = {code: ast.unparse(tree) for code, tree in codes.items()}
    named = [node for node in nodes if ast.unparse(node) in texts.values()]
    chosen = list(dict.fromkeys([*named, *nodes[:1]]))
    for code, text in texts.items():
        yield from (context.fitted(one, code, SAID) for one in chosen)
        for node in nodes:
            if isinstance(node, ast.BinOp):
                left, right = map(context.source, (node.left, node.right))
                if ast.unparse(node.right) == text:
                    yield context.fitted(node, left, SAID)
                elif ast.unparse(node.left) == text:
                    rest = f"1 / {right}" if isinstance(node.op, ast.Div) else right
                    yield context.fitted(node, rest, SAID)
        yield from _powers(context, nodes, text)
        for form in JOINED:
            for one in chosen:
                if ast.unparse(one) != text:
                    present = grouped(context.source(one), one)
                    more = grouped(code, codes[code], form[4])
                    yield context.fitted(one, form.format(present, more), SAID)


def _makers(
    context: Context, statement: ast.stmt | ast.expr, nodes: Sequence[ast.expr]
) -> Iterator[ast.expr]:
    """Yield the expressions of which the statement before made what is read at a place."""
    read = {one.id for node in nodes for one in ast.walk(node) if isinstance(one, ast.Name)}
    for block in context.blocks():
        for before, after in pairwise(block):
            match before:
                case ast.Assign([ast.Name(name)], value) if after is statement and name in read:
                    yield value


def _for_last_factors(context: Context, nodes: Sequence[ast.expr], fix: str) -> Iterator[Edit]:
    """Yield what is said to be written for the last factors of a product: no node has these."""
    match = FOR.fullmatch(fix)
    if match is None or not (written := expression_of(match[1])):
        return
    last = expression_of(match[2])
    for node in nodes:
        for before, factors in last_factors(node):
            if len(factors) > 1 and _product_of(factors) == (last and ast.unparse(last)):
                by = f"{context.source(before)} * {grouped(match[1], written, '*')}"
                yield context.replaced(node, by, SAID)


def _product_of(factors: Sequence[ast.expr]) -> str:
    return ast.unparse(reduce(lambda one, other: ast.BinOp(one, ast.Mult(), other), factors))


def _terms_through(context: Context, node: ast.expr, product: str) -> Iterator[Edit]:
    """Yield an expression plus what may come back through a product: `A.T @ d`, `d @ B.T`."""
    whole = target_value(context, node)
    match expression_of(product):
        case ast.BinOp(left, ast.Mult() | ast.MatMult() as kind, right) if whole is not None:
            factors = {ast.unparse(one) for one in (left, right)} & context.values.keys()
        case _:
            return
    present = context.source(node)
    for text, value in context.values.items() if whole is not None else ():
        for factor in factors if value.kind == "array" else ():
            if isinstance(kind, ast.Mult):
                terms = [f"{text} * {factor}"] if value == whole else []
            else:
                pairs = ((factor, text), (text, factor))
                terms = [
                    term for pair in pairs for term in matrix_products(context, *pair, whole.shape)
                ]
            for term in terms:
                if not context.is_made_later(text, node):
                    yield context.fitted(node, f"{grouped(present, node, '+')} + {term}", SAID)


def _powers(context: Context, nodes: Sequence[ast.expr], base: str) -> Iterator[Edit]:
    """Yield the powers of a factor, one more or less, where the factor stands already."""
    for node in nodes:
        match node:
            case ast.BinOp(ast.expr() as own, ast.Pow(), ast.Constant(int() as power) as number):
                if ast.unparse(own) == base:
                    yield context.replaced(number, f"{power + 1}", SAID)
                    yield context.fitted(node, f"{context.source(own)}**{power - 1}", SAID)
            case _ if ast.unparse(node) == base:
                yield context.fitted(node, f"{operand(base, '**')}**2", SAID)


def _nothing(context: Context, node: ast.expr) -> Iterator[Edit]:
    """Yield zeros for a whole array, like another one at hand."""
    target = target_value(context, node)
    alike = [
        text
        for text, value in context.values.items()
        if value == target and value.shape and not context.is_made_later(text, node)
    ]
    if alike and context.library:
        zeros = f"{context.library}.zeros_like({min(alike, key=len)})"
        yield context.fitted(node, zeros, SAID)


def statement_at(context: Context, place: Location) -> ast.stmt | ast.expr | None:
    """Return the innermost statement of a function around a place, or the body of a lambda."""
    definition, line = context.definition, place.line
    if context.path != place.file:
        return None
    if isinstance(definition, ast.Lambda):
        body = definition.body
        return body if body.lineno <= line <= (body.end_lineno or body.lineno) else None
    statements = [one for one in context.all_of(ast.stmt) if one.lineno <= line <= last_line(one)]
    return max(statements, key=lambda one: one.lineno, default=None)


def last_line(statement: ast.stmt | ast.expr) -> int:
    """Return the last line of a statement, or of its head if others are inside."""
    body = getattr(statement, "body", None)
    if isinstance(body, list) and body:
        return max(statement.lineno, int(body[0].lineno) - 1)
    return statement.end_lineno or statement.lineno


def span_of(statement: ast.stmt | ast.expr) -> tuple[int, int]:
    """Return the first and the last line of a statement."""
    return statement.lineno, last_line(statement)


def nodes_near(statement: ast.stmt | ast.expr, place: Location) -> list[ast.expr]:
    """Return the expressions of a statement: that at a place first, then those around it."""
    span = (place.line, place.column, place.end_line or place.line, place.end_column)

    def distance(node: ast.expr) -> int:
        own = (node.lineno, node.col_offset, node.end_lineno, node.end_col_offset)
        return sum(abs((one or 0) - (other or 0)) for one, other in zip(own, span, strict=True))

    first, last = span_of(statement)
    nodes = [
        node
        for node in ast.walk(statement)
        if isinstance(node, ast.expr)
        and first <= node.lineno <= last
        and not isinstance(getattr(node, "ctx", None), ast.Store)
        and not isinstance(node, ast.Starred)
        and not (isinstance(node, ast.Constant) and distance(node))
        and not _is_slice(node)
    ]
    return sorted(nodes, key=distance)


def _is_slice(node: ast.expr) -> bool:
    """True if a node can only be an index."""
    parts = node.elts if isinstance(node, ast.Tuple) else [node]
    return any(isinstance(one, ast.Slice) for one in parts)
