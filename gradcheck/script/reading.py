"""Read the text of a script: a Python file, or the code cells of a notebook in order."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path

from gradcheck.errors import UsageError
from gradcheck.script.words import RefusedError
from gradcheck.user.notebooks import SUFFIX, code_of, show, without_magics

PRINT_STATEMENT = re.compile(r"^\s*print\s+[^(=\s]", re.MULTILINE)
FRAMEWORK = re.compile(
    r"^\s*(?:import|from)\s+(torch|tensorflow|keras|jax|autograd|sklearn(?=\.(?:lin|neur)))\b",
    re.MULTILINE,
)
DIFFERENTIATES = re.compile(r"\.backward\(|GradientTape|\.fit\(|grad\(")


@dataclass(frozen=True)
class Script:
    """A script: its path, its source text (of a notebook, all code cells), and its syntax tree.

    Where it says float32 it is run in float64, unless it is run `as_is`.
    """

    path: Path
    text: str
    tree: ast.Module
    as_is: bool = False


def read_script(path: Path) -> Script:
    """Read and parse a script; the lines of a notebook are added to `linecache` for later display.

    Raises:
        RefusedError: the file is not valid Python 3, or not a notebook.
        UsageError: the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise UsageError(f"{path} could not be read: {error.strerror}") from None
    if path.suffix == SUFFIX:
        try:
            text = code_of(text)
        except (ValueError, KeyError, TypeError):
            raise RefusedError(f"{path.name} is not a notebook in the current format") from None
        show(str(path), text)
    else:
        text = without_magics(text)
    try:
        return Script(path, text, syntax_of(text))
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        if PRINT_STATEMENT.search(text):
            raise RefusedError(
                f"{path.name}:{line} is Python 2 (a print statement); write print(...), or run "
                f"2to3 -w {path.name}, then try again"
            ) from None
        why = getattr(error, "msg", error)
        raise RefusedError(f"{path.name}:{line} does not parse: {why}") from None


def syntax_of(text: str | bytes, file: str = "<unknown>") -> ast.Module:
    """Parse code, whose `loss: float = 0` is an assignment as any other but as a class's field."""
    tree: ast.Module = _Unannotated().visit(ast.parse(text, file))
    return tree


class _Unannotated(ast.NodeTransformer):
    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        node.body = [
            one if isinstance(one, ast.AnnAssign) else self.visit(one) for one in node.body
        ]
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt:
        plain = ast.Assign([node.target], node.value) if node.value else ast.Pass()
        return ast.copy_location(plain, node)


def framework(text: str) -> str | None:
    """Return the automatic differentiation package that computes the script's gradients, if any."""
    imported = FRAMEWORK.search(text)
    return imported[1] if imported and DIFFERENTIATES.search(text) else None
