"""Slopes that the operations of an engine keep for a loop that goes back through all of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace

from gradcheck.trace.fault import Fault
from gradcheck.trace.locating.engines import Run
from gradcheck.trace.record.nodes import Node
from gradcheck.trace.record.places import Place
from gradcheck.trace.record.sources import tree_of
from gradcheck.trace.wording.loops import holds


def at_its_operation(fault: Fault, run: Run, nodes: Sequence[Node]) -> Fault:
    """Return a fault in the loop at the slope that an operation keeps, which is what is wrong."""
    place, code = fault.place, run.recorded.code
    if place is None or run.output is None or not nodes[run.output].chain:
        return fault
    if (place.file, place.function) != (code.co_filename, code.co_name):
        return fault
    made = nodes[run.output].chain[0].place
    operand = run.added[0].texts[0].partition(".")[0]
    slopes = list(_slopes(_function(made), operand))
    around = [one for one in slopes if made.line <= one.lineno <= made.end_line] or slopes
    if not around:
        return replace(fault, place=made, also=(place, *fault.also), entry=None)
    own = Place.of(around[-1], made.file, made.function)
    told = replace(fault, place=own, also=(place,), expression=own.source)
    if fault.entry is None or fault.entry.expression == fault.expression:
        return replace(told, entry=None, actual="", expected="")  # of the slope times what arrives
    entry, cause, kept = fault.entry, fault.cause, fault.entry.expression
    if cause is not None:
        words, fix = (one.replace(f"`{kept}", f"`{own.source}") for one in (cause.words, cause.fix))
        cause = replace(cause, words=words, fix=fix)
    return replace(told, cause=cause, entry=replace(entry, expression=own.source))


def _function(made: Place) -> ast.AST:
    """Return the innermost function around a place."""
    every = (one for one in ast.walk(tree_of(made.file)) if isinstance(one, ast.FunctionDef))
    inside = (one for one in every if holds(one, made))
    return max(inside, key=lambda one: one.lineno, default=ast.Module([], []))


def _slopes(function: ast.AST, operand: str) -> Iterator[ast.expr]:
    """Yield what stands beside an operand: in a pair, or at the same place of another tuple."""
    tuples = [one for one in ast.walk(function) if isinstance(one, ast.Tuple | ast.List)]
    for children in tuples:
        names = [one.id if isinstance(one, ast.Name) else "" for one in children.elts]
        if operand not in names:
            continue
        at = names.index(operand)
        beside = (one for one in tuples if one is not children and len(one.elts) == len(names))
        if len(names) == 2 and not all(names):
            yield children.elts[1 - at]
        else:
            yield from (one.elts[at] for one in beside)
