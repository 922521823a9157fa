"""Compile the body of a loop as a function that keeps the script's lines and columns."""

from __future__ import annotations

import ast
import contextlib
import copy
import io
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from types import CellType, FunctionType
from typing import Any

import numpy as np

from gradcheck.mending.marks import SEE
from gradcheck.mending.pieces import LINES, ONCE, STEP
from gradcheck.script.drawn import States
from gradcheck.script.marks import Function, TrainingLoop
from gradcheck.script.updates import has_rate, is_update
from gradcheck.script.words import calls_in
from gradcheck.trace.record.ownership import restorer
from gradcheck.user.objects import cells_of

RETURNED = "__gradcheck_returned__"
SUMMED = "it updates in some passes only, by what several passes have summed up: make them one"


class ReturnedError(Exception):
    """The script returned from inside its loop."""


def body_function(
    loop: TrainingLoop,
    file: str,
    names: Iterable[str] | None,
    module: dict[str, Any],
    reports: bool,
) -> FunctionType:
    """Return a function that carries out the body of a loop once.

    If it `reports`, it does in this pass what the script does in every tenth, say.

    The arguments are `names`, the variables of the function that holds the loop; their values
    afterwards are returned. If `names` is None, the body changes the variables of the module.
    """
    arguments: list[str] = []
    declared, end = {ONCE, *_stored(loop.body)}, ""
    if names is not None:
        around = ast.walk(loop.function) if loop.function else ()
        globals_ = [node for node in around if isinstance(node, ast.Global)]
        declared, end = {name for node in globals_ for name in node.names}, "\n  return locals()"
        locals_ = {name for name in names if name.isidentifier()} - declared
        # super() uses the first argument
        arguments = sorted(locals_, key=lambda name: (name != "self", name))
    # names with two leading underscores are mangled with the name of the class
    head = f"class {loop.class_name}:" if loop.class_name else "if 1:"
    shared = f"\n  global {', '.join(sorted(declared))}" if declared else ""
    name = LINES if loop.is_straight else STEP
    text = f"{head}\n def {name}({', '.join(arguments)}):{shared}\n  for {ONCE} in (0,): pass{end}"
    tree: Any = ast.parse(text)
    nodes: list[Any] = list(ast.walk(tree))
    for node in nodes:
        if hasattr(node, "lineno"):
            node.lineno = node.end_lineno = loop.node.lineno
            node.col_offset = node.end_col_offset = 0
    once = next(node for node in nodes if isinstance(node, ast.For))
    once.body = [_Inside(reports).visit(copy.deepcopy(one)) for one in loop.body]
    namespace: dict[str, Any] = {}
    exec(compile(tree, file, "exec"), module, namespace)
    members = vars(namespace[loop.class_name]) if loop.class_name else namespace
    body: FunctionType = members[name]
    return body


def fill_class(function: FunctionType, owner: Any, class_name: str | None) -> None:
    """Bind the `__class__` cell, through which `super()` finds the class of the method."""
    kinds = {kind.__name__: kind for kind in type(owner).__mro__}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        if name == "__class__" and class_name in kinds:
            cell.cell_contents = kinds[class_name]


def _only_ends(node: ast.If) -> bool:
    """Whether a conditional does nothing but end the training, after a message or a flag."""
    *before, last = node.body
    is_quiet = all(
        isinstance(one, ast.Expr)
        or (isinstance(one, ast.Assign) and isinstance(one.value, ast.Constant))
        for one in before
    )
    return is_quiet and not node.orelse and isinstance(last, ast.Break | ast.Return)


def may_report(loop: TrainingLoop) -> bool:
    """Whether some passes of a loop may show a loss that others do not."""
    return any(_only_reports(part) for one in loop.body for part in ast.walk(one))


def sums_up(loop: TrainingLoop, updating: Set[str]) -> bool:
    """Whether one pass in several applies what all of them have summed up."""
    guarded = [
        node
        for one in loop.body
        for node in ast.walk(one)
        if isinstance(node, ast.If) and any(isinstance(p, ast.Mod) for p in ast.walk(node.test))
    ]
    inside = [part for node in guarded for one in node.body for part in ast.walk(one)]
    calls = set().union(*map(calls_in, guarded)) & updating
    return bool(calls) or any(is_update(part) and has_rate(part) for part in inside)


def _only_reports(node: ast.AST) -> bool:
    """Whether a conditional does nothing but show a loss in one pass of several."""
    if not isinstance(node, ast.If) or node.orelse:
        return False
    parts = [part for one in node.body for part in ast.walk(one)]
    ends = (ast.Break, ast.Continue, ast.Return, ast.Raise)
    shows = any(isinstance(part, ast.Attribute) and part.attr == SEE for part in parts)
    counts = any(isinstance(part, ast.Mod) for part in ast.walk(node.test))
    return counts and shows and not any(isinstance(p, ends) or is_update(p) for p in parts)


