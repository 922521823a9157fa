"""Make a case of a script that raises an exception in a first pass through its gradients."""

from __future__ import annotations

import ast
import contextlib
import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path as File

import numpy as np

from gradcheck.mending.marks import one_taken
from gradcheck.mending.pieces import lines_of
from gradcheck.script.choice import choose
from gradcheck.script.handover import Taken, names_of
from gradcheck.script.left_alone import of_the_loss
from gradcheck.script.lines import (
    Making,
    before_the_update,
    lines_below,
    making_of,
    not_computed,
)
from gradcheck.script.losses import candidates
from gradcheck.script.named import BARE, GRADIENTS, named_gradients
from gradcheck.script.point import Point
from gradcheck.script.rates import Rate
from gradcheck.script.rates import candidates as of_script
from gradcheck.script.reading import syntax_of
from gradcheck.script.refusals import it_raised, places
from gradcheck.script.running import Run
from gradcheck.script.snapshot import Snapshot
from gradcheck.script.state import MODULE, Path, State, bare, label, last_name, leaves
from gradcheck.script.statements import Statement, opened, statements_of
from gradcheck.script.step import Step
from gradcheck.script.straight import PARAMETER, again, straight_line, up_to
from gradcheck.script.taking import Taking
from gradcheck.script.words import RATE, ROLE, STRONG, RefusedError, short
from gradcheck.user.names import derived_names


def raised_at(taking: Taking, error: Exception) -> Taken:
    """Return the iteration that raised, as a case whose gradient raises.

    Of straight code that raises later, the pass before it is returned.

    Raises:
        RefusedError: the script raised before its loop, or its parameters are unknown.
    """
    run = taking.run
    begun = [
        number
        for number, passes in enumerate(run.passes)
        if passes.first is not None and passes.hits == 1
    ]
    for number in reversed(begun):
        snapshot = run.passes[number].first
        assert snapshot is not None
        paths = _updated(taking, number, snapshot)
        if not paths or run.replayed(number, snapshot) is not None:
            continue
        if taken := _taken(taking, run, snapshot, number, paths):
            return taken
    for below, number, paths in _straight_lines(run, error):
        if taken := _taken(taking, below, below.snapshots[0], number, paths):
            return taken
    before = None if begun else _before_it_raised(run, error)
    found = straight_line(before, taking.wishes.rate) if before else None
    if found is None:
        raise RefusedError(it_raised(run, error, bool(begun)))
    taking.run, taking.step = found
    what = f"{type(error).__name__}: {short(error, 160)} ({places(run, error)})"
    taking.notes = (f"the script raises after these lines: {what}",)
    return taking.taken()[0]


def _before_it_raised(run: Run, error: Exception) -> Run | None:
    """Run the statements above the one at the top of a script that raised."""
    script, tree = run.script, syntax_of(run.script.text)
    line = _line_of(error, script.path)
    at = next((one for one in lines_of(tree) if _holds(one, line)), None)
    if at is None:
        return None
    above = "\n".join(script.text.split("\n")[: at.lineno - 1])
    with contextlib.suppress(Exception, SystemExit, RefusedError):  # it may be random
        shorter = replace(script, text=above, tree=syntax_of(above))
        before = Run(shorter, lambda _: None, run.marked.wanted)
        before.execute()
        return before
    return None


def _line_of(error: Exception, path: File) -> int:
    """Return the line of the script from which an exception came."""
    frames = traceback.extract_tb(error.__traceback__)
    return next((one.lineno or 0 for one in frames if File(one.filename) == path), 0)


def _taken(
    taking: Taking, run: Run, snapshot: Snapshot, number: int, paths: list[Path]
) -> Taken | None:
    """Return a pass that raises; None if no loss is found before it does.

    No gradient tells a total from a part of it, on which fewer parameters have an influence. There
    is no step to confirm a rate: what is named like one may be a part of the loss, and is only
    what a step is divided by once an edit has mended it.
    """
    step = Step(number, Rate(1.0, ""), paths)
    point = Point(run, step, snapshot, {}, tolerant=True)
    losses = candidates(point, {})
    if taking.wishes.loss is None:
        widest = max((np.count_nonzero(one.slopes) for one in losses if not one.family), default=0)
        losses = [one for one in losses if np.count_nonzero(one.slopes) >= widest]
    found = choose(losses, taking.wishes.loss)
    if found is None or not np.isfinite(found.loss.worth):
        return None
    step.paths = of_the_loss(point, found.loss, paths) or paths
    taking.run, taking.step = run, step
    rates = (one for one in of_script(snapshot, run.all_names, ()) if RATE.match(one.words))
    rate = next(rates, step.rate).value
    return Taken(point, names_of(step.paths), found, rate, {}, of_step=False)


