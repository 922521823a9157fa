"""Which functions of a script may update a variable that is there after them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from gradcheck.script.marks import Function
from gradcheck.script.updates import is_update
from gradcheck.script.words import calls_in, names_in


def updating(trees: Sequence[ast.Module]) -> set[str]:
    """Return the names of the functions that may update a variable, or call one that does.

    Those that a factory returned, and bound methods, have the names of variables, perhaps of what
    a loop goes over.
    """
    nodes = [node for tree in trees for node in ast.walk(tree)]
    functions = [node for node in nodes if isinstance(node, Function)]
    found = {one.name for one in functions if _updates(one)}
    made_of = [({one.name}, calls_in(one)) for one in functions]
    made_of += _bound(nodes)
    while more := {name for names, used in made_of if used & found for name in names} - found:
        found |= more
    return found


def _bound(nodes: Sequence[ast.AST]) -> Iterator[tuple[set[str], set[str]]]:
    """Yield the variables that a script sets, with the names in what they are set to."""
    for node in nodes:
        if isinstance(node, ast.Assign | ast.For):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            value = node.value if isinstance(node, ast.Assign) else node.iter
            attributes = {one.attr for one in ast.walk(value) if isinstance(one, ast.Attribute)}
            yield set[str]().union(*map(names_in, targets)), names_in(value) | attributes


def may_train(loop: ast.For | ast.While, names: set[str]) -> bool:
    """Whether a loop updates something, perhaps by the functions of these names."""
    updates = any(any(map(is_update, ast.walk(one))) or calls_in(one) & names for one in loop.body)
    waits = any(isinstance(part, ast.YieldFrom | ast.Await) for part in ast.walk(loop))
    return updates and not waits


def _updates(function: Function) -> bool:
    """Whether a function may update what is there after it.

    A variable of its own, as the `x = x + residual` of a forward pass, is not.
    """
    updates = [part for part in ast.walk(function) if is_update(part)]
    lasting = _lasting(function) if updates else set()
    return any(
        not isinstance(one, ast.Assign)
        or any(not isinstance(target, ast.Name) or target.id in lasting for target in one.targets)
        for one in updates
    )


def _lasting(function: Function) -> set[str]:
    """Return the names whose values a function returns, stores, hands on or shares."""
    lasting, copied = set[str](), list[tuple[str, set[str]]]()
    for part in ast.walk(function):
        match part:
            case ast.Return() | ast.Yield() | ast.Expr(ast.Call()):
                lasting |= names_in(part)
            case ast.FunctionDef() | ast.Lambda() if part is not function:
                lasting |= names_in(part)
            case ast.Global(names) | ast.Nonlocal(names):
                lasting.update(names)
            case ast.Assign([ast.Name(name)], ast.Name() | ast.Tuple() | ast.List() | ast.Dict()):
                copied.append((name, names_in(part.value)))
            case ast.Assign([target], _) if not isinstance(target, ast.Name):
                lasting |= names_in(part.value)
    while more := {name for into, names in copied if into in lasting for name in names} - lasting:
        lasting |= more
    return lasting
