"""Taking a script apart: it is run up to its loop, and one iteration becomes a case."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gradcheck.casefiles import Case
from gradcheck.report.script import TakenApart
from gradcheck.script.handover import Handover
from gradcheck.script.instrument import ASSIGNED, DIFFERENCE
from gradcheck.script.loops import Step, find_step, further_paths
from gradcheck.script.losses import CLOSE, Found, Gradients, Loss, Point, candidates, choose
from gradcheck.script.named import are_equal, equal_gradients, named_gradients
from gradcheck.script.reading import Script
from gradcheck.script.running import Run
from gradcheck.script.straight import straight_line
from gradcheck.script.state import Path, Snapshot, State, alike, label, last_name, leaves
from gradcheck.script.words import ROLE, RefusedError, Wishes, short

ADAPTIVE = 0.05
"""How far a step may be from a multiple of the gradients, relative, and be called one."""


@dataclass(frozen=True)
class Taken:
    """An iteration that was taken apart.

    Attributes:
        handover: the case that it is.
        found: its loss.
        of_step: whether the step tells the gradients; else the script's own variables do.
        both: whether these are the same.
        folded: what the first step of a momentum takes of a gradient.
    """

    handover: Handover
    found: Found
    of_step: bool
    both: bool
    folded: float = 1.0

    @property
    def case(self) -> Case:
        """The case."""
        return self.handover.case(self.of_step and not self.both)


@dataclass
class Taking:
    """The search in one script.

    Args:
        script: the script.
        wishes: what the user says of it.
    """

    script: Script
    wishes: Wishes
    run: Run = field(init=False)
    step: Step | None = field(init=False, default=None)
    started: float = field(init=False, default_factory=time.perf_counter)

    def __post_init__(self) -> None:
        self.run = Run(self.script, self._test)

    def _test(self, number: int) -> bool:
        step = find_step(self.run, number, self.wishes.rate)
        if step is not None:
            self.step = step
        return step is not None

    def execute(self) -> None:
        """Runs the script; a loop that has a single pass is tried at its end.

        Raises:
            BaseException: whatever the script raises, before a loop was found.
        """
        try:
            self.run.execute()
        except Exception:
            if self.step is None:
                raise
        for number, passes in enumerate(self.run.passes):
            untried = self.step is None and passes.first is not None and not passes.tests
            if untried and self._test(number) and passes.first:
                self.run.found, self.run.snapshots = number, [passes.first]
        if self.step is None:
            self.step = straight_line(self.run)

    def iterations(self) -> Iterator[Taken]:
        """Iterations that can be checked, the likeliest first.

        Raises:
            RefusedError: the loop descends more than one loss.
        """
        assert self.step is not None
        snapshots = self.run.snapshots
        more = [further_paths(self.run, self.step, one) for one in snapshots]
        for paths in more:
            self.step.paths += [path for path in paths if path not in self.step.paths]
        if self.wishes.params is not None:
            self.step.paths = self._wanted(self.wishes.params)
        most = max(map(len, more))
        likely = [one for one, paths in zip(snapshots, more, strict=True) if len(paths) == most]
        others = [one for one in snapshots if not any(one is other for other in likely)]
        order = [*reversed(likely), *reversed(others)]
        if self._changes_shape(snapshots):
            order = snapshots[:1]
        yield from filter(None, map(self._at, order))

    def taken(self) -> tuple[Taken, Iterator[Taken]]:
        """The first iteration that computes a loss, else the likeliest; and others.

        Raises:
            RefusedError: there is no loss, or more than one.
        """
        iterations = self.iterations()
        found = []
        for one in iterations:
            found.append(one)
            if one.found.loss.family is None:
                return one, iterations
        if not found:
            raise RefusedError(self._no_loss())
        return found[0], iter(found[1:])

    def _changes_shape(self, snapshots: Sequence[Snapshot]) -> bool:
        """Whether the first iteration gives a parameter another shape, which is what to look at."""
        assert self.step is not None
        for path in self.step.paths:
            arrays = [one.state.number(path) for one in snapshots]
            if len({one.shape for one in arrays if one is not None}) > 1:
                return True
        return False

    def _wanted(self, names: Sequence[str]) -> list[Path]:
        assert self.step is not None
        paths = [
            path for path in self.step.paths if label(path) in names or last_name(path) in names
        ]
        if not paths:
            there = ", ".join(map(label, self.step.paths))
            raise RefusedError(f"--params {','.join(names)}: the loop updates {there}")
        return paths

    def _no_loss(self) -> str:
        assert self.step is not None
        line = self.run.marked.loops[self.step.loop].node.lineno
        names = short(", ".join(map(label, self.step.paths)))
        return (
            f"the loop at line {line} updates {names}, but no loss was found: nothing in it that "
            "is called loss, cost or error depends on these, and no `output - target` does; say "
            "--loss NAME, or mark a function that returns a case with @gradcheck.case"
        )

    def _at(self, snapshot: Snapshot) -> Taken | None:
        """What an iteration is; None where there is no loss in it."""
        assert self.step is not None
        step = replace(
            self.step,
            paths=[path for path in self.step.paths if snapshot.state.number(path) is not None],
        )
        try:
            after = self.run.replay(step.loop, snapshot)
            extra = velocities(self.run, step, snapshot, after)
            point = Point(self.run, step, snapshot, extra)
            after = self.run.replay(step.loop, snapshot, extra)
            implied = implied_gradients(point, after)
            names = named_gradients(after, step.paths, snapshot.state, set(extra))
            named = {path: after.number(place) for path, place in names.items()}
            kept = {path: value for path, value in named.items() if value is not None}
            folded, of_step = _source(implied, kept, bool(extra))
            own = implied if of_step else kept
            losses = candidates(point, {path: value / folded for path, value in own.items()})
        except Exception:
            return None
        found = choose(losses, self.wishes.loss)
        if found is None:
            return None
        if self.wishes.loss is None and self.wishes.params is None:
            self._require_one(losses, point, implied)
        common = found.loss.common
        if of_step and extra and not kept and common and not found.loss.agreeing:
            folded = common
        both = False
        if of_step:
            gradients = {path: value / folded for path, value in implied.items()}
            names = self._kept(point, after, gradients, names)
            both = len(names) == len(step.paths)
        handover = Handover(
            point, tuple(self._ordered(point)), found.loss, step.rate.value * folded, names
        )
        return Taken(handover, found, of_step, both, folded)

    def _kept(
        self, point: Point, after: State, implied: Gradients, names: Mapping[Path, Path]
    ) -> Mapping[Path, Path]:
        """Where the script keeps the gradients that its step implies; empty where it does not.

        They must be the same where no parameter is updated while they are made.
        """
        values = {path: after.number(place) for path, place in names.items()}
        if not names or not all(
            value is not None and path in implied and are_equal(implied[path], value)
            for path, value in values.items()
        ):
            names = equal_gradients(after, implied, set(point.extra))
        still = point.after({})
        at_rest = all(alike(still.number(place), after.number(place)) for place in names.values())
        return names if at_rest else {}

    def _ordered(self, point: Point) -> list[Path]:
        order = {path: place for place, path in enumerate(leaves(point.snapshot.state))}
        return sorted(point.step.paths, key=lambda path: order.get(path, len(order)))

    def _require_one(self, losses: Sequence[Loss], point: Point, implied: Gradients) -> None:
        """Refuses a loop that descends several losses, each with parameters of its own."""
        strong = {loss.words: loss for loss in losses if loss.strong and loss.kind == ASSIGNED}
        if len(strong) < 2:
            return
        moved = {name: point_fit(point, loss, implied) for name, loss in strong.items()}
        if any(len(paths) == len(implied) for paths in moved.values()):
            return
        own = {name: paths for name, paths in moved.items() if paths}
        if len(own) < 2 or len({tuple(paths) for paths in own.values()}) < 2:
            return
        said = "; ".join(
            f"{name} moves {', '.join(map(label, paths))}" for name, paths in own.items()
        )
        name, paths = next(iter(own.items()))
        raise RefusedError(
            f"the loop descends {len(own)} losses: {said}; check one at a time: --loss {name} "
            f"--params {','.join(map(label, paths))}"
        )

    def described(self, taken: Taken, notes: Sequence[str]) -> TakenApart:
        """What was found, in words."""
        loop = self.run.marked.loops[taken.handover.point.step.loop].node
        rate = taken.handover.point.step.rate
        loss = taken.found.loss
        if taken.handover.point.tolerant:
            said = "none is needed: the iteration raises"
        elif not taken.of_step:
            said = "none is needed: the gradients are the variables named after the parameters"
        elif rate.words:
            said = f"{_rate_words(rate.words, rate.value)}; the gradient is (old - new) / rate"
        else:
            said = "none in the code: 1; the gradient is old - new"
        if taken.folded != 1.0:
            said += f", times {taken.folded:.4g}, the first step of its momentum"
        return TakenApart(
            self.script.path.name,
            time.perf_counter() - self.started,
            loop.lineno,
            taken.handover.point.step.words or f"one iteration of the loop at line {loop.lineno}",
            tuple(map(label, taken.handover.paths)),
            loss.words,
            loss.line,
            tuple(loss_words(taken.found)),
            rate.value if taken.of_step else None,
            said,
            bool(rate.words),
            tuple(notes),
        )


def _rate_words(words: str, value: float) -> str:
    told = "=" in words or " " in words
    return words if told else f"{words} = {value:g}"


def loss_words(found: Found) -> list[str]:
    """What is said of a loss, a line each."""
    loss = found.loss
    if loss.kind == DIFFERENCE:
        said = [f"{loss.words}, line {loss.line} (inferred: your updates descend it)"]
        if not loss.agreeing:
            said = [f"{loss.words}, line {loss.line} (inferred)"]
    elif loss.kind == ASSIGNED:
        said = [f"{loss.words}, line {loss.line}"]
    else:
        said = [f"{loss.words}, {loss.kind} at line {loss.line}"]
    if found.instead is not None:
        but = ", but the same up to a factor" if found.factor else ""
        other = found.instead
        said.append(f"not {other.words} (line {other.line}): your updates do not descend it{but}")
    if found.squares is not None:
        wrong = found.squares.blocks - found.squares.agreeing
        said.append(
            f"with a squared error there, {wrong} of {found.squares.blocks} would be wrong: "
            "--loss squares, if you mean that"
        )
    return said


def implied_gradients(point: Point, after: State) -> dict[Path, np.ndarray[Any, Any]]:
    """The gradients that a step implies, where it keeps the parameters' shapes."""
    found = {}
    for path, old in point.start.items():
        new = after.number(path)
        if new is not None and new.shape == old.shape:
            found[path] = (old - new) / point.step.rate.value
    return found


