"""Edits of one place in the backward pass of a user's file, as bugs are."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

NETS = Path(__file__).resolve().parent / "nets"

BACKWARD = {
    "layer_classes": ("backward",),
    "lstm": ("step_back", "grad"),
    "batch_norm": ("bn_backward", "grad"),
    "attention": ("softmax_backward", "grad"),
    "autoencoder": ("encoder", "decoder"),
    "helpers_chain": ("elu_slope", "affine_back", "bend_back", "grad"),
    "two_convolutions": ("conv_back", "grad"),
    "dense_columns": ("sigmoid_prime", "grad"),
    "digit_samples": ("sigmoid_prime", "backprop", "grad"),
}
"""The functions that are edited; `grad` where nothing is said."""


@dataclass(frozen=True)
class Edit:
    """One edit.

    Attributes:
        net: the name of the file.
        kind: what was done.
        line: where.
        source: the whole file with it.
        text: the line with it.
    """

    net: str
    kind: str
    line: int
    source: str
    text: str


def nets() -> list[str]:
    """The names of the files."""
    return sorted(path.stem for path in NETS.glob("*.py"))


def edits_of(net: str) -> list[Edit]:
    """All edits of a file."""
    source = (NETS / f"{net}.py").read_text()
    tree = ast.parse(source)
    names = BACKWARD.get(net, ("grad",))
    found = []
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef) or function.name not in names:
            continue
        local = sorted(
            {
                name.id
                for name in ast.walk(function)
                if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
            }
        )
        for node in ast.walk(function):
            for kind, (first, last), text in _edits(node, local, source):
                changed = source[:first] + text + source[last:]
                try:
                    ast.parse(changed)
                except SyntaxError:
                    continue
                line = source[:first].count("\n") + 1
                found.append(Edit(net, kind, line, changed, changed.split("\n")[line - 1].strip()))
    return found


def _span(node: ast.AST, source: str) -> tuple[int, int]:
    starts = np.cumsum([0, *(len(line) + 1 for line in source.split("\n"))])
    return (
        int(starts[node.lineno - 1] + node.col_offset),
        int(starts[node.end_lineno - 1] + node.end_col_offset),
    )


def _edits(node: ast.AST, local: list[str], source: str) -> Iterator[tuple[str, tuple, str]]:
    def text(part: ast.AST) -> str:
        first, last = _span(part, source)
        return source[first:last]

    if isinstance(node, ast.BinOp):
        left, right, span = text(node.left), text(node.right), _span(node, source)
        operators = {ast.Mult: "*", ast.Add: "+", ast.Sub: "-", ast.Div: "/", ast.MatMult: "@"}
        sign = operators.get(type(node.op))
        if sign in ("*", "/", "+", "-"):
            yield "operand dropped", span, f"({left})"
        if sign == "*":
            yield "operand dropped", span, f"({right})"
        if sign in ("+", "-"):
            yield "sign", span, f"({left} {'-' if sign == '+' else '+'} {right})"
        if sign in ("*", "@"):
            yield "product", span, f"({left}) {'@' if sign == '*' else '*'} ({right})"
    elif isinstance(node, ast.Attribute) and node.attr in ("sum", "mean"):
        other = "mean" if node.attr == "sum" else "sum"
        yield "sum and mean", _span(node, source), f"{text(node.value)}.{other}"
    elif isinstance(node, ast.Attribute) and node.attr == "T":
        yield "transpose", _span(node, source), text(node.value)
    elif isinstance(node, ast.keyword) and node.arg == "axis":
        if isinstance(node.value, ast.Constant) and node.value.value in (0, 1):
            yield "axis", _span(node, source), f"axis={1 - node.value.value}"
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float) and node.value > 1:
        yield "constant", _span(node, source), str(node.value + 1)
    elif isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add):
        first = _span(node, source)[0]
        target = text(node.target)
        yield "+= to =", _span(node, source), f"{target} = {text(node.value)}"
        assert source[first : first + len(target)] == target
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in local:
        at = local.index(node.id)
        yield "name", _span(node, source), local[(at + 1) % len(local)]


def module_of(source: str, path: Path) -> ModuleType:
    """A module with that source, in a file of its own."""
    path.write_text(source)
    name = f"edited_{path.stem}"
    specification = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    specification.loader.exec_module(module)
    return module
