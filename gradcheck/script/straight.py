"""Check a script without a training loop: the lines below its parameters, and named gradients."""

from __future__ import annotations

import ast
import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from gradcheck.mending.pieces import lines_of
from gradcheck.script.bodies import SUMMED
from gradcheck.script.marks import Seen, TrainingLoop
from gradcheck.script.named import GRADIENTS, named_gradients
from gradcheck.script.passes import Passes
from gradcheck.script.rates import Rate
from gradcheck.script.running import Run
from gradcheck.script.snapshot import take_snapshot
from gradcheck.script.state import (
    MODULE,
    Path,
    State,
    alike,
    bare,
    last_name,
    leaves,
    numbers,
    plain,
)
from gradcheck.script.statements import (
    DEFINITIONS,
    Statement,
    depend,
    opened,
    statements_of,
)
from gradcheck.script.step import Step
from gradcheck.script.words import ROLE
from gradcheck.user.names import derived_names

PARAMETER = re.compile(
    rf"(?i){ROLE.pattern}|^[wb][a-z]{{0,4}}([_\d]\w*)?$|theta|weight|bias|kernel|filter|param|coef"
    r"|embed|^(gamma|beta)\w*$"
)
"""Pattern of the names of parameters, or of what holds them."""

FAR = 1e-3
"""By how much a parameter is moved, relative to itself, to see what depends on it; each entry by
its own, as a softmax does not see them all move together."""


def straight_line(run: Run) -> tuple[Run, Step] | None:
    """Return the lines below the parameters as a step, with a run of the script up to them.

    None if they keep no gradients of the parameters, or if a loop trains. They may stand in the
    function that the script ends with.
    """
    if any(passes.updated or passes.why == SUMMED for passes in run.passes):
        return None
    with contextlib.suppress(Exception, SystemExit):
        if found := _below(run, ast.parse(run.script.text)):
            return found
        if tree := opened(ast.parse(run.script.text)):
            run = _again(run, tree)
            run.execute()
            return _below(run, opened(ast.parse(run.script.text)) or tree)
    return None


def _again(run: Run, tree: ast.Module) -> Run:
    run.imported.forget()
    return Run(replace(run.script, tree=tree), lambda _: None, run.marked.wanted)


def _below(run: Run, tree: ast.Module) -> tuple[Run, Step] | None:
    statements = statements_of(tree)
    places = _with_gradients(State(run.names, None))
    made = _made(statements, places)
    body = _after_the_making(statements, made, places, run.marked.updating)
    if not body:
        return None
    makings = [statements[number].node for number in made.values()]
    lines = list(lines_of(tree))
    before = [
        one
        for number, one in enumerate(lines)
        if number < lines.index(body[0]) or one in makings or isinstance(one, DEFINITIONS)
    ]
    never = ast.If(ast.Constant(False), body, [])  # it is marked as the rest, and not carried out
    run = _again(run, ast.Module([*before, never], []))
    run.execute()
    node = ast.While(ast.Constant(True), never.body, [], lineno=body[0].lineno, col_offset=0)
    node.end_lineno = body[-1].end_lineno
    run.found = len(run.marked.loops)
    run.marked.loops.append(TrainingLoop(node, never.body, None, None, is_straight=True))
    run.passes += [Passes() for _ in run.marked.loops[len(run.passes) :]]
    run.snapshots = [take_snapshot(State(run.names, None))]
    paths = _of_one_loss(run, run.found, list(made))
    words = f"the lines from {node.lineno} on; there is no loop"
    return (run, Step(run.found, Rate(1.0, ""), paths, words=words)) if paths else None


def _with_gradients(state: State) -> dict[Path, Path]:
    """Return the variables named as parameters for which there is a gradient, with its path."""
    kept = {}
    for path in leaves(state):
        if path[0] != MODULE or not PARAMETER.search(last_name(path)):
            continue
        place = named_gradients(state, [path], state, set()).get(path)
        if place is None or place[0] != MODULE:
            continue
        name = bare(path[-1])
        is_derived = isinstance(name, str) and bare(place[-1]) in derived_names(name)
        if is_derived or GRADIENTS.search(last_name(place[:-1])) or len(place) == 2:
            kept[path] = place
    return kept


