"""The lines of a script that are one forward and backward pass, and those that come before."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gradcheck.mending.pieces import lines_of
from gradcheck.script.state import Path
from gradcheck.script.statements import DEFINITIONS, Statement, depend
from gradcheck.script.words import names_in

Ending = Callable[[Statement], bool]


@dataclass(frozen=True)
class Making:
    """The statement, by number, that makes a parameter, or what holds it: a variable `name`."""

    name: str
    statement: int


@dataclass(frozen=True)
class Lines:
    """The statements of one pass, and what the script carries out before them."""

    body: list[ast.stmt]
    before: list[ast.stmt]


def lines_below(
    tree: ast.Module,
    statements: Sequence[Statement],
    makings: Sequence[Making],
    is_end: Ending,
    updating: set[str],
) -> Lines | None:
    """Return the lines below the makings, up to the last end; `statements` are those of the tree.

    A making that stands between them is carried out before them; None if it is also a part of
    them, or if nothing uses what is made.
    """
    made = {one.statement for one in makings}
    uses = [
        number
        for one in makings
        for number in range(one.statement + 1, len(statements))
        if one.name in statements[number].reads and number not in made
    ]
    body = range(min(uses, default=len(statements)), len(statements))
    kept = [statements[number] for number in body if number not in made]
    read = frozenset[str]().union(*(one.reads for one in kept)) - {one.name for one in makings}
    for one in (statements[number] for number in made.intersection(body)):
        if not isinstance(one.node, ast.Assign) and one.names & read:
            return None
    nodes = [one.node for one in _to_the_end(is_end, kept, updating)]
    if not nodes:
        return None
    lines = list(lines_of(tree))
    making = [statements[number].node for number in made | _needed(statements, made, body.start)]
    above = lines[: lines.index(nodes[0])]
    moved = (one for one in lines[len(above) :] if one in making or isinstance(one, DEFINITIONS))
    return Lines(nodes, [*above, *moved])


def _needed(statements: Sequence[Statement], made: set[int], start: int) -> set[int]:
    """Return the statements from `start` on that set what the makings below them read."""
    needed, queue = set[int](), [number for number in made if number >= start]
    while queue:
        number = queue.pop()
        for name in names_in(statements[number].node):
            sets = [at for at in range(start, number) if name in statements[at].names]
            if sets and sets[-1] not in made | needed:
                needed.add(sets[-1])
                queue.append(sets[-1])
    return needed


def _to_the_end(is_end: Ending, kept: Sequence[Statement], updating: set[str]) -> list[Statement]:
    """Return the statements up to the last end, and what adds to the loss later.

    Without a loss there, what stands below belongs to them too, but for updates.
    """
    end = max((number for number, one in enumerate(kept) if is_end(one)), default=-1) + 1
    losses = set().union(*(one.losses for one in kept[:end]))
    if any(one.has_loss for one in kept[:end]):
        adding = (one for one in kept[end:] if one.losses and losses & one.reads)
        loops = ast.For | ast.While  # with names of their own, such as `e`, in a numeric check
        return [
            *kept[:end],
            *(one for one in adding if one.losses & losses or not isinstance(one.node, loops)),
        ]
    return [*kept[:end], *(one for one in kept[end:] if not one.is_update_by(updating))]


def before_the_update(statements: Sequence[Statement], updating: set[str]) -> list[Making]:
    """Return the makings of what statements update, perhaps by the functions that they call."""
    first: dict[str, int] = {}
    for number, one in enumerate(statements):
        for name in one.updated(updating) if one.is_update_by(updating) else ():
            first.setdefault(name, number)
    holders = [one for one in statements if one.items and one.names <= first.keys()]
    for one in holders:
        first |= dict.fromkeys(one.items, min(first[name] for name in one.names))
    makings = []
    for name, end in first.items():
        begins = [at for at, one in enumerate(statements[:end]) if (name, None) in one.targets]
        if begins and statements[begins[-1]] not in holders:
            makings.append(Making(name, begins[-1]))
    return not_computed(statements, makings)


def making_of(statements: Sequence[Statement], path: Path) -> Making | None:
    """Return the last of some statements, the first of a script, that sets what is at a path."""
    sets = [number for number, one in enumerate(statements) if one.sets(path)]
    return Making(path[1], sets[-1]) if sets else None


def not_computed(statements: Sequence[Statement], makings: Sequence[Making]) -> list[Making]:
    """Return the makings of what is not computed from what others make."""
    return [
        one
        for one in makings
        if not any(
            other.name != one.name
            and other.statement < one.statement
            and depend(statements, other.statement, one.statement, other.name)
            for other in makings
        )
    ]
