"""A script without a loop: what stands below its parameters, with gradients named after them."""

from __future__ import annotations

import ast

from gradcheck.script.loops import Step
from gradcheck.script.marks import TrainingLoop
from gradcheck.script.named import named_gradients
from gradcheck.script.rates import Rate
from gradcheck.script.running import Passes, Run
from gradcheck.script.state import MODULE, Path, State, take_snapshot
from gradcheck.script.words import ROLE


def straight_line(run: Run) -> Step | None:
    """The lines below the parameters as a step that updates nothing; None if there are none."""
    state = State(run.names, None)
    made = _assigned(run.script.tree)
    paths: list[Path] = []
    for name in made:
        path = (MODULE, name)
        is_parameter = ROLE.match(name) and state.number(path) is not None
        if is_parameter and named_gradients(state, [path], state, set()):
            paths.append(path)
    if not paths:
        return None
    first = max(made[name] for _, name in paths) + 1
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
    """The last statement of a module that assigns each name."""
    found: dict[str, int] = {}
    for place, statement in enumerate(tree.body):
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                names = target.elts if isinstance(target, ast.Tuple | ast.List) else [target]
                found.update({one.id: place for one in names if isinstance(one, ast.Name)})
    return found
