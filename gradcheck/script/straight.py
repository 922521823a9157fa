"""Check a script without a training loop: the lines below its parameters, and named gradients."""

from __future__ import annotations

import ast
import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from gradcheck.script.bodies import SUMMED
from gradcheck.script.lines import (
    Lines,
    Making,
    before_the_update,
    lines_below,
    making_of,
    not_computed,
)
from gradcheck.script.loops import ONE_ENTRY, ONLY_APPLIES, find_step
from gradcheck.script.marks import DIFFERENCE, Seen, TrainingLoop
from gradcheck.script.named import GRADIENTS, PASSED_ON, named_gradients
from gradcheck.script.passes import IDLE, Passes
from gradcheck.script.rates import Rate
from gradcheck.script.reading import syntax_of
from gradcheck.script.running import Run
from gradcheck.script.snapshot import take_snapshot
from gradcheck.script.state import (
    MODULE,
    Path,
    State,
    alike,
    bare,
    label,
    last_name,
    leaves,
    numbers,
    plain,
)
from gradcheck.script.statements import Statement, opened, statements_of
from gradcheck.script.step import Step
from gradcheck.script.words import ROLE, RefusedError
from gradcheck.user.names import derived_names

PARAMETER = re.compile(
    rf"(?i){ROLE.pattern}|^[wb][a-z]{{0,4}}([_\d]\w*)?$|theta|weight|bias|kernel|filter|param|coef"
    r"|embed|^(gamma|beta)\w*$|^(logits|scores|means|trans(itions?)?|log_?(sigma|std|var)\w*)$"
    r"|^(?-i:[UV][a-z]{1,2})\d*$"
)
"""Pattern of the names of parameters, or of what holds them."""

OF_NO_STEP = ("", IDLE, ONLY_APPLIES, ONE_ENTRY)
"""Why a loop does not train beside which straight code may: it is a part of a step."""

FAR = 1e-3
"""By how much a parameter is moved, relative to itself, to see what depends on it; each entry by
its own, as a softmax does not see them all move together."""


def straight_line(run: Run, given: float | None) -> tuple[Run, Step] | None:
    """Return the lines below the parameters as a step, with a run of the script up to them.

    They keep gradients named after the parameters, or update these once. They may stand in the
    function that the script ends with. None if there are none, or if a loop trains. `given` is the
    learning rate, if the user names it.
    """
    if any(passes.updated or passes.why == SUMMED for passes in run.passes):
        return None
    text, inner = run.script.text, None
    with contextlib.suppress(Exception, SystemExit, RefusedError):
        if tree := opened(syntax_of(text)):
            inner = again(run, tree)
            inner.execute()
        is_whole = all(one.hits < 2 or one.why in OF_NO_STEP for one in run.passes)
        ways = (_of_an_update, _of_gradients) if is_whole else (_of_gradients,)
        found = []
        for way in ways:
            own = way(run, syntax_of(text), given)
            if own is None and inner and (tree := opened(syntax_of(text))):
                own = way(inner, tree, given)
            found += [own] if own else []
        if len(found) > 1 and not {*found[1][1].paths} <= {*found[0][1].paths}:
            found.reverse()  # the update tells what is used of the gradients, if it has them all
        return found[0] if found else None
    return None


def _of_gradients(run: Run, tree: ast.Module, _: float | None) -> tuple[Run, Step] | None:
    """Return the lines up to the last gradient that is named after a parameter."""
    statements = statements_of(tree)
    places = _with_gradients(State(run.names, None))
    made = _made(statements, places)
    kept = {path[1] for path in made}
    ends = {places[path][1] for path in made} - kept
    lines = lines_below(
        tree,
        statements,
        [Making(path[1], number) for path, number in made.items()],
        lambda one: bool(ends & one.names) or one.goes_back,
        run.marked.updating,
    )
    if lines is None:
        return None
    run, loop = up_to(run, lines)
    paths = _of_one_loss(run, loop, list(made))
    return (run, Step(loop, Rate(1.0, ""), paths)) if paths else None


