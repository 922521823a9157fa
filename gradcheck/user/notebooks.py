"""The code of a notebook as one text: its code cells in order, with `pass` for IPython's magics."""

from __future__ import annotations

import ast
import json
import linecache
import re
from pathlib import Path

SUFFIX = ".ipynb"
MAGIC = re.compile(r"^([ \t]*)(?:%%?[A-Za-z]|!(?!=)).*$", re.MULTILINE)
"""A line such as `%matplotlib inline`; one that goes on with `% (a, b)` is Python."""
PYLAB = re.compile(r"^%pylab\b.*$", re.MULTILINE)
IMPORTED = "import numpy, numpy as np, matplotlib.pyplot as plt; from pylab import *"
"""What the magic `%pylab` does."""


def without_magics(text: str) -> str:
    """Replace the lines that only IPython understands by `pass`, and `%pylab` by its imports."""
    return MAGIC.sub(r"\1pass", PYLAB.sub(IMPORTED, text))


def _that_parses(source: str) -> str:
    """Return the code of a cell; `pass` for one line such as `np.dot?`, or unfinished."""
    code = without_magics(source)
    try:
        ast.parse(code)
    except SyntaxError:
        return "pass" if len(source.strip().splitlines()) == 1 else code
    return code


def code_of(text: str) -> str:
    """Return the code of a notebook from the text of its file.

    Raises:
        ValueError, KeyError, TypeError: it is not a notebook in the current format.
    """
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    sources = ["".join(cell["source"]) for cell in cells]
    return "\n".join(_that_parses(source) for source in sources if not source.startswith("%%"))


def line_of(file: str, number: int) -> str:
    """Return a line of a file, or of a notebook's code, counted from 1; "" if there is none."""
    known = linecache.cache.get(file)
    if file.endswith(SUFFIX) and (known is None or len(known) < 4 or known[1] is not None):
        try:
            show(file, code_of(Path(file).read_text(encoding="utf-8-sig", errors="replace")))
        except (OSError, ValueError, KeyError, TypeError):
            return ""
    return linecache.getline(file, number)


def show(file: str, code: str) -> None:
    """Put the code of a notebook into `linecache`, which would read the raw file."""
    linecache.cache[file] = (len(code), None, code.splitlines(keepends=True), file)