def _source(implied: Gradients, named: Gradients, remembers: bool) -> tuple[float, bool]:
    """What the step takes of a gradient, and whether it is told by the step at all.

    An optimiser that remembers something and whose step is no multiple of the gradients is
    adaptive: then the script's own variables are the gradients.
    """
    if not any(map(np.any, implied.values())):
        return 1.0, False
    if not remembers or not named or set(named) != set(implied):
        return 1.0, True
    factors = []
    for path, gradient in named.items():
        square = float(np.sum(gradient**2))
        if not square:
            continue
        factor = float(np.sum(implied[path] * gradient)) / square
        off = float(np.linalg.norm(implied[path] - factor * gradient))
        if factor <= 0 or off > ADAPTIVE * float(np.linalg.norm(implied[path])):
            return 1.0, False
        factors.append(factor)
    if not factors or np.ptp(factors) > ADAPTIVE * np.median(factors):
        return 1.0, not factors
    folded = float(np.median(factors))
    return (folded if abs(folded - 1) > CLOSE else 1.0), True


def velocities(run: Run, step: Step, snapshot: Snapshot, after: State) -> dict[Path, Any]:
    """What a step remembers beside its parameters, as zeros: then it says nothing of the past."""
    state = snapshot.state
    shapes = {np.shape(state.get(path)) for path in step.paths}
    found: dict[Path, Any] = {}
    for path, value in leaves(state).items():
        array = np.array(value, dtype=np.float64)
        now = after.number(path)
        if path in step.paths or array.shape not in shapes or now is None or not array.ndim:
            continue
        if np.array_equal(now, array):
            continue
        other = np.zeros(array.shape) if np.any(array) else np.ones(array.shape)
        try:
            without = run.replay(step.loop, snapshot, {path: other}, step.rate)
        except Exception:
            continue
        if any(not alike(after.number(own), without.number(own)) for own in step.paths):
            found[path] = np.zeros(array.shape)
    return found


