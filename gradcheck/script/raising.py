"""Make a case of a script that raises an exception in the first iteration of its loop."""

from __future__ import annotations

from gradcheck.script.choice import choose
from gradcheck.script.handover import Taken, names_of
from gradcheck.script.losses import candidates
from gradcheck.script.point import Point
from gradcheck.script.rates import Rate
from gradcheck.script.rates import candidates as of_script
from gradcheck.script.refusals import it_raised
from gradcheck.script.snapshot import Snapshot
from gradcheck.script.state import Path, label, last_name, leaves
from gradcheck.script.step import Step
from gradcheck.script.taking import Taking
from gradcheck.script.words import RATE, ROLE, STRONG, RefusedError


def raised_at(taking: Taking, error: Exception) -> Taken:
    """Return the iteration that raised, as a case whose gradient raises.

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
        step = Step(number, _rate(taking, snapshot), paths)
        taking.step = step
        point = Point(run, step, snapshot, {}, tolerant=True)
        found = choose(candidates(point, {}), taking.wishes.loss)
        if found is not None:
            return Taken(point, names_of(paths), found, step.rate.value, {}, of_step=False)
    raise RefusedError(it_raised(taking.run, error, bool(begun)))


def _rate(taking: Taking, snapshot: Snapshot) -> Rate:
    """Return a number that is named like a rate: there is no step to confirm it."""
    rates = of_script(snapshot, taking.run.all_names, ())
    return next((rate for rate in rates if RATE.match(rate.words)), Rate(1.0, ""))


def _updated(taking: Taking, number: int, snapshot: Snapshot) -> list[Path]:
    """Return the variables that the loop updates; failing that, those named like parameters."""
    targets = taking.run.marked.updated(number)
    numbers = leaves(snapshot.state)
    moving = (path for path in numbers if label(path) in targets)
    updated = [path for path in moving if not STRONG.search(last_name(path))]
    return updated or [path for path in numbers if ROLE.match(last_name(path))]
