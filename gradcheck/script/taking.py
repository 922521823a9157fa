"""Taking a script apart: it is run up to its loop, and one iteration becomes a case."""

from __future__ import annotations

import ast
import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from gradcheck.options import Wishes
from gradcheck.script.choice import Found, choose, proportional
from gradcheck.script.gradients import (
    implied_gradients,
    is_of_other_data,
    point_fit,
    source_of,
    velocities,
)
from gradcheck.script.handover import Taken, names_of
from gradcheck.script.loops import IDLE, Step, find_step, further_paths
from gradcheck.script.losses import Gradients, Loss, Point, candidates
from gradcheck.script.marks import ASSIGNED
from gradcheck.script.named import are_equal, equal_gradients, named_gradients
from gradcheck.script.reading import Script
from gradcheck.script.refusals import no_loss
from gradcheck.script.running import Run
from gradcheck.script.state import Path, Snapshot, State, alike, label, last_name, leaves
from gradcheck.script.straight import straight_line
from gradcheck.script.words import RefusedError

MOST_FOLDED = 2.0  # a momentum takes 1 - beta of a gradient first, or 1 + beta, looking ahead


@dataclass
class Taking:
    """The search in one script, of which the user may say what it is."""

    script: Script
    wishes: Wishes
    run: Run = field(init=False)
    step: Step | None = field(init=False, default=None)
    started: float = field(init=False, default_factory=time.perf_counter)

    def __post_init__(self) -> None:
        if self.wishes.rate is not None and not self.wishes.rate > 0:
            raise RefusedError(
                f"--lr {self.wishes.rate:g}: such a learning rate moves nothing downhill; it must "
                "be more than 0"
            )
        self.run = Run(self.script, self._test, self.wishes.loss)

    def _test(self, number: int) -> int | None:
        """The loop if it trains, or one within it that did not in the passes that were tested."""
        loops = self.run.marked.loops
        within = {id(node) for node in ast.walk(loops[number].node)}
        for inner, passes in enumerate(self.run.passes[:number]):
            if passes.why == IDLE and id(loops[inner].node) in within and self._trains(inner):
                self.run.snapshots = [passes.first] if passes.first else []
                return inner
        return number if self._trains(number) else None

    def _trains(self, number: int) -> bool:
        self.step = find_step(self.run, number, self.wishes.rate)
        passes = self.run.passes[number]
        if self.step is None or passes.first is None:
            return False
        if self.wishes.loss is not None and not self.run.marked.may_come_to(number):
            self.step, passes.why = None, f"it does not come to {self.wishes.loss}"
            return False
        with contextlib.suppress(RefusedError):  # which is said when the loop is looked at
            if self._at(passes.first) is None:
                passes.why = no_loss(self.step.paths)
                self.step = None
        return self.step is not None

    def execute(self) -> None:
        """Runs the script, which may raise; a loop that has a single pass is tried at its end."""
        try:
            self.run.execute()
        except Exception:
            if self.step is None:
                raise
        for number, passes in enumerate(self.run.passes):
            untried = self.step is None and passes.first is not None and not passes.tests
            if untried and self._trains(number) and passes.first:
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
        refused, found = None, False
        for snapshot in order:
            try:
                taken = self._at(snapshot)
            except RefusedError as error:
                if self.wishes.loss is None:
                    raise
                refused = error  # the loss may be computed in another iteration
                continue
            if taken is not None:
                found = True
                yield taken
        if refused is not None and not found:
            raise refused

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
            assert self.step is not None
            place = self.run.marked.loops[self.step.loop].place
            raise RefusedError(f"the loop at {place}: {no_loss(self.step.paths)}")
        fits = [one.found.loss.agreeing * bool(one.found.loss.middle) for one in found]
        if not fits[0]:  # saturated there, say
            found.insert(0, found.pop(fits.index(max(fits))))
        return found[0], iter(found[1:])

    def _changes_shape(self, snapshots: Sequence[Snapshot]) -> bool:
        """Whether the first iteration gives a parameter another shape, which is what to look at."""
        assert self.step is not None
        arrays = ([one.state.number(path) for one in snapshots] for path in self.step.paths)
        return any(len({one.shape for one in own if one is not None}) > 1 for own in arrays)

    def _wanted(self, names: Sequence[str]) -> list[Path]:
        assert self.step is not None
        paths = [
            path for path in self.step.paths if label(path) in names or last_name(path) in names
        ]
        if not paths:
            there = ", ".join(map(label, self.step.paths))
            raise RefusedError(f"--params {','.join(names)}: the loop updates {there}")
        return paths

    def _at(self, snapshot: Snapshot) -> Taken | None:
        """What an iteration is; None where there is no loss in it."""
        assert self.step is not None
        step = replace(
            self.step,
            paths=[path for path in self.step.paths if snapshot.state.number(path) is not None],
        )
        try:
            after = self.run.replay(step.loop, snapshot)
            step.rate = step.rate.at(snapshot, self.run.rates())
            extra = velocities(self.run, step, snapshot, after)
            point = Point(self.run, step, snapshot, extra)
            after = self.run.replay(step.loop, snapshot, extra)
            implied = implied_gradients(point, after)
            names = named_gradients(after, step.paths, snapshot.state, set(extra))
            named = {path: after.number(place) for path, place in names.items()}
            kept = {path: value for path, value in named.items() if value is not None}
            folded, of_step = source_of(implied, kept, bool(extra))
            own = implied if of_step else kept
            losses = candidates(point, {path: value / folded for path, value in own.items()})
        except Exception:
            return None
        found = choose(losses, self.wishes.loss)
        if found is None:
            return None
        if of_step and not extra:
            found = self._of_its_data(point, found, losses, implied)
        if self.wishes.loss is None and self.wishes.params is None:
            self._require_one(losses, point, implied)
        common = found.loss.common
        is_momentum = of_step and extra and not kept and not found.loss.agreeing
        if is_momentum and common and common < MOST_FOLDED:
            folded = common
        both = False
        if of_step:
            gradients = {path: value / folded for path, value in implied.items()}
            names = self._kept(point, after, gradients, names)
            both = len(names) == len(step.paths)
        known = leaves(snapshot.state)
        paths = [path for path in known if path in step.paths]
        paths += [path for path in step.paths if path not in known]
        rate = step.rate.value * folded
        return Taken(point, names_of(paths), found, rate, names, of_step, both, folded)

    def _of_its_data(
        self, point: Point, found: Found, losses: Sequence[Loss], implied: Gradients
    ) -> Found:
        """What was found, or what is inferred where that is computed of other data."""
        written = found.loss.family is None and self.wishes.loss is None
        inferred = choose([loss for loss in losses if loss.family], None) if written else None
        if inferred and is_of_other_data(point, found.loss, implied, self.run.snapshots):
            why = "it is computed of other data than a step"
            return replace(inferred, instead=found.loss, why=why)
        return found

    def _kept(
        self, point: Point, after: State, implied: Gradients, names: dict[Path, Path]
    ) -> dict[Path, Path]:
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

    def _require_one(self, losses: Sequence[Loss], point: Point, implied: Gradients) -> None:
        """Refuses a loop that descends several losses, each with parameters of its own."""
        strong: dict[str, Loss] = {}
        for loss in losses:
            if loss.strong and loss.site.kind == ASSIGNED:
                kin = (proportional(loss.slopes, other.slopes) for other in strong.values())
                if loss.words in strong or not any(kin):
                    strong[loss.words] = loss
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
