"""What the marks in a script are: their kinds, and where they stand."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

HOOKS = "__gradcheck__"
LEFT, RIGHT = "__gradcheck_left__", "__gradcheck_right__"

ASSIGNED, RETURNED, APPENDED, PRINTED = "assigned", "returned", "appended", "printed"
DIFFERENCE, LITERAL, INCREMENT, USE = "difference", "literal", "increment", "use"

Loop = ast.For | ast.While
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Site:
    """A marked expression: what kind of mark it is, what it is called, and where it stands.

    Attributes:
        function: the line of the function that it stands in; 0 in a module.
        parts: the names of losses that it is made of: local variables, and functions `f()`.
    """

    kind: str
    name: str
    line: int
    text: str
    value: float = 0.0
    file: str = ""
    function: int = 0
    parts: frozenset[str] = frozenset()

    @property
    def place(self) -> str:
        """Where it stands, in words."""
        return _place(self.line, self.file)


@dataclass(frozen=True)
class TrainingLoop:
    """A loop that may be the training loop: its body as it is marked, and what it stands in."""

    node: Loop
    body: list[ast.stmt]
    function: Function | None
    class_name: str | None
    module: str = ""
    file: str = ""

    @property
    def place(self) -> str:
        """Where it stands, in words."""
        return _place(self.node.lineno, self.file)


@dataclass
class Marked:
    """What the marks are, by their numbers, which functions may update something, and the loss."""

    sites: list[Site] = field(default_factory=list)
    loops: list[TrainingLoop] = field(default_factory=list)
    updating: set[str] = field(default_factory=set)
    wanted: str | None = None

    def may_come_to(self, number: int) -> bool:
        """Whether a loop computes what the user says is the loss, or calls what may compute it."""
        loop = self.loops[number]
        function = loop.function.lineno if loop.function else 0
        parts = [part for statement in loop.body for part in ast.walk(statement)]
        lines = {getattr(part, "lineno", 0) for part in parts}
        sites = [site for site in self.sites if self.is_wanted(site.name, site.line)]
        return not sites or any(
            site.file != loop.file or site.function != function or site.line in lines
            for site in sites
        )

    def is_wanted(self, name: str, line: int) -> bool:
        """Whether something is what the user says is the loss, by its name or line."""
        return self.wanted in (name, name.removesuffix("()"), str(line))

    def updated(self, number: int) -> set[str]:
        """What the statements of a loop update, as it is written."""
        loop = self.loops[number]
        lines = range(loop.node.lineno, (loop.node.end_lineno or loop.node.lineno) + 1)
        return {
            site.name
            for site in self.sites
            if site.kind == INCREMENT and site.file == loop.file and site.line in lines
        }


@dataclass
class Seen:
    """What the marks of an iteration saw: how often, and what at last (of differences, all)."""

    counts: dict[int, int] = field(default_factory=dict)
    numbers: dict[int, float] = field(default_factory=dict)
    differences: dict[int, list[tuple[Any, Any]]] = field(default_factory=dict)
    wanted: tuple[int, int] | None = None
    value: Any = None

    def forget(self) -> None:
        """Forgets what was seen, for another try."""
        for own in (self.counts, self.numbers, self.differences):
            own.clear()


def _place(line: int, file: str) -> str:
    return f"line {line} of {file}" if file else f"line {line}"