def _made(statements: Sequence[Statement], places: Mapping[Path, Path]) -> dict[Path, int]:
    """Return which statement makes each parameter; what is computed from others is none."""
    made = {}
    for path, place in places.items():
        ends = [number for number, one in enumerate(statements) if place[1] in one.names]
        last = ends[-1] if ends and place[1] != path[1] else len(statements)
        begins = [number for number in range(last) if statements[number].sets(path)]
        if begins:
            made[path] = begins[-1]
    return {
        path: number
        for path, number in made.items()
        if not any(
            other[1] != path[1] and depend(statements, first, number, other[1])
            for other, first in made.items()
            if first < number
        )
    }


def _after_the_making(
    statements: Sequence[Statement],
    made: Mapping[Path, int],
    places: Mapping[Path, Path],
    updating: set[str],
) -> list[ast.stmt]:
    """Return what follows the making of the parameters, up to the last gradient.

    Without a loss there, what stands below belongs to it too, but for updates.
    """
    makings = set(made.values())
    uses = [
        number
        for path, first in made.items()
        for number in range(first + 1, len(statements))
        if path[1] in statements[number].reads and number not in makings
    ]
    body = [*range(min(uses, default=len(statements)), len(statements))]
    kept = [number for number in body if number not in makings]
    read = frozenset[str]().union(*(statements[one].reads for one in kept))
    for one in (statements[number] for number in makings.intersection(body)):
        if not isinstance(one.node, ast.Assign) and one.names & read - {path[1] for path in made}:
            return []  # it also does a part of the forward pass
    of_gradients = {places[path][1] for path in made} - {path[1] for path in made}
    return [
        one.node
        for one in _to_the_gradients([statements[one] for one in kept], of_gradients, updating)
    ]


def _to_the_gradients(
    kept: Sequence[Statement], gradients: set[str], updating: set[str]
) -> list[Statement]:
    """Return the statements up to the last that sets a gradient, and what adds to the loss later.

    Without a loss there, what stands below belongs to them too, but for updates.
    """
    ends = [number for number, one in enumerate(kept) if gradients & one.names or one.goes_back]
    end = max(ends, default=-1) + 1
    losses = set().union(*(one.losses for one in kept[:end]))
    if any(one.has_loss for one in kept[:end]):
        return [*kept[:end], *(one for one in kept[end:] if one.losses and losses & one.reads)]
    return [*kept[:end], *(one for one in kept[end:] if not one.is_update_by(updating))]


def _of_one_loss(run: Run, number: int, paths: Sequence[Path]) -> list[Path]:
    """Return those of the parameters that reach the same marked numbers: most of them, or the last.

    What the lines make anew is no parameter, nor what they update.
    """
    [snapshot] = run.snapshots
    base, generator = Seen(), np.random.default_rng(0)
    after = run.replayed(number, snapshot, {}, None, 1.0, base)
    if after is None:
        return []
    groups: list[tuple[set[int], list[Path]]] = []
    for path in paths:
        seen, value = Seen(), numbers(snapshot.state.get(path))
        if not alike(value, after.number(path)):
            continue
        moved = plain(value + FAR * (abs(value) + 0.1) * generator.standard_normal(value.shape))
        there = run.replayed(number, snapshot, {path: moved}, None, 1.0, seen)
        if there is None or alike(there.number(path), after.number(path)):
            continue
        marks = {mark for mark in base.records if not seen.is_as_at(base, mark)}
        if marks:
            joined = [one for one in groups if one[0] & marks]
            groups = [one for one in groups if not one[0] & marks]
            own = [one for _, others in joined for one in others]
            groups.append((marks.union(*(one for one, _ in joined)), [*own, path]))
    best = max(groups, key=lambda one: (len(one[1]), max(one[0])), default=(set(), []))[1]
    ordered = [path for path in paths if path in best]
    return ordered if ordered and named_gradients(after, ordered, snapshot.state, set()) else []
