"""Compute in double precision what a script computes in single or half.

Rounding is no bug of a formula, and hides one: in float32 a step must be so large that it crosses
kinks, and most differences are noise. The formulas are the same in float64.
"""

from __future__ import annotations

import ast

from gradcheck.script.marks import Marked
from gradcheck.script.words import name_of

NARROW = frozenset({"float32", "float16", "single", "half"})
"""The names of numpy's narrow types."""

WIDE = "float64"

BY_SIZE = frozenset({"frombuffer", "fromfile", "fromstring", "memmap", "view", "dtype", "finfo"})
"""Functions for which a type says how bytes are laid out, or which precision is asked for."""

IN_DOUBLE = "its float32 numbers were computed in float64, in which differences are precise"


class NeedsItsTypesError(Exception):
    """The script does not train in float64."""


def in_double(tree: ast.Module, marked: Marked) -> None:
    """Replace narrow types by float64 in a marked tree, in place, and note whether there were any.

    A script that does not train so is run as it is.
    """
    if not marked.as_is:
        widening = _Widening(tree)
        widening.visit(tree)
        marked.is_widened |= widening.has_widened


class _Widening(ast.NodeTransformer):
    def __init__(self, tree: ast.Module) -> None:
        self.has_widened = False
        imports = (node for node in ast.walk(tree) if isinstance(node, ast.Import))
        names = (one for node in imports for one in node.names if one.name == "numpy")
        self._numpy = {one.asname or one.name for one in names}

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Leave alone what says how bytes are laid out."""
        return node if name_of(node.func) in BY_SIZE else self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """Replace `np.float32`."""
        if node.attr in NARROW and name_of(node.value) in self._numpy:
            node.attr, self.has_widened = WIDE, True
        return self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        """Replace `"float32"`, as in `x.astype("float32")`."""
        if isinstance(node.value, str) and node.value in NARROW - {"single", "half"}:
            node.value, self.has_widened = WIDE, True
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
        """Replace the type in `from numpy import float32`."""
        for one in node.names:
            if node.module == "numpy" and one.name in NARROW:
                one.name, one.asname = WIDE, one.asname or one.name
                self.has_widened = True
        return node
