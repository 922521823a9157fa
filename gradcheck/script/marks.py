"""The kinds and places of the marks in a script, and what they record."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gradcheck.mending import marks
from gradcheck.mending.pieces import range_of
from gradcheck.script.words import calls_in, names_in

ASSIGNED, RETURNED, APPENDED, PRINTED = "assigned", "returned", "appended", "printed"
DIFFERENCE, LITERAL, INCREMENT, USE, SHARE = "difference", "literal", "increment", "use", "share"
PROJECTION = "projection"

KEPT = {
    ASSIGNED: marks.SEE,
    RETURNED: marks.SEE,
    USE: marks.USED,
    DIFFERENCE: marks.DIFFERENCE,
    PROJECTION: marks.SCALED,
}
"""The hooks of the marks that an edit of the script keeps."""

Loop = ast.For | ast.While
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Site:
    """A marked expression: the kind of mark, the name of the value, and its place.

    Attributes:
        function: the line of the function around it; 0 at module level.
        within: the name of that function.
        value: of a literal; 1 for the difference of a statement `p[label] -= 1`.
        parts: names of the losses it is computed from: local variables, and functions as `f()`.
        reads: the variables in what is assigned; of an increment, what it is added to.
        is_differentiated: whether the script calls `backward()` of it.
        may_skip: whether it adds to a total in a loop that may leave out some of its passes.
        is_watched: whether no name says that it is a loss, but the loop does nothing with it.
    """

    kind: str
    name: str
    line: int
    text: str
    value: float = 0.0
    file: str = ""
    function: int = 0
    within: str = ""
    parts: frozenset[str] = frozenset()
    reads: frozenset[str] = frozenset()
    is_differentiated: bool = False
    may_skip: bool = False
    is_watched: bool = False

    @property
    def place(self) -> str:
        """The line, and the file of an imported module, in words."""
        return _place(self.line, self.file)


@dataclass(frozen=True)
class TrainingLoop:
    """A loop that may be the training loop: its marked body, and the function and class around.

    `left_out` are the variables that a pass sets before anything reads them, or never reads, and
    `unread` those of the script that no function reads, where a function holds the loop. Of a
    script without a loop, `is_straight`, it is a `while` that holds the lines of its only pass.
    """

    node: Loop
    body: list[ast.stmt]
    function: Function | None
    class_name: str | None
    module: str = ""
    file: str = ""
    left_out: set[str] = field(default_factory=set)
    unread: set[str] = field(default_factory=set)
    is_straight: bool = False

    @property
    def place(self) -> str:
        """The line, and the file of an imported module, in words."""
        return _place(self.node.lineno, self.file)

    @property
    def lines(self) -> str:
        """The lines of a script without a loop, in words."""
        return f"the lines from {self.node.lineno} on"


@dataclass
class Marked:
    """All marks of a script by number, the functions that may update, and the loss to look for.

    Narrow types of numpy are replaced by float64 unless all is run `as_is`.
    """

    sites: list[Site] = field(default_factory=list)
    loops: list[TrainingLoop] = field(default_factory=list)
    updating: set[str] = field(default_factory=set)
    wanted: str | None = None
    as_is: bool = False
    is_widened: bool = False

    def may_come_to(self, number: int) -> bool:
        """Whether a loop computes the loss that the user named, or calls code that may do so."""
        loop = self.loops[number]
        function = loop.function.lineno if loop.function else 0
        parts = [part for statement in loop.body for part in ast.walk(statement)]
        lines = {getattr(part, "lineno", 0) for part in parts}
        sites = [site for site in self.sites if self.is_wanted(site.name, site.line)]
        return not sites or any(
            site.file != loop.file or site.function != function or site.line in lines
            for site in sites
        )

    def inside(self, number: int) -> list[int]:
        """Return the numbers of the loops inside of one, which come before its own."""
        parts = {id(part) for part in ast.walk(self.loops[number].node)}
        return [one for one in range(number) if id(self.loops[one].node) in parts]

    def around(self, number: int, *kinds: str) -> list[Site]:
        """Return the marks of some kinds in the loops around one, and not in itself."""
        outer = (one for one in range(len(self.loops)) if number in self.inside(one))
        marks = frozenset[int]().union(*(self.of_kind(one, *kinds) for one in outer))
        return [self.sites[one] for one in sorted(marks - self.of_kind(number, *kinds))]

    def no_parameters(self, number: int) -> set[str]:
        """Return what loops go over, those around one set anew, and differences take off."""
        own = self.loops[number].node
        nodes = [loop.node for loop in self.loops if own in ast.walk(loop.node)]
        loops = (part for node in nodes for part in ast.walk(node) if isinstance(part, ast.For))
        names = {name for one in loops for name in names_in(one.target) | names_in(one.iter)}
        names |= {site.text.rpartition(" - ")[2] for site in self.sites if site.kind == DIFFERENCE}
        for statement in (one for node in nodes if node is not own for one in node.body):
            if isinstance(statement, ast.Assign):
                names |= names_in(statement, ast.Store) - names_in(statement, ast.Load)
        return names

    def is_wanted(self, name: str, line: int) -> bool:
        """Whether a name or line is the one that the user gave for the loss."""
        return self.wanted in (name, name.removesuffix("()"), str(line))

    def kept_in(self, node: Any, scope: Mapping[str, Any]) -> tuple[marks.Mark, ...]:
        """Return the marks in a function or loop that an edit keeps; `scope` are its globals."""
        file = "" if scope["__name__"] == "__main__" else Path(scope["__file__"]).name
        within = range_of(node)
        return tuple(
            marks.Mark(number, KEPT[site.kind], "" if site.kind == RETURNED else site.name)
            for number, site in enumerate(self.sites)
            if site.kind in KEPT
            and site.file == file
            and (
                site.function == node.lineno if isinstance(node, Function) else site.line in within
            )
        )

    def are_alike(self, one: Seen, other: Seen) -> bool:
        """Whether the marks have seen the same in two iterations, but for what is only watched."""
        seen = one.records.keys() | other.records.keys()
        return all(one.is_as_at(other, mark) for mark in seen if not self.sites[mark].is_watched)

    def watched(self, number: int) -> list[str]:
        """Return the names of the variables that a loop computes and only shows."""
        sites = (self.sites[one] for one in sorted(self.of_kind(number, ASSIGNED)))
        return [site.name for site in sites if site.is_watched]

    def updated(self, number: int) -> set[str]:
        """Return the variables that the statements of a loop update."""
        return {self.sites[one].name for one in self.of_kind(number, INCREMENT)}

    def increments_of(self, number: int) -> frozenset[int]:
        """Return the increments in the statements of a loop, and in the functions it calls."""
        calls = calls_in(self.loops[number].node)
        called = (one for one, site in enumerate(self.sites) if site.within in calls)
        return self.of_kind(number, INCREMENT).union(
            one for one in called if self.sites[one].kind == INCREMENT
        )

    def has_errors(self, number: int) -> bool:
        """Whether the statements of a loop compute what may be an error or a loss."""
        return bool(self.of_kind(number, ASSIGNED, DIFFERENCE))

    def of_kind(self, number: int, *kinds: str) -> frozenset[int]:
        """Return the marks of some kinds in the statements of a loop."""
        loop = self.loops[number]
        lines = range(loop.node.lineno, (loop.node.end_lineno or loop.node.lineno) + 1)
        return frozenset(
            mark
            for mark, site in enumerate(self.sites)
            if site.kind in kinds and site.file == loop.file and site.line in lines
        )


@dataclass
class Seen:
    """What the marks see in an iteration.

    Attributes:
        records: at every mark, the numbers, or the operands of the differences, in order.
        wanted: the mark and the count of the value with which the iteration ends; None to go on.
            Others are not looked at then.
    """

    records: dict[int, list[Any]] = field(default_factory=dict)
    wanted: tuple[int, int] | None = None

    def looks_at(self, number: int) -> bool:
        """Whether what a mark sees is to be noted."""
        return self.wanted is None or self.wanted[0] == number

    def last(self, number: int) -> Any:
        """Return the last number that a mark has seen; nan if there is none."""
        return self.records.get(number, [math.nan])[-1]

    def is_as_at(self, other: Seen, number: int) -> bool:
        """Whether a mark has seen the same in another iteration."""
        own, there = (one.records.get(number, []) for one in (self, other))
        return len(own) == len(there) and all(map(_are_equal, own, there))


def _are_equal(one: Any, other: Any) -> bool:
    if isinstance(one, tuple) and isinstance(other, tuple):
        return all(map(_are_equal, one, other))
    return np.array_equal(one, other)


def _place(line: int, file: str) -> str:
    return f"line {line} of {file}" if file else f"line {line}"