def point_fit(point: Point, loss: Loss, implied: Gradients) -> list[Path]:
    """The parameters that move down a loss, within a factor."""
    found = []
    for path, gradient in implied.items():
        square = float(np.sum(gradient**2))
        if not square:
            continue
        start = point.start[path]
        width = 1e-4 / max(float(np.max(np.abs(gradient))), 1e-9)
        values = [
            point.seen({path: start + sign * width * gradient}).numbers.get(loss.site)
            for sign in (1, -1)
        ]
        if values[0] is not None and values[1] is not None:
            slope = (values[0] - values[1]) / (2 * width)
            if abs(slope / square - 1) < 0.3:
                found.append(path)
    return found


def unmoved(point: Point, found: Loss) -> list[Path]:
    """Arrays named like parameters that reach the loss and that the loop never updates."""
    base = found.value(_stopped(point, {}, found))
    idle = []
    for path, value in leaves(point.snapshot.state).items():
        changed = path in point.step.changed or path in point.step.paths
        if changed or not ROLE.match(last_name(path)):
            continue
        array = np.array(value, dtype=np.float64)
        moved = array + 1e-3 * (np.abs(array) + 0.1)
        try:
            if found.value(_stopped(point, {path: moved}, found)) != base:
                idle.append(path)
        except Exception:
            continue
    return idle


def _stopped(point: Point, values: dict[Path, Any], loss: Loss) -> Any:
    from gradcheck.script.running import Seen

    seen = Seen(wanted=(loss.site, loss.count))
    changed = {**point.extra, **values}
    point.run.replay(point.step.loop, point.snapshot, changed, point.step.rate, 0.0, seen)
    return seen
