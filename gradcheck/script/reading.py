"""The text of a script: a file, a file of cells, or a notebook's code cells in their order."""

from __future__ import annotations

import ast
import json
import linecache
import re
from dataclasses import dataclass
from pathlib import Path

from gradcheck.errors import UsageError
from gradcheck.script.words import RefusedError

MAGIC = re.compile(r"^([ \t]*)[%!].*$", re.MULTILINE)
PRINT_STATEMENT = re.compile(r"^\s*print\s+[^(=\s]", re.MULTILINE)
FRAMEWORK = re.compile(
    r"^\s*(?:import|from)\s+(torch|tensorflow|keras|jax|autograd|sklearn(?=\.(?:lin|neur)))\b",
    re.MULTILINE,
)
DIFFERENTIATES = re.compile(r"\.backward\(|GradientTape|\.fit\(|grad\(")


@dataclass(frozen=True)
class Script:
    """A script: the text, of a notebook its code cells one after the other, and its tree."""

    path: Path
    text: str
    tree: ast.Module


def read_script(path: Path) -> Script:
    """The script at a path; the lines of a notebook are made known to whoever shows lines.

    Raises:
        RefusedError: it is not the Python of today.
        UsageError: it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise UsageError(f"{path} could not be read: {error.strerror}") from None
    if path.suffix == ".ipynb":
        text = _cells(path, text)
    text = MAGIC.sub(r"\1pass", text)
    if path.suffix == ".ipynb":
        lines = text.splitlines(keepends=True)
        linecache.cache[str(path)] = (len(text), None, lines, str(path))
    try:
        return Script(path, text, ast.parse(text))
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        if PRINT_STATEMENT.search(text):
            raise RefusedError(
                f"{path.name}:{line} is Python 2 (a print statement); write print(...), or run "
                f"2to3 -w {path.name}, then try again"
            ) from None
        raise RefusedError(f"{path.name}:{line} does not parse: {error}") from None


def _cells(path: Path, text: str) -> str:
    try:
        cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
        sources = [cell["source"] for cell in cells]
    except (ValueError, KeyError, TypeError):
        raise RefusedError(f"{path.name} is no notebook of today's format") from None
    return "\n".join(
        source if isinstance(source, str) else "".join(source)
        for source in sources
        if not "".join(source).startswith("%%")
    )


def framework(text: str) -> str | None:
    """The package that makes the gradients of a script, if one does."""
    found = FRAMEWORK.search(text)
    return found[1] if found and DIFFERENTIATES.search(text) else None
