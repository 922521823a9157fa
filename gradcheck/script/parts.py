"""Find the parts of a loss, and mark the operands of an update that may be its learning rate."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Container, Iterator, Sequence, Set
from typing import Any

from gradcheck.mending.marks import HOOKS, called
from gradcheck.script.marks import Function, TrainingLoop
from gradcheck.script.updates import is_update
from gradcheck.script.words import RATE, STRONG, may_be_loss, name_of, names_in

BY_NAME = {"globals", "locals", "vars", "dir", "eval", "exec"}
"""Functions that may read any variable."""


def called_losses(node: ast.AST) -> frozenset[str]:
    """Return the functions named like a loss that are called within an expression."""
    calls = (part for part in ast.walk(node) if isinstance(part, ast.Call) and part is not node)
    return frozenset(f"{name_of(one.func)}()" for one in calls if _is_loss(name_of(one.func)))


def single(targets: Sequence[ast.expr]) -> list[ast.expr]:
    """Return the single targets of an assignment, without a starred one."""
    parts = (one.elts if isinstance(one, ast.Tuple | ast.List) else [one] for one in targets)
    return [part for of_one in parts for part in of_one if not isinstance(part, ast.Starred)]


def is_total(node: ast.AST | None) -> bool:
    """Whether an expression adds terms up."""
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add)


def variables_in(node: ast.AST) -> frozenset[str]:
    """Return the variables, attributes and items within an expression."""
    kinds = ast.Name | ast.Attribute | ast.Subscript
    return frozenset(ast.unparse(part) for part in ast.walk(node) if isinstance(part, kinds))


def adds_loss(node: ast.AST) -> bool:
    """Whether a statement adds to a variable what it computes from one named like a loss."""
    match node:
        case ast.AugAssign(ast.Name(), ast.Add(), value):
            names = (part for part in ast.walk(value) if isinstance(part, ast.Name | ast.Attribute))
            return any(_is_loss(name_of(name)) for name in names)
    return False


def may_skip(loop: ast.AST) -> bool:
    """Whether a loop leaves out some of what it does in some of its passes, marks apart."""
    parts = [*ast.walk(loop)]
    tests = (ast.unparse(one.test) for one in parts if isinstance(one, ast.If))
    leaves = any(isinstance(one, ast.Continue | ast.Break) for one in parts)
    return leaves or any(HOOKS not in test for test in tests)


def local_losses(function: Function, value: ast.expr) -> frozenset[str]:
    """Return the variables named like a loss from which a function computes `value`."""
    assigned = [part for part in ast.walk(function) if isinstance(part, ast.Assign | ast.AugAssign)]
    uses: dict[str, set[str]] = {}
    for node in assigned:
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(target, ast.Name):
                own = uses.setdefault(target.id, {target.id} if _is_loss(target.id) else set())
                own |= {loss for name in names_in(node.value) for loss in uses.get(name, ())}
    if isinstance(value, ast.Name) and _is_loss(value.id):
        return frozenset()
    return frozenset(loss for name in names_in(value) for loss in uses.get(name, ()))


def complete(loops: Sequence[TrainingLoop], tree: ast.Module, is_plain: bool) -> None:
    """Add the terms of other loops to the loss, and find the variables that a pass does not need.

    A replay needs no copy of what a pass sets anew or never reads. That may be a graph of all that
    the step around it has computed. `is_plain` says that the code reads all variables by name.
    """
    read_elsewhere = _read_by_functions(tree) if loops else set()
    for loop in loops:
        loop.body[:] = [*started(loop, tree), *loop.body, *accumulated(loop, tree)]
        loop.left_out.update(_set_anew(loop.body, read_elsewhere))
        if is_plain:
            read = read_elsewhere.union(_read(loop.node), *map(_read, loop.body))
            loop.left_out.update(names_in(loop.function or tree, ast.Store) - read)
            if loop.function and not loop.module:
                loop.unread.update(names_in(tree, ast.Store) - read)


def reads_by_name(tree: ast.Module) -> bool:
    """Whether the code of a module reads every variable by the name that it writes."""
    return not BY_NAME & names_in(tree)


def _set_anew(body: Sequence[ast.stmt], read_elsewhere: Set[str]) -> set[str]:
    """Return the variables that statements set before anything reads them.

    What a loop among them sets may be none of these if anything else reads it: it may run 0 times.
    """
    set_anew, read = set[str](), set(read_elsewhere)
    for statement in body:
        if isinstance(statement, ast.For):
            outside = (_read(one) for one in body if one is not statement)
            elsewhere = read.union(_read(statement.iter), *outside)
            set_anew |= _set_anew(statement.body, elsewhere)
            set_anew |= names_in(statement.target, ast.Store) - elsewhere
        read |= _read(statement) - set_anew
        if isinstance(statement, ast.Assign):
            stored = (names_in(one, ast.Store) for one in statement.targets)
            set_anew |= set[str]().union(*stored) - read
    return set_anew


def _read_by_functions(tree: ast.Module) -> set[str]:
    """Return the variables around them that the functions of a module read, or may read."""
    read: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, Function | ast.Lambda):
            parts = list(ast.walk(node))
            shared = [part.names for part in parts if isinstance(part, ast.Global | ast.Nonlocal)]
            own = {part.arg for part in parts if isinstance(part, ast.arg)}
            read |= (_read(node) - own - names_in(node, ast.Store)).union(*shared)
    return read


def _read(node: ast.AST) -> set[str]:
    """Return the variables that a node reads, or adds to."""
    added = [part.target for part in ast.walk(node) if isinstance(part, ast.AugAssign)]
    return {one.id for one in added if isinstance(one, ast.Name)} | names_in(
        node, ast.Load | ast.Del
    )


def started(loop: TrainingLoop, tree: ast.Module) -> list[ast.stmt]:
    """Return the last statement before a loop by which a loss, to which it adds, is not just 0.

    A penalty that stands there, as `loss = 0.5 * w @ w`, is a part of the loss that is descended.
    """
    names = {name for part in ast.walk(loop.node) if (name := _added(part))}
    set_anew = (one for one in loop.body if isinstance(one, ast.Assign) and not _added(one))
    names -= {name for one in set_anew for name in names_in(one, ast.Store)}
    before = (part for part in ast.walk(loop.function or tree) if isinstance(part, ast.Assign))
    starts = [
        part
        for part in before
        if part.lineno < loop.node.lineno
        and any(isinstance(one, ast.Name) and one.id in names for one in part.targets)
    ]
    last = max(starts, key=lambda part: part.lineno, default=None)
    return [copy.deepcopy(last)] if last is not None and _is_formula(last.value) else []


def _is_formula(value: ast.expr) -> bool:
    """True if an expression computes something, and calls nothing but numpy."""
    calls = [ast.unparse(part.func) for part in ast.walk(value) if isinstance(part, ast.Call)]
    operations = [part for part in ast.walk(value) if isinstance(part, ast.BinOp)]
    return bool(operations) and all(one.startswith(("np.", "numpy.")) for one in calls)


def accumulated(loop: TrainingLoop, tree: ast.Module) -> list[ast.stmt]:
    """Return statements that add the terms of another loop over the same items to the loss."""
    head = _head(loop.node)
    scope = loop.function or tree
    inside = {id(part) for part in ast.walk(loop.node)}
    for node in ast.walk(scope):
        if not isinstance(node, ast.For) or id(node) in inside or _head(node) != head:
            continue
        parts = [part for statement in node.body for part in ast.walk(statement)]
        if any(part is loop.node for part in parts):
            continue
        names = {name for part in parts if (name := _added(part))}
        others = any(is_update(part) and not _added(part) for part in parts)
        if len(names) == 1 and not others:
            name = names.pop()
            everywhere = [part for part in ast.walk(scope) if _added(part) == name]
            if len(everywhere) == len(list(filter(_added, parts))):
                zero = ast.Assign([ast.Name(name, ast.Store())], ast.Constant(0.0))
                return [
                    ast.fix_missing_locations(ast.copy_location(zero, node)),
                    *map(copy.deepcopy, node.body),
                ]
    return []


def _added(node: ast.AST) -> str:
    """Return the variable named like a loss that a statement adds to; else ""."""
    match node:
        case ast.AugAssign(ast.Name(name), ast.Add()):
            pass
        case ast.Assign([ast.Name(name), *_], ast.BinOp(op=ast.Add()) as total) if name in names_in(
            total
        ):
            pass
        case _:
            return ""
    return name if may_be_loss(name) else ""


def _head(node: ast.For | ast.While) -> str:
    if isinstance(node, ast.While):
        return ""
    return f"{ast.unparse(node.target)} in {ast.unparse(node.iter)}"


def _is_loss(name: str) -> bool:
    return bool(STRONG.search(name)) and may_be_loss(name)


class Operands(ast.NodeTransformer):
    """Marks the literals of an update, and names that look like a rate or are among `rates`.

    `literal` and `use` return the mark of a literal and of a name.
    """

    def __init__(
        self, literal: Callable[[ast.Constant], Any], use: Callable[[Any], Any], rates: Set[str]
    ) -> None:
        self._literal = literal
        self._use = use
        self.rates = rates

    def visit_Constant(self, node: ast.Constant) -> Any:
        """Mark a literal."""
        return self._literal(node)

    def visit_Name(self, node: Any) -> Any:
        """Mark a variable, an attribute, or an item with a string key."""
        is_rate = RATE.match(name_of(node)) or ast.unparse(node) in self.rates
        return self._use(node) if is_rate and isinstance(node.ctx, ast.Load) else node

    visit_Attribute = visit_Name  # noqa: N815

    def visit_Subscript(self, node: ast.Subscript) -> Any:
        """Mark an item with a string key; leave other items and their indices unmarked."""
        key = node.slice
        is_text = isinstance(key, ast.Constant) and isinstance(key.value, str)
        return self.visit_Name(node) if is_text else node

    def visit_Call(self, node: ast.Call) -> Any:
        """Mark a call that searches for a rate, or the arguments of any other."""
        if name_of(node.func) in self.rates:
            return self._use(node)
        node.args = [self.visit(one) for one in node.args]
        for keyword in node.keywords:
            keyword.value = self.visit(keyword.value)
        return node


def as_hook(node: ast.Call, own: Container[str]) -> Any:
    """Return `left.dot(right)` and `next(items)` as calls of a hook, and any other call as it is.

    `own` are the names of the script's functions.
    """
    if isinstance(node.func, ast.Attribute) and node.func.attr == "dot" and len(node.args) == 1:
        return called("dot", [node.func.value, *node.args], node)
    is_next = isinstance(node.func, ast.Name) and node.func.id == "next" not in own
    return called("drawn", node.args, node) if is_next and not node.keywords else node


def differentiated(tree: ast.Module) -> set[str]:
    """Return the names whose `backward()` is called: losses of engines.

    In a class it may be that of a part of its own, but for a value that the method has computed.
    """
    outside = [one for one in tree.body if not isinstance(one, ast.ClassDef)]
    found = {ast.unparse(one) for statement in outside for one in _going_back(statement)}
    classes = (one for one in tree.body if isinstance(one, ast.ClassDef))
    for method in (one for kind in classes for one in kind.body if isinstance(one, Function)):
        statements = (one for one in ast.walk(method) if isinstance(one, ast.Assign))
        computed = (one for one in statements if isinstance(one.value, ast.BinOp | ast.Call))
        own = {ast.unparse(target) for one in computed for target in one.targets}
        found |= own & {one.id for one in _going_back(method) if isinstance(one, ast.Name)}
    return found


def _going_back(statement: ast.stmt) -> Iterator[ast.expr]:
    """Yield what `backward()` is called of in a statement."""
    statements = (one.value for one in ast.walk(statement) if isinstance(one, ast.Expr))
    calls = (one.func for one in statements if isinstance(one, ast.Call) and not one.args)
    for one in calls:
        if isinstance(one, ast.Attribute) and one.attr in ("backward", "backprop"):
            yield one.value
