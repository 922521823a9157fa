"""The functions of an edited program, each with the values that its expressions had."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import CodeType

import numpy

from gradcheck.mending.context import Context
from gradcheck.mending.pieces import Piece, definitions
from gradcheck.mending.scope import expressions, in_loops, observe
from gradcheck.mending.source import Function, inner_codes

SMALL = 16
"""The maximum number of nodes in a call that may count something."""


def contexts_of(
    functions: Sequence[Function],
    texts: Mapping[str, bytes],
    run: Callable[[], object],
    pointed: Iterable[tuple[str, int]],
) -> list[Context]:
    """Return the functions, and those inside them, with the texts that their files have now."""
    trees = {path: ast.parse(text.decode()) for path, text in texts.items()}
    pairs = [
        (function, list(_inside(function.definition(trees[function.path]), function.code)))
        for function in functions
    ]
    texts_of = {
        code: [*expressions(node), *_counts(trees[function.path])]
        for function, pieces in pairs
        for node, code in pieces
    }
    counted = {code: in_loops(node) for _, pieces in pairs for node, code in pieces}
    values = observe(texts_of, run, counted)
    names = tuple(dict.fromkeys(function.names[-1] for function in functions))
    contexts: dict[ast.AST, Context] = {}
    for function, pieces in pairs:
        around = values.get(function.code, {})
        for node, code in pieces:
            if _only_passes_on(node, function.functions[0].__globals__):
                continue  # the function that it calls may be edited
            if node not in contexts or values.get(code):
                known = around | values.get(code, {})
                text, called = texts[function.path], _callable_in(function, names)
                lines = frozenset(line for path, line in pointed if path == function.path)
                of_loss = function.of_loss and not function.marks  # which does more than the loss
                contexts[node] = Context(function.path, text, node, called, known, of_loss, lines)
    return list(contexts.values())


def _inside(definition: Piece, code: CodeType) -> Iterator[tuple[Piece, CodeType]]:
    """Yield a definition and those inside it, with their codes."""
    yield definition, code
    codes: dict[str, list[CodeType]] = {}
    for inner in inner_codes(code):
        codes.setdefault(inner.co_name, []).append(inner)
    for names, node in definitions(definition):
        same = codes.get(names[-1])
        if same:
            yield node, same.pop(0)


def _counts(tree: ast.Module) -> list[str]:
    """Return the calls in a file that may count something: `known.sum()`, `len(x)`."""
    calls = [one for one in ast.walk(tree) if isinstance(one, ast.Call)]
    short = [one for one in calls if not one.keywords and len(list(ast.walk(one))) <= SMALL]
    return list(dict.fromkeys(text for one in short for text in expressions(one)[:1]))


def _only_passes_on(definition: Piece, scope: Mapping[str, object]) -> bool:
    """True if a lambda only calls a function of the user's."""
    call = definition.body
    if not isinstance(definition, ast.Lambda) or not isinstance(call, ast.Call):
        return False
    root: ast.expr = call.func
    while isinstance(root, ast.Attribute):
        root = root.value
    return not isinstance(root, ast.Name) or scope.get(root.id) is not numpy


def _callable_in(function: Function, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the user's functions that a function can call by name, and others of its module."""
    scope = function.functions[0].__globals__
    of_module = [
        name
        for name, value in scope.items()
        if callable(value)
        and getattr(value, "__module__", None) == scope.get("__name__")
        and not isinstance(value, type)
    ]
    return tuple(dict.fromkeys([*(name for name in names if name in scope), *of_module]))