class _Inside(ast.NodeTransformer):
    """Replaces returns by exceptions, and removes global declarations and convergence tests.

    What a generator yields in each pass is only computed. With other values a convergence test may
    end an iteration before its update. If the pass `reports`, so do conditionals that would in
    another.
    """

    def __init__(self, reports: bool) -> None:
        self.reports = reports
        self.of_inner_loops: set[int] = set()

    def visit_FunctionDef(self, node: Any) -> Any:
        return node

    visit_Lambda = visit_AsyncFunctionDef = visit_ClassDef = visit_FunctionDef  # noqa: N815

    def visit_For(self, node: Any) -> Any:
        inside = {id(one) for one in ast.walk(node)}
        self.of_inner_loops |= inside
        return self.generic_visit(node)

    visit_While = visit_For  # noqa: N815

    def visit_If(self, node: ast.If) -> ast.AST:
        if _only_ends(node) and id(node) not in self.of_inner_loops:
            return ast.copy_location(ast.Pass(), node)
        if self.reports and _only_reports(node):
            node.test = ast.copy_location(ast.Constant(True), node.test)
        return self.generic_visit(node)

    def visit_Return(self, node: ast.Return) -> ast.stmt:
        name = ast.copy_location(ast.Name(RETURNED, ast.Load()), node)
        return ast.copy_location(ast.Raise(name, None), node)

    def visit_Yield(self, node: ast.Yield) -> ast.expr:
        return self.visit(node.value) if node.value else ast.copy_location(ast.Constant(None), node)

    def visit_Global(self, node: ast.stmt) -> ast.stmt:
        return ast.copy_location(ast.Pass(), node)

    visit_Nonlocal = visit_Global  # noqa: N815


def _stored(statements: Iterable[ast.AST]) -> Iterator[str]:
    """Yield the names that the statements bind in their module."""
    for node in statements:
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
            continue
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
        elif isinstance(node, ast.ExceptHandler) and node.name:
            yield node.name
        elif isinstance(node, ast.Lambda):
            continue
        elif isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            targets = {id(part) for one in node.generators for part in ast.walk(one.target)}
            yield from (
                part.target.id
                for part in ast.walk(node)
                if isinstance(part, ast.NamedExpr) and id(part) not in targets
            )
            continue
        yield from _stored(ast.iter_child_nodes(node))


def _own_names(function: Function) -> set[str]:
    """The variables of a function itself: no function around it has them."""
    parts = list(ast.walk(function))
    outer = {name for one in parts if isinstance(one, ast.Nonlocal) for name in one.names}
    arguments = {one.arg for one in ast.walk(function.args) if isinstance(one, ast.arg)}
    return {*_stored(function.body), *arguments} - outer


@contextlib.contextmanager
def closures(
    loop: TrainingLoop, local: Mapping[str, Any]
) -> Iterator[Callable[[dict[str, Any] | None], dict[str, Any] | None]]:
    """Let functions defined around the loop see the variables in `local`, within this context.

    A function made elsewhere has variables of its own, which may have the same names. What is
    yielded adds to the variables after a pass those that such functions have set (`nonlocal`).
    """
    around = loop.function
    own = _own_names(around) if around else set()
    undo: list[tuple[CellType, Any]] = []
    cells: dict[str, CellType] = {}
    for function in (one for one in local.values() if isinstance(one, FunctionType)):
        is_inner = around and function.__code__.co_qualname.split(".")[-3:-2] == [around.name]
        for name, cell, value in cells_of(function):
            shown = is_inner or name not in own
            if shown and name in local and not isinstance(local[name], FunctionType):
                undo.append((cell, value))
                cell.cell_contents = local[name]
                cells[name] = cell

    def with_cells(after: dict[str, Any] | None) -> dict[str, Any] | None:
        now = {name: cell.cell_contents for name, cell in cells.items()}
        changed = {name: value for name, value in now.items() if value is not local[name]}
        return {**after, **changed} if after is not None else None

    try:
        yield with_cells
    finally:
        for cell, value in reversed(undo):
            cell.cell_contents = value


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Suppress the script's output and warnings."""
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
        np.errstate(all="ignore"),
    ):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def as_at(
    scopes: Sequence[tuple[dict[str, Any], Mapping[str, Any]]], states: States
) -> Iterator[None]:
    """Set variables and random generators, and restore them when the context ends."""
    undo = [*(restorer(names) for names, _ in scopes), states.now().restore]
    for names, values in scopes:
        names.update(values)
    states.restore()
    try:
        yield
    finally:
        for restore in undo:
            restore()
