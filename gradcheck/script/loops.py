"""Find out by experiment which loop is a training step, its learning rate and its parameters.

With a rate of 0 an iteration leaves the parameters unchanged, even after a nudge, but still writes
its other variables. Half the rate makes half the step.
"""

from __future__ import annotations

import numpy as np

from gradcheck.script.bodies import SUMMED, sums_up
from gradcheck.script.marks import PROJECTION
from gradcheck.script.passes import IDLE, UNREACHED
from gradcheck.script.rates import Rate
from gradcheck.script.running import Run
from gradcheck.script.state import Path, alike, label, last_name, leaves, movement, plain, ruined
from gradcheck.script.step import Step
from gradcheck.script.trial import Trial
from gradcheck.words import listed

NO_RATE = "no learning rate, and no update W -= ..., was found that moves nothing at 0"
NOT_BACK = "by exactly 0: no gradient comes back to it"
BY_ZERO = "it updates {0} " + NOT_BACK
ONLY_APPLIES = "its changes do not depend on what it changes: it only applies an update"
ONE_ENTRY = "it changes one entry at a time"
CARRIED = "its update is made from {0} of the pass before; compute {0} at the beginning of a pass"


def find_step(run: Run, number: int, given: float | None) -> Step | None:
    """Return the training step of a loop; if there is none, note the reason and return None.

    Projections are held, if more parameters are found so. `given` is the learning rate, if the user
    names it.
    """
    run.held = []
    step, why = _find_step(run, number, given), run.passes[number].why
    marks = [mark for mark in run.reached if run.marked.sites[mark].kind == PROJECTION]
    if marks:
        run.held = [Rate(1.0, "", marks=tuple(marks))]
        before = _find_step(run, number, given)
        if before and (step is None or {*before.paths} > {*step.paths}):
            return before
        run.passes[number].why, run.held = why, []
    return step


def _find_step(run: Run, number: int, given: float | None) -> Step | None:
    passes = run.passes[number]
    snapshot = passes.first
    assert snapshot is not None
    try:
        after = run.replay(number, snapshot)
    except Exception as error:
        passes.why = f"a replay raised {type(error).__name__}: {error}"
        return None
    passes.why = snapshot.lost()
    if passes.why:
        return None
    waits = not run.marked.increments_of(number) <= run.reached
    changed = snapshot.changed(after)
    if not changed:
        idle = BY_ZERO.format(listed(sorted(run.idle))) if run.idle else IDLE
        passes.why = ruined(after, leaves(after)) or idle
        return None
    trial = Trial(run, number, snapshot, after, changed)
    step = _step_of(trial, given)
    if isinstance(step, str):
        passes.why = UNREACHED if waits and step != SUMMED else step
        return None
    return step


def _step_of(trial: Trial, given: float | None) -> Step | str:
    """Return the training step of a pass, or why it is none."""
    applies = _only_applies(trial)
    best = None if applies else trial.rate(given)
    if best is None:
        why = ONLY_APPLIES if applies else NO_RATE
        return ruined(trial.after, trial.changed) or (SUMMED if _sums_up(trial) else why)
    rate, paths = trial.as_used(*best)
    paths = trial.staying(rate, paths)
    if not paths:
        return "what it changes is overwritten, not updated"
    if not trial.depends(paths):
        return SUMMED if _sums_up(trial) else _carried(trial, paths) or ONLY_APPLIES
    if _is_one_entry(trial, paths):
        return ONE_ENTRY
    return Step(trial.number, rate, paths, list(trial.changed))


def _only_applies(trial: Trial) -> bool:
    """Whether a pass changes everything as it does wherever that begins, as a loop over layers."""
    after, moved = trial.after_nudge, trial.nudged([*trial.changed])
    if after is None or trial.run.marked.has_errors(trial.number):
        return False
    ends = {path: after.number(path) for path in moved}
    return not any(
        end is None or not np.all(np.isfinite(end)) or trial.steps_otherwise(end, path, moved[path])
        for path, end in ends.items()
    )


def _carried(trial: Trial, paths: list[Path]) -> str:
    """Name what a pass computes from its parameters for the update of the next; "" if none."""
    later = trial.after_nudge_of(paths)
    for path in trial.changed:
        if path in paths or not later or alike(later.number(path), trial.after.number(path)):
            continue
        after = trial.after_nudge_of([path])
        if after and any(not alike(after.number(one), trial.after.number(one)) for one in paths):
            return CARRIED.format(label(path))
    return ""


def _sums_up(trial: Trial) -> bool:
    """Whether the pass adds to an array what another pass, one in several, updates with."""
    marked = trial.run.marked
    if not sums_up(marked.loops[trial.number], marked.updating):
        return False
    arrays = [path for path, value in trial.changed.items() if value.size > 1]
    for path, moved in trial.nudged(arrays).items():
        after = trial.replayed(None, 1.0, {path: plain(moved)})
        if after and not trial.steps_otherwise(after.number(path), path, moved):
            return True
    return False


def _is_one_entry(trial: Trial, paths: list[Path]) -> bool:
    """Whether only a single entry of a single array is changed."""
    if len(paths) > 1 or trial.changed[paths[0]].size == 1:
        return False
    step, own = movement(trial.after, trial.snapshot.state, paths[0]), last_name(paths[0])
    whole = any(name.split(".")[-1] == own for name in trial.run.marked.updated(trial.number))
    return step is not None and np.count_nonzero(step) == 1 and not whole