def _straight_lines(run: Run, error: Exception) -> Iterator[tuple[Run, int, list[Path]]]:
    """Yield straight code that raises while it computes a gradient, as a loop of a run of it.

    It may stand in the function that the script ends with. With the paths of its parameters.
    """
    text = run.script.text
    if own := _up_to_the_error(run, syntax_of(text), error):
        yield own
    if tree := opened(syntax_of(text)):
        inner = again(run, tree)
        with contextlib.suppress(SystemExit, RefusedError):
            try:
                inner.execute()
            except Exception as error_in_it:
                tree = opened(syntax_of(text))  # the other one is marked
                if tree and (own := _up_to_the_error(inner, tree, error_in_it)):
                    yield own


def _up_to_the_error(
    run: Run, tree: ast.Module, error: Exception
) -> tuple[Run, int, list[Path]] | None:
    """Return the lines below the parameters, up to the one that raises, and gradients below it.

    None if that one computes no gradient, or if the gradients of all parameters are there.
    """
    line, statements = _line_of(error, run.script.path), statements_of(tree)
    at = next((number for number, one in enumerate(statements) if _holds(one.node, line)), None)
    state = State(run.names, None)
    if at is None or not _computes_a_gradient(statements[at]):
        return None
    updating = run.marked.updating
    worded = _with_a_word_for_a_gradient(state, tree)
    named = [path for path in worded if PARAMETER.search(last_name(path))]
    made = _made(statements[:at], named)
    made = made or _below(state, before_the_update(statements, updating), at)
    made = made or _made(statements[:at], worded)
    roots = not_computed(statements, list(dict.fromkeys(made.values())))
    read = frozenset[str]().union(*(one.reads for one in statements[: at + 1]))
    roots = [one for one in roots if one.name in read]
    paths = [path for path, making in made.items() if making in roots]
    holders = {place[1] for place in named_gradients(state, paths, state, set(), True).values()}
    is_late = holders and not any(holders & one.names for one in statements[at:])
    if not paths or is_late:
        return None
    ends = {name for path in paths for name in derived_names(last_name(path))}

    def is_end(one: Statement) -> bool:
        return one is statements[at] or one.goes_back or bool(ends & one.names)

    lines = lines_below(tree, statements, roots, is_end, updating)
    if lines is None:
        return None
    run, number = up_to(run, lines)
    begun = run.snapshots[0].state
    return run, number, [path for path in paths if begun.number(path) is not None]


def _computes_a_gradient(statement: Statement) -> bool:
    names = statement.names | statement.reads
    goes_back = statement.goes_back or one_taken(statement.node) is not None
    return goes_back or any(map(GRADIENTS.search, names))


def _below(state: State, makings: Sequence[Making], at: int) -> dict[Path, Making]:
    """Return the numbers in the variables that some statements make before the one `at`."""
    by_name = {one.name: one for one in makings if one.statement < at}
    paths = (path for path in leaves(state) if path[0] == MODULE)
    return {path: by_name[path[1]] for path in paths if path[1] in by_name}


def _made(statements: Sequence[Statement], paths: Iterable[Path]) -> dict[Path, Making]:
    """Return the statement that makes each of some variables last."""
    makings = {path: making_of(statements, path) for path in paths}
    return {path: making for path, making in makings.items() if making is not None}


def _holds(node: ast.stmt, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or node.lineno)


def _with_a_word_for_a_gradient(state: State, tree: ast.Module) -> list[Path]:
    """Return the variables for which a script has a word for a gradient."""
    words = set(_words(tree))
    has_container = any(map(GRADIENTS.search, words))

    def is_named(path: Path) -> bool:
        name = bare(path[-1])
        derived = derived_names(name) if isinstance(name, str) else ()
        named = words.intersection(derived) or (len(path) > 2 and has_container)
        return bool(named or (PARAMETER.search(last_name(path)) and words.intersection(BARE)))

    return [path for path in leaves(state) if path[0] == MODULE and is_named(path)]


def _words(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Name(word) | ast.Attribute(_, word) | ast.Constant(str(word)):
                yield word
            case ast.keyword(str(word)):
                yield word


def _updated(taking: Taking, number: int, snapshot: Snapshot) -> list[Path]:
    """Return the variables that the loop updates; failing that, those named like parameters.

    Failing these too, what the functions it calls update is found by its last name.
    """
    marked, numbers = taking.run.marked, leaves(snapshot.state)
    targets = marked.updated(number)
    moving = (path for path in numbers if label(path) in targets)
    updated = [path for path in moving if not STRONG.search(last_name(path))]
    updated = updated or [path for path in numbers if ROLE.match(last_name(path))]
    sites = (marked.sites[one] for one in marked.increments_of(number))
    names = {one.name.partition("[")[0].rpartition(".")[2] for one in sites if not updated}
    return updated or [path for path in numbers if last_name(path) in names]