def _of_an_update(run: Run, tree: ast.Module, given: float | None) -> tuple[Run, Step] | None:
    """Return the lines up to an update, if they are one training step."""
    updating = run.marked.updating
    statements = statements_of(tree)
    makings = before_the_update(statements, updating)

    def moves(one: Statement) -> bool:
        """Whether it moves what is made, or sets it to what has been moved: `w1 = new_w1`."""
        return one.is_update_by(updating) or any(making.name in one.names for making in makings)

    lines = lines_below(tree, statements, makings, moves, updating)
    if lines is None:
        return None
    run, loop = up_to(run, lines)
    run.passes[loop].first = run.snapshots[0]
    step = find_step(run, loop, given)
    return (run, step) if step and _comes_after_the_loss(run, step) else None


def _comes_after_the_loss(run: Run, step: Step) -> bool:
    """Whether a loss is the same without the update: `scores -= maximum` is none."""
    whole, without = Seen(), Seen()
    run.replay(step.loop, run.snapshots[0], seen=whole)
    run.replay(step.loop, run.snapshots[0], {}, step.rate, 0.0, without)
    sites = run.marked.sites
    losses = (one for one in whole.records if sites[one].kind != DIFFERENCE)
    return all(whole.is_as_at(without, one) for one in losses if not sites[one].is_watched)


def again(run: Run, tree: ast.Module) -> Run:
    """Return a new run of a script with other statements."""
    return Run(replace(run.script, tree=tree), lambda _: None, run.marked.wanted)


def up_to(run: Run, lines: Lines) -> tuple[Run, int]:
    """Run the script up to some lines; return the run, and the number of these as a loop."""
    never = ast.If(ast.Constant(False), lines.body, [])  # marked as the rest, not carried out
    run = again(run, ast.Module([*lines.before, never], []))
    run.execute()
    first, last = lines.body[0].lineno, lines.body[-1].end_lineno
    node = ast.While(ast.Constant(True), never.body, [], lineno=first, col_offset=0)
    node.end_lineno = last
    run.found = len(run.marked.loops)
    run.marked.loops.append(TrainingLoop(node, never.body, None, None, is_straight=True))
    run.passes += [Passes() for _ in run.marked.loops[len(run.passes) :]]
    run.snapshots = [take_snapshot(State(run.names, None), streams=run.streams)]
    return run, run.found


def _with_gradients(state: State) -> dict[Path, Path]:
    """Return the variables named as parameters for which there is a gradient, with its path.

    What lies in one object or dict with a parameter may have any name: the `g` beside a `v`.
    """
    kept: dict[Path, Path] = {}
    numbers = [path for path in leaves(state) if path[0] == MODULE]
    likely = [path for path in numbers if PARAMETER.search(last_name(path))]
    holders = {path[:-1] for path in likely if len(path) > 2}
    beside = (path for path in numbers if path[:-1] in holders)
    likely += [path for path in beside if not PASSED_ON.match(last_name(path))]
    for path in dict.fromkeys(likely):
        place = named_gradients(state, [path], state, set(), any_shape=True).get(path)
        if place is None or place[0] != MODULE:
            continue
        name = bare(path[-1])
        is_derived = isinstance(name, str) and bare(place[-1]) in derived_names(name)
        if is_derived or GRADIENTS.search(last_name(place[:-1])) or len(place) == 2:
            kept[path] = place
    fitting = {path for path in kept if named_gradients(state, [path], state, set())}
    if fitting or any("grad" in label(place).lower() for place in kept.values()):
        return kept
    return {}  # a `dw` of another length holds differences of `w`


def _made(statements: Sequence[Statement], places: Mapping[Path, Path]) -> dict[Path, int]:
    """Return which statement makes each parameter; what is computed from others is none."""
    made = {}
    for path, place in places.items():
        ends = [number for number, one in enumerate(statements) if place[1] in one.names]
        last = ends[-1] if ends and place[1] != path[1] else len(statements)
        if making := making_of(statements[:last], path):
            made[path] = making.statement
    makings = {Making(path[1], number) for path, number in made.items()}
    roots = not_computed(statements, list(makings))
    return {path: number for path, number in made.items() if Making(path[1], number) in roots}


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
    named = named_gradients(after, ordered, snapshot.state, set(), any_shape=True)
    return ordered if ordered and named else []
