"""What an update of a parameter looks like: `W -= rate * g`, `W = W - step`, `np.add.at(...)`."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Any, TypeGuard

from gradcheck.script.words import RATE, name_of, same

ADDITIONS = ("add", "subtract")


def is_update(node: ast.AST) -> bool:
    """Whether a statement may be an update: `W -= ...`, `W = W - ...`, `return w - rate * g`.

    Also `np.add.at(W, rows, ...)`, which adds up what one row gets several times, `setattr`, and
    `new.append(w - rate * g)`.
    """
    match node:
        case ast.Expr(ast.Call(ast.Attribute(method, "at"), [*_, value])):
            return name_of(method) in ADDITIONS and not _is_whole(value)
        case ast.Expr(ast.Call(ast.Name("setattr"), [owner, name, value])):
            before = ast.Call(ast.Name("getattr", ast.Load()), [owner, name], [])
            return _moves(value, [before])
        case ast.Expr(ast.Call(ast.Attribute(_, "append"), [value])):
            return _moves(value, [])
        case ast.AugAssign(ast.Attribute(_, "grad")):
            return False  # of an engine, whose backward pass adds to it
        case ast.AugAssign():
            return isinstance(node.op, ast.Add | ast.Sub) and not _is_whole(node.value)
        case ast.Assign([ast.Tuple(targets)], ast.Tuple(values)) if len(targets) == len(values):
            pairs = zip(targets, values, strict=True)
            return any(_moves(value, [target]) for target, value in pairs)
        case ast.Assign(targets, value):
            return _moves(value, [*targets, *_items_of(targets, value)])
        case ast.Return(ast.expr() as value):
            return _moves(value, [])
    return False


def _items_of(targets: Sequence[ast.expr], value: ast.AST) -> list[ast.expr]:
    """Return the names that comprehensions give to the items of the targets, and to their items."""
    items: list[ast.expr] = []
    for part in ast.walk(value):
        if isinstance(part, ast.comprehension):
            wholes = [*targets, *items]
            if any(same(whole, one) for whole in wholes for one in ast.walk(part.iter)):
                items += (one for one in ast.walk(part.target) if isinstance(one, ast.Name))
    return items


def augmented(node: ast.Expr) -> ast.stmt:
    """Return `np.add.at(w, rows, step)` as `w += step`; another statement as it is."""
    match node.value:
        case ast.Call(ast.Attribute(method, "at"), [target, *_, value]):
            sign = ast.Add() if name_of(method) == ADDITIONS[0] else ast.Sub()
            whole = ast.AugAssign(target, sign, value)  # type: ignore[arg-type]
            return ast.copy_location(whole, node)
    return node


def _moves(value: ast.AST, targets: Sequence[ast.expr]) -> bool:
    """Whether a new value is an old one with something added or taken off."""
    for part in _without_indices(value):
        added = last_term(part)
        if added is not None:
            reads_target = any(same(target, one) for target in targets for one in ast.walk(part))
            is_new = any(_renews(target, part) for target in targets) and _is_product(added)
            is_new = is_new or (all(_may_renew(one, part) for one in targets) and _is_scaled(added))
            if reads_target or _is_rated(part, added) or is_new:
                return not _is_whole(added)
    return False


def _is_rated(moved: ast.AST, added: ast.expr) -> bool:
    """Whether what is added or taken off has a learning rate; `y - a` is an error, of outputs."""
    is_taken = isinstance(moved, ast.BinOp) and isinstance(moved.op, ast.Sub)
    return has_rate(added) and not (is_taken and RATE.match(name_of(added)))


def _renews(target: ast.AST, moved: Any) -> bool:
    """Whether a target is named after what is moved: `new_w = w - pace * g`."""
    return name_of(_before(moved)) in name_of(target).split("_")


def _may_renew(target: ast.AST, moved: Any) -> bool:
    """Whether a target has another name that begins or ends with what is moved: `w2`, `neww`."""
    before, after = name_of(_before(moved)), name_of(target)
    return after != before != "" and (after.startswith(before) or after.endswith(before))


def _before(moved: Any) -> Any:
    return moved.left if isinstance(moved, ast.BinOp) else moved.args[0]


def last_term(node: ast.AST) -> ast.expr | None:
    """Return what a sum or difference adds or takes off, also of `np.subtract(w, step)`."""
    match node:
        case ast.BinOp(_, ast.Add() | ast.Sub(), right):
            return right
        case ast.Call(ast.Attribute(_, method), [_, right]) if method in ADDITIONS:
            return right
    return None


def first_term(node: Any) -> Any:
    """Return what a chain of sums and differences adds to, or takes off from."""
    while last_term(node) is not None:
        node = node.left if isinstance(node, ast.BinOp) else node.args[0]
    return node


def _is_scaled(node: ast.AST) -> bool:
    """Whether a helper's change is a small number times something: `return w - 0.1 * g`."""
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Mult | ast.MatMult):
        return False
    return _is_scaled(node.left) or any(
        isinstance(side, ast.Constant) and isinstance(side.value, float) and 0 < side.value < 1
        for side in (node.left, node.right)
    )


def _is_product(node: ast.AST) -> TypeGuard[ast.BinOp]:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult)


def _is_whole(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int)


def has_rate(node: ast.AST) -> bool:
    """Whether an expression contains a name that suggests a learning rate, and is no index.

    What has a method, as the `a` of `a.dot(w)`, is no number.
    """
    calls = (part.func for part in ast.walk(node) if isinstance(part, ast.Call))
    owners = {id(_whole(one.value)) for one in calls if isinstance(one, ast.Attribute)}
    return any(
        isinstance(part, ast.Name | ast.Attribute) and RATE.match(name_of(part))
        for part in _without_indices(node)
        if id(part) not in owners
    )


def _whole(node: ast.expr) -> ast.expr:
    """Return that of which an expression is an element."""
    return _whole(node.value) if isinstance(node, ast.Subscript) else node


def _without_indices(node: ast.AST) -> Iterator[ast.AST]:
    """Walk through the parts of a node, without those that only say which element is meant."""
    yield node
    parts = [node.value] if isinstance(node, ast.Subscript) else ast.iter_child_nodes(node)
    for part in parts:
        yield from _without_indices(part)
