"""Explain an exception in the user's gradient: the operation that raised, and what fits instead."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from gradcheck.diagnose.evidence import Evidence, error_if_right
from gradcheck.diagnose.rule import Rule
from gradcheck.finding import Finding
from gradcheck.trace.record.sources import may_end, parsed, tree_of
from gradcheck.trace.wording.misfits import Misfit, bracketed, products_of
from gradcheck.user.blocks import describe
from gradcheck.user.calls import Location, Raised
from gradcheck.words import with_nearest

MOST_NAMES = 6
LOOK = "look at this line, and at what it is given"
QUOTED = re.compile(r"'(\w+)'")

TELLING = ("dL/d", "the slope", "the part")
"""Beginnings of descriptions of an operand that say more than its code."""

OPERATIONS = {
    **dict.fromkeys(("matmul", "dot", "inner", "outer"), (False, "multiplies")),
    "multiply": (True, "multiplies"),
    "add": (True, "adds"),
    "subtract": (True, "subtracts"),
    "divide": (True, "divides"),
}
"""By operation of a trace: whether it is elementwise, and its verb in a message."""

SHAPE_WORDS = ("shape", "align", "broadcast", "dimension", "mismatch")


@dataclass(frozen=True)
class RaisedProduct:
    """A product whose operands do not fit: it raised, or its result let a later operation raise.

    Attributes:
        raised: the exception.
        misfit: the product as traced; any row of `OPERATIONS`.
        mended: another product of its operands that is the right gradient of a block, as code,
            name of the block, and relative error; None if there is none.
    """

    raised: Raised
    misfit: Misfit
    mended: tuple[str, str, float] | None

    @property
    def elementwise(self) -> bool:
        """True if the operation is `*`, `+` or such."""
        return OPERATIONS[self.misfit.operation][0]

    @property
    def confusion(self) -> str | None:
        """The kind of product meant if the two kinds were confused: "matrix" or "elementwise"."""
        left, right = (operand.value for operand in self.misfit.operands)
        are_matrices = left.ndim == right.ndim == 2 and "b" not in (
            left.dtype.kind,
            right.dtype.kind,
        )
        if self.misfit.operation == "multiply" and " * " not in self.misfit.fitting:
            return "matrix" if are_matrices and left.shape[1] == right.shape[0] else None
        if not self.elementwise and are_matrices and left.shape == right.shape:
            return "elementwise" if self.mended is None else None
        return None

    def finding(self, rule: Rule, evidence: Evidence, fix: str) -> Finding:
        """Return the finding, with the product that fits instead if it is known."""
        words = evidence.sizes.shape_words
        left, right = (operand.value.shape for operand in self.misfit.operands)
        lines = _lines(self.raised, self.misfit)
        if 1 in (len(left), len(right)):
            lines.append("a flat vector's .T is the same flat vector")
        error = None
        if self.mended is not None:
            fix, name, error = self.mended
            lines.append(
                f"{fix} has the shape of {name}, and agrees with its numeric gradient to "
                f"{error:.1e}"
            )
        elif self.misfit.fitting:
            fix = self.misfit.fitting
            lines.append(f"{fix} is {self.misfit.fitting_words}")
        elif self.misfit.shape is not None and self.elementwise and np.prod(left) == np.prod(right):
            fix = f"give both one shape: {bracketed(self.misfit.operands[1].code)}.reshape{left}"
        verb = OPERATIONS[self.misfit.operation][1]
        both = "and" if verb in ("adds", "subtracts") else "by"
        message = f"{self.misfit.code} {verb} {words(left)} {both} {words(right)}"
        if self.misfit.shape is not None:
            message += f" to {words(self.misfit.shape)}, {_raises(self.raised, self.misfit)}"
        return _finding(rule, evidence, message, lines, fix, error)


def raised_products(evidence: Evidence) -> Iterator[RaisedProduct]:
    """Yield the operation on two arrays that raised, if it was one."""
    for raised, misfit in _misfits(evidence):
        if _is_product(misfit):
            yield RaisedProduct(raised, misfit, _mended(evidence, misfit))


def confused(meant: str, fix: str) -> Callable[[Rule, Evidence], Iterator[Finding]]:
    """Return the search for products of the other kind than the one meant, with the fix for it."""

    def find(rule: Rule, evidence: Evidence) -> Iterator[Finding]:
        for found in raised_products(evidence):
            if found.confusion == meant:
                operands = (operand.code for operand in found.misfit.operands)
                yield found.finding(rule, evidence, fix.format(*operands))

    return find


def misfit_finding(rule: Rule, evidence: Evidence, fix: str) -> Iterator[Finding]:
    """Yield the finding for any other operation that raised for the shapes of its operands."""
    for raised, misfit in _misfits(evidence):
        if _is_product(misfit):
            return
        words = evidence.sizes.shape_words
        shapes = ", ".join(f"{item.code} is {words(item.value.shape)}" for item in misfit.operands)
        message = f"{misfit.code} does not fit: {shapes}"
        if misfit.shape is not None:
            name, shape = misfit.fitting_words, words(misfit.shape)
            told = f"{name} in the shape {shape}" if name else shape
            if misfit.fitting.startswith(f"{bracketed(misfit.code)}.sum("):
                told = f"{shape}, the terms of {name}"
            message = f"{misfit.code} is {told}, {_raises(raised, misfit)}"
        fix = misfit.fitting or fix
        yield _finding(rule, evidence, message, _lines(raised, misfit), fix, None)


def _misfits(evidence: Evidence) -> Iterator[tuple[Raised, Misfit]]:
    """Yield the exception and the operation it is about, if it is one about shapes."""
    raised, misfit = evidence.first.raised, evidence.search.misfit
    if raised is None or misfit is None or not misfit.operands:
        return
    text = str(raised.error).lower()
    if isinstance(raised.error, ValueError) and any(word in text for word in SHAPE_WORDS):
        yield raised, misfit


def _raises(raised: Raised, misfit: Misfit) -> str:
    line = ast.unparse(parsed(raised.frames[-1].source)) if raised.frames else ""
    return f"with which {'this' if misfit.code in line else 'a later'} line raises"


def _is_product(misfit: Misfit) -> bool:
    return len(misfit.operands) == 2 and misfit.operation in OPERATIONS


NO_CAST = "Cannot cast ufunc"
"""What numpy says if a result of floats is to stand in an array of whole numbers."""

NO_NUMBER = "0-dimensional arrays can be converted"
"""What numpy 2.4 says if an array of one number stands where a number has to."""

WANTED = "a number is wanted, and this is an array"

UNUSABLE = (NameError, AttributeError, TypeError, LookupError)
"""The exceptions that Python raises if a name has no value, or one of an unsuitable kind."""


def unusable_finding(rule: Rule, evidence: Evidence) -> Iterator[Finding]:
    """Yield the finding for a name that has no value, or one of an unsuitable kind."""
    raised = evidence.first.raised
    if raised is None or not isinstance(raised.error, UNUSABLE) or not raised.frames:
        return
    message = f"{raised.call} raised {raised.summary}"
    if isinstance(raised.error, NameError):
        yield _finding(rule, evidence, message, [], _other_name(raised), None)
        return
    names = [
        name
        for name in _names_on(raised.frames[-1].source)
        if name in raised.scope and not inspect.ismodule(raised.scope[name])
    ]
    of_kind = [name for name in names if type(raised.scope[name]).__name__ in raised.summary]
    shown = (of_kind or names)[:MOST_NAMES]
    lines = [f"`{name}` is {describe(raised.scope[name])}" for name in shown]
    fix = LOOK
    if shown:
        which = "the one of these that the line cannot use" if shown[1:] else f"`{shown[0]}`"
        fix = f"write what is meant for {which}"
    arrays = {name: value for name in names if isinstance(value := raised.scope[name], np.ndarray)}
    ones = [name for name, value in arrays.items() if value.ndim and value.size == 1]
    if NO_NUMBER in str(raised.error) and ones:
        fix = f"write `{ones[0]}.item()`: {WANTED}"
    at, fix = _returning_nothing(raised) or (None, _of_another_kind(raised) or fix)
    found = _finding(rule, evidence, message, lines, fix, None)
    yield found if at is None else replace(found, location=at, also=raised.frames[-1:])


def _of_another_kind(raised: Raised) -> str:
    """Return the fix for an array that stands for a number or a shape, or is to take floats."""
    is_array = NO_NUMBER in str(raised.error)
    for node in ast.walk(parsed(raised.frames[-1].source)):
        match node:
            case ast.AugAssign(target) if NO_CAST in str(raised.error):
                name = ast.unparse(target)
                return f"let {name} begin with floats, as by .astype(float): it holds whole numbers"
            case ast.Call(ast.Name("float" | "int"), [ast.BinOp() | ast.Call() as of]) if is_array:
                return f"write `{bracketed(ast.unparse(of))}.item()`: {WANTED}"
            case ast.Call(ast.Attribute(_, "zeros" | "ones" | "empty") as made, [ast.Name(given)]):
                value = raised.scope.get(given)
                if isinstance(value, np.ndarray) and value.dtype.kind == "f":
                    return f"write `{ast.unparse(made)}({given}.shape)`: a shape is wanted"
    return ""


def _returning_nothing(raised: Raised) -> tuple[Location | None, str] | None:
    """Return a line that computes the result of a function and drops it, and what to write.

    Without such a line, a function that may end without `return`, called where None is not wanted.
    """
    file, error = raised.frames[-1].file, str(raised.error)
    functions = [one for one in ast.walk(tree_of(file)) if isinstance(one, ast.FunctionDef)]
    silent = [one for one in functions if "NoneType" in error and not _has_return(one)]
    values = ast.BinOp | ast.Name | ast.Tuple | ast.Dict | ast.List
    for last in (one.body[-1] for one in silent):
        if isinstance(last, ast.Expr) and isinstance(last.value, values):
            at = Location(file, last.lineno, last.col_offset, last.end_lineno, last.end_col_offset)
            return at, f"return {ast.unparse(last)}"
    ending = [one.name for one in functions if "NoneType" in error and may_end(one.body)]
    called = [one for one in ending if re.search(rf"\b{one}\(", raised.frames[-1].source)]
    return (None, f"let {called[0]} end with `return`: it gives None") if called else None


def _has_return(function: ast.FunctionDef) -> bool:
    kinds = ast.Return | ast.Yield | ast.YieldFrom
    return any(isinstance(one, kinds) and one.value is not None for one in ast.walk(function))


def _other_name(raised: Raised) -> str:
    """Return the fix for a name that has no value."""
    missing = QUOTED.search(str(raised.error))
    if missing is None:
        return "write the name that is meant"
    late = isinstance(raised.error, UnboundLocalError)
    sooner = f"make {missing[1]} before this line, or " if late else ""
    known = [name for name in raised.scope if not name.startswith("_")]
    return with_nearest(f"{sooner}write the name that is meant", missing[1], known)


def _names_on(line: str) -> list[str]:
    """Return the names in a line, in order, if it is a whole statement or the head of one."""
    for whole in (line, f"{line} pass"):
        try:
            nodes = list(ast.walk(ast.parse(whole)))
        except SyntaxError:
            continue
        names = [node for node in nodes if isinstance(node, ast.Name)]
        names.sort(key=lambda node: node.col_offset)
        return list(dict.fromkeys(node.id for node in names))
    return []


def exception_finding(rule: Rule, evidence: Evidence, explained: set[str]) -> Iterator[Finding]:
    """Yield the finding for an exception that no other finding explains, with its place."""
    raised = evidence.first.raised
    left = {block.name for block in evidence.blocks if block.verdict == "raised"} - explained
    if raised is not None and left:
        yield _finding(rule, evidence, f"{raised.call} raised {raised.summary}", [], LOOK, None)


def _lines(raised: Raised, misfit: Misfit) -> list[str]:
    lines = [raised.summary]
    for operand in misfit.operands:
        if operand.words.startswith(TELLING):
            lines.append(f"{operand.code} is {operand.words}")
    return lines


def _finding(
    rule: Rule, evidence: Evidence, message: str, lines: list[str], fix: str, error: float | None
) -> Finding:
    misfit = evidence.search.misfit
    earlier = misfit is not None and misfit.shape is not None
    verdicts = ("raised", "shape") if earlier else ("raised",)
    blocks = [block.name for block in evidence.blocks if block.verdict in verdicts]
    made = rule.finding(blocks, message, evidence=lines, fix=fix, error_after_fix=error)
    frames = evidence.first.raised.frames if evidence.first.raised is not None else ()
    return replace(made, location=frames[-1], also=frames[-2:-1]) if frames else made


def _mended(evidence: Evidence, misfit: Misfit) -> tuple[str, str, float] | None:
    """Return the product of the same operands that is the right gradient of a block, or None."""
    left, right = misfit.operands
    for code, value in products_of(left.code, right.code, left.value, right.value):
        for index, name in enumerate(evidence.names):
            error = error_if_right(evidence.first, index, value)
            if error is not None and evidence.blocks[index].entries:
                return code, name, error
    return None
