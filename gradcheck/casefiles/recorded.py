"""Record the checks that a file calls when it is run, to be used as cases."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradcheck
from gradcheck.arrays import copied
from gradcheck.casefiles.cases import Case, HessianCase, JacobianCase, LayerCase, StepCase
from gradcheck.report.model import Report
from gradcheck.sampling import Coverage
from gradcheck.trace.record.sources import parsed

CHECKS: dict[str, type[Case]] = {
    "check": Case,
    "check_layer": LayerCase,
    "check_step": StepCase,
    "check_jacobian": JacobianCase,
    "check_hessian": HessianCase,
    "assert_gradients": Case,
    "assert_layer": LayerCase,
    "assert_step": StepCase,
}
DEPTH = 9
WITHIN = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.For, ast.While)
STAND_IN = Report("pass", (), (), None, Coverage(0, 0, "it is checked later"), 0, 0.0)


def made_checks(path: Path) -> tuple[str, int, bool] | None:
    """Return the first check that a file calls, its line, and whether it is at module level."""
    tree = parsed(path.read_text(encoding="utf-8", errors="replace"))
    checks: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [one.asname or one.name for one in node.names if one.name == "gradcheck"]
            checks |= {f"{name}.{check}": check for name in names for check in CHECKS}
        elif isinstance(node, ast.ImportFrom) and node.module == "gradcheck":
            checks |= {one.asname or one.name: one.name for one in node.names if one.name in CHECKS}
    within = {
        id(part) for node in ast.walk(tree) if isinstance(node, WITHIN) for part in ast.walk(node)
    }
    calls = [
        (id(node) in within, node.lineno, checks[name])
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and (name := ast.unparse(node.func)) in checks
    ]
    if not calls:
        return None
    inside, line, name = min(calls)
    return f"gradcheck.{name}", line, not inside


@contextmanager
def recording() -> Iterator[list[tuple[int, Case]]]:
    """Within this context, record checks and their lines instead of carrying them out."""
    checks: list[tuple[int, Case]] = []

    def recorder(kind: type[Case]) -> Any:
        def record(*args: Any, **kwargs: Any) -> Report:
            now = copied((args, kwargs), DEPTH)  # the file may change the arguments afterwards
            case = kind(*now[0], **now[1])
            checks.append((sys._getframe(1).f_lineno, case))
            return STAND_IN

        return record

    originals = {name: getattr(gradcheck, name) for name in CHECKS}
    vars(gradcheck).update({name: recorder(kind) for name, kind in CHECKS.items()})
    try:
        yield checks
    finally:
        vars(gradcheck).update(originals)
