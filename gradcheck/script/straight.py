"""Check a script without a loop: the lines below its parameters, and gradients named after them."""

from __future__ import annotations

import ast

from gradcheck.script.marks import TrainingLoop
from gradcheck.script.named import named_gradients
from gradcheck.script.passes import Passes
from gradcheck.script.rates import Rate
from gradcheck.script.running import Run
from gradcheck.script.snapshot import take_snapshot
from gradcheck.script.state import MODULE, Path, State
from gradcheck.script.step import Step
from gradcheck.script.words import ROLE


def straight_line(run: Run) -> Step | None:
    """Return the lines below the parameters as a step without an update; None if there are none."""
    state = State(run.names, None)
    assigned = _assigned(run.script.tree)
    named: list[Path] = [(MODULE, name) for name in assigned if ROLE.match(name)]
    numbers = [path for path in named if state.number(path) is not None]
    paths = [path for path in numbers if named_gradients(state, [path], state, set())]
    first = max((assigned[name] for _, name in paths), default=len(run.script.tree.body)) + 1
    body = run.script.tree.body[first:]
    if not body:
        return None
    node = ast.While(ast.Constant(True), [], [], lineno=body[0].lineno, col_offset=0)
    node.end_lineno = body[-1].end_lineno
    node.body = body
    run.marked.loops.append(TrainingLoop(node, body, None, None))
    run.passes.append(Passes())
    run.found = len(run.marked.loops) - 1
    run.snapshots = [take_snapshot(State(run.names, None))]
    words = f"the lines from {node.lineno} on; there is no loop"
    return Step(run.found, Rate(1.0, ""), paths, words=words)


def _assigned(tree: ast.Module) -> dict[str, int]:
    """Return the index of the last statement that assigns each name."""
    return {
        one.id: place
        for place, statement in enumerate(tree.body)
        if isinstance(statement, ast.Assign)
        for one in ast.walk(statement)
        if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)
    }
