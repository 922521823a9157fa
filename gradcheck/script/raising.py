"""A script that raises in the first iteration of its loop: what raised is the finding."""

from __future__ import annotations

import traceback
from pathlib import Path as File

from gradcheck.script.choice import choose
from gradcheck.script.handover import Taken, names_of
from gradcheck.script.loops import Step
from gradcheck.script.losses import Point, candidates
from gradcheck.script.rates import Rate
from gradcheck.script.rates import candidates as of_script
from gradcheck.script.reading import framework
from gradcheck.script.state import Path, Snapshot, label, last_name, leaves
from gradcheck.script.taking import Taking
from gradcheck.script.words import RATE, ROLE, RefusedError, short


def raised_at(taking: Taking, error: Exception) -> Taken:
    """The iteration in which the script has raised, as a case whose gradient raises.

    Raises:
        RefusedError: it raised before its loop, or nothing that it updates is known.
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
    raise RefusedError(_sentence(taking, error, bool(begun)))


def _rate(taking: Taking, snapshot: Snapshot) -> Rate:
    """The likeliest of the numbers that are called like a rate: no step is there to tell it."""
    rates = of_script(snapshot, taking.run.all_names, ())
    return next((rate for rate in rates if RATE.match(rate.words)), Rate(1.0, ""))


def _updated(taking: Taking, number: int, snapshot: Snapshot) -> list[Path]:
    """What the statements of the loop update; what is named like parameters, if none does."""
    targets = taking.run.marked.updated(number)
    numbers = leaves(snapshot.state)
    found = [path for path in numbers if label(path) in targets]
    return found or [path for path in numbers if ROLE.match(last_name(path))]


def _sentence(taking: Taking, error: Exception, in_loop: bool) -> str:
    package = framework(taking.script.text)
    if package is not None:
        return f"{package} makes its gradients: there is none to check"
    if isinstance(error, FileNotFoundError):
        file = error.filename or str(error).removesuffix("not found.").strip()
        return (
            f"{file} not found, before any training loop: put the file there, or give the script a "
            "few made-up rows"
        )
    path, frames = taking.script.path, traceback.extract_tb(error.__traceback__)
    line = [frame.lineno for frame in frames if File(frame.filename) == path][-1:] or [1]
    said = f"{type(error).__name__}: {short(error, 160)} ({path.name}:{line[0]})"
    said = f"it raises {said}, {'in its loop' if in_loop else 'before any training loop'}"
    if isinstance(error, ModuleNotFoundError):
        said += "; install it in the environment of gradcheck, or leave it out"
    return said
