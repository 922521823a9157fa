"""Loops in a training step: over a batch, or over time, with sums and states that begin anew."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence

from gradcheck.mending.pieces import range_of
from gradcheck.script.marks import INCREMENT, Marked, TrainingLoop
from gradcheck.script.state import Path, label
from gradcheck.script.step import Step
from gradcheck.script.updates import is_update
from gradcheck.script.words import calls_in, name_of


def set_anew(marked: Marked, step: Step) -> list[Path]:
    """Return the parameters of a step if all are set anew for a loop that another loop goes around.

    The other one, which may call the function that holds the loop, has to update what the loop or
    the call reads. Otherwise the result is empty: the fits of a search begin anew as well.
    """
    loop = marked.loops[step.loop]
    block: list[ast.stmt]
    read: list[ast.AST]
    for number, outer in enumerate(marked.loops):
        if step.loop in marked.inside(number):
            block = outer.node.body
            made = (one for one in block if isinstance(one, ast.Assign) and not is_update(one))
            read = [loop.node, *made]
        elif loop.function and loop.function.name in calls_in(outer.node):
            block, read = loop.function.body, [loop.function, *_calls(outer, {loop.function.name})]
        else:
            continue
        updated = _updated(marked, number, step.loop)
        if _are_set(step.paths, _beside(loop, block)) and _is_any_in(updated, read):
            return step.paths
    return []


def goes_over_entries(loop: ast.stmt) -> bool:
    """Whether every update in a loop is of the entries that the number of its pass has.

    So `for k in range(n): w[k] -= rate * dw[k]` makes one step, as far as it computes no loss.
    """
    if not (isinstance(loop, ast.For) and isinstance(loop.target, ast.Name)):
        return False
    is_counting = isinstance(loop.iter, ast.Call) and name_of(loop.iter.func) in ("range", "arange")
    updates = [node for node in ast.walk(loop) if is_update(node)]
    targets = [getattr(one, "targets", [getattr(one, "target", None)])[0] for one in updates]
    return is_counting and bool(targets) and all(loop.target.id in _indices(one) for one in targets)


def _indices(target: ast.AST | None) -> Iterator[str]:
    """Yield the names that are indices of a target, as they are."""
    while isinstance(target, ast.Subscript):
        index = target.slice
        parts = index.elts if isinstance(index, ast.Tuple) else [index]
        yield from (part.id for part in parts if isinstance(part, ast.Name))
        target = target.value


def _updated(marked: Marked, outer: int, inner: int) -> Iterator[str]:
    """Yield what a loop updates, or hands over to a function that does, beside another one."""
    node = marked.loops[outer].node
    beside = _beside(marked.loops[inner], node.body)
    own = (one for one in beside if one.lineno > node.lineno)  # without the mark of its passes
    lines = {line for one in own for line in range_of(one)}
    for mark in marked.of_kind(outer, INCREMENT):
        if marked.sites[mark].line in lines:
            yield marked.sites[mark].name.partition("[")[0]
    for call in _calls(marked.loops[outer], marked.updating):
        owner = [call.func.value] if isinstance(call.func, ast.Attribute) else []
        yield from (ast.unparse(one) for one in (*owner, *call.args))


def _calls(loop: TrainingLoop, functions: Iterable[str]) -> list[ast.Call]:
    calls = (node for node in ast.walk(loop.node) if isinstance(node, ast.Call))
    return [call for call in calls if name_of(call.func) in functions]


def _beside(loop: TrainingLoop, block: Sequence[ast.stmt]) -> list[ast.stmt]:
    """Return the statements of a block that do not hold a loop."""
    return [one for one in block if not any(part is loop.node for part in ast.walk(one))]


def _is_any_in(names: Iterable[str], nodes: Sequence[ast.AST]) -> bool:
    text = "\n".join(map(ast.unparse, nodes))
    return any(re.search(rf"(?<![\w.]){re.escape(name)}\b", text) for name in names)


def _are_set(paths: Iterable[Path], statements: Iterable[ast.stmt]) -> bool:
    """Whether statements set all of some numbers, or what holds them."""
    names = {name for one in statements for name in _set(one)}

    def is_set(text: str) -> bool:
        return any(text == name or text.startswith((f"{name}[", f"{name}.")) for name in names)

    return all(is_set(label(path)) for path in paths)


def _set(statement: ast.stmt) -> Iterator[str]:
    for node in ast.walk(statement):
        for target in node.targets if isinstance(node, ast.Assign) else ():
            parts = target.elts if isinstance(target, ast.Tuple) else [target]
            yield from map(ast.unparse, parts)
