"""Statements that reach beyond arrays: no edit touches them, or the conditions they depend on.

A candidate could not do what such a statement does in any case (`harmless`), and an edit of it
mends no gradient.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

OUTSIDE = re.compile(
    r"exec|input|joblib|logger|logging|open|os|pathlib|pickle|plt|requests|shutil|signal|"
    r"socket|subprocess|sys|tempfile|threading|urllib|wandb|warnings"
)
"""Names whose calls, and whose attributes' calls, are not about numbers."""

WRITING = re.compile(
    r"dump|flush|mkdir|rename|rmdir|save|savefig|savetxt|savez|savez_compressed|to_csv|tofile|"
    r"touch|unlink|write|write_bytes|write_text|writelines"
)
"""Methods, and functions of modules, that write files or remove them."""

Compound = ast.If | ast.While | ast.For | ast.With | ast.Try | ast.Match


def guarded(definition: ast.AST) -> Iterator[ast.expr | ast.stmt]:
    """Yield the statements of a function that reach beyond arrays, and their conditions."""
    for node in ast.walk(definition):
        if not isinstance(node, ast.stmt):
            continue
        calls = [one.func for one in ast.walk(node) if isinstance(one, ast.Call)]
        if not any(map(_is_outside, calls)):
            continue
        if isinstance(node, ast.If | ast.While):
            yield node.test
        elif isinstance(node, ast.For):
            yield node.iter
        elif isinstance(node, ast.With):
            yield from (item.context_expr for item in node.items)
        elif not isinstance(node, Compound | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node


def _is_outside(function: ast.expr) -> bool:
    if isinstance(function, ast.Attribute) and WRITING.fullmatch(function.attr):
        return True
    while isinstance(function, ast.Attribute | ast.Call | ast.Subscript):
        function = function.func if isinstance(function, ast.Call) else function.value
    return isinstance(function, ast.Name) and OUTSIDE.fullmatch(function.id) is not None
