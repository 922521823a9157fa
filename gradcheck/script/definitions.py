"""The definitions of a script, without running it; and a case file for one that cannot be run."""

from __future__ import annotations

import ast
import json
import re
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from gradcheck.script.reading import read_script

TEXT = '''"""The check of {name}, which cannot be taken apart as it stands:

{reason}
"""

from pathlib import Path

import gradcheck
from gradcheck.script import definitions

# its imports, functions, classes and constants: nothing else of it is run
{module} = definitions(Path(__file__).with_name({file}))


@gradcheck.case
def training():
{functions}
    raise NotImplementedError("say here what is checked: parameters and a few made-up rows of data")
    return gradcheck.Case(loss, params, grad, inputs=X, targets=Y)
'''


def definitions(path: Path | str) -> Any:
    """Return the imports, functions, classes and constants of a script as attributes.

    Raises:
        UsageError: the script cannot be read.
        ImportError: a module that the script imports is missing.
    """
    script = read_script(Path(path))
    statements = [node for node in script.tree.body if _defines(node)]
    names: dict[str, Any] = {"__name__": Path(path).stem, "__file__": str(path)}
    exec(compile(ast.Module(statements, []), str(path), "exec"), names)  # keeps line numbers
    return SimpleNamespace(**names)


def frame_of(path: Path, reason: str) -> str:
    """Return an unfinished case file for a script that cannot be taken apart, for its author."""
    functions = [
        f"    # {_signature(path.stem, node)}\n"
        for node in read_script(path).tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    ]
    return TEXT.format(
        name=path.name,
        reason=textwrap.fill(re.sub(r'["\\]', "'", reason), 98),
        module=path.stem if path.stem.isidentifier() else "script",
        file=json.dumps(path.name, ensure_ascii=False),
        functions="".join(functions).rstrip() or f"    # {path.name} defines no function",
    )


def _defines(node: ast.stmt) -> bool:
    if isinstance(node, ast.Assign):
        return _is_constant(node.value)
    return isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef)


def _is_constant(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError):
        return False
    return True


def _signature(module: str, node: ast.FunctionDef | ast.ClassDef) -> str:
    if isinstance(node, ast.FunctionDef):
        return f"{module}.{node.name}({ast.unparse(node.args)})"
    methods = [inner.name for inner in node.body if isinstance(inner, ast.FunctionDef)]
    return f"{module}.{node.name}, with {', '.join(methods) or 'no methods'}"
