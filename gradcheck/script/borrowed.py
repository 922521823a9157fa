"""The loss that a script shows of all data, `self.loss(X, y)`, borrowed for the batch of a pass."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator, Set

from gradcheck.script.marks import Function, Loop
from gradcheck.script.updates import is_update
from gradcheck.script.updating import updating
from gradcheck.script.words import ELSEWHERE, as_read, may_be_loss, name_of

OF_BATCH = "loss_of_the_batch"


def borrow_losses(tree: ast.Module) -> list[str]:
    """Compute the loss of all data, in each training loop of a part of these, of the part.

    The function that the script asks elsewhere, in the function that holds the loop, is called with
    `X[rows]` for `X`, or with the `x` of `for x, y in batches(X, Y)`. Return a sentence for each.
    """
    scopes = [tree, *(one for one in ast.walk(tree) if isinstance(one, Function))]
    said: list[str] = []
    training = updating([tree])
    for scope in scopes:
        own = [*_within(scope)]
        calls = [call for one in own for call in _losses_of(one, training)]
        for loop in (one for one in own if isinstance(one, Loop)):
            inside = {id(part) for part in ast.walk(loop)}
            asked = (_of_part(call, loop) for call in calls if id(call) not in inside)
            found = next((one for one in asked if one), None)
            if found and any(is_update(one) or _calls(one) for one in ast.walk(loop)):
                place = _after_batch(loop, found)
                loop.body.insert(place, _tried(found, loop.body[max(place - 1, 0)]))
                said.append(f"{OF_BATCH} is {ast.unparse(found)}, which no line computes")
    return said


def _within(scope: ast.AST) -> Iterator[ast.AST]:
    """Yield the parts of a scope, without those of functions in it."""
    for part in ast.iter_child_nodes(scope):
        if not isinstance(part, Function | ast.ClassDef | ast.Lambda):
            yield part
            yield from _within(part)


def _calls(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)


def _losses_of(node: ast.AST, training: Set[str]) -> Iterator[ast.Call]:
    """Yield the calls of functions named like a loss, or whose value is and that do not train."""
    match node:
        case ast.Call(function, [_, *_]) if may_be_loss(name_of(function)):
            yield node
        case ast.Assign([ast.Name(name)], ast.Call(_, [_, *_]) as call):
            is_loss = may_be_loss(name) and not ELSEWHERE.search(name)
            if is_loss and name_of(call.func) not in training:
                yield call


def _of_part(call: ast.Call, loop: Loop) -> ast.Call | None:
    """Return a call with the part of the data of one pass; None if the loop takes no part of it."""
    parts = {**_rows(loop), **_items(loop)}
    arguments = [parts.get(ast.unparse(one), one) for one in call.args]
    if arguments == call.args:
        return None
    return copy.deepcopy(ast.Call(call.func, arguments, call.keywords))


def _rows(loop: Loop) -> dict[str, ast.expr]:
    """Return what a loop takes some rows of: `X[rows]` by `X`."""
    found: dict[str, ast.expr] = {}
    for part in ast.walk(loop):
        if isinstance(part, ast.Subscript) and isinstance(part.ctx, ast.Load):
            varies = any(isinstance(one, ast.Name) for one in ast.walk(part.slice))
            if varies and isinstance(part.value, ast.Name | ast.Attribute):
                found.setdefault(ast.unparse(part.value), part)
    return found


def _items(loop: Loop) -> dict[str, ast.expr]:
    """Return what a loop goes over: `x` by `X` of `for x, y in zip(X, Y)` or `batches(X, Y)`.

    By `rows` of `for x, y in rows` it is `[(x, y)]`.
    """
    target, over = (loop.target, loop.iter) if isinstance(loop, ast.For) else (None, None)
    match target, over:
        case ast.Tuple([_, item]), ast.Call(ast.Name("enumerate"), [whole, *_]):
            target, over = item, whole
    match target, over:
        case ast.Tuple(targets), ast.Call(_, arguments):
            pairs = zip(arguments, targets, strict=False)
            return {ast.unparse(one): as_read(item) for one, item in pairs}
        case ast.expr(), ast.Name() | ast.Attribute():
            return {ast.unparse(over): ast.List([as_read(target)], ast.Load())}
    return {}


def _after_batch(loop: Loop, call: ast.Call) -> int:
    """Return the place in a loop where all that a call reads is there."""
    rows = {ast.unparse(one) for one in call.args if isinstance(one, ast.Subscript)}
    for place, statement in enumerate(loop.body):
        read = {ast.unparse(one) for one in ast.walk(statement) if isinstance(one, ast.Subscript)}
        if read & rows:
            return place
    return 0


def _tried(call: ast.Call, like: ast.stmt) -> ast.stmt:
    """Return a statement that computes the loss of the batch, if that can be computed."""
    kept = ast.Assign([ast.Name(OF_BATCH, ast.Store())], call)
    handler = ast.ExceptHandler(ast.Name("Exception", ast.Load()), None, [ast.Pass()])
    tried = ast.Try([kept], [handler], [], [])
    for one in ast.walk(tried):
        ast.copy_location(one, like)
    return ast.fix_missing_locations(tried)
