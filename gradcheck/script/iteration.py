"""Take one iteration of a training loop apart: its loss, its gradients, and how it steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gradcheck.options import Wishes
from gradcheck.script.bodies import may_report
from gradcheck.script.choice import Found, choose
from gradcheck.script.gradients import (
    implied_gradients,
    is_of_other_data,
    negated,
    of_schedule,
    opposed,
    require_one_loss,
    source_of,
)
from gradcheck.script.handover import Taken, names_of
from gradcheck.script.losses import candidates, has_loss, ignored
from gradcheck.script.marks import Seen
from gradcheck.script.named import are_equal, equal_gradients, named_gradients
from gradcheck.script.point import Gradients, Loss, Point
from gradcheck.script.running import Run
from gradcheck.script.snapshot import Snapshot
from gradcheck.script.state import Path, State, alike, leaves
from gradcheck.script.step import Step
from gradcheck.script.velocities import never_set_back, velocities

MOST_FOLDED = 2.0  # first step of a momentum: 1 - beta times the gradient, or Nesterov's 1 + beta


@dataclass(frozen=True)
class Iteration:
    """What takes an iteration apart: the script, the training step, and the user's options."""

    run: Run
    step: Step
    wishes: Wishes

    def has_loss(self, snapshot: Snapshot) -> bool:
        """Whether an iteration computes what may be a loss, perhaps where it reports on it."""
        ways = (False, True) if self._may_report else (False,)
        found = any(self._has(snapshot, reports) for reports in ways)
        self.run.reports = False
        return found

    def ignored(self, snapshot: Snapshot) -> list[Path]:
        """Return the parameters that an iteration moves and no error in it depends on."""
        self.run.replay(self.step.loop, snapshot)
        step = self.step.at(snapshot, self.run.rates())
        return ignored(Point(self.run, step, snapshot, {}))

    @property
    def _may_report(self) -> bool:
        return may_report(self.run.marked.loops[self.step.loop])

    def _has(self, snapshot: Snapshot, reports: bool) -> bool:
        self.run.reports = reports
        try:
            self.run.replay(self.step.loop, snapshot)
            point = Point(self.run, self.step.at(snapshot, self.run.rates()), snapshot, {})
            if has_loss(point):
                return True
        except Exception:
            return False
        if not any(site.is_watched for site in self.run.marked.sites):
            return False
        taken = self._as_it_is(snapshot)  # what it only shows is a loss if the step descends it
        return taken is not None and taken.found.loss.site.is_watched

    def taken(self, snapshot: Snapshot) -> Taken | None:
        """Take one iteration apart; None if there is no loss in it.

        If the script computes its loss in other iterations only, this one is made to do so.
        """
        self.run.reports = False  # one before may have reported
        taken = self._as_it_is(snapshot)
        inferred = taken is None or taken.found.loss.family is not None
        if inferred and self._may_report:
            reporting = self._as_it_is(snapshot) if self._sees_more(snapshot) else None
            if reporting and (reporting.found.loss.family is None or reporting.found.instead):
                return replace(reporting, reports=True)
            self.run.reports = False
        return taken

    def _sees_more(self, snapshot: Snapshot) -> bool:
        """Whether an iteration that reports computes what it does not otherwise."""
        seen = Seen(), Seen()
        for reports, one in zip((False, True), seen, strict=True):
            self.run.reports = reports
            self.run.replayed(self.step.loop, snapshot, {}, None, 1.0, one)
        return seen[0].records.keys() != seen[1].records.keys()

    def _as_it_is(self, snapshot: Snapshot) -> Taken | None:
        try:
            after = self.run.replay(self.step.loop, snapshot)
            step = of_schedule(self.run, self.step.at(snapshot, self.run.rates()), snapshot)
            extra = velocities(self.run, step, snapshot, after)
            point = Point(self.run, step, snapshot, extra)
            after = self.run.replay(step.loop, snapshot, extra)
            implied = implied_gradients(point, after)
            grown = [path for path in step.paths if path not in implied]
            any_shape = bool(grown) or self.run.marked.loops[step.loop].is_straight
            names = named_gradients(after, step.paths, snapshot.state, set(extra), any_shape)
            named = {path: after.number(place) for path, place in names.items()}
            stored = {path: value for path, value in named.items() if value is not None}
            folded, of_step = source_of(implied, stored, bool(extra))
            if grown:  # by gradients of a wrong shape: are they the stored ones?
                shapes = {path: (stored[path].shape, point.start[path].shape) for path in stored}
                of_step = not stored or any(len({*shapes[path]}) == 1 for path in grown)
            added = frozenset() if of_step else opposed(point, after, names, implied)
            source = implied if of_step else negated(stored, added)
            losses = candidates(point, {path: value / folded for path, value in source.items()})
        except Exception:
            return None
        found = choose(losses, self.wishes.loss)
        if found is None:
            return None
        if of_step and not extra:
            found = self._of_its_data(point, found, losses, implied)
        if self.wishes.loss is None and self.wishes.params is None:
            require_one_loss(losses, point, implied)
        common = found.loss.common
        is_momentum = of_step and extra and not stored and not found.loss.agreeing
        if is_momentum and common and common < MOST_FOLDED:
            folded = common
        both = False
        if of_step:
            gradients = {path: value / folded for path, value in implied.items()}
            names = self._kept(point, after, gradients, names)
            both = len(names) == len(step.paths)
        numbers = leaves(snapshot.state)
        paths = [path for path in numbers if path in step.paths]
        paths += [path for path in step.paths if path not in numbers]
        rate = step.rate.value * folded
        summed = never_set_back(point, after)
        if summed:  # it belongs to what the step implies, and is wrong from the second pass on
            left = {path: value for path, value in extra.items() if path not in summed}
            point, names, of_step, both = replace(point, extra=left), {}, True, False
        return Taken(point, names_of(paths), found, rate, names, of_step, both, folded, added)

    def _of_its_data(
        self, point: Point, found: Found, losses: Sequence[Loss], implied: Gradients
    ) -> Found:
        """Return the inferred loss instead, if the written one is computed from other data."""
        written = found.loss.family is None and self.wishes.loss is None
        inferred = choose([loss for loss in losses if loss.family], None) if written else None
        if inferred and is_of_other_data(point, found.loss, implied, self.run.snapshots):
            why = "it is computed of other data than a step"
            return replace(inferred, instead=found.loss, why=why)
        return found

    def _kept(
        self, point: Point, after: State, implied: Gradients, names: dict[Path, Path]
    ) -> dict[Path, Path]:
        """Return where the script keeps the gradients that its step implies; empty if nowhere.

        They must be the same when the iteration updates no parameter, and whatever it remembers:
        else what an optimiser makes of them is kept in their place.
        """
        values = {path: after.number(place) for path, place in names.items()}
        if not names or not all(
            value is not None and path in implied and are_equal(implied[path], value)
            for path, value in values.items()
        ):
            names = equal_gradients(after, implied, set(point.extra))
        more = {path: value + 1.0 for path, value in point.extra.items()}
        other = self.run.replayed(point.step.loop, point.snapshot, more) if more and names else None
        others = [one for one in (point.after({}), other) if one is not None]
        places = [(one, place) for one in others for place in names.values()]
        same = all(alike(one.number(place), after.number(place)) for one, place in places)
        return names if same else {}
